"""All that is public of one model's allowlist: the endpoints, the method, the editions before.

Owns the shape that the page, the JSON and the CSV of a model share. Evidence and what of it is
withheld are `routing.api.exacto`'s. The rules others rely on: a model without a live edition has
nothing public here; the number of queries depends neither on endpoints nor on editions.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import F

from providers.models import Model
from routing.api.exacto import exacto_row
from routing.curation.against import thresholds_in_force
from routing.models import Allowlist, AllowlistEntry

VARIANT = "exacto"
HISTORY = 20  # editions told; the JSON of a model is to stay small


def published_model(author: str, slug: str) -> Model | None:
    """Return a model in service with a live edition."""
    return Model.objects.filter(
        slug=f"{author}/{slug}",
        enabled=True,
        allowlists__variant=VARIANT,
        allowlists__status=Allowlist.Status.PUBLISHED,
    ).first()


def published(model: Model) -> dict[str, Any]:
    """Return what everybody may know of a model's allowlist, ready for JSON."""
    row = exacto_row(model)
    return {
        **row,
        "least_owners": settings.SCOREBOARD_OWNERS,
        "thresholds": _thresholds(model, row["endpoints"]),
        "history": _history(model),
    }


def _thresholds(model: Model, endpoints: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return every number that decides, of the one method that scored these endpoints."""
    methods = {one["method"] for one in endpoints} - {None}
    return thresholds_in_force(model, VARIANT, *methods) if len(methods) == 1 else {}


def _history(model: Model) -> list[dict[str, Any]]:
    """Return the last editions, newest first, each with whom it added and removed."""
    editions = list(
        Allowlist.objects.filter(model=model, variant=VARIANT, published_at__isnull=False)
        .order_by(F("published_at").desc(), "-version")
        .only("version", "published_at", "retired_at")[: HISTORY + 1]
    )
    tags: dict[int, set[str]] = {edition.pk: set() for edition in editions}
    entries = AllowlistEntry.objects.filter(allowlist__in=list(tags))
    for pk, tag in entries.values_list("allowlist_id", "endpoint__tag"):
        tags[pk].add(tag)
    before: list[Allowlist | None] = [*editions, None]
    return [
        _change(edition, tags[edition.pk], tags[older.pk] if older else set())
        for edition, older in pairwise(before)
        if edition
    ][:HISTORY]


def _change(edition: Allowlist, tags: set[str], before: set[str]) -> dict[str, Any]:
    return {
        "edition": edition.version,
        "published_at": _iso(edition.published_at),
        "retired_at": _iso(edition.retired_at),
        "endpoints": sorted(tags),
        "added": sorted(tags - before),
        "removed": sorted(before - tags),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
