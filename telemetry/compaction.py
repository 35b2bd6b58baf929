"""Old counters made smaller: hours into days, and what is too old removed.

Owns how long counters stay, but for those of `telemetry.service`. It reads no rows of facts. The
rules others rely on: a day is folded as a whole and in one transaction, so every counter is in
exactly one place at any moment; facts that come late make hours again, which the next run adds to
their day; a day within which an endpoint changed stays hours: the change sets aside a part of it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from django.conf import settings

from telemetry.counts import facts_lock
from telemetry.models import EndpointScore, OwnerUse, PreferenceSignal, Rollup
from telemetry.scoring import cells
from telemetry.service import remove_old as remove_old_service

_DAY = timedelta(days=1)

EndpointDay = tuple[int, date]


def oldest_rollup_day(now: datetime) -> date:
    """Return the first day (UTC) whose rollups are kept in full."""
    return (now - timedelta(days=settings.COUNTER_DAYS)).astimezone(UTC).date() + _DAY


def oldest_owner_day(now: datetime) -> date:
    """Return the first day (UTC) of which `OwnerUse` and `PreferenceSignal` are kept."""
    return (now - timedelta(days=settings.OWNER_DAYS)).astimezone(UTC).date() + _DAY


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def compact_counters(now: datetime) -> int:
    """Fold hours that are old into days, remove what is too old; return how many days changed.

    Running it again changes nothing. Raises DamagedCellsError, leaving that day as it is.
    """
    _remove_old(now)
    remove_old_service(now)
    folded = 0
    for endpoint_id, day in _foldable(now):
        with facts_lock():
            _fold(endpoint_id, day)
        folded += 1
    return folded


def day_sum(rows: list[Rollup]) -> cells.Cells:
    """Return the sum of some rollups' counters."""
    total = np.zeros(cells.SHAPE, np.int64)
    for row in rows:
        total += cells.unpack(bytes(row.cells))
    return total


def _foldable(now: datetime) -> Iterator[EndpointDay]:
    """Yield the endpoint-days that are over for long enough and still (or again) have hours."""
    limit = (now - timedelta(hours=settings.COUNTER_HOURS)).astimezone(UTC).date()
    changes = _changes()
    hours = Rollup.objects.filter(period=Rollup.Period.HOUR, starts_at__lt=midnight(limit))
    days = {(pk, start.date()) for pk, start in hours.values_list("endpoint_id", "starts_at")}
    for endpoint_id, day in sorted(days):
        start = midnight(day)
        if not any(start < change < start + _DAY for change in changes.get(endpoint_id, ())):
            yield endpoint_id, day


def _changes() -> dict[int, list[datetime]]:
    rows = EndpointScore.objects.values_list("endpoint_id", "evidence_since", "propensity_since")
    return {pk: [moment for moment in moments if moment] for pk, *moments in rows}


def _fold(endpoint_id: int, day: date) -> None:
    start = midnight(day)
    rows = Rollup.objects.filter(
        endpoint=endpoint_id, starts_at__gte=start, starts_at__lt=start + _DAY
    )
    total = cells.pack(day_sum(list(rows)))
    rows.filter(period=Rollup.Period.HOUR).delete()
    Rollup.objects.update_or_create(
        endpoint_id=endpoint_id,
        period=Rollup.Period.DAY,
        starts_at=start,
        defaults={"cells": total},
    )


def _remove_old(now: datetime) -> None:
    with facts_lock():
        Rollup.objects.filter(starts_at__lt=midnight(oldest_rollup_day(now))).delete()
        for model in (OwnerUse, PreferenceSignal):
            model._default_manager.filter(day__lt=oldest_owner_day(now)).delete()
