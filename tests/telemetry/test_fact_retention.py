"""How long generations and attempts stay, and that nothing made of them changes when they go."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from providers.models import Endpoint
from telemetry import fact_retention
from telemetry.counter_check import compare_counters
from telemetry.counts import compare
from telemetry.fact_retention import forget_facts
from telemetry.ingest import ingest_all
from telemetry.models import Attempt, DailyUse, FactsKept, Generation, Spending
from telemetry.service_check import compare_service
from telemetry.spending_check import compare_spending
from telemetry.tasks import forget_facts as task
from tests.telemetry.counted import all_counters, counts
from tests.telemetry.spooled import attempt_fact, generation_fact, leave_segment, verdict_fact

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
# With FACT_DAYS=10: today and the nine days before.
FIRST_DAY = date(2026, 11, 15)
MIDNIGHT = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def ten_days(settings: Any) -> None:
    settings.FACT_DAYS = 10


def facts(endpoint: Endpoint, name: str, at: datetime) -> list[Any]:
    common = {"account_id": 3, "endpoint_id": endpoint.pk, "cost_pico": 7}
    return [
        attempt_fact(name, started_at=at.timestamp(), **common),
        generation_fact(
            name, created_at=at.timestamp(), ignored_endpoints=(endpoint.pk,), **common
        ),
        verdict_fact(name, "valid", tool_calls=1),
    ]


@pytest.fixture
def ingested(endpoint: Endpoint, spool: Path) -> Endpoint:
    """A request a day for twenty days, at noon, and one on each side of the limit."""
    records: list[Any] = []
    for age in range(20):
        at = NOW.replace(minute=0) - timedelta(days=age)
        records += facts(endpoint, f"gen-{at:%m-%d}", at)
    records += facts(endpoint, "gen-before", MIDNIGHT - timedelta(microseconds=1))
    records += facts(endpoint, "gen-after", MIDNIGHT)
    leave_segment(spool, records)
    ingest_all(spool)
    return endpoint


def everything() -> list[Any]:
    return [
        all_counters(),
        counts(),
        sorted(DailyUse.objects.values_list("day", "requests", "cost_pico")),
        sorted(Spending.objects.values_list("holder", "period", "starts_on", "cost_pico")),
    ]


def differences(*, repair: bool = False) -> list[Any]:
    """Return all that `check_counts` would find."""
    return [
        *compare(repair=repair),
        *compare_counters(NOW, repair=repair),
        *compare_service(NOW, repair=repair),
        *compare_spending(NOW, repair=repair),
    ]


@pytest.mark.usefixtures("ingested")
def test_removes_facts_of_days_that_are_too_old_and_no_counter() -> None:
    before = everything()

    report = forget_facts(NOW)

    assert (report.generations, report.attempts, report.finished) == (11, 11, True)
    kept = {f"gen-11-{day}" for day in range(15, 25)} | {"gen-after"}
    assert set(Generation.objects.values_list("id", flat=True)) == kept
    assert set(Attempt.objects.values_list("generation_id", flat=True)) == kept
    assert everything() == before
    again = forget_facts(NOW)
    assert (again.generations, again.attempts, again.finished) == (0, 0, True)


@pytest.mark.usefixtures("ingested")
def test_the_check_compares_days_whose_facts_are_all_there() -> None:
    forget_facts(NOW)
    before = everything()

    assert differences() == []
    assert differences(repair=True) == []
    assert everything() == before
    assert Attempt.objects.filter(generation="gen-after").delete()[0] == 1
    assert differences() != []


@pytest.mark.usefixtures("ingested")
def test_repair_leaves_alone_what_a_shorter_setting_removed(settings: Any) -> None:
    forget_facts(NOW)
    before = everything()
    settings.FACT_DAYS = 90

    assert forget_facts(NOW).finished
    assert FactsKept.first_day() == FIRST_DAY
    assert differences(repair=True) == []
    assert everything() == before


@pytest.mark.usefixtures("ingested")
def test_a_run_that_was_cut_short_leaves_the_check_truthful(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fact_retention, "BATCH", 2)
    before = everything()

    report = forget_facts(NOW, seconds=0)

    assert (report.generations, report.attempts, report.finished) == (2, 2, False)
    assert differences(repair=True) == []
    assert everything() == before
    while not forget_facts(NOW, seconds=0).finished:
        pass
    assert Generation.objects.count() == Attempt.objects.count() == 11


def test_facts_that_come_again_after_they_were_removed_count_no_more(
    ingested: Endpoint, spool: Path
) -> None:
    forget_facts(NOW)
    before, rows = everything(), Attempt.objects.count()
    again = [
        *facts(ingested, "gen-before", MIDNIGHT - timedelta(microseconds=1)),
        *facts(ingested, "gen-11-20", datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ]
    leave_segment(spool, again, process="1" * 32)

    report = ingest_all(spool)

    assert (report.generations, report.attempts, report.dead) == (0, 0, 2)
    assert everything() == before
    assert Attempt.objects.count() == rows
    [letters] = (spool / "dead").iterdir()
    assert letters.read_text().count("TooOldError") == 2


@pytest.mark.usefixtures("ingested")
def test_zero_days_keep_facts_for_ever(settings: Any) -> None:
    settings.FACT_DAYS = 0

    report = forget_facts(NOW + timedelta(days=4000))

    assert (report.generations, report.finished) == (0, True)
    assert Generation.objects.count() == 22
    assert FactsKept.first_day() == date(1970, 1, 1)


@pytest.mark.usefixtures("ingested")
def test_the_task_and_the_command_remove_what_is_old(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Generation.objects.update(created_at=datetime.now(UTC))
    Generation.objects.filter(id="gen-before").update(created_at=MIDNIGHT - timedelta(days=900))
    task()
    assert Generation.objects.count() == 21

    Generation.objects.filter(id="gen-after").update(created_at=MIDNIGHT - timedelta(days=900))
    call_command("forget_facts")

    assert Generation.objects.count() == 20
    first = datetime.now(UTC).date() - timedelta(days=9)
    assert capsys.readouterr().out == (
        "1 generations, 0 attempts and 0 of the verifier's requests removed; "
        f"those since {first} are kept.\n"
    )


def test_the_command_says_that_nothing_is_removed(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.FACT_DAYS = 0

    call_command("forget_facts")

    assert "FACT_DAYS=0: all facts are kept" in capsys.readouterr().out
