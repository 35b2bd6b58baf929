"""Brute force against the admin's sign-in, through its own page."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client, RequestFactory, override_settings

from routing.client_address import client_address
from routing.limits import Limits

pytestmark = pytest.mark.django_db
PASSWORD = "a long and good password"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def olga(settings: Any) -> User:
    # The real ones are slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("olga", password=PASSWORD)


def sign_in(name: str = "olga", password: str = "guess", **meta: Any) -> Any:
    """Sign in from a fresh browser."""
    return Client(**meta).post(LOGIN, {"username": name, "password": password})


def fail(times: int, name: str = "olga", **meta: Any) -> Any:
    return [sign_in(name, **meta) for _ in range(times)][-1]


def wait(seconds: float) -> None:
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=seconds))


def test_after_five_failures_even_the_right_password_is_refused() -> None:
    assert fail(4).status_code == 200
    fifth = fail(1)
    right = sign_in(password=PASSWORD)

    assert (fifth.status_code, right.status_code) == (429, 429)
    assert right.headers["Retry-After"] == "900"
    assert "locked for 15 minutes" in right.text
    assert "sessionid" not in right.cookies


def test_the_lock_ends_after_fifteen_minutes_though_guessing_went_on() -> None:
    fail(5)
    wait(Limits().login_lock_s - 60)
    assert fail(3).status_code == 429

    wait(61)

    assert sign_in(password=PASSWORD).status_code == 302


def test_a_success_forgets_the_failures_before_it() -> None:
    fail(4)
    assert sign_in(password=PASSWORD).status_code == 302

    assert fail(4).status_code == 200
    assert sign_in(password=PASSWORD).status_code == 302


def test_another_browser_or_kind_of_request_does_not_help() -> None:
    fail(5)

    for meta in ({"HTTP_USER_AGENT": "other"}, {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}):
        answer = sign_in(password=PASSWORD, **meta)
        assert answer.status_code == 429
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_nobody_locks_a_curator_out_from_elsewhere() -> None:
    assert fail(5, REMOTE_ADDR="203.0.113.9").status_code == 429

    assert sign_in(password=PASSWORD, REMOTE_ADDR="203.0.113.10").status_code == 302
    assert fail(1, "carl", REMOTE_ADDR="203.0.113.9").status_code == 200


def test_nobody_learns_which_users_exist() -> None:
    def answers(name: str) -> list[tuple[int, str]]:
        said = [sign_in(name) for _ in range(7)]
        return [(one.status_code, _without_what_was_typed(one.text, name)) for one in said]

    assert answers("olga") == answers("nobody")


def _without_what_was_typed(page: str, name: str) -> str:
    lines = page.replace(name, "NAME").splitlines()
    return "\n".join(line for line in lines if "csrfmiddlewaretoken" not in line)


def test_no_password_is_kept() -> None:
    fail(6)
    sign_in(password=PASSWORD)

    kept = str(list(AccessAttempt.objects.values()))
    assert "guess" not in kept
    assert PASSWORD not in kept
    assert not AccessLog.objects.exists()
    assert not AccessFailureLog.objects.exists()


def test_the_page_itself_stays_open() -> None:
    fail(5)

    assert Client().get(LOGIN).status_code == 200


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        # As a socket for both families tells of IPv4.
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "::ffff:198.51.100.1, ::ffff:10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("", "198.51.100.1", None),
    ],
)
def test_only_a_trusted_proxy_is_believed(remote: str, forwarded: str, address: str | None) -> None:
    request = RequestFactory().get(LOGIN, REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)

    with override_settings(TRUSTED_PROXIES=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")]):
        assert client_address(request) == address
