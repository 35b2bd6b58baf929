"""/account/keys/: what a management key does to its account's keys, by forms."""

import html
import logging
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from routing.gateway.keys import load_caller
from routing.models import Account, ApiKey, key_digest
from telemetry.models import Outcome
from tests.catalog_rows import make_endpoint, make_key
from tests.routing.pages.account_visitor import visitor
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
KEYS = "/account/keys/"


@pytest.fixture
def manager() -> Client:
    return visitor(make_key("Alice", "manager", management=True))


def made(label: str, owner: str = "Alice", **fields: object) -> tuple[ApiKey, str, str]:
    """Make a key and return it with its text and its page."""
    text = make_key(owner, label, **fields)
    key = ApiKey.objects.get(label=label)
    return key, text, f"{KEYS}{key.public_id}"


def shown(page: str) -> str:
    [text] = re.findall(r'<code class="secret">([^<]+)</code>', page)
    return html.unescape(str(text))


def works(text: str) -> bool:
    return load_caller(key_digest(text)) is not None


def test_an_ordinary_key_manages_none(client: Client) -> None:
    key, _, page = made("other")
    client = visitor(make_key("Alice"))

    answers = [client.get(KEYS), client.post(KEYS, {"name": "x"}), client.get(page)]
    answers += [
        client.post(page, {"deed": deed, "sure": "on"}) for deed in ("disable", "change", "delete")
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert "Only a management key may do that" in answers[0].text
    key.refresh_from_db()
    assert key.usable(now())
    assert f'href="{KEYS}"' not in client.get("/account/").text


def test_a_made_key_works_and_is_shown_once(
    manager: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wanted = {
        "name": " build <b>server ",
        "limit": "2.5",
        "limit_reset": "monthly",
        "expires_at": "2999-01-31T12:00",
    }

    answer = manager.post(KEYS, wanted)

    text = shown(answer.text)
    assert (answer.status_code, works(text)) == (200, True)
    key = ApiKey.objects.get(management=False)
    assert (key.label, float(key.spend_limit or 0), key.limit_reset) == (
        "build <b>server",
        2.5,
        "monthly",
    )
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2999-01-31T12:00:00+00:00"
    later = manager.get(KEYS).text
    assert "build &lt;b&gt;server" in later
    assert text not in later + caplog.text + str(answer.cookies)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "This field is required"),
        ("name", "x" * 101, "at most 100"),
        ("name", "\u200b\u202e", "visible characters"),
        ("limit", "-1", "greater than or equal to 0"),
        ("limit", "nan", "Enter a number"),
        ("limit", "1e300", "less than or equal to 999999999"),
        ("limit_reset", "hourly", "Select a valid choice"),
        ("expires_at", "2001-01-01T00:00", "a time to come"),
        ("expires_at", "soon", "Enter a valid date/time"),
    ],
)
def test_what_the_api_would_refuse_is_refused_at_its_field(
    manager: Client, field: str, value: str, said: str
) -> None:
    answer = manager.post(KEYS, {"name": "fine", field: value})

    assert answer.status_code == 400
    assert said in answer.text
    assert f'id="id_{field}_error"' in answer.text
    assert not ApiKey.objects.filter(management=False).exists()


def form_of(page: str, client: Client) -> dict[str, str]:
    """Return what a browser sends of the form that changes a key, as the page has it."""
    [shown] = re.findall(
        r"<h2>Change</h2>\s*<form.*?>(.*?)</form>", client.get(page).text, flags=re.DOTALL
    )
    sent = {"deed": "change", "limit_reset": ""}
    for field in re.findall(r"<input[^>]*>", shown):
        told = dict(re.findall(r'(name|value)="([^"]*)"', field))
        sent[told["name"]] = html.unescape(told.get("value", ""))
    for value in re.findall(r'<option value="([^"]*)" selected', shown):
        sent["limit_reset"] = value
    return sent


def change(page: str, client: Client, **fields: str) -> Any:
    return client.post(page, {**form_of(page, client), **fields})


def test_a_keys_limits_and_name_can_be_changed(manager: Client) -> None:
    key, text, page = made("laptop")

    wanted = {"name": "desk", "limit": "2.5", "limit_reset": "weekly"}
    answer = change(page, manager, **wanted, expires_at="2999-01-31T12:00")

    assert answer.status_code == 302
    key.refresh_from_db()
    assert (key.label, key.spend_limit, key.limit_reset) == ("desk", Decimal("2.5"), "weekly")
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2999-01-31T12:00:00+00:00"
    caller = load_caller(key_digest(text))
    assert caller is not None
    assert "$2.50 left" in manager.get(page).text

    change(page, manager, limit="", limit_reset="", expires_at="")
    key.refresh_from_db()
    assert [key.spend_limit, key.limit_reset, key.expires_at] == [None, "", None]


def test_a_key_may_count_what_the_accounts_own_credentials_pay_for(manager: Client) -> None:
    key, _, page = made("laptop", spend_limit=Decimal(5))
    make_generation(
        "gen-1",
        (make_endpoint("cobalt"), Outcome.OK),
        account=key.account,
        api_key_id=key.pk,
        cost=Decimal(0),
        own_credential=True,
        upstream_cost=Decimal("1.5"),
    )
    assert "$5.00 left" in manager.get(page).text

    change(page, manager, include_byok_in_limit="on")

    key.refresh_from_db()
    assert key.include_byok_in_limit
    told = manager.get(page).text
    assert "$1.50 ever, $1.50 this month; it counts for the limit" in told
    assert "$3.50 left" in told
    assert "on the account\u2019s own credentials" in manager.get("/account/").text
    change(page, manager, name="desk", include_byok_in_limit="on")
    key.refresh_from_db()
    assert key.include_byok_in_limit
    change(page, manager)
    key.refresh_from_db()
    assert not key.include_byok_in_limit


def test_what_is_left_as_it_was_is_not_written(manager: Client) -> None:
    key, _, page = made("laptop", spend_limit=Decimal("0.123456"), limit_reset="daily")
    # Its last day has passed: kept as it is, it is no fault of who changes the name.
    ApiKey.objects.filter(pk=key.pk).update(expires_at=now() - timedelta(days=1))

    answer = change(page, manager, name="desk")

    assert answer.status_code == 302
    key.refresh_from_db()
    assert (key.label, key.spend_limit, key.limit_reset) == ("desk", Decimal("0.123456"), "daily")
    assert key.expires_at is not None


def test_a_page_that_was_open_for_long_undoes_nothing(manager: Client) -> None:
    key, _, page = made("laptop", spend_limit=Decimal(5), limit_reset="daily")
    sent = form_of(page, manager)
    ApiKey.objects.filter(pk=key.pk).update(spend_limit=1, expires_at=now() + timedelta(days=1))

    assert manager.post(page, {**sent, "name": "desk"}).status_code == 302

    key.refresh_from_db()
    assert (key.label, key.spend_limit, key.limit_reset) == ("desk", Decimal(1), "daily")
    assert key.expires_at is not None


def test_a_form_without_its_token_changes_nothing() -> None:
    key, _, page = made("laptop")
    strict = visitor(make_key("Alice", "manager", management=True))
    strict.handler.enforce_csrf_checks = True

    assert strict.post(page, {"deed": "change", "name": "desk"}).status_code == 403
    key.refresh_from_db()
    assert key.label == "laptop"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "This field is required"),
        ("name", "a\0", "Null characters"),
        ("limit", "-1", "greater than or equal to 0"),
        ("limit", "inf", "Enter a number"),
        ("limit_reset", "hourly", "Select a valid choice"),
        ("expires_at", "2001-01-01T00:00", "a time to come"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    manager: Client, field: str, value: str, said: str
) -> None:
    key, _, page = made("laptop")
    before = ApiKey.objects.filter(pk=key.pk).values().get()
    wanted = {"name": "desk", "limit": "1", field: value}

    answer = manager.post(page, {"deed": "change", **wanted})

    assert answer.status_code == 400
    assert said in answer.text
    assert f'id="id_{field}_error"' in answer.text
    assert ApiKey.objects.filter(pk=key.pk).values().get() == before


def test_a_disabled_key_stops_and_an_enabled_one_goes_on(manager: Client) -> None:
    _, text, page = made("laptop")

    assert manager.post(page, {"deed": "disable"}).status_code == 302
    assert not works(text)
    assert "Enable the key" in manager.get(page).text

    manager.post(page, {"deed": "enable"})
    assert works(text)


@pytest.mark.parametrize(("overlap", "still"), [("3600", True), ("0", False)])
def test_a_rotated_key_has_a_new_secret_and_the_old_one_for_the_overlap(
    manager: Client, overlap: str, still: bool
) -> None:
    key, old, page = made("laptop")

    new = shown(manager.post(page, {"deed": "rotate", "overlap_seconds": overlap}).text)

    assert (works(new), works(old)) == (True, still)
    key.refresh_from_db()
    assert (key.previous_until is not None) is still
    assert ("works until" in manager.get(page).text) is still


def test_an_overlap_that_is_not_offered_rotates_nothing(manager: Client) -> None:
    _, old, page = made("laptop")

    assert manager.post(page, {"deed": "rotate", "overlap_seconds": "-5"}).status_code == 400
    assert manager.post(page, {"deed": "rotate"}).status_code == 400
    assert works(old)


def test_deleting_needs_a_tick_and_is_for_good(manager: Client) -> None:
    _, text, page = made("laptop")

    assert manager.post(page, {"deed": "delete"}).status_code == 400
    assert works(text)
    assert manager.post(page, {"deed": "delete", "sure": "on"}).status_code == 302

    assert not works(text)
    assert manager.get(page).status_code == 404
    assert "laptop" not in manager.get(KEYS).text


def test_a_deed_that_does_not_exist_does_nothing(manager: Client) -> None:
    _, text, page = made("laptop")

    assert manager.post(page, {"deed": "promote"}).status_code == 400
    assert works(text)


def test_keys_of_others_and_management_keys_are_no_keys(manager: Client) -> None:
    _, text, foreign = made("bobs", "Bob")
    _, _, managing = made("second manager", management=True)

    for page in (foreign, managing, f"{KEYS}nonsense!", f"{KEYS}AAAAAAAA"):
        said = [{"deed": "delete", "sure": "on"}, {"deed": "change", "name": "mine"}]
        answers = [manager.get(page), *(manager.post(page, one) for one in said)]
        assert {answer.status_code for answer in answers} == {404}
        assert "No such key" in answers[0].text
    assert works(text)
    assert "bobs" not in manager.get(KEYS).text


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999", "²", "3"])
def test_a_page_that_is_none_is_no_error(manager: Client, page: str) -> None:
    assert manager.get(KEYS, {"page": page}).status_code == 200


def test_a_hundred_keys_a_page_cost_no_more_queries(
    manager: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    alice = Account.objects.get(name="Alice")
    for number in range(101):
        ApiKey.issue(alice, f"key {number}", expires_at=now() + timedelta(days=1))

    with django_assert_max_num_queries(6):
        first = manager.get(KEYS).text
    second = manager.get(KEYS, {"page": "2"}).text

    assert (first.count("key 100<"), first.count("key 0<"), second.count("key 0<")) == (1, 0, 1)
    assert 'href="?page=2"' in first
