"""Spending counted: what generations add to `DailyUse` and `Spending`.

Owns every change of both. A generation that nobody answered adds nothing. The rule others rely
on: whoever inserts generations holds `counts.facts_lock`, adds each new one once, and saves in
the same transaction; so a restart, a crash or a file that comes twice loses and doubles nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
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
    "own_cost_pico",
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


class Cost(NamedTuple):
    """Picodollars asked of callers, and of their accounts by their own providers."""

    cost_pico: int = 0
    own_cost_pico: int = 0

    def plus(self, other: "Cost") -> "Cost":
        return Cost(self.cost_pico + other.cost_pico, self.own_cost_pico + other.own_cost_pico)


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


def spending_of(uses: Mapping[UseKey, Sequence[int]]) -> dict[SpendingKey, Cost]:
    """Return what some days' use, of which the last two numbers are costs, amounts to.

    Per holder and period; those that cost nothing are left out.
    """
    sums: defaultdict[SpendingKey, Cost] = defaultdict(Cost)
    for use, numbers in uses.items():
        cost = Cost(*numbers[-2:])
        holders = (
            (Spending.Holder.KEY, use.api_key_id),
            (Spending.Holder.ACCOUNT, use.account_id),
        )
        for holder, holder_id in holders:
            for period in PERIODS:
                key = SpendingKey(holder.value, holder_id, period, start_of(period, use.day))
                sums[key] = sums[key].plus(cost)
    return {key: cost for key, cost in sums.items() if any(cost)}


def _numbers(generation: Generation) -> tuple[int, ...]:
    return (
        1,
        generation.prompt_tokens or 0,
        generation.completion_tokens or 0,
        generation.reasoning_tokens or 0,
        generation.cached_tokens or 0,
        _pico(generation.cost),
        _pico(generation.upstream_cost) if generation.own_credential else 0,
    )


def _pico(dollars: Decimal | None) -> int:
    return int(dollars.scaleb(12)) if dollars else 0


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


def _save_spending(spending: dict[SpendingKey, Cost]) -> None:
    if not spending:
        return
    rows = Spending.objects.filter(
        holder_id__in={key.holder_id for key in spending},
        starts_on__in={key.starts_on for key in spending},
    )
    names = SpendingKey._fields
    stored = {
        SpendingKey(*row[:4]): Cost(*row[4:]) for row in rows.values_list(*names, *Cost._fields)
    }
    Spending.objects.bulk_create(
        (
            Spending(**key._asdict(), **stored.get(key, Cost()).plus(cost)._asdict())
            for key, cost in spending.items()
        ),
        update_conflicts=True,
        unique_fields=names,
        update_fields=Cost._fields,
    )
