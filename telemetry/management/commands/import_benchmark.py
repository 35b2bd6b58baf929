"""Import a benchmark's result files for one endpoint: all of them, or nothing."""

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from providers.models import Endpoint
from telemetry.benchmarks.bundle import MAX_FILES, MAX_GIVEN, Bundle, open_bundle
from telemetry.benchmarks.errors import ResultError
from telemetry.benchmarks.importing import Imported, Order, import_run
from telemetry.benchmarks.reading import Figure


class Command(BaseCommand):
    help = "Store what a benchmark's result files say of one endpoint (docs/benchmarks.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, help="a run's files, its folder or zip")
        parser.add_argument("--endpoint", required=True, metavar="MODEL@TAG")
        parser.add_argument("--reference", type=Path, help="the reference's answers, for F1")
        parser.add_argument("--measured-at", type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument("--origin", default="", help="who ran it, and where from")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would store")

    def handle(self, **options: Any) -> str:
        endpoint = endpoint_named(options["endpoint"])
        day: date | None = options["measured_at"]
        try:
            reference = options["reference"] and bundle_of([options["reference"]])
            order = Order(
                endpoint=endpoint,
                files=bundle_of(options["files"]),
                now=now(),
                reference=reference or None,
                measured_at=datetime.combine(day, time(), UTC) if day else None,
                origin=options["origin"],
                rehearse=options["dry_run"],
            )
            imported = import_run(order)
        except ResultError as error:
            raise CommandError(f"{error} Nothing was stored.") from None
        for warning in imported.warnings:
            self.stderr.write(warning, self.style.WARNING)
        return summary_of(imported, rehearsed=order.rehearse)


def endpoint_named(name: str) -> Endpoint:
    slug, _, tag = name.partition("@")
    try:
        return Endpoint.objects.select_related("model", "provider").get(model__slug=slug, tag=tag)
    except Endpoint.DoesNotExist:
        tags = Endpoint.objects.filter(model__slug=slug).values_list("tag", flat=True)
        known = f"{slug} has: {', '.join(sorted(tags))}" if tags else f"there is no model {slug}"
        raise CommandError(f"There is no endpoint {name}; {known}. Write MODEL@TAG.") from None


def bundle_of(paths: list[Path]) -> Bundle:
    """Return the files named, and those in the folders named. Raises CommandError, ResultError."""
    given, room = [], MAX_GIVEN
    for path in paths:
        for name, file in _files(path):
            try:
                with file.open("rb") as stream:
                    content = stream.read(room + 1)  # one more than may be: refused as too much
            except OSError as error:
                raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
            room = max(0, room - len(content))
            given.append((name, content))
    return open_bundle(given)


def _files(path: Path) -> list[tuple[str, Path]]:
    """Return (name, file): of a folder, all that is not hidden, named as below it."""
    if not path.is_dir():
        return [(path.name, path)]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink()]
    below = [(file.relative_to(path), file) for file in found]
    named = [
        (name.as_posix(), file)
        for name, file in below
        if not any(part.startswith(".") for part in name.parts)
    ]
    if len(named) > MAX_FILES:
        raise CommandError(f"{path} holds more than {MAX_FILES} files: name the run's own folder.")
    if not named:
        raise CommandError(f"{path} holds no files.")
    return named


def summary_of(imported: Imported, *, rehearsed: bool) -> str:
    run = imported.run
    if not imported.created:
        return f"{run} is stored already: nothing was written."
    done = "Nothing was written; this would be stored" if rehearsed else "Stored"
    lines = [
        f"{done}: {run}.",
        f"{run.requests} replies, {run.tool_calls} are tool calls, {run.failures} with a bad one.",
        *(_line(figure) for figure in imported.reading.figures),
        "Comparable only with runs of the same suite, version, judge and request set: "
        f"{run.suite}, {run.suite_version or 'no version'}, {run.judge or 'no judge'}, "
        f"{run.request_set[:12] or 'unknown'}.",
    ]
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"  {figure.metric}: {figure.value:.4f} of {figure.sample}"
    interval = f"95 % in {figure.low:.4f} to {figure.high:.4f}"
    return f"  {figure.metric}: {figure.value:.4f} of {figure.sample} ({interval})"
