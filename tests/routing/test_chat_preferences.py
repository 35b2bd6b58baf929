"""Accounts' standing preferences over HTTP: how they join a request's, and how soon they hold."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat

ASKED = {"X-OpenRouter-Metadata": "enabled"}
Ask = Callable[..., Answer]


@pytest.fixture
def account(live: LiveGateway, chat: Chat) -> str:
    """Return the key of an account of its own."""
    return live.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)


@pytest.fixture
def ask(chat: Chat, account: str) -> Ask:
    """Return how to ask with that key, without preferences of the request's own."""

    def asking(provider: dict[str, Any] | None = None, **fields: Any) -> Answer:
        body = chat.body(**{"model": chat.model, **fields}, provider=provider or {})
        return chat.gateway.chat(body, key=account, headers=ASKED)

    return asking


def order_of(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    available = answer.json["openrouter_metadata"]["endpoints"]["available"]
    return [one["endpoint"] for one in available]


def test_ignores_what_either_ignores(live: LiveGateway, account: str, ask: Ask) -> None:
    live.prefer(account, ignore=["Amber"])

    answer = ask({"ignore": ["basalt"]})

    assert set(order_of(answer)) == {"cobalt", "dune"}
    told = answer.json["openrouter_metadata"]["params"]["not_used"]
    reasons = {one["endpoint"]: one["reason"] for one in told if one["reason"] != "not_needed"}
    assert reasons == {"amber": "account_preferences", "basalt": "ignored_providers"}


def test_allows_only_what_both_allow(live: LiveGateway, account: str, ask: Ask) -> None:
    live.prefer(account, only=["amber", "Cobalt AI"])

    assert set(order_of(ask())) == {"amber", "cobalt"}
    assert order_of(ask({"only": ["cobalt", "dune"]})) == ["cobalt"]


def test_answers_404_naming_the_preferences_that_leave_nothing(
    live: LiveGateway, account: str, ask: Ask, chat: Chat
) -> None:
    live.prefer(account, only=["cobalt"])

    refused = ask({"only": ["dune"]})
    pooled = ask(model=chat.pooled)

    for answer in (refused, pooled):
        assert answer.status == 404
        assert "your account's standing preferences" in answer.error["message"]
        assert "account_preferences" in answer.error["availability"]["excluded_by"]
        assert "allowed_providers" in answer.error["availability"]["excluded_by"]
    assert refused.error["metadata"]["requested_providers"] == ["cobalt", "dune"]
    assert chat.seen() == []


@pytest.mark.parametrize(
    ("provider", "suffix", "first"),
    [
        pytest.param({}, "", "dune", id="the account's"),
        pytest.param({"order": ["cobalt"]}, "", "cobalt", id="the request's order"),
        pytest.param({"sort": "price"}, "", "amber", id="the request's sort"),
        pytest.param({}, ":floor", "amber", id="the suffix"),
    ],
)
def test_orders_as_the_request_says_or_else_the_account(
    live: LiveGateway, account: str, chat: Chat, provider: dict[str, Any], suffix: str, first: str
) -> None:
    live.prefer(account, order=["dune"], ignore=[])
    body = chat.body(model=live_catalog.VARIED + suffix, provider={**provider, "ignore": ["x"]})
    # Dune is free there: it would come first by price if it were not for its own account.
    if first == "amber":
        body["provider"]["ignore"] = ["dune"]

    assert order_of(live.chat(body, key=account, headers=ASKED))[0] == first


def test_never_widens_a_pool(live: LiveGateway, account: str, ask: Ask, chat: Chat) -> None:
    live.prefer(account, order=["dune", "cobalt"])
    chat.script()

    assert set(order_of(ask(model=chat.pooled))) == set(live_catalog.POOL)


def test_holds_soon_for_keys_already_in_use(live: LiveGateway, account: str, ask: Ask) -> None:
    assert len(order_of(ask())) == 4

    body = b'{"only": ["basalt"]}'
    headers = {"Authorization": f"Bearer {account}"}
    changed = live.request("PUT", "/api/v1/account/preferences", body, headers)
    assert changed.status == 200

    eventually(lambda: order_of(ask()) == ["basalt"])


def test_marks_the_requests_of_an_account_that_steers(
    live: LiveGateway, account: str, ask: Ask
) -> None:
    free = ask(tools=[live_catalog.WEATHER]).json["id"]
    live.prefer(account, ignore=["dune"])
    ignoring = ask(tools=[live_catalog.WEATHER]).json["id"]
    live.prefer(account, only=["amber"])
    pinning = ask(tools=[live_catalog.WEATHER]).json["id"]
    live.ingest()

    flags = {}
    for id in (free, ignoring, pinning):
        [row] = live.rows(
            "SELECT pinned, router_assigned FROM telemetry_attempt WHERE generation_id = %s", id
        )
        flags[id] = (bool(row["pinned"]), bool(row["router_assigned"]))

    assert flags == {free: (False, True), ignoring: (False, False), pinning: (True, False)}
