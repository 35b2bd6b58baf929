"""How long a curator stays signed in."""

import time
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.timezone import now

from routing.limits import Limits
from tests.admin_people import curator

pytestmark = pytest.mark.django_db
MINUTE = 60


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that makes it so many seconds later, for this middleware alone."""
    began = time.time()

    def move(seconds: float) -> None:
        monkeypatch.setattr("routing.admin.sessions.time", lambda: began + seconds)

    return move


def signed_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def test_a_session_ends_after_a_days_work_however_busy(later: Callable[[float], None]) -> None:
    client = curator()
    assert signed_in(client)

    later(Limits().admin_session_s - 1)
    assert signed_in(client)
    later(Limits().admin_session_s + 1)

    assert not signed_in(client)
    assert not Session.objects.exists()


def test_an_unused_session_expires_and_use_renews_it(later: Callable[[float], None]) -> None:
    client = curator()
    assert signed_in(client)
    Session.objects.update(expire_date=now())
    first = Session.objects.get().expire_date

    later(30)
    assert not signed_in(client), "expired"

    client = curator("cora")
    assert signed_in(client)
    answer = client.get("/admin/")
    assert "sessionid" not in answer.cookies, "not written on every request"
    later(2 * MINUTE)
    answer = client.get("/admin/")
    assert answer.cookies["sessionid"]["max-age"] == Limits().admin_idle_s
    assert Session.objects.latest("expire_date").expire_date > first


def test_a_request_without_a_session_asks_for_none() -> None:
    answer = Client().get("/api/v1/models")

    assert answer.status_code == 200
    assert "sessionid" not in answer.cookies
    assert "Cookie" not in answer.get("Vary", "")
