"""Spending counted: what generations add to `DailyUse` and `Spending`.

Owns every change of both. A generation that nobody answered adds nothing. The rule others rely
on: whoever inserts generations holds `counts.facts_lock`, adds each new one once, and saves in
the same transaction; so a restart, a crash or a file that comes twice loses and doubles nothing.
"""

from collections import defaultdict
from datetime import UTC, date
from typing import NamedTuple

from telemetry.models import DailyUse, Generation, Spending
from telemetry.periods import PERIODS, start_of

COLUMNS = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "cost_pico",
)


class UseKey(NamedTuple):
    account_id: int
    day: date
    api_key_id: int
    endpoint_id: int


class SpendingKey(NamedTuple):
    holder: str
    holder_id: int
    period: str
    starts_on: date


class Spent:
    """What the generations of one transaction add."""

    def __init__(self) -> None:
        self.uses: defaultdict[UseKey, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))

    def add(self, generation: Generation) -> None:
        if generation.endpoint_id is None:
            return
        day = generation.created_at.astimezone(UTC).date()
        key = UseKey(generation.account_id, day, generation.api_key_id, generation.endpoint_id)
        row = self.uses[key]
        for column, number in enumerate(_numbers(generation)):
            row[column] += number

    def save(self) -> None:
        """Move the counters. Hold `facts_lock`."""
        if self.uses:
            _save_uses(self.uses)
            _save_spending(spending_of(self.uses))


def spending_of(uses: dict[UseKey, list[int]]) -> dict[SpendingKey, int]:
    """Return what some days' use amounts to, per holder and period."""
    sums: defaultdict[SpendingKey, int] = defaultdict(int)
    for use, numbers in uses.items():
        cost = numbers[-1]
        holders = (
            (Spending.Holder.KEY, use.api_key_id),
            (Spending.Holder.ACCOUNT, use.account_id),
        )
        for holder, holder_id in holders:
            for period in PERIODS:
                starts_on = start_of(period, use.day)
                sums[SpendingKey(holder.value, holder_id, period, starts_on)] += cost
    return {key: cost for key, cost in sums.items() if cost}


def _numbers(generation: Generation) -> tuple[int, ...]:
    return (
        1,
        generation.prompt_tokens or 0,
        generation.completion_tokens or 0,
        generation.reasoning_tokens or 0,
        generation.cached_tokens or 0,
        int(generation.cost.scaleb(12)) if generation.cost else 0,
    )


def stored_uses(accounts: set[int], days: set[date]) -> defaultdict[UseKey, list[int]]:
    """Return the counted use of some accounts on some days."""
    stored: defaultdict[UseKey, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    rows = DailyUse.objects.filter(account_id__in=accounts, day__in=days)
    for row in rows.values_list("account_id", "day", "api_key_id", "endpoint_id", *COLUMNS):
        stored[UseKey(*row[:4])] = list(row[4:])
    return stored


def _save_uses(uses: dict[UseKey, list[int]]) -> None:
    stored = stored_uses({key.account_id for key in uses}, {key.day for key in uses})
    DailyUse.objects.bulk_create(
        (
            DailyUse(
                **key._asdict(),
                **{
                    column: was + more
                    for column, was, more in zip(COLUMNS, stored[key], numbers, strict=True)
                },
            )
            for key, numbers in uses.items()
        ),
        update_conflicts=True,
        unique_fields=["account_id", "day", "api_key_id", "endpoint"],
        update_fields=COLUMNS,
    )


def _save_spending(spending: dict[SpendingKey, int]) -> None:
    if not spending:
        return
    rows = Spending.objects.filter(
        holder_id__in={key.holder_id for key in spending},
        starts_on__in={key.starts_on for key in spending},
    )
    names = SpendingKey._fields
    stored = {SpendingKey(*row[:4]): row[4] for row in rows.values_list(*names, "cost_pico")}
    Spending.objects.bulk_create(
        (
            Spending(**key._asdict(), cost_pico=stored.get(key, 0) + cost)
            for key, cost in spending.items()
        ),
        update_conflicts=True,
        unique_fields=names,
        update_fields=["cost_pico"],
    )
