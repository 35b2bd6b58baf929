"""The second factor of the admin, as a person and as a thief meets it."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from routing.limits import Limits
from routing.models import AuditEntry, SecondFactor
from routing.one_time_codes import STEP_S, code_at
from tests.admin_people import person

pytestmark = pytest.mark.django_db
PASSWORD = "a long and good password"
LOGIN, PAGE = "/admin/login/", "/admin/second-factor/"


@pytest.fixture(autouse=True)
def olga(settings: Any) -> User:
    # The real ones are slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("olga", password=PASSWORD)


class Clock:
    """What codes are held against: it stands still unless told, so that no step ends in a test."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr("routing.models.second_factors.now", stands)
    monkeypatch.setattr("routing.admin.second_factor.now", stands)
    monkeypatch.setattr(f"{__name__}.now", stands)
    return stands


def sign_in(client: Client, code: str = "", password: str = PASSWORD, **meta: Any) -> Any:
    said = {"username": "olga", "password": password, "code": code}
    return client.post(LOGIN, said, **meta)


def signed_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def offered(page: Any) -> dict[str, str]:
    """Return what the page offers: the secret, and the field that goes back with it."""
    secret = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page.text)
    offer = re.search(r'name="offer" value="([^"]+)"', page.text)
    assert secret
    assert offer
    return {"secret": secret[1].replace(" ", ""), "offer": offer[1]}


def code_now(secret: str, steps: int = 0) -> str:
    return code_at(secret, now().timestamp() + steps * STEP_S)


def set_up(client: Client) -> str:
    """Set a factor up with this moment's code, and return its secret."""
    offer = offered(client.get(PAGE))
    said = {"password": PASSWORD, "offer": offer["offer"], "code": code_now(offer["secret"], -1)}
    assert client.post(PAGE, said).status_code == 302
    return offer["secret"]


@pytest.fixture
def browser() -> Client:
    client = Client()
    assert sign_in(client).status_code == 302
    return client


@pytest.fixture
def secret(browser: Client) -> str:
    return set_up(browser)


def test_signing_in_takes_the_code_from_then_on(secret: str, clock: Clock) -> None:
    without, wrong, right = Client(), Client(), Client()

    assert sign_in(without).status_code == 200
    assert sign_in(wrong, "000000").status_code == 200
    clock.later(10)
    assert sign_in(right, code_now(secret)).status_code == 302

    assert [signed_in(one) for one in (without, wrong, right)] == [False, False, True]
    assert signed_in(right)


def test_nothing_tells_that_a_password_was_right(secret: str) -> None:
    User.objects.create_superuser("oscar", password=PASSWORD)

    def answers(name: str, password: str) -> list[tuple[int, str]]:
        said = {"username": name, "password": password, "code": "000000"}
        pages = [Client().post(LOGIN, said) for _ in range(7)]
        return [(one.status_code, _without_what_was_typed(one.text, name)) for one in pages]

    expected = answers("oscar", "guess")
    assert answers("olga", PASSWORD) == expected
    assert answers("nobody", "guess") == expected


def _without_what_was_typed(page: str, name: str) -> str:
    lines = page.replace(name, "NAME").splitlines()
    return "\n".join(line for line in lines if "csrfmiddlewaretoken" not in line)


def test_a_code_opens_one_session(secret: str) -> None:
    code = code_now(secret)

    assert sign_in(Client(), code).status_code == 302
    assert sign_in(Client(), code).status_code == 200


def test_the_code_that_set_it_up_opens_none(browser: Client) -> None:
    offer = offered(browser.get(PAGE))
    code = code_now(offer["secret"])
    browser.post(PAGE, {"password": PASSWORD, "offer": offer["offer"], "code": code})

    assert sign_in(Client(), code).status_code == 200


def test_wrong_codes_lock_like_wrong_passwords_and_are_not_kept(secret: str) -> None:
    answers = [sign_in(Client(), "123456").status_code for _ in range(6)]

    assert answers == [200] * 4 + [429] * 2
    assert "123456" not in str(list(AccessAttempt.objects.values()))
    assert PASSWORD not in str(list(AccessAttempt.objects.values()))


def test_guessing_from_many_addresses_is_braked_and_said_to_the_owner(
    secret: str, clock: Clock
) -> None:
    for number in range(100):
        sign_in(Client(), "000000", REMOTE_ADDR=f"203.0.113.{number}")
        clock.later(1)
    # Looked at after 0, 1, 3, 7, 15, 31 and 63 seconds.
    assert SecondFactor.objects.get().wrong_codes == 7
    assert sign_in(Client(), code_now(secret)).status_code == 200, "not looked at, either"

    clock.later(64)
    browser = Client()
    assert sign_in(browser, code_now(secret)).status_code == 302
    assert "7 wrong codes in a row" in browser.get("/admin/").text
    assert SecondFactor.objects.get().wrong_codes == 0


def test_the_brake_has_an_end(secret: str, clock: Clock) -> None:
    SecondFactor.objects.update(wrong_codes=2_000_000, wrong_at=now())
    assert sign_in(Client(), code_now(secret)).status_code == 200

    clock.later(Limits().login_lock_s)

    assert sign_in(Client(), code_now(secret)).status_code == 302


def test_whoever_guesses_passwords_does_not_make_its_owner_wait(secret: str) -> None:
    for number in range(20):
        sign_in(Client(), "000000", "guess", REMOTE_ADDR=f"203.0.113.{number}")

    assert sign_in(Client(), code_now(secret)).status_code == 302


def test_setting_it_up_ends_all_other_sessions(browser: Client) -> None:
    thief = Client()
    sign_in(thief)
    assert signed_in(thief)

    set_up(browser)

    assert signed_in(browser)
    assert not signed_in(thief)


def test_a_session_without_the_factor_opens_no_page_of_the_admin(secret: str, olga: User) -> None:
    half = Client()
    addresses = [reverse("second_factor"), reverse("admin:index"), reverse("admin:password_change")]
    for its_admin in admin.site._registry.values():
        names = [one.name for one in its_admin.get_urls() if "<" not in str(one.pattern)]
        addresses += [reverse(f"admin:{name}") for name in names if name]
    assert len(addresses) > 40

    for address in addresses:
        for send in (half.get, half.post):
            half.force_login(olga)  # a session from before, or made elsewhere
            answer = send(address)
            assert answer.status_code in (302, 403), address
            assert answer.status_code == 403 or answer["Location"].startswith(LOGIN), address
            assert "sessionid" not in half.cookies or half.cookies["sessionid"].value == ""
    assert SecondFactor.objects.count() == 1


def test_nothing_shows_the_secret_again(secret: str, browser: Client) -> None:
    for address in (PAGE, "/admin/", reverse("admin:auth_user_changelist")):
        assert secret not in browser.get(address).text.replace(" ", "")
    kept = SecondFactor.objects.get()
    assert secret.encode() not in bytes(kept.sealed)
    sessions = [Session.objects.get(pk=one.pk).get_decoded() for one in Session.objects.all()]
    assert secret not in str(sessions)
    assert secret not in str(list(AuditEntry.objects.values()))


def test_the_offer_is_unreadable_for_one_user_and_a_while(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = offered(browser.get(PAGE))
    other = User.objects.create_superuser("oscar", password=PASSWORD)
    client = Client()
    client.force_login(other)
    said = {"password": PASSWORD, "offer": offer["offer"], "code": code_now(offer["secret"])}

    assert offer["secret"] not in signing.loads(offer["offer"], salt="routing.admin.second_factor")
    assert client.post(PAGE, said).status_code == 400
    assert browser.post(PAGE, {**said, "offer": "rubbish"}).status_code == 400
    later = time.time() + 901
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    late = browser.post(PAGE, said)

    assert "longer than 15 minutes" in late.text
    assert offered(late)["secret"] != offer["secret"]
    assert not SecondFactor.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "guess"}, "Wrong password."),
        ({"password": ""}, "required"),
        ({"code": "000000"}, "not the code of this secret"),
        ({"code": "no code \x00 <b>"}, "Null characters"),
        ({"code": "9" * 21}, "at most 20"),
    ],
)
def test_a_wrong_form_sets_nothing_up_and_keeps_the_secret_on_offer(
    browser: Client, change: dict[str, str], words: str
) -> None:
    offer = offered(browser.get(PAGE))
    said = {"password": PASSWORD, "offer": offer["offer"], "code": code_now(offer["secret"])}

    answer = browser.post(PAGE, {**said, **change})

    assert answer.status_code == 400
    assert words in answer.text
    assert offered(answer)["secret"] == offer["secret"]
    assert not SecondFactor.objects.exists()
    assert browser.post(PAGE, said).status_code == 302


def test_passwords_cannot_be_guessed_on_the_page(browser: Client) -> None:
    offer = offered(browser.get(PAGE))
    said = {"password": "guess", "offer": offer["offer"], "code": code_now(offer["secret"])}

    answers = [browser.post(PAGE, said).status_code for _ in range(6)]

    assert answers[-1] == 429
    kept = str(list(AccessAttempt.objects.values()))
    assert offer["offer"] not in kept
    assert "guess" not in kept


def test_removing_takes_password_and_code(secret: str, browser: Client, clock: Clock) -> None:
    code = code_now(secret)
    wrong = [{"password": "guess", "code": code}, {"password": PASSWORD, "code": "000000"}]
    assert [browser.post(PAGE, said).status_code for said in wrong] == [400, 400]
    clock.later(1)

    assert browser.post(PAGE, {"password": PASSWORD, "code": code}).status_code == 302

    assert not SecondFactor.objects.exists()
    assert signed_in(browser)
    assert sign_in(Client()).status_code == 302
    assert list(AuditEntry.objects.values_list("action", "actor_name").order_by("pk")) == [
        ("set up second factor", "olga"),
        ("remove second factor", "olga"),
    ]


def test_required_there_is_nothing_else_to_do(browser: Client, settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    led = browser.get(reverse("admin:routing_allowlist_changelist"))

    assert led["Location"] == PAGE
    assert browser.post(reverse("admin:auth_user_add"), {"username": "x"})["Location"] == PAGE
    assert not User.objects.filter(username="x").exists()
    assert "Everybody here needs one" in browser.get(PAGE).text
    set_up(browser)
    assert signed_in(browser)


def test_required_one_can_still_leave(browser: Client, settings: Any) -> None:
    settings.REQUIRE_SECOND_FACTOR = True

    assert browser.post(reverse("admin:logout")).status_code == 200
    assert Client().get(LOGIN).status_code == 200
    assert browser.get("/exacto/").status_code == 200


def test_a_superuser_removes_the_factor_of_a_lost_phone(olga: User) -> None:
    vera = person("viewer", "vera")
    lost = User.objects.get(username="vera")
    SecondFactor.set_up(lost, "A" * 32, 1)
    client, address = Client(), reverse("admin:auth_user_changelist")
    client.force_login(olga)
    data = {"action": "reset_second_factor", "_selected_action": [lost.pk]}

    assert client.get(address).text.count("set up") == 1
    vera.post(address, data)
    assert SecondFactor.objects.exists(), "a viewer may not"
    assert "signed out everywhere: vera" in client.post(address, data, follow=True).text
    assert "None of them has" in client.post(address, data, follow=True).text

    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor_name) == ("remove second factor", "olga")
    assert entry.after == {"person": "vera"}


def test_the_command_removes_it_and_ends_the_sessions_it_opened(
    secret: str, browser: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("reset_second_factor", "olga")

    assert "olga signs in with the password alone" in capsys.readouterr().out
    assert not signed_in(browser)
    assert sign_in(Client()).status_code == 302
    with pytest.raises(CommandError, match="olga has no second factor"):
        call_command("reset_second_factor", "olga")
    with pytest.raises(CommandError, match="no such person"):
        call_command("reset_second_factor", "nobody")


def test_without_the_key_that_sealed_it_nobody_passes_and_the_log_says_the_cure(
    secret: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CREDENTIAL_KEYS = ["another key"]

    assert sign_in(Client(), code_now(secret)).status_code == 200
    assert "manage.py reset_second_factor" in caplog.text


@pytest.fixture
def committed(transactional_db: None, olga: User) -> Iterator[None]:
    yield
    connection.close()


@pytest.mark.usefixtures("committed")
def test_of_two_who_give_one_code_at_once_one_gets_in() -> None:
    browser = Client()
    sign_in(browser)
    code = code_now(set_up(browser))

    def try_it(_: int) -> int:
        try:
            return int(sign_in(Client(), code).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(try_it, range(4))) == [200, 200, 200, 302]
