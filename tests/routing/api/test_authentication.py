"""Reading the Authorization header, and finding the caller behind a key."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.test import override_settings
from django.utils.timezone import now

from routing.api.authentication import bearer_token
from routing.errors import ApiError, unauthorized
from routing.gateway.keys import load_caller
from routing.models import Account, ApiKey, Scope, key_checksum, key_digest

BODY = f"sk-assay-{'a' * 8}-{'B' * 43}"
KEY = f"{BODY}-{key_checksum(BODY)}"


@pytest.fixture
def account(db: None) -> Account:
    return Account.objects.create(name="Alice")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_reads_the_key_whatever_the_case_of_its_scheme(scheme: str) -> None:
    assert bearer_token(f"{scheme} {KEY}") == KEY


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="missing"),
        pytest.param("Bearer", id="no key"),
        pytest.param("Bearer ", id="empty key"),
        pytest.param(f"Basic {KEY}", id="another scheme"),
        pytest.param(KEY, id="no scheme"),
        pytest.param(f"Bearer {KEY}x", id="longer"),
        pytest.param(f"Bearer {BODY}-000000", id="wrong checksum"),
        pytest.param("Bearer sk-or-v1-0123456789abcdef", id="another gateway's key"),
        pytest.param(f"Bearer {KEY} x", id="something behind it"),
        pytest.param("Bearer " + "x" * 600, id="oversized"),
        pytest.param(f"Bearer {KEY[:-1]}é", id="not ASCII"),
        pytest.param(f"Bearer {KEY}\n", id="line feed"),
    ],
)
def test_refuses_what_cannot_be_a_key_with_the_one_401(header: str) -> None:
    with pytest.raises(ApiError) as refused:
        bearer_token(header)

    assert refused.value.body() == unauthorized().body()
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}


def test_two_headers_are_a_bad_request_not_a_choice() -> None:
    with pytest.raises(ApiError) as refused:
        bearer_token(f"Bearer {KEY},Bearer {KEY}")

    assert refused.value.status == 400


def test_a_fresh_key_reads_back_as_its_caller(account: Account) -> None:
    key, text = ApiKey.issue(account, "laptop", requests_per_minute=0)

    caller = load_caller(key_digest(bearer_token(f"Bearer {text}")))

    assert caller is not None
    assert (caller.account_id, caller.api_key_id, caller.label) == (account.pk, key.pk, "laptop")
    assert caller.requests_per_minute == 0
    assert caller.max_in_flight == settings.LIMITS.key_in_flight


@pytest.mark.parametrize("why", ["unknown", "revoked", "expired"])
def test_a_key_that_may_not_call_has_no_caller(account: Account, why: str) -> None:
    key, text = ApiKey.issue(account, "laptop")
    if why == "revoked":
        key.revoke()
    if why == "expired":
        ApiKey.objects.filter(pk=key.pk).update(expires_at=now() - timedelta(seconds=1))

    digest = key_digest(text) if why != "unknown" else key_digest(text + "x")

    assert load_caller(digest) is None


def test_another_pepper_knows_none_of_the_keys(account: Account) -> None:
    _, text = ApiKey.issue(account, "laptop")

    with override_settings(API_KEY_PEPPER="another pepper"):
        assert load_caller(key_digest(text)) is None


@pytest.mark.parametrize(
    ("stored", "chat", "read"),
    [
        pytest.param(None, True, True, id="absent"),
        pytest.param([], True, True, id="empty"),
        pytest.param(["chat"], True, False, id="one"),
        pytest.param(["read", "chat"], True, True, id="both"),
        pytest.param(["of a later version"], False, False, id="unknown"),
        pytest.param("chat", False, False, id="not a list"),
        pytest.param([["chat"]], False, False, id="not names"),
    ],
)
def test_a_callers_scopes_are_its_keys(
    account: Account, stored: object, chat: bool, read: bool
) -> None:
    _, text = ApiKey.issue(account, "laptop", scopes=stored)

    caller = load_caller(key_digest(bearer_token(f"Bearer {text}")))

    assert caller is not None
    assert (caller.may(Scope.CHAT), caller.may(Scope.READ)) == (chat, read)


@pytest.mark.parametrize("stored", ["chat", ["chatt"], 3, [["chat"]], {"chat": True}])
def test_only_known_scopes_are_clean(account: Account, stored: object) -> None:
    key, _ = ApiKey.issue(account, "laptop", scopes=stored)

    with pytest.raises(ValidationError, match=r"A list of: chat, read, manage\."):
        key.full_clean()
    key.scopes = ["chat"]
    key.full_clean()
