"""The check against the rows: what it finds, how it says so, and that repair makes it right."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from providers.models import Endpoint
from telemetry.compaction import compact_counters
from telemetry.counter_check import compare_counters
from telemetry.ingest import ingest_all
from telemetry.models import OwnerUse, PreferenceSignal, Rollup
from tests.telemetry.counted import all_counters
from tests.telemetry.spooled import attempt_fact, generation_fact, leave_segment, verdict_fact

NOW = datetime.now(UTC)
LONG_AGO = (NOW - timedelta(days=5)).replace(hour=7, minute=0, second=0, microsecond=0)


@pytest.fixture
def ingested(endpoint: Endpoint, spool: Path) -> Endpoint:
    """Requests of two owners in two hours, one of them lost, one with a bad call."""
    facts: list[Any] = []
    for number in range(4):
        at = (LONG_AGO + timedelta(hours=number // 2)).timestamp()
        common = {"account_id": number % 2}
        facts += [
            attempt_fact(
                f"gen-{number}", endpoint_id=endpoint.pk, started_at=at, latency_ms=1, cost_pico=7,
                outcome="truncated" if number == 3 else "ok", **common,
            ),
            generation_fact(
                f"gen-{number}", created_at=at, ignored_endpoints=(endpoint.pk,), **common
            ),
            verdict_fact(f"gen-{number}", "valid" if number else "invalid_json", tool_calls=1),
        ]  # fmt: skip
    leave_segment(spool, facts)
    ingest_all(spool)
    return endpoint


def found(**options: bool) -> list[str]:
    return [str(mismatch) for mismatch in compare_counters(NOW, **options)]


def test_finds_what_is_missing_doubled_or_damaged(ingested: Endpoint) -> None:
    right = all_counters()
    first, second = Rollup.objects.order_by("starts_at")
    first.delete()
    second.cells = b"AC"
    second.save()
    OwnerUse.objects.filter(account_id=1).update(cost_pico=15)
    PreferenceSignal.objects.filter(account_id=0).delete()
    pk, day = ingested.pk, LONG_AGO.date()

    expected = [
        f"endpoint {pk} hour {day} 07:00: counted 0 requests, 0 attempts, 0 lost, 0 failures, "
        "rows 2 requests, 2 attempts, 0 lost, 1 failures",
        f"endpoint {pk} hour {day} 08:00: counted (damaged), "
        "rows 1 requests, 1 attempts, 1 lost, 0 failures",
        f"owner use: endpoint {pk} account 1 {day}: "
        "counted requests 1, tool_calls 1, failures 0, pinned 0, cost_pico 15, "
        "rows requests 1, tool_calls 1, failures 0, pinned 0, cost_pico 14",
        f"preference signal: endpoint {pk} account 0 {day}: "
        "counted ignored 0, pinned 0, rows ignored 2, pinned 0",
    ]
    assert found() == expected
    assert found(repair=True) == expected
    assert found() == []
    assert all_counters() == right


def test_compares_with_days_once_hours_are_folded(ingested: Endpoint) -> None:
    compact_counters(NOW)
    assert found() == []
    right = all_counters()

    Rollup.objects.update(starts_at=LONG_AGO.replace(hour=0) - timedelta(days=1))

    assert [line.split(":")[0] for line in found(repair=True)] == [
        f"endpoint {ingested.pk} day {LONG_AGO.date() - timedelta(days=1)} 00",
        f"endpoint {ingested.pk} hour {LONG_AGO.date()} 07",
        f"endpoint {ingested.pk} hour {LONG_AGO.date()} 08",
    ]
    assert found() == []
    compact_counters(NOW)
    assert all_counters() == right


def test_does_not_miss_what_compaction_removed(ingested: Endpoint, settings: Any) -> None:
    settings.COUNTER_DAYS = settings.OWNER_DAYS = 3
    compact_counters(NOW)

    assert all_counters()[:3] == [[], [], []]
    assert found() == []


def test_looks_at_days_to_come_where_a_clock_was_ahead(ingested: Endpoint) -> None:
    day = NOW.date() + timedelta(days=3)
    OwnerUse.objects.create(endpoint=ingested, account_id=5, day=day, pinned=1)

    assert [f"account 5 {day}" in line for line in found()] == [True]


@pytest.mark.usefixtures("ingested")
def test_the_command_says_so_and_repairs(capsys: pytest.CaptureFixture[str]) -> None:
    OwnerUse.objects.all().delete()

    with pytest.raises(SystemExit) as stop:
        call_command("check_counts")
    assert stop.value.code == 1
    assert len(capsys.readouterr().out.splitlines()) == 4

    call_command("check_counts", "--repair")
    assert "2 counts set right." in capsys.readouterr().out

    call_command("check_counts")
    assert "Counters equal the rows." in capsys.readouterr().out
