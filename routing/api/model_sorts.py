"""The sorts of GET /models.

Owns what each sort compares. It filters nothing. The rules others rely on: who lacks the figure
comes last, and equals stay as they were; a sort by a third party's index, which Assay does not
have, changes nothing.
Source: OpenRouter's public schema (2026-08), and its descriptions in the SDKs (2026-11).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from routing.api.reachable import Listing
from routing.errors import ApiError
from telemetry.service_figures import ServiceFigures, service_figures, tokens_used

Measured = dict[str, float | None]  # by the listing's id; None: not known

_POPULARITY_DAYS = 7
UNMEASURED = frozenset(
    """intelligence-high-to-low coding-high-to-low agentic-high-to-low
    design-arena-elo-high-to-low""".split()
)


def sort_listings(listings: list[Listing], sort: str, at: datetime) -> list[Listing]:
    """Return the listings in this order; those without the figure come last, as they were."""
    if not sort or sort in UNMEASURED:
        return listings
    if sort not in SORTS:
        known = ", ".join(sorted([*SORTS, *UNMEASURED]))
        raise ApiError(400, f"sort: give one of {known}.", metadata={"path": "sort"})
    measure, descending = SORTS[sort]
    figures = measure(listings, at)
    sign = -1 if descending else 1

    def place(one: Listing) -> float:
        figure = figures.get(one.id)
        return math.inf if figure is None else sign * figure

    return sorted(listings, key=place)


def _released(listings: Sequence[Listing], at: datetime) -> Measured:
    dates = {one.id: one.model.released_at for one in listings}
    return {name: None if day is None else day.toordinal() for name, day in dates.items()}


def _price(listings: Sequence[Listing], at: datetime) -> Measured:
    return {
        one.id: float(one.endpoints[0].price_prompt + one.endpoints[0].price_completion)
        for one in listings
    }


def _context(listings: Sequence[Listing], at: datetime) -> Measured:
    return {one.id: one.context_length for one in listings}


def _tokens(listings: Sequence[Listing], at: datetime) -> Measured:
    used = tokens_used(_endpoint_ids(listings), at, _POPULARITY_DAYS)
    return {one.id: sum(used.get(e.pk, 0) for e in one.endpoints) for one in listings}


def _throughput(listings: Sequence[Listing], at: datetime) -> Measured:
    return _best(listings, at, lambda figures: figures.throughput, max)


def _latency(listings: Sequence[Listing], at: datetime) -> Measured:
    return _best(listings, at, lambda figures: figures.latency, min)


def _best(
    listings: Sequence[Listing],
    at: datetime,
    percentiles: Callable[[ServiceFigures], dict[str, float] | None],
    best: Callable[[list[float]], float],
) -> Measured:
    """Return each listing's best median."""
    least = settings.LIMITS.uptime_told_requests
    found = service_figures(_endpoint_ids(listings), at, least=least)
    medians = {pk: known["p50"] for pk, one in found.items() if (known := percentiles(one))}
    measured: Measured = {}
    for one in listings:
        own = [medians[e.pk] for e in one.endpoints if e.pk in medians]
        measured[one.id] = best(own) if own else None
    return measured


# Each with its measure, and whether the largest comes first.
SORTS: Mapping[str, tuple[Callable[[Sequence[Listing], datetime], Measured], bool]] = {
    "newest": (_released, True),
    "pricing-low-to-high": (_price, False),
    "pricing-high-to-low": (_price, True),
    "context-high-to-low": (_context, True),
    "throughput-high-to-low": (_throughput, True),
    "latency-low-to-high": (_latency, False),
    "most-popular": (_tokens, True),
    "top-weekly": (_tokens, True),
}


def _endpoint_ids(listings: Sequence[Listing]) -> list[int]:
    return [endpoint.pk for one in listings for endpoint in one.endpoints]
