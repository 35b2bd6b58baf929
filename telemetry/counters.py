"""The counters that scores read, moved in the transaction of their rows.

Owns every change of `Rollup` hours, `OwnerUse` and `PreferenceSignal` that facts cause. What a
row adds is `telemetry.tally`'s affair. The rule others rely on: whoever inserts rows or changes
a verdict holds `counts.facts_lock` and saves the differences in the same transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import TypeVar

import numpy as np
from django.db.models import Model

from telemetry import tally
from telemetry.models import Attempt, Generation, OwnerUse, PreferenceSignal, Rollup
from telemetry.scoring import cells

Hour = tuple[int, datetime]  # endpoint, start of the hour
OwnerDay = tuple[int, date, int]  # endpoint, day, account

USE_COLUMNS = ("requests", "tool_calls", "failures", "pinned", "cost_pico")
PREFERENCE_COLUMNS = ("ignored", "pinned")
_NOTHING = cells.pack(np.zeros(cells.SHAPE, np.int64))

_OwnerRow = TypeVar("_OwnerRow", OwnerUse, PreferenceSignal)


class Differences:
    """What the rows of one transaction add to the counters."""

    def __init__(self) -> None:
        self.hours: defaultdict[Hour, Counter[int]] = defaultdict(Counter)
        self.uses: defaultdict[OwnerDay, list[int]] = defaultdict(lambda: [0] * len(USE_COLUMNS))
        self.preferences: defaultdict[OwnerDay, list[int]] = defaultdict(
            lambda: [0] * len(PREFERENCE_COLUMNS)
        )

    def add(self, attempt: Attempt, times: int = 1) -> None:
        """Take one attempt; -1 times takes it back."""
        if attempt.stratum is None or attempt.slot is None:
            return
        if counted := tally.fields(attempt):
            hour = attempt.started_at.replace(minute=0, second=0, microsecond=0)
            places = self.hours[attempt.endpoint_id, hour]
            for field in counted:
                places[cells.place(attempt.stratum, attempt.slot, field)] += times
        if any(used := tally.use(attempt)):
            key = (attempt.endpoint_id, attempt.started_at.date(), attempt.account_id)
            row = self.uses[key]
            for column, number in enumerate(used):
                row[column] += times * number

    def add_preferences(self, generation: Generation) -> None:
        """Take the endpoints that a generation's caller named."""
        named = (generation.ignored_endpoints, generation.pinned_endpoints)
        for column, endpoint_ids in enumerate(named):
            for endpoint_id in set(endpoint_ids):
                key = (endpoint_id, generation.created_at.date(), generation.account_id)
                self.preferences[key][column] += 1

    def save(self) -> None:
        """Move the counters. Hold `facts_lock`."""
        _save_hours(self.hours)
        _save_owner_days(OwnerUse, USE_COLUMNS, self.uses)
        _save_owner_days(PreferenceSignal, PREFERENCE_COLUMNS, self.preferences)


def packed(places: Counter[int]) -> bytes:
    """Return counters as `Rollup.cells` keeps them. Raises ValueError if one is below 0."""
    return _plus(_NOTHING, places)


def _plus(stored: bytes, places: Counter[int]) -> bytes:
    counters = cells.unpack(stored)
    flat = counters.reshape(-1)
    for place, number in places.items():
        flat[place] += number
    return cells.pack(counters)


def _save_hours(hours: defaultdict[Hour, Counter[int]]) -> None:
    changed = {key: places for key, places in hours.items() if any(places.values())}
    if not changed:
        return
    rows = Rollup.objects.filter(
        period=Rollup.Period.HOUR,
        endpoint__in={endpoint_id for endpoint_id, _ in changed},
        starts_at__in={starts_at for _, starts_at in changed},
    )
    stored = {(row.endpoint_id, row.starts_at): bytes(row.cells) for row in rows}
    Rollup.objects.bulk_create(
        (
            Rollup(
                endpoint_id=key[0],
                period=Rollup.Period.HOUR,
                starts_at=key[1],
                cells=_plus(stored.get(key, _NOTHING), places),
            )
            for key, places in changed.items()
        ),
        update_conflicts=True,
        unique_fields=["endpoint", "period", "starts_at"],
        update_fields=["cells"],
    )


def _save_owner_days(
    model: type[_OwnerRow], columns: tuple[str, ...], differences: defaultdict[OwnerDay, list[int]]
) -> None:
    changed = {key: numbers for key, numbers in differences.items() if any(numbers)}
    if not changed:
        return
    stored = _stored_owner_days(model, columns, changed)
    model._default_manager.bulk_create(
        (
            model(
                endpoint_id=key[0],
                day=key[1],
                account_id=key[2],
                **{
                    column: was + more
                    for column, was, more in zip(columns, stored[key], numbers, strict=True)
                },
            )
            for key, numbers in changed.items()
        ),
        update_conflicts=True,
        unique_fields=["endpoint", "day", "account_id"],
        update_fields=columns,
    )


def _stored_owner_days(
    model: type[Model], columns: tuple[str, ...], keys: Iterable[OwnerDay]
) -> defaultdict[OwnerDay, tuple[int, ...]]:
    endpoints, days, accounts = (set(part) for part in zip(*keys, strict=True))
    rows = model._default_manager.filter(
        endpoint__in=endpoints, day__in=days, account_id__in=accounts
    )
    stored: defaultdict[OwnerDay, tuple[int, ...]] = defaultdict(lambda: (0,) * len(columns))
    for endpoint_id, day, account_id, *numbers in rows.values_list(
        "endpoint_id", "day", "account_id", *columns
    ):
        stored[endpoint_id, day, account_id] = tuple(numbers)
    return stored
