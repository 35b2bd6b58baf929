"""A whole catalogue file, loaded or written: all its sections in one transaction.

Owns the order of work: read, check everything, then write. It knows no terminal. The rule others
rely on: a file with any error writes nothing, and a loaded file loads again without a change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import transaction

from providers.catalog.check import Catalog, check
from providers.catalog.dump import Section, as_yaml, dump_rows, stored_credentials
from providers.catalog.source import CatalogError, Problem, read
from providers.catalog.write import Change, existing, write
from providers.models import Endpoint, Model, Provider, Revision
from routing.curation.catalog_lists import ListEntry, check_lists, dump_lists, publish_lists
from routing.models import Allowlist

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KINDS = ("providers", "models", "endpoints", "allowlists")


@dataclass(frozen=True, slots=True)
class Checked:
    """A file without errors."""

    catalog: Catalog
    lists: Sequence[ListEntry]
    warnings: Sequence[Problem]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading did; `left_alone` counts rows per kind that the file does not name."""

    changes: Sequence[Change]
    left_alone: dict[str, int]


def check_file(content: bytes) -> Checked:
    """Return what the file says. Raises CatalogError with every problem, warnings included."""
    source = read(content)
    catalog = check(source, existing())
    lists, list_problems = check_lists(source, catalog)
    problems = sorted(
        [*catalog.problems, *list_problems], key=lambda problem: (problem.line, str(problem))
    )
    if not all(problem.warning for problem in problems):
        raise CatalogError(problems)
    return Checked(catalog, lists, problems)


def load(file: Checked, *, by: "User | None" = None, dry_run: bool = False) -> Loaded:
    """Bring the database in line with the file, or, dry, only say what that would change."""
    with transaction.atomic():
        # Two loads at once queue here, so the second compares with what the first wrote.
        Revision.objects.select_for_update().get(topic="catalog")
        changes = [*write(file.catalog), *publish_lists(list(file.lists), by=by)]
        left_alone = _left_alone(changes)
        if dry_run:
            transaction.set_rollback(True)
    return Loaded(changes, left_alone)


def dump() -> str:
    """Return the database's catalogue as a file's text.

    Raises CatalogError where a row breaks the file's rules, as rows edited by hand may.
    """
    sections = {**dump_rows(), "allowlists": dump_lists()}
    text = as_yaml(sections)
    try:
        check_file(text.encode())
    except CatalogError as error:
        raise CatalogError([_named(problem, sections) for problem in error.problems]) from None
    notes = [
        f"# {slug}: its credential is stored here and not in this file.\n"
        for slug in stored_credentials()
    ]
    return "".join(notes) + text


def _named(problem: Problem, sections: Mapping[str, Section]) -> Problem:
    """Return the problem with the name of its row, as nobody sees the text's indexes."""
    match problem.path:
        case (str(section), int(index), *_):
            item = sections[section][index]
            keys = [item[key] for key in ("slug", "model", "tag", "variant") if key in item]
            return replace(problem, message=f"{' '.join(keys)}: {problem.message}")
    return problem


def _left_alone(changes: Sequence[Change]) -> dict[str, int]:
    published = Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED)
    rows = {
        "providers": Provider.objects.count(),
        "models": Model.objects.count(),
        "endpoints": Endpoint.objects.count(),
        "allowlists": published.count(),
    }
    return {kind: rows[kind] - sum(change.kind == kind for change in changes) for kind in KINDS}
