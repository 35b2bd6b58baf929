"""Whether the counters of service equal a fold over the attempts, and setting them right.

Owns the comparison; what an attempt adds is `telemetry.service`'s affair. Days are compared one by
one, each under `counts.facts_lock`, so ingestion waits for one day at most. Counters past their
age are not compared: they may be gone although the attempts are there; nor are those whose
attempts may be gone.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from django.db.models import Max

from telemetry.compaction import midnight
from telemetry.counter_check import Mismatch
from telemetry.counts import facts_lock
from telemetry.models import Attempt, FactsKept, ServiceRollup
from telemetry.service import KEPT, Differences, Key, Sums, row, sums_of

_DAY = timedelta(days=1)


def compare_service(now: datetime, *, repair: bool = False) -> Iterator[Mismatch]:
    """Yield all that differs as of `now`; with `repair` the counters become those of the rows."""
    day, last = (now - max(KEPT.values())).astimezone(UTC).date(), _last_day(now)
    while day <= last:
        with facts_lock():
            # A list, so that nobody holds the lock while reading what was found.
            found = list(_compare_day(day, now, repair=repair))
        yield from found
        day += _DAY


def _last_day(now: datetime) -> date:
    """Return the last day that any counter or attempt may be of: clocks may have been ahead."""
    starts = Attempt.objects.aggregate(last=Max("started_at"))["last"] or now
    counted = ServiceRollup.objects.aggregate(last=Max("starts_at"))["last"] or now
    return max(now, counted, starts + _DAY).astimezone(UTC).date()


def _compare_day(day: date, now: datetime, *, repair: bool) -> Iterator[Mismatch]:
    if day - _DAY < FactsKept.first_day():
        return  # attempts of the day before may end in it
    right, counted = _fold(day, now), _stored(day, now)
    for key in sorted(right.keys() | counted.keys()):
        was, should_be = counted.get(key, Sums()), right.get(key, Sums())
        if was == should_be:
            continue
        if repair:
            _set_right(key, should_be)
        endpoint_id, period, start = key
        where = f"service of endpoint {endpoint_id} {period} {start:%Y-%m-%d %H:%M}"
        yield Mismatch(where, "(damaged)" if was is None else str(was), str(should_be))


def _fold(day: date, now: datetime) -> dict[Key, Sums]:
    folded = Differences()
    # An attempt counts when it ends, which is a day after its start at the most.
    attempts = Attempt.objects.filter(
        started_at__gte=midnight(day) - _DAY, started_at__lt=midnight(day) + _DAY
    )
    for attempt in attempts.iterator():
        folded.add(attempt)
    return {key: sums for key, sums in folded.rows.items() if _compared(key, day, now)}


def _stored(day: date, now: datetime) -> dict[Key, Sums | None]:
    """Return the counters of a day; None for a row that damage keeps from being known."""
    stored: dict[Key, Sums | None] = {}
    rows = ServiceRollup.objects.filter(
        starts_at__gte=midnight(day), starts_at__lt=midnight(day) + _DAY
    )
    for one in rows:
        key = (one.endpoint_id, one.period, one.starts_at)
        if _compared(key, day, now):
            try:
                stored[key] = sums_of(one)
            except ValueError:
                stored[key] = None
    return stored


def _compared(key: Key, day: date, now: datetime) -> bool:
    _, period, start = key
    return start.date() == day and start >= now - KEPT[ServiceRollup.Period(period)]


def _set_right(key: Key, right: Sums) -> None:
    endpoint_id, period, start = key
    ServiceRollup.objects.filter(endpoint=endpoint_id, period=period, starts_at=start).delete()
    if right != Sums():
        row(key, right).save()
