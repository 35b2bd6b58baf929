"""What a provider may know of its endpoint: the same figures as everybody, and how to mend it.

Owns what is gathered. Public figures are `routing.api.exacto`'s, with none of few owners in them;
requests are `reproductions`'. The rules others rely on: reading changes nothing; what a curator or
a detector wrote of a quarantine is not told; the number of queries does not grow.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from providers.models import Endpoint
from routing.api.exacto import exacto_row
from routing.models import Quarantine
from routing.pages.eligibility import lacking
from routing.pages.reproductions import Verified, verified
from telemetry.models import ScorePoint, Standing
from telemetry.scoring.method import DEFAULT

DAYS = 30
_LATEST = 20


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an endpoint."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report shows of an endpoint; `row` is None while it is out of service."""

    endpoint: Endpoint
    edition: int | None
    row: dict[str, Any] | None
    lacks: list[str]
    verified: Verified | None
    history: list[Event]


def facts_of(endpoint: Endpoint, at: datetime) -> Facts:
    """Gather what the report of an endpoint shows."""
    told = exacto_row(endpoint.model)
    row = next((one for one in told["endpoints"] if one["tag"] == endpoint.tag), None)
    return Facts(
        endpoint=endpoint,
        edition=told["edition"],
        row=row,
        lacks=lacking(row, DEFAULT) if row else ["It is out of service: nothing is sent to it."],
        verified=verified(endpoint),
        history=_history(endpoint, at),
    )


def _history(endpoint: Endpoint, at: datetime) -> list[Event]:
    events = [*_standings(endpoint, at), *_quarantines(endpoint)]
    return sorted(events, key=lambda one: one.at, reverse=True)[:_LATEST]


def _standings(endpoint: Endpoint, at: datetime) -> list[Event]:
    points = ScorePoint.objects.filter(endpoint=endpoint, hour__gte=at - timedelta(days=DAYS))
    events, before = [], ""
    for hour, standing in points.order_by("hour").values_list("hour", "standing"):
        if standing != before:
            events.append(Event(hour, f"standing: {Standing(standing).label}"))
        before = standing
    return events


def _quarantines(endpoint: Endpoint) -> list[Event]:
    rows = Quarantine.objects.filter(endpoint=endpoint, model=endpoint.model, variant="exacto")
    events = []
    for row in rows.order_by("-started_at")[:_LATEST]:
        events.append(Event(row.started_at, f"set aside: {row.get_kind_display()}"))
        if row.ended_at:
            events.append(Event(row.ended_at, "back from being set aside"))
    return events
