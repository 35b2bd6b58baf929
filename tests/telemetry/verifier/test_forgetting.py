"""How long the verifier's single requests are kept, and what of a run stays when they go."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.models import Endpoint
from telemetry.fact_retention import forget_facts
from telemetry.models import Probe, VerifierRun, VerifierVerdict
from telemetry.verifier import claims
from telemetry.verifier.ordering import Order, place
from telemetry.verifier.request_set import read_set

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
LINE = {
    "messages": [{"role": "user", "content": "Weather?"}],
    "tools": [{"type": "function", "function": {"name": "weather"}}],
}


@pytest.fixture(autouse=True)
def ten_days(settings: Any) -> None:
    settings.FACT_DAYS = 10


def ended(endpoint: Endpoint, days_ago: int, state: str = "finished") -> VerifierRun:
    requests = read_set(json.dumps(LINE).encode(), "made up")
    run, is_new = place(Order(endpoint.model, requests, VerifierRun.Cause.PERSON, [endpoint]))
    assert is_new
    at = NOW - timedelta(days=days_ago)
    run.probes.filter(position=1).update(state="done", sent_at=at, cost_pico=70)
    run.probes.filter(position=2).update(state="unknown", sent_at=at, reserved_pico=900)
    VerifierRun.objects.filter(pk=run.pk).update(state=state, ended_at=at)
    run.refresh_from_db()
    if state == "finished":
        VerifierVerdict.objects.create(run=run, endpoint=endpoint, why_none="No evidence.")
    return run


def probes(run: VerifierRun) -> int:
    return run.probes.count()


def test_requests_of_old_runs_go_and_what_the_run_came_to_stays(endpoint: Endpoint) -> None:
    old, stopped = ended(endpoint, 20), ended(endpoint, 15, "stopped")
    recent, newest = ended(endpoint, 9), ended(endpoint, 1)
    before = {run.pk: claims.progress(run) for run in (old, stopped, recent, newest)}
    assert before[old.pk][endpoint.pk].pico == 970

    report = forget_facts(NOW)

    assert (report.probes, report.finished) == (4, True)
    assert [probes(run) for run in (old, stopped, recent, newest)] == [0, 0, 2, 2]
    runs = VerifierRun.objects.order_by("pk")
    assert {run.pk: claims.progress(run) for run in runs} == before
    assert forget_facts(NOW).probes == 0


def test_the_newest_finished_run_of_an_endpoint_keeps_them(endpoint: Endpoint) -> None:
    """The provider's report shows requests of it."""
    older, newest = ended(endpoint, 30), ended(endpoint, 20)
    ended(endpoint, 15, "stopped")

    forget_facts(NOW)

    assert (probes(older), probes(newest)) == (0, 2)


def test_a_run_that_goes_on_keeps_them_however_old(endpoint: Endpoint) -> None:
    run = ended(endpoint, 20)
    VerifierRun.objects.update(state="open", ended_at=None)
    VerifierVerdict.objects.all().delete()
    Probe.objects.update(sent_at=NOW - timedelta(days=400))

    forget_facts(NOW)

    assert probes(run) == 2


def test_zero_days_keep_them_for_ever(endpoint: Endpoint, settings: Any) -> None:
    settings.FACT_DAYS = 0
    run = ended(endpoint, 400, "stopped")

    forget_facts(NOW)

    assert probes(run) == 2
