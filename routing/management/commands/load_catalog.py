"""Load a catalogue file: check all of it, then write all of it or nothing."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from providers.catalog.source import MAX_BYTES, CatalogError, Problem
from routing.curation.catalog_file import KINDS, Checked, Loaded, check_file, load


class Command(BaseCommand):
    help = "Load providers, models, endpoints and allowlists from a file (docs/catalog.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--check", action="store_true", help="only check the file")
        mode.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument("--as", dest="username", default="", help="who publishes allowlists")

    def handle(self, file: Path, check: bool, dry_run: bool, username: str, **_: Any) -> str:
        checked = self.checked(file)
        if check:
            return f"{file} is fine: {_contents(checked)}."
        loaded = load(checked, by=_user(username), dry_run=dry_run)
        return _summary(loaded, dry_run=dry_run)

    def checked(self, file: Path) -> Checked:
        try:
            checked = check_file(_content(file))
        except CatalogError as error:
            self.show(file, error.problems)
            errors = sum(not problem.warning for problem in error.problems)
            raise CommandError(f"{errors} error(s) in {file}: nothing was written.") from None
        self.show(file, checked.warnings)
        return checked

    def show(self, file: Path, problems: Any) -> None:
        for problem in problems:
            self.stderr.write(_line(file, problem), self.style.WARNING if problem.warning else None)


def _line(file: Path, problem: Problem) -> str:
    line, rest = str(problem).split(" ", 1)
    return f"{file}:{line} {'warning: ' if problem.warning else ''}{rest}"


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None


def _user(username: str) -> User | None:
    if not username:
        return None
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist:
        raise CommandError(f"There is no user {username}: nothing was written.") from None


def _contents(checked: Checked) -> str:
    sections = [checked.catalog.providers, checked.catalog.models, checked.catalog.endpoints]
    counts = [len(section) for section in [*sections, checked.lists]]
    return ", ".join(f"{count} {kind}" for count, kind in zip(counts, KINDS, strict=True))


def _summary(loaded: Loaded, *, dry_run: bool) -> str:
    lines = ["Nothing was written; this would change:"] if dry_run else []
    for kind in KINDS:
        done = Counter(change.done for change in loaded.changes if change.kind == kind)
        counts = ", ".join(f"{done[what]} {what}" for what in ("created", "updated", "unchanged"))
        alone = loaded.left_alone[kind]
        lines.append(
            f"{kind}: {counts}" + (f"; {alone} not in the file, left alone" if alone else "")
        )
    lines += [f"{change.key}: {change.note}" for change in loaded.changes if change.note]
    return "\n".join(lines)
