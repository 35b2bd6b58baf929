"""Whether counters equal a fold over the rows, and setting them right.

Owns the comparison. What a row adds is `telemetry.tally`'s affair, so this finds counters that
were lost, doubled or damaged, not wrong rules. Days are compared one by one, each under
`counts.facts_lock`, so ingestion waits for one day at most. Counters past their age are not
compared: they may be gone although the rows are there; nor are those whose rows are gone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from django.db.models import Max, Model, Q

from telemetry.compaction import midnight, oldest_owner_day, oldest_rollup_day
from telemetry.counters import (
    PREFERENCE_COLUMNS,
    USE_COLUMNS,
    Differences,
    OwnerDay,
    packed,
)
from telemetry.counts import facts_lock
from telemetry.models import Attempt, FactsKept, Generation, OwnerUse, PreferenceSignal, Rollup
from telemetry.scoring import cells
from telemetry.scoring.evidence import ATTEMPTS, LOST, REQUESTS

_DAY = timedelta(days=1)

_Period = tuple[int, str, datetime]  # endpoint, Rollup.Period, start


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place where counters and rows differ, both in words."""

    where: str
    counted: str
    rows: str

    def __str__(self) -> str:
        return f"{self.where}: counted {self.counted}, rows {self.rows}"


def compare_counters(now: datetime, *, repair: bool = False) -> Iterator[Mismatch]:
    """Yield all that differs as of `now`; with `repair` the counters become those of the rows."""
    day, last = oldest_owner_day(now), _last_day(now)
    while day <= last:
        with facts_lock():
            # A list, so that nobody holds the lock while reading what was found.
            found = list(_compare_day(day, now, repair=repair))
        yield from found
        day += _DAY


def _last_day(now: datetime) -> date:
    """Return today, or the last day of any row: a machine's clock may have been ahead."""
    days = [now.astimezone(UTC).date()]
    for model, column in (
        (Attempt, "started_at"), (Generation, "created_at"), (Rollup, "starts_at"),
        (OwnerUse, "day"), (PreferenceSignal, "day"),
    ):  # fmt: skip
        last = model._default_manager.aggregate(last=Max(column))["last"]
        if last is not None:
            days.append(last.astimezone(UTC).date() if isinstance(last, datetime) else last)
    return max(days)


def _compare_day(day: date, now: datetime, *, repair: bool) -> Iterator[Mismatch]:
    if day < FactsKept.first_day():
        return
    folded = _fold_rows(day)
    if day >= oldest_rollup_day(now):
        yield from _compare_rollups(day, folded, repair=repair)
    yield from _compare_owner_days(OwnerUse, USE_COLUMNS, day, folded.uses, repair=repair)
    yield from _compare_owner_days(
        PreferenceSignal, PREFERENCE_COLUMNS, day, folded.preferences, repair=repair
    )


def _fold_rows(day: date) -> Differences:
    start = midnight(day)
    folded = Differences()
    attempts = Attempt.objects.filter(
        started_at__gte=start, started_at__lt=start + _DAY, slot__isnull=False
    )
    for attempt in attempts.iterator():
        folded.add(attempt)
    generations = Generation.objects.filter(created_at__gte=start, created_at__lt=start + _DAY)
    names_some = ~Q(ignored_endpoints=[], pinned_endpoints=[])
    for generation in generations.filter(names_some).iterator():
        folded.add_preferences(generation)
    return folded


def _compare_rollups(day: date, folded: Differences, *, repair: bool) -> Iterator[Mismatch]:
    rows = list(
        Rollup.objects.filter(starts_at__gte=midnight(day), starts_at__lt=midnight(day) + _DAY)
    )
    in_days = {row.endpoint_id for row in rows if row.period == Rollup.Period.DAY}
    counted: dict[_Period, cells.Cells | None] = {}
    for row in rows:
        key = _period(row.endpoint_id, row.starts_at, in_days)
        counted[key] = _plus(counted.get(key, _nothing()), row)
    right: dict[_Period, cells.Cells] = {}
    for (endpoint_id, hour), places in folded.hours.items():
        key = _period(endpoint_id, hour, in_days)
        right[key] = right.get(key, _nothing()) + cells.unpack(packed(places))
    for key in sorted(right.keys() | counted.keys()):
        was, should_be = counted.get(key, _nothing()), right.get(key, _nothing())
        if was is None or not np.array_equal(was, should_be):
            if repair:
                _set_right(key, should_be)
            yield _rollup_mismatch(key, was, should_be)


def _period(endpoint_id: int, hour: datetime, in_days: set[int]) -> _Period:
    """Return where an hour's counters are to be looked for: in the day, once there is one."""
    if endpoint_id in in_days:
        return endpoint_id, Rollup.Period.DAY, hour.replace(hour=0)
    return endpoint_id, Rollup.Period.HOUR, hour


def _nothing() -> cells.Cells:
    return np.zeros(cells.SHAPE, np.int64)


def _plus(total: cells.Cells | None, row: Rollup) -> cells.Cells | None:
    """Add a row's counters; None stands for a sum that damage keeps from being known."""
    try:
        return None if total is None else total + cells.unpack(bytes(row.cells))
    except cells.DamagedCellsError:
        return None


def _set_right(key: _Period, right: cells.Cells) -> None:
    endpoint_id, period, start = key
    length = _DAY if period == Rollup.Period.DAY else timedelta(hours=1)
    Rollup.objects.filter(
        endpoint=endpoint_id, starts_at__gte=start, starts_at__lt=start + length
    ).delete()
    if right.any():
        Rollup.objects.create(
            endpoint_id=endpoint_id, period=period, starts_at=start, cells=cells.pack(right)
        )


def _rollup_mismatch(key: _Period, counted: cells.Cells | None, right: cells.Cells) -> Mismatch:
    endpoint_id, period, start = key
    return Mismatch(
        f"endpoint {endpoint_id} {period} {start:%Y-%m-%d %H:%M}", _words(counted), _words(right)
    )


def _words(counters: cells.Cells | None) -> str:
    if counters is None:
        return "(damaged)"
    requests, attempts, lost = counters.sum((0, 1))[[REQUESTS, ATTEMPTS, LOST]]
    failures = counters.sum((0, 1))[LOST + 1 :].sum()
    return f"{requests} requests, {attempts} attempts, {lost} lost, {failures} failures"


def _compare_owner_days(
    model: type[Model],
    columns: tuple[str, ...],
    day: date,
    folded: dict[OwnerDay, list[int]],
    *,
    repair: bool,
) -> Iterator[Mismatch]:
    stored = {
        (endpoint_id, day, account_id): numbers
        for endpoint_id, account_id, *numbers in model._default_manager.filter(day=day).values_list(
            "endpoint_id", "account_id", *columns
        )
    }
    none = [0] * len(columns)
    for key in sorted(stored.keys() | folded.keys()):
        counted, right = stored.get(key, none), folded.get(key, none)
        if counted == right:
            continue
        endpoint_id, _, account_id = key
        if repair:
            model._default_manager.update_or_create(
                endpoint_id=endpoint_id,
                day=day,
                account_id=account_id,
                defaults=dict(zip(columns, right, strict=True)),
            )
        where = f"{model._meta.verbose_name}: endpoint {endpoint_id} account {account_id} {day}"
        yield Mismatch(where, _named(columns, counted), _named(columns, right))


def _named(columns: Iterable[str], numbers: Iterable[int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in zip(columns, numbers, strict=True))
