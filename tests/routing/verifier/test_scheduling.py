"""When models are verified by themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.celeryconfig import beat_schedule
from routing.limits import Limits
from routing.tasks import order_verification, verify
from routing.verifier.scheduling import due, next_due, place_due
from telemetry.models import VerifierRun
from tests.catalog_rows import make_endpoint
from tests.routing.verifier.rig import MODEL

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIMITS = Limits()
DAY = timedelta(days=1)


def finished(first: datetime, *more: datetime) -> None:
    """Leave finished runs of the model, begun then."""
    for at in (first, *more):
        [run] = place_due(at, LIMITS)
        VerifierRun.objects.filter(pk=run.pk).update(state="finished", created_at=at)


@pytest.mark.django_db
def test_a_new_model_is_due_at_once_and_has_one_run_at_a_time() -> None:
    make_endpoint()
    make_endpoint("cobalt", "acme/no-tools", supported_parameters=["max_tokens"])
    make_endpoint("cobalt", "acme/off", enabled=False)

    assert [run.model.slug for run in place_due(NOON, LIMITS)] == [MODEL]
    assert place_due(NOON + 30 * DAY, LIMITS) == []


@pytest.mark.django_db
def test_in_its_first_week_it_is_due_more_often() -> None:
    make_endpoint()
    finished(NOON)

    assert not list(due(NOON + timedelta(hours=5), LIMITS))
    assert list(due(NOON + timedelta(hours=6), LIMITS))


@pytest.mark.django_db
def test_after_its_first_week_it_is_due_daily() -> None:
    make_endpoint()
    last = NOON + 8 * DAY
    finished(NOON, last)

    assert not list(due(last + timedelta(hours=23), LIMITS))
    assert list(due(last + timedelta(hours=24), LIMITS))


@given(st.timedeltas(timedelta(0), timedelta(days=60)))
def test_nothing_is_due_before_its_last_run(later: timedelta) -> None:
    last = NOON + later

    assert last < next_due(NOON, last, LIMITS) <= last + DAY


@pytest.mark.django_db
def test_nothing_runs_by_itself_unless_the_operator_says_so(settings: Any) -> None:
    make_endpoint()
    assert settings.VERIFY_SCHEDULED is False
    order_verification()
    assert not VerifierRun.objects.exists()

    settings.VERIFY_SCHEDULED = True
    order_verification()
    assert VerifierRun.objects.get().cause == "schedule"


def test_beat_has_both_tasks() -> None:
    tasks = {entry["task"] for entry in beat_schedule.values()}

    assert {order_verification.name, verify.name} <= tasks
