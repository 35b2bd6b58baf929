from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import call_command

from providers.models import Endpoint
from telemetry.counts import compare
from telemetry.ingest import ingest_all
from telemetry.models import VerdictCount
from tests.telemetry.spooled import attempt_fact, leave_segment, verdict_fact

LATE = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC).timestamp()


@pytest.fixture
def ingested(endpoint: Endpoint, spool: Path) -> Endpoint:
    """Three attempts around midnight, one of them judged."""
    moments = {"gen-1": LATE, "gen-2": LATE + 1, "gen-3": LATE + 2}
    attempts = [
        attempt_fact(name, endpoint_id=endpoint.pk, started_at=at) for name, at in moments.items()
    ]
    leave_segment(spool, [*attempts, verdict_fact("gen-3", "invalid_json")])
    ingest_all(spool)
    return endpoint


def test_counts_by_endpoint_day_and_verdict(ingested: Endpoint) -> None:
    cells = VerdictCount.objects.filter(attempts__gt=0).order_by("day", "verdict")

    assert list(cells.values_list("endpoint_id", "day", "verdict", "attempts")) == [
        (ingested.pk, date(2026, 11, 22), "pending", 1),
        (ingested.pk, date(2026, 11, 23), "invalid_json", 1),
        (ingested.pk, date(2026, 11, 23), "pending", 1),
    ]


@pytest.mark.usefixtures("ingested")
def test_the_check_passes_on_what_ingestion_made(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_counts")

    out = capsys.readouterr().out
    assert out.splitlines() == [
        "Verdict counts equal the rows.",
        "Counters equal the rows.",
        "Spending equals the rows.",
    ]


def test_the_check_fails_and_lists_what_differs(
    ingested: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    VerdictCount.objects.filter(verdict="invalid_json").update(attempts=3)
    VerdictCount.objects.filter(day=date(2026, 11, 22)).delete()
    VerdictCount.objects.create(
        endpoint=ingested, day=date(2026, 11, 24), verdict="valid", attempts=1
    )

    with pytest.raises(SystemExit) as stop:
        call_command("check_counts")

    assert stop.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        f"endpoint {ingested.pk} 2026-11-22 pending: counted 0, rows 1",
        f"endpoint {ingested.pk} 2026-11-23 invalid_json: counted 3, rows 1",
        f"endpoint {ingested.pk} 2026-11-24 valid: counted 1, rows 0",
        "Counters equal the rows.",
        "Spending equals the rows.",
    ]


@pytest.mark.usefixtures("ingested")
def test_repairs_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    VerdictCount.objects.filter(verdict="pending").update(attempts=7)
    VerdictCount.objects.filter(verdict="invalid_json").delete()

    call_command("check_counts", "--repair")

    assert "3 counts set right." in capsys.readouterr().out
    assert compare() == {}
