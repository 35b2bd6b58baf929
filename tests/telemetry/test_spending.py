"""What generations cost, counted once per key, account, endpoint, day and period."""

import importlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ingest import ingest_all
from telemetry.models import DailyUse, Generation, Spending
from telemetry.recorder import Fact
from telemetry.spending import UseKey, spending_of
from telemetry.spending_check import compare_spending
from tests.catalog_rows import make_endpoint
from tests.telemetry.spooled import generation_fact, leave_segment

pytestmark = pytest.mark.django_db(transaction=True)
# A Thursday that is the first of its month: its week began in the month before.
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
DOLLAR = 10**12


def fact(name: str, endpoint_id: int | None, at: datetime = NOON, **fields: Any) -> Fact:
    defaults: dict[str, Any] = {
        "cost_pico": DOLLAR, "prompt_tokens": 10, "completion_tokens": 4,
        "reasoning_tokens": 3, "cached_tokens": 2, "api_key_id": 5, "account_id": 7,
    }  # fmt: skip
    return generation_fact(
        name, endpoint_id=endpoint_id, created_at=at.timestamp(), **{**defaults, **fields}
    )


def spending(holder: str, holder_id: int) -> dict[tuple[str, date], int]:
    rows = Spending.objects.filter(holder=holder, holder_id=holder_id)
    return {(row.period, row.starts_on): row.cost_pico // DOLLAR for row in rows}


def everything() -> list[list[Any]]:
    costs = ("cost_pico", "own_cost_pico")
    names = ("account_id", "day", "api_key_id", "endpoint_id", "requests", *costs)
    periods = ("holder", "holder_id", "period", "starts_on", *costs)
    return [
        sorted(DailyUse.objects.values_list(*names)),
        sorted(Spending.objects.values_list(*periods)),
    ]


def test_adds_up_by_day_week_and_month(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    before = NOON - timedelta(days=1)
    leave_segment(
        tmp_path,
        [fact("gen-1", endpoint), fact("gen-2", endpoint), fact("gen-3", endpoint, before),
         fact("gen-4", endpoint, api_key_id=6)],
    )  # fmt: skip

    ingest_all(tmp_path)

    monday = date(2026, 9, 28)
    assert spending("key", 5) == {
        ("total", date(1970, 1, 1)): 3,
        ("daily", NOON.date()): 2,
        ("daily", before.date()): 1,
        ("weekly", monday): 3,
        ("monthly", date(2026, 10, 1)): 2,
        ("monthly", date(2026, 9, 1)): 1,
    }
    assert spending("account", 7)["weekly", monday] == 4
    [use] = DailyUse.objects.filter(api_key_id=5, day=NOON.date())
    assert (use.requests, use.prompt_tokens, use.completion_tokens) == (2, 20, 8)
    assert (use.reasoning_tokens, use.cached_tokens, use.cost_pico) == (6, 4, 2 * DOLLAR)


def test_what_nobody_answered_is_no_use(tmp_path: Path) -> None:
    leave_segment(tmp_path, [fact("gen-1", None, cost_pico=None)])

    ingest_all(tmp_path)

    assert Generation.objects.count() == 1
    assert everything() == [[], []]


def test_a_free_answer_is_use_and_no_spending(tmp_path: Path) -> None:
    leave_segment(tmp_path, [fact("gen-1", make_endpoint("cobalt").pk, cost_pico=0)])

    ingest_all(tmp_path)

    assert DailyUse.objects.get().requests == 1
    assert not Spending.objects.exists()


def test_facts_that_come_again_cost_nothing_more(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    facts = [fact("gen-1", endpoint), fact("gen-2", endpoint)]
    leave_segment(tmp_path, [*facts, facts[0]])
    ingest_all(tmp_path)
    once = everything()

    leave_segment(tmp_path, facts, process="1" * 32)
    ingest_all(tmp_path)

    assert spending("key", 5)["total", date(1970, 1, 1)] == 2
    assert everything() == once


def test_finds_and_repairs_what_differs(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    leave_segment(tmp_path, [fact("gen-1", endpoint), fact("gen-2", endpoint, api_key_id=6)])
    ingest_all(tmp_path)
    right = everything()
    assert list(compare_spending(NOON)) == []

    DailyUse.objects.filter(api_key_id=5).update(cost_pico=1)
    DailyUse.objects.filter(api_key_id=6).delete()
    Spending.objects.filter(holder="account", period="weekly").update(cost_pico=9)

    assert list(compare_spending(NOON)) != []
    list(compare_spending(NOON, repair=True))
    assert everything() == right
    assert list(compare_spending(NOON)) == []


def own(name: str, endpoint_id: int, **fields: Any) -> Fact:
    """A call that the account's own provider asks two dollars for."""
    fields |= {"own_credential": True, "cost_pico": 0, "upstream_cost_pico": 2 * DOLLAR}
    return fact(name, endpoint_id, **fields)


def test_what_accounts_pay_their_own_providers_is_counted_apart(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    insured = fact("gen-4", endpoint, cost_pico=0, upstream_cost_pico=DOLLAR)
    leave_segment(
        tmp_path, [own("gen-1", endpoint), own("gen-2", endpoint), fact("gen-3", endpoint), insured]
    )

    ingest_all(tmp_path)

    use = DailyUse.objects.get()
    assert (use.requests, use.cost_pico, use.own_cost_pico) == (4, DOLLAR, 4 * DOLLAR)
    for row in Spending.objects.all():
        assert (row.cost_pico, row.own_cost_pico) == (DOLLAR, 4 * DOLLAR)
    right = everything()
    Spending.objects.update(own_cost_pico=1)
    assert [one.counted for one in compare_spending(NOON)] != []
    list(compare_spending(NOON, repair=True))
    assert everything() == right


def test_what_they_paid_before_it_was_counted_is_counted(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    other = own("gen-2", endpoint, api_key_id=6)
    leave_segment(tmp_path, [own("gen-1", endpoint), other, fact("gen-3", endpoint)])
    ingest_all(tmp_path)
    right = everything()
    DailyUse.objects.update(own_cost_pico=0)
    Spending.objects.update(own_cost_pico=0)

    importlib.import_module("telemetry.migrations.0018_count_own_cost").count(apps, None)

    assert everything() == right


def test_what_was_spent_before_there_were_counters_is_counted(tmp_path: Path) -> None:
    endpoint = make_endpoint("cobalt").pk
    leave_segment(
        tmp_path,
        [fact("gen-1", endpoint), fact("gen-2", endpoint, NOON - timedelta(days=9), api_key_id=6),
         fact("gen-3", None)],
    )  # fmt: skip
    ingest_all(tmp_path)
    right = everything()
    DailyUse.objects.all().delete()
    Spending.objects.all().delete()

    importlib.import_module("telemetry.migrations.0009_count_spending").count(apps, None)

    assert everything() == right


def test_the_command_compares_spending(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_counts")

    assert "Spending equals the rows." in capsys.readouterr().out


_DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 31))
_USES = st.dictionaries(
    st.builds(UseKey, st.integers(1, 2), _DAYS, st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.integers(0, 10**15), st.integers(0, 10**15)).map(
        lambda costs: [1, 0, 0, 0, 0, *costs]
    ),
    max_size=20,
)


@given(_USES)
def test_every_period_adds_up_to_the_same_total(uses: dict[UseKey, list[int]]) -> None:
    whole = tuple(sum(numbers[at] for numbers in uses.values()) for at in (-2, -1))

    sums = spending_of(uses)

    for holder in ("key", "account"):
        for period in ("total", "daily", "weekly", "monthly"):
            costs = [
                cost for key, cost in sums.items() if (key.holder, key.period) == (holder, period)
            ]
            assert whole == tuple(sum(cost[at] for cost in costs) for at in (0, 1))
