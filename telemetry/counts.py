"""Verdict counts: how many attempts of an endpoint, day and verdict there are.

Owns every change of `VerdictCount`. It knows nothing of the spool. The rule others rely on:
whoever inserts attempts or changes their verdict holds `facts_lock` and hands the difference to
`shift` in the same transaction, so the counts always equal a count over the rows of callers'
traffic; a benchmark's attempts are in none.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Count, F, QuerySet
from django.db.models.functions import TruncDate

from telemetry.models import Attempt, FactsKept, Verdict, VerdictCount

_ADVISORY_LOCK = 0x41737361  # any number, the same for everyone: "Assa"
_BATCH = 2_000

# A pending attempt this old has lost its verdict: longer than the longest stream (STREAM_S)
# and the time its facts may wait in the spool of a living process.
LOST_AFTER = timedelta(minutes=20)


class Cell(NamedTuple):
    """What one count counts."""

    endpoint_id: int
    day: date
    verdict: str


@contextmanager
def facts_lock() -> Iterator[None]:
    """Run one transaction that may change attempts; there is one at a time, on all machines.

    Facts can arrive twice in different files, so a lock of one file would not do. On SQLite
    the transaction itself (BEGIN IMMEDIATE) is that lock.
    """
    with transaction.atomic(durable=True):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        yield


def shift(differences: Counter[Cell]) -> None:
    """Add the differences, which may be negative, to the counts. Hold `facts_lock`."""
    for cell, difference in differences.items():
        if difference and not _matching(cell).update(attempts=F("attempts") + difference):
            VerdictCount.objects.create(**cell._asdict(), attempts=difference)


def compare(*, repair: bool = False) -> dict[Cell, tuple[int, int]]:
    """Return every cell whose count is not that of its rows, as (counted, rows).

    Days of which rows were removed are not compared.
    """
    with facts_lock():
        since = FactsKept.first_day()
        counted, rows = _stored(since), _folded(since)
        wrong = {
            cell: (counted[cell], rows[cell])
            for cell in sorted(counted.keys() | rows.keys())
            if counted[cell] != rows[cell]
        }
        if repair:
            shift(Counter({cell: right - was for cell, (was, right) in wrong.items()}))
    return wrong


def expire_pending(*, now: float) -> int:
    """Close verdicts that will never come (their process died); return how many."""
    limit = datetime.fromtimestamp(now, UTC) - LOST_AFTER
    closed = 0
    while expired := _expire_batch(limit):
        closed += expired
    return closed


def _expire_batch(limit: datetime) -> int:
    with facts_lock():
        pending = Attempt.objects.filter(verdict=Verdict.PENDING, started_at__lt=limit)
        rows = list(pending.values_list("pk", "endpoint_id", "started_at", "benchmark")[:_BATCH])
        differences: Counter[Cell] = Counter()
        for _, endpoint_id, started_at, benchmark in rows:
            if benchmark:
                continue
            differences[Cell(endpoint_id, started_at.date(), Verdict.PENDING)] -= 1
            differences[Cell(endpoint_id, started_at.date(), Verdict.UNJUDGED)] += 1
        Attempt.objects.filter(pk__in=[pk for pk, *_ in rows]).update(
            verdict=Verdict.UNJUDGED, verdict_reason="lost"
        )
        shift(differences)
    return len(rows)


def _matching(cell: Cell) -> QuerySet[VerdictCount]:
    return VerdictCount.objects.filter(**cell._asdict())


def _stored(since: date) -> Counter[Cell]:
    kept = VerdictCount.objects.filter(day__gte=since)
    cells = kept.values_list("endpoint_id", "day", "verdict", "attempts")
    return Counter(
        {Cell(endpoint, day, verdict): number for endpoint, day, verdict, number in cells}
    )


def _folded(since: date) -> Counter[Cell]:
    midnight = datetime.combine(since, time(), UTC)
    callers = Attempt.objects.filter(benchmark=False, started_at__gte=midnight)
    rows = callers.annotate(day=TruncDate("started_at", tzinfo=UTC)).order_by()
    cells = rows.values_list("endpoint_id", "day", "verdict").annotate(number=Count("pk"))
    return Counter(
        {Cell(endpoint, day, verdict): number for endpoint, day, verdict, number in cells}
    )
