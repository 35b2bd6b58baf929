"""Whether counted spending equals a fold over the generations, and setting it right.

Owns the comparison, day by day and each day under `counts.facts_lock`, then the sums per period
with the days. Days older than OWNER_DAYS, and those whose rows were removed, are not compared.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import Max

from telemetry.compaction import midnight, oldest_owner_day
from telemetry.counter_check import Mismatch
from telemetry.counts import facts_lock
from telemetry.models import DailyUse, FactsKept, Generation, Spending
from telemetry.spending import COLUMNS, Cost, SpendingKey, Spent, UseKey, spending_of

_DAY = timedelta(days=1)


def compare_spending(now: datetime, *, repair: bool = False) -> Iterator[Mismatch]:
    """Yield all that differs as of `now`; with `repair` the counters become those of the rows."""
    day, last = oldest_owner_day(now), _last_day(now)
    while day <= last:
        with facts_lock():
            found = list(_compare_day(day, repair=repair))
        yield from found
        day += _DAY
    with facts_lock():
        found = list(_compare_periods(repair=repair))
    yield from found


def _last_day(now: datetime) -> date:
    newest = Generation.objects.aggregate(last=Max("created_at"))["last"]
    counted = DailyUse.objects.aggregate(last=Max("day"))["last"]
    return max(now.date(), newest.date() if newest else date.min, counted or date.min)


def _compare_day(day: date, *, repair: bool) -> Iterator[Mismatch]:
    if day < FactsKept.first_day():
        return
    folded = Spent()
    start = midnight(day)
    rows = Generation.objects.filter(created_at__gte=start, created_at__lt=start + _DAY)
    for generation in rows.iterator():
        folded.add(generation)
    names = UseKey._fields
    stored = {
        UseKey(*row[:4]): list(row[4:])
        for row in DailyUse.objects.filter(day=day).values_list(*names, *COLUMNS)
    }
    nothing = [0] * len(COLUMNS)
    for key in sorted(stored.keys() | folded.uses.keys()):
        counted, right = stored.get(key, nothing), folded.uses.get(key, nothing)
        if counted == right:
            continue
        if repair:
            DailyUse.objects.update_or_create(
                **key._asdict(), defaults=dict(zip(COLUMNS, right, strict=True))
            )
        where = f"daily use: key {key.api_key_id} endpoint {key.endpoint_id} {day}"
        yield Mismatch(where, _words(counted), _words(right))


def _words(numbers: list[int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in zip(COLUMNS, numbers, strict=True))


def _compare_periods(*, repair: bool) -> Iterator[Mismatch]:
    names = UseKey._fields
    days = DailyUse.objects.values_list(*names, *Cost._fields)
    right = spending_of({UseKey(*row[:4]): row[4:] for row in days})
    rows = Spending.objects.values_list(*SpendingKey._fields, *Cost._fields)
    stored = {SpendingKey(*row[:4]): Cost(*row[4:]) for row in rows}
    for key in sorted(stored.keys() | right.keys()):
        was, should_be = stored.get(key, Cost()), right.get(key, Cost())
        if was == should_be:
            continue
        if repair:
            Spending.objects.update_or_create(**key._asdict(), defaults=should_be._asdict())
        where = f"spending of {key.holder} {key.holder_id}, {key.period} from {key.starts_on}"
        yield Mismatch(where, _picodollars(was), _picodollars(should_be))


def _picodollars(cost: Cost) -> str:
    own = f" and {cost.own_cost_pico} to own providers" if cost.own_cost_pico else ""
    return f"{cost.cost_pico} picodollars{own}"
