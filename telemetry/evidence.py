"""From counters in the database to the arrays that scoring reads.

Owns which counters count at a moment, and how much: the window, the decay, and what a change of
an endpoint set aside. It computes no estimate. The rules others rely on: attempts are never read,
so the cost does not grow with traffic; an endpoint without counters has zeros, not a gap.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet

from providers.models import Endpoint
from telemetry.models import BenchmarkRun, OwnerUse, Rollup
from telemetry.scoring import cells
from telemetry.scoring.detection import HourlyCounts
from telemetry.scoring.evidence import (
    ATTEMPTS,
    REQUESTS,
    BenchmarkCounts,
    Counts,
    PoolEvidence,
    active_slots,
)
from telemetry.scoring.method import HALF_LIFE
from telemetry.votes import ignore_votes

_HOUR = timedelta(hours=1)
StoredPeriod = tuple[
    int, str, datetime, bytes | memoryview
]  # endpoint, period, start, packed counters
_LENGTH = {Rollup.Period.HOUR: _HOUR, Rollup.Period.DAY: timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class _Member:
    """One endpoint of the pool, and since when its counters say something of it."""

    id: int
    since: datetime
    propensity_since: datetime


def load_evidence(
    model_id: int, at: datetime, *, standing_ignores: Mapping[int, Collection[int]] | None = None
) -> PoolEvidence:
    """Return what is known at `at` of a model's endpoints that are switched on, by ascending id.

    `standing_ignores` are {endpoint id: accounts that always ignore it}. Counters lose half their
    weight in HALF_LIFE; a period that began before its endpoint's `evidence_since` (for
    propensity: `propensity_since`) is left out. Raises DamagedCellsError.
    """
    rows = list(_endpoints(model_id).select_related("score"))
    members = [_member(row, at) for row in rows]
    counts = np.zeros((len(members), *cells.SHAPE))
    propensity, recorded = np.zeros_like(counts), np.zeros_like(counts)
    for k, starts_at, weight, block in _periods(members, at):
        decayed = weight * block
        if starts_at >= members[k].since:
            counts[k] += decayed
            recorded[k] += block
        if starts_at >= members[k].propensity_since:
            propensity[k] += decayed
    endpoint_ids = tuple(member.id for member in members)
    benchmarks = [_benchmarks(member, at) for member in members]
    owners = [_owners(m.id, m.since, at, recorded[k]) for k, m in enumerate(members)]
    asking = [_owners(m.id, m.propensity_since, at, propensity[k]) for k, m in enumerate(members)]
    return PoolEvidence(
        endpoint_ids=endpoint_ids,
        counts=counts,
        propensity_counts=propensity,
        recorded=recorded,
        owners=tuple(asked for asked, _ in owners),
        votes=ignore_votes(model_id, endpoint_ids, at.date(), standing_ignores or {}),
        benchmarks=tuple(aged for aged, _ in benchmarks),
        measured=tuple(told for _, told in benchmarks),
        reference=next((k for k, row in enumerate(rows) if row.reference), None),
        calling=tuple(called for _, called in owners),
        asking=tuple(asked for asked, _ in asking),
    )


def load_hourly(model_id: int, at: datetime, hours: int) -> HourlyCounts:
    """Return the counters of the last `hours` hours, of which the one at `at` is partial.

    Hours older than COUNTER_HOURS are days by now: ask for no more. Raises DamagedCellsError.
    """
    endpoint_ids = tuple(_endpoints(model_id).values_list("pk", flat=True))
    last = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [last - _HOUR * back for back in reversed(range(hours))]
    counts = np.zeros((len(endpoint_ids), hours, *cells.SHAPE))
    rows = Rollup.objects.filter(
        endpoint__in=endpoint_ids, period=Rollup.Period.HOUR, starts_at__in=starts
    )
    k_of = {pk: k for k, pk in enumerate(endpoint_ids)}
    h_of = {start: h for h, start in enumerate(starts)}
    for endpoint_id, starts_at, packed in rows.values_list("endpoint_id", "starts_at", "cells"):
        counts[k_of[endpoint_id], h_of[starts_at]] = cells.unpack(bytes(packed))
    return HourlyCounts(endpoint_ids, tuple(start.timestamp() for start in starts), counts)


def _endpoints(model_id: int) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(model=model_id, enabled=True, provider__enabled=True).order_by(
        "pk"
    )


def _member(row: Endpoint, at: datetime) -> _Member:
    oldest = at - timedelta(days=settings.COUNTER_DAYS)
    score = getattr(row, "score", None)
    return _Member(
        id=row.pk,
        since=max(oldest, (score and score.evidence_since) or oldest),
        propensity_since=max(oldest, (score and score.propensity_since) or oldest),
    )


def _periods(
    members: list[_Member], at: datetime
) -> Iterator[tuple[int, datetime, float, cells.Cells]]:
    """Yield (index of the endpoint, start, weight, counters) of each period that may count."""
    if not members:
        return
    k_of = {member.id: k for k, member in enumerate(members)}
    since = min(min(m.since, m.propensity_since) for m in members)
    rows = Rollup.objects.filter(
        endpoint__in=k_of, period__in=_LENGTH, starts_at__gte=since, starts_at__lt=at
    ).values_list("endpoint_id", "period", "starts_at", "cells")
    for endpoint_id, period, starts_at, packed in _fetched(rows):
        age = at - starts_at - _LENGTH[Rollup.Period(period)] / 2
        weight = 0.5 ** (max(age, timedelta(0)) / HALF_LIFE)
        yield k_of[endpoint_id], starts_at, weight, cells.unpack(bytes(packed))


def _fetched(rows: QuerySet[Rollup, StoredPeriod]) -> Iterable[StoredPeriod]:
    """Read counters as the bytes they are: PostgreSQL's text would be twice as many to wait for.

    Django asks for text only, so there this asks psycopg itself.
    """
    if connection.vendor != "postgresql":
        return rows.iterator(chunk_size=200)
    import psycopg  # not there where all is SQLite

    sql, parameters = rows.query.sql_with_params()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(sql, parameters, binary=True).fetchall()


def _owners(endpoint_id: int, since: datetime, at: datetime, counts: Counts) -> tuple[int, int]:
    """Count the owners behind its scored requests since then: all, and who saw a tool call.

    They are known by the day. Of a day on which a change set older counters aside, no more are
    told than stand behind `counts`: a figure must not look as if it were of many who are not in it.
    """
    uses = OwnerUse.objects.filter(
        endpoint=endpoint_id, day__range=(since.date(), at.date()), requests__gt=0
    )
    called, later = Q(tool_calls__gt=0) | Q(failures__gt=0), Q(day__gt=since.date())
    found = uses.aggregate(
        asked=_different(Q()), called=_different(called),
        asked_later=_different(later), called_later=_different(later & called),
    )  # fmt: skip
    if since <= at - timedelta(days=settings.COUNTER_DAYS):
        return found["asked"], found["called"]
    asked, called_since = active_slots(counts, REQUESTS), active_slots(counts, ATTEMPTS)
    return (
        max(found["asked_later"], min(found["asked"], asked)),
        max(found["called_later"], min(found["called"], called_since)),
    )


def _different(which: Q) -> Count:
    return Count("account_id", distinct=True, filter=which)


def _benchmarks(member: _Member, at: datetime) -> tuple[BenchmarkCounts, BenchmarkCounts]:
    """Sum the runs that still say something of the endpoint: by age and suite, and as they were."""
    since = max(member.since, at - timedelta(days=settings.BENCHMARK_DAYS))
    runs = BenchmarkRun.objects.filter(endpoint=member.id, measured_at__range=(since, at))
    aged, told = np.zeros(3), np.zeros(3)
    rows = runs.values_list("suite", "measured_at", "requests", "tool_calls", "failures")
    for suite, measured_at, *sample in rows:
        weight = settings.BENCHMARK_WEIGHTS.get(suite, 1.0)
        aged += weight * 0.5 ** ((at - measured_at) / HALF_LIFE) * np.array(sample, float)
        told += np.array(sample, float) * (weight > 0)
    return BenchmarkCounts(*map(float, aged)), BenchmarkCounts(*map(float, told))
