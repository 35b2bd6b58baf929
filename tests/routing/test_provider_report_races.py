"""Providers and curators at the same moment: limits hold, and a closed link takes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing import provider_reports
from routing.models import Notice, ProviderMessage, ProviderReport
from tests.catalog_rows import make_endpoint
from tests.telemetry.test_feedback_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


@pytest.fixture
def boss() -> User:
    return User.objects.create_user("olga")


def link_to(endpoint: Endpoint, boss: User) -> tuple[ProviderReport, str]:
    at = now()
    row, link = provider_reports.make_link(
        endpoint, note="To Cy", until=at + timedelta(days=7), by=boss, at=at
    )
    return row, reverse("report", args=[link])


def writes(path: str, kind: str, text: str = "Mended.") -> Callable[[], int]:
    return lambda: Client().post(path, {"kind": kind, "text": text}).status_code


def test_of_retests_asked_for_at_once_one_is_open(boss: User) -> None:
    for number in range(ROUNDS):
        endpoint = make_endpoint(f"p{number}")
        first, second = link_to(endpoint, boss)[1], link_to(endpoint, boss)[1]

        given = at_once(
            *[
                writes(path, "retest", f"Mended {at}.")
                for at, path in enumerate((first, second) * 2)
            ]
        )

        assert sorted(map(str, given)) == ["303", "429", "429", "429"]
        assert ProviderMessage.objects.filter(endpoint=endpoint).count() == 1
    assert Notice.objects.count() == ROUNDS


def test_of_answers_at_once_no_more_are_taken_than_the_limit(
    boss: User, settings: LazySettings
) -> None:
    most = settings.LIMITS.report_hourly
    path = link_to(make_endpoint(), boss)[1]

    given = at_once(*[writes(path, "answer", f"No. {at}") for at in range(most + 2)])

    assert sorted(map(str, given)) == ["303"] * most + ["429"] * 2
    assert ProviderMessage.objects.count() == most


@pytest.mark.parametrize("kind", ["answer", "retest"])
def test_a_double_click_is_one_message(boss: User, kind: str) -> None:
    for number in range(ROUNDS):
        path = link_to(make_endpoint(f"p{number}"), boss)[1]

        assert at_once(*[writes(path, kind)] * 3) == [303] * 3
    assert ProviderMessage.objects.count() == ROUNDS
    assert Notice.objects.count() == ROUNDS


def test_what_is_sent_while_its_link_is_revoked_is_taken_before_or_not_at_all(
    boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, path = link_to(make_endpoint(), boss)

    def then_revoke(link: str, at: datetime) -> ProviderReport | None:
        row = provider_reports.find(link, at)
        provider_reports.revoke(report, by=boss, at=now())
        return row

    monkeypatch.setattr("routing.pages.report.find", then_revoke)

    assert writes(path, "answer")() == 404
    assert not ProviderMessage.objects.exists()
    assert not Notice.objects.exists()
