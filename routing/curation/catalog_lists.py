"""The allowlists of a catalogue file: checked, published where they differ, and written back.

Owns what an allowlist section means; the other sections and all reading of files are
`providers.catalog`'s. The rules others rely on: an edition is published only if its endpoints or
their reasons differ from the live one's, and lists the file does not name are left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from providers.catalog.check import UNKNOWN, Catalog, items
from providers.catalog.source import Path, Problem, Source
from providers.catalog.write import Change
from providers.models import Endpoint, Model
from routing.gateway.slugs import POOL_VARIANTS
from routing.models import Allowlist

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One allowlist of the file; `endpoints` are (tag, reason)."""

    model: str
    variant: str
    reason: str
    endpoints: tuple[tuple[str, str], ...]


def check_lists(source: Source, catalog: Catalog) -> tuple[list[ListEntry], list[Problem]]:
    """Return the file's allowlists, and what is wrong with them that the schema cannot see."""
    faulted = {problem.path[:2] for problem in catalog.errors}
    entries: list[ListEntry] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, str], Path] = {}
    for path, item in items(source, "allowlists"):
        if path in faulted:
            continue
        key = (item["model"], item["variant"])
        if key in seen:
            text = f"{':'.join(key)} appears twice, first on line {source.lines[seen[key]]}."
            problems.append(source.problem(path, text))
        seen.setdefault(key, path)
        problems += _list_problems(source, path, item, catalog)
        tags = tuple((entry["tag"], entry.get("reason", "")) for entry in item["endpoints"])
        entries.append(ListEntry(*key, item["reason"], tags))
    return entries, problems


def _list_problems(
    source: Source, path: Path, item: dict[str, Any], catalog: Catalog
) -> Iterator[Problem]:
    model = item["model"]
    if item["variant"] not in POOL_VARIANTS:
        known = ", ".join(POOL_VARIANTS)
        yield source.problem((*path, "variant"), f"there is no such variant. Known: {known}.")
    if (model,) not in catalog.known.models:
        yield source.problem((*path, "model"), UNKNOWN)
        return
    tags: set[str] = set()
    for index, entry in enumerate(item["endpoints"]):
        tag, at = entry["tag"], (*path, "endpoints", index, "tag")
        if tag in tags:
            yield source.problem(at, "is on this list twice: remove one.")
        elif (model, tag) not in catalog.known.endpoints:
            yield source.problem(at, _unknown_endpoint(model, tag, catalog))
        tags.add(tag)


def _unknown_endpoint(model: str, tag: str, catalog: Catalog) -> str:
    others = sorted(key[0] for key in catalog.known.endpoints if key[1] == tag)
    if others:
        return f"is an endpoint of {', '.join(others)}, not of {model}: use one of its own."
    return UNKNOWN


def publish_lists(entries: list[ListEntry], *, by: "User | None") -> list[Change]:
    """Publish each list that differs from its live edition. Call it in a transaction."""
    live = {
        (edition.model.slug, edition.variant): {
            entry.endpoint.tag: entry.reason for entry in edition.entries.all()
        }
        for edition in _published()
    }
    return [_publish(entry, live.get((entry.model, entry.variant)), by) for entry in entries]


def _publish(entry: ListEntry, live: dict[str, str] | None, by: "User | None") -> Change:
    key = f"{entry.model}:{entry.variant}"
    if live == dict(entry.endpoints):
        return Change("allowlists", key, "unchanged")
    model = Model.objects.get(slug=entry.model)
    endpoints = {row.tag: row for row in Endpoint.objects.filter(model=model)}
    edition = Allowlist.draft(model, variant=entry.variant, by=by, reason=entry.reason)
    for tag, reason in entry.endpoints:
        edition.entries.create(endpoint=endpoints[tag], reason=reason)
    edition.publish(by=by)
    done = "created" if live is None else "updated"
    return Change("allowlists", key, done, f"edition {edition.version} is live")


def dump_lists() -> list[dict[str, Any]]:
    """Return the published editions as the file's allowlist section."""
    return [
        {
            "model": edition.model.slug,
            "variant": edition.variant,
            "reason": edition.reason,
            "endpoints": [
                {"tag": entry.endpoint.tag} | ({"reason": entry.reason} if entry.reason else {})
                for entry in edition.entries.all()
            ],
        }
        for edition in _published()
    ]


def _published() -> QuerySet[Allowlist]:
    return (
        Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED)
        .order_by("model__slug", "variant")
        .select_related("model")
        .prefetch_related("entries__endpoint")
    )
