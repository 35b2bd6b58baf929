"""/account/: an API key is exchanged for a session, which lives no longer than the key."""

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.core import signing
from django.db.models import F
from django.test import Client
from django.utils.timezone import now

from routing.celeryconfig import beat_schedule
from routing.models import Account, ApiKey, Scope
from routing.pages.account.session import COOKIE
from routing.tasks import forget_sessions
from tests.admin_people import operator
from tests.catalog_rows import make_key
from tests.routing.pages.account_visitor import ACCOUNT, visitor

pytestmark = pytest.mark.django_db
PAGES = ["/account/keys/", "/account/preferences/", "/account/generations/"]


def fail(times: int, **meta: Any) -> Any:
    return [Client(**meta).post(ACCOUNT, {"key": "guess"}) for _ in range(times)][-1]


def is_signed_in(client: Client) -> bool:
    return "Sign out" in client.get(ACCOUNT).text


def test_a_key_signs_in_and_its_browser_out(client: Client) -> None:
    key = make_key("Alice", "laptop")
    assert "Sign in with an API key" in client.get(ACCOUNT).text

    answer = client.post(ACCOUNT, {"key": f"  {key}\n"})

    assert (answer.status_code, answer["Location"]) == (302, ACCOUNT)
    assert "laptop" in client.get(ACCOUNT).text
    assert client.post("/account/sign-out").status_code == 302
    assert not is_signed_in(client)


def test_the_cookie_is_its_own_and_has_nothing_of_the_key(client: Client) -> None:
    key = make_key("Alice")
    row = ApiKey.objects.get()

    answer = client.post(ACCOUNT, {"key": key})

    cookie = answer.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", ACCOUNT)
    assert not cookie["secure"]
    assert "sessionid" not in answer.cookies
    told = str(signing.loads(cookie.value, salt="routing.pages.account"))
    assert not any(secret in told for secret in (key, key[18:61], row.digest))


def test_the_cookie_is_secure_over_https(settings: LazySettings) -> None:
    key = make_key("Alice")

    assert Client().post(ACCOUNT, {"key": key}, secure=True).cookies[COOKIE]["secure"]
    settings.HTTPS_ONLY = True
    assert Client().post(ACCOUNT, {"key": key}).cookies[COOKIE]["secure"]


def test_wrong_revoked_disabled_and_expired_keys_are_told_the_same() -> None:
    revoked, disabled = make_key("Alice", "revoked"), make_key("Alice", "off", disabled=True)
    expired = make_key("Bob", expires_at=now() - timedelta(seconds=1))
    ApiKey.objects.get(label="revoked").revoke()
    wrong = make_key("Carol")
    ApiKey.objects.filter(account__name="Carol").update(digest="0" * 64)

    def said(key: str, address: str) -> tuple[int, str]:
        answer = Client(REMOTE_ADDR=address).post(ACCOUNT, {"key": key})
        lines = [one for one in answer.text.splitlines() if "csrfmiddlewaretoken" not in one]
        return answer.status_code, "\n".join(lines)

    keys = [wrong, revoked, disabled, expired, "nonsense", "a,b", "ä" * 20, "x" * 9000, "\0"]
    answers = {said(key, f"203.0.113.{n}") for n, key in enumerate(keys)}

    [(status, page)] = answers
    assert status == 403
    assert "No usable API key" in page
    assert "nonsense" not in page


@pytest.mark.parametrize("ending", ["revoked", "disabled", "expired", "rotated", "gone"])
def test_a_session_ends_with_its_key(ending: str) -> None:
    client = visitor(make_key("Alice"))
    key = ApiKey.objects.get()
    if ending == "revoked":
        key.revoke()
    elif ending == "rotated":
        key.rotate(timedelta(0))
    elif ending == "gone":
        key.delete()
    else:
        ended: dict[str, dict[str, Any]] = {
            "expired": {"expires_at": now()},
            "disabled": {"disabled": True},
        }
        ApiKey.objects.update(**ended[ending])

    assert all(client.get(page).status_code == 302 for page in PAGES)
    answer = client.get(ACCOUNT)

    assert "The session has ended" in answer.text
    assert answer.cookies[COOKIE]["max-age"] == 0


def test_a_rotated_key_keeps_its_session_for_the_overlap() -> None:
    client = visitor(make_key("Alice"))
    ApiKey.objects.get().rotate(timedelta(hours=1))
    assert is_signed_in(client)

    ApiKey.objects.update(previous_until=now())

    assert not is_signed_in(client)


def test_a_session_is_short(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visitor(make_key("Alice"))
    age = settings.LIMITS.account_session_s
    assert age == 3600
    later = time.time() + age + 1

    monkeypatch.setattr(time, "time", lambda: later)

    assert not is_signed_in(client)


def test_signing_out_ends_copies_of_the_cookie_and_no_other_session() -> None:
    key = make_key("Alice")
    client, elsewhere, copy = visitor(key), visitor(key), Client()
    copy.cookies[COOKIE] = client.cookies[COOKIE].value
    assert is_signed_in(copy)

    client.post("/account/sign-out")

    assert [is_signed_in(one) for one in (client, copy, elsewhere)] == [False, False, True]


def test_signing_in_again_ends_the_former_session_of_this_browser() -> None:
    key = make_key("Alice")
    client, copy = visitor(key), Client()
    copy.cookies[COOKIE] = client.cookies[COOKIE].value

    client.post(ACCOUNT, {"key": key})

    assert [is_signed_in(one) for one in (client, copy)] == [True, False]


def test_a_session_opens_nothing_of_the_admin_nor_the_other_way_round(client: Client) -> None:
    visitor(make_key("Alice"))
    client.cookies["sessionid"] = Session.objects.get().session_key
    assert client.get("/admin/").status_code == 302

    admin = operator()
    told = {"account": Account.objects.get().pk, "key": ApiKey.objects.get().pk, "mark": "x"}
    row = admin.cookies["sessionid"].value
    client.cookies[COOKIE] = signing.dumps(told | {"row": row}, salt="routing.pages.account")
    assert not is_signed_in(client)


def test_sessions_that_ended_are_forgotten() -> None:
    visitor(make_key("Alice"))
    lasting = operator()
    Session.objects.exclude(pk=lasting.cookies["sessionid"].value).update(expire_date=now())

    forget_sessions()

    assert Session.objects.count() == 1
    assert "routing.forget_sessions" in {one["task"] for one in beat_schedule.values()}


@pytest.mark.parametrize("cookie", ["", "x", "e30:1:x", "a" * 5000, "ä"])
def test_a_cookie_that_is_not_ours_is_nobody(client: Client, cookie: str) -> None:
    client.cookies[COOKIE] = cookie

    assert client.get("/account/keys/").status_code == 302


def test_a_cookie_of_another_salt_or_account_is_nobody(client: Client) -> None:
    alice = visitor(make_key("Alice"))
    told = signing.loads(alice.cookies[COOKIE].value, salt="routing.pages.account")
    bob = Account.objects.create(name="Bob")

    for value in (
        signing.dumps(told),
        signing.dumps(told | {"account": bob.pk}, salt="routing.pages.account"),
    ):
        client.cookies[COOKIE] = value
        assert not is_signed_in(client)


def test_five_failures_lock_the_address_and_no_other() -> None:
    key = make_key("Alice")
    assert fail(4).status_code == 403

    fifth = fail(1)
    right = Client().post(ACCOUNT, {"key": key})

    assert (fifth.status_code, right.status_code) == (429, 429)
    assert right["Retry-After"] == "900"
    assert COOKIE not in right.cookies
    assert Client(REMOTE_ADDR="203.0.113.9").post(ACCOUNT, {"key": key}).status_code == 302
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=901))
    assert Client().post(ACCOUNT, {"key": key}).status_code == 302


def test_failures_here_lock_no_curator_out() -> None:
    fail(6)

    answer = Client().post("/admin/login/", {"username": "olga", "password": "guess"})

    assert answer.status_code == 200


def test_nothing_typed_is_stored_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    revoked = make_key("Alice")
    ApiKey.objects.get().revoke()
    used = make_key("Alice", "used")

    Client().post(ACCOUNT, {"key": revoked})
    visitor(used)

    kept = str(list(AccessAttempt.objects.values())) + caplog.text
    assert AccessAttempt.objects.count() == 1
    assert not any(key[18:61] in kept for key in (revoked, used))


def test_an_empty_form_is_no_failed_attempt(client: Client) -> None:
    answer = client.post(ACCOUNT, {})

    assert (answer.status_code, "Paste an API key" in answer.text) == (400, True)
    assert not AccessAttempt.objects.exists()


def test_a_key_in_the_address_signs_nobody_in(client: Client) -> None:
    client.get(ACCOUNT, {"key": make_key("Alice")})

    assert not is_signed_in(client)


def test_every_change_needs_djangos_token() -> None:
    key = make_key("Alice", management=True)
    client = Client(enforce_csrf_checks=True)

    assert client.post(ACCOUNT, {"key": key}).status_code == 403
    client.cookies = visitor(key).cookies
    del client.cookies["csrftoken"]
    for page in [*PAGES[:2], "/account/sign-out"]:
        assert client.post(page, {"name": "x"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_signing_out_is_no_link() -> None:
    assert visitor(make_key("Alice")).get("/account/sign-out").status_code == 405


def test_pages_are_kept_by_no_one_and_run_no_script() -> None:
    client = visitor(make_key("Alice", management=True))

    for page in [ACCOUNT, *PAGES]:
        answer = client.get(page)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        # With no-referrer a browser sends "Origin: null", and no form would ever arrive.
        assert answer["Referrer-Policy"] == "same-origin"
        assert "<script" not in answer.text
        assert "style=" not in answer.text


def test_it_can_be_switched_off(settings: LazySettings) -> None:
    client = visitor(make_key("Alice"))
    assert 'href="/account/"' in client.get("/exacto/").text
    settings.ACCOUNT_PAGES = False

    assert {client.get(page).status_code for page in [ACCOUNT, *PAGES]} == {404}
    assert client.post(ACCOUNT, {"key": make_key("Bob")}).status_code == 404
    assert client.post("/account/sign-out").status_code == 404
    assert 'href="/account/"' not in client.get("/exacto/").text


def test_a_key_without_read_sees_nothing_of_its_account() -> None:
    client = visitor(make_key("Alice", "secret label", scopes=[Scope.CHAT]))

    page = client.get(ACCOUNT).text

    assert "lacks the scope <code>read</code>" in page
    assert "secret label" not in page
    assert {client.get(one).status_code for one in PAGES} == {403}
