"""An account's own key at a provider: tried first, only where the request may go, never shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from routing.models import key_digest
from tests.live import Answer, LiveGateway
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.scripted_upstream import answer as answers

ASKED = {"X-OpenRouter-Metadata": "enabled"}
OWN = "own-key-of-an-account-5d1c8e"
BEARER = f"Bearer {OWN}"
Ask = Callable[..., Answer]


@pytest.fixture
def account(live: LiveGateway, chat: Chat) -> str:
    """Return the key of an account of its own."""
    return live.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)


@pytest.fixture
def ask(chat: Chat, account: str) -> Ask:
    def asking(**fields: Any) -> Answer:
        return chat.gateway.chat(chat.body(**fields), key=account, headers=ASKED)

    return asking


def bearers(chat: Chat) -> list[tuple[str, str]]:
    return [(visit.provider, visit.headers["authorization"]) for visit in chat.seen()]


def shared(provider: str) -> str:
    return f"Bearer {live_catalog.CREDENTIAL}-{provider}"


def test_is_tried_first_even_against_an_order_and_costs_the_caller_nothing(
    chat: Chat, account: str, ask: Ask
) -> None:
    chat.gateway.add_own_credential(account, "basalt", OWN)

    body = ask(provider=FIRST).json

    assert bearers(chat) == [("basalt", BEARER)]
    assert body["provider"] == "Basalt AI"
    usage = body["usage"]
    assert (usage["is_byok"], usage["cost"]) == (True, 0)
    assert usage["cost_details"]["upstream_inference_cost"] == pytest.approx(0.000032)
    told = body["openrouter_metadata"]
    assert told["is_byok"] is True
    assert told["attempts"][0]["is_byok"] is True
    assert [
        (one["endpoint"], one.get("is_byok", False)) for one in told["endpoints"]["available"]
    ] == [("basalt", True), ("amber", False), ("basalt", False)]


def test_falls_back_to_the_shared_keys(chat: Chat, account: str, ask: Ask) -> None:
    chat.gateway.add_own_credential(account, "basalt", OWN)
    chat.script(basalt=(answers({"error": {"message": "bad key"}}, 401),))

    body = ask(provider={"order": ["amber"]}).json

    assert bearers(chat) == [("basalt", BEARER), ("amber", shared("amber"))]
    assert body["usage"]["is_byok"] is False
    assert body["usage"]["cost"] == pytest.approx(0.000032)


def test_is_the_only_one_at_its_provider_where_that_is_said(
    chat: Chat, account: str, ask: Ask
) -> None:
    chat.gateway.add_own_credential(account, "basalt", OWN, shared_too=False)
    chat.script(basalt=(answers({"error": {"message": "bad key"}}, 401),))

    refused = ask(provider={"only": ["basalt"]})

    assert bearers(chat) == [("basalt", BEARER)]
    assert refused.status == 403
    assert "your account's own credential" in refused.error["message"]
    assert refused.error["metadata"]["is_byok"] is True


def test_never_leads_out_of_the_pool(chat: Chat, account: str, ask: Ask) -> None:
    chat.gateway.add_own_credential(account, "dune", OWN)
    chat.script()  # whoever is not on the allowlist must not be asked

    pooled = ask(model=chat.pooled)
    ignored = ask(model=chat.model, provider={"ignore": ["dune", "cobalt"]})

    assert pooled.json["usage"]["is_byok"] is False
    assert ignored.json["usage"]["is_byok"] is False
    assert OWN not in str(bearers(chat))


def test_needs_no_room_in_the_limits_of_the_gateways_own_spending(chat: Chat) -> None:
    key = chat.gateway.create_key(f"spent-{chat.nonce}", rpm=0, in_flight=0, limit="0.000001")
    chat.gateway.add_own_credential(key, "amber", OWN, shared_too=False)

    own = chat.gateway.chat(chat.body(provider={"only": ["amber"]}), key=key)
    shared = chat.gateway.chat(chat.body(provider={"only": ["basalt"]}), key=key)

    assert (own.status, shared.status) == (200, 402)
    assert bearers(chat) == [("amber", BEARER)]


def keys_row(chat: Chat, key: str) -> dict[str, Any]:
    chat.gateway.ingest()
    data: dict[str, Any] = chat.gateway.get("/api/v1/key", key=key).json["data"]
    return data


def test_what_the_account_pays_its_provider_is_told_apart(
    chat: Chat, account: str, ask: Ask
) -> None:
    chat.gateway.add_own_credential(account, "amber", OWN)

    ask(provider={"only": ["amber"]})
    ask(provider={"only": ["basalt"]})

    told = keys_row(chat, account)
    assert told["usage"] == pytest.approx(0.000032)
    for period in ("", "_daily", "_weekly", "_monthly"):
        assert told[f"byok_usage{period}"] == pytest.approx(0.000032)


def test_a_limit_that_counts_it_is_refused_before_and_settled_after(chat: Chat) -> None:
    key = chat.gateway.create_key(f"counts-{chat.nonce}", rpm=0, in_flight=0, limit="0.0002")
    chat.gateway.execute(
        "UPDATE routing_apikey SET include_byok_in_limit = %s WHERE digest = %s",
        True,
        key_digest(key),
    )
    chat.gateway.add_own_credential(key, "amber", OWN, shared_too=False)
    asked = chat.body(provider={"only": ["amber"]}, max_tokens=4)

    answered = 0
    while (one := chat.gateway.chat(asked, key=key)).status == 200:
        answered += 1
        assert answered < 100
    told = keys_row(chat, key)

    # Each came to 32 millionths, and reserved somewhat more.
    assert 2 <= answered <= 6
    assert one.status == 402
    assert one.error["metadata"]["limit_source"] == "api_key"
    left = 0.0002 - answered * 0.000032
    assert one.error["metadata"]["limit_remaining"] == pytest.approx(left)
    assert (told["usage"], told["limit_remaining"]) == (0, pytest.approx(left))
    assert chat.gateway.chat(asked, key=key).status == 402  # and so from the database's figures


def test_a_bad_key_harms_nobody_else(chat: Chat, account: str, ask: Ask, live: LiveGateway) -> None:
    live.add_own_credential(account, "amber", OWN)
    only = {"provider": {"only": ["amber"]}}
    failing = (answers({"error": {"message": "slow down"}}, 429, "Retry-After: 60"),)
    chat.script(amber=failing)

    for _ in range(6):
        assert ask(**only).status == 429
        # Both keys were refused: what the gateway's own got is remembered, and it is spared.
    others = chat.on(live, chat.model)

    assert {bearer for _, bearer in bearers(chat)} == {BEARER, shared("amber")}
    assert [bearer for _, bearer in bearers(chat)].count(shared("amber")) == 1
    assert others.post(model=chat.model, provider={"only": ["basalt"]}).status == 200


def test_ejects_no_endpoint_for_a_key_that_is_refused(
    chat: Chat, account: str, ask: Ask, live: LiveGateway
) -> None:
    live.add_own_credential(account, "amber", OWN, shared_too=False)
    chat.script(amber=(answers({"error": {"message": "bad key"}}, 401),))
    for _ in range(6):
        assert ask(provider={"only": ["amber"]}).status == 403

    chat.script(amber=(answers(),))
    told = chat.post(ASKED, provider={"order": ["amber"]}).json

    assert told["provider"] == "Amber AI"


def test_streams_and_tells_it(chat: Chat, account: str) -> None:
    chat.gateway.add_own_credential(account, "basalt", OWN)

    with chat.gateway.stream(chat.body(stream=True), key=account) as stream:
        last = stream.chunks()[-1]

    assert last["usage"]["is_byok"] is True
    assert last["usage"]["cost"] == 0


def test_keeps_facts_and_no_key(chat: Chat, account: str, ask: Ask, live: LiveGateway) -> None:
    live.add_own_credential(account, "basalt", OWN)
    generation = ask(tools=[live_catalog.WEATHER], provider={}).json["id"]
    live.ingest()

    told = live.get(f"/api/v1/generation?id={generation}", key=account).json["data"]
    explained = live.get(f"/api/v1/generation/explain?id={generation}", key=account).json["data"]
    [attempt] = live.rows(
        "SELECT router_assigned, own_credential, cost FROM telemetry_attempt"
        " WHERE generation_id = %s",
        generation,
    )

    assert (told["is_byok"], told["total_cost"]) == (True, 0)
    assert told["upstream_inference_cost"] == pytest.approx(0.000032)
    assert told["provider_responses"][0]["is_byok"] is True
    assert explained["candidates"][0]["is_byok"] is True
    # The account's own key chose: that says nothing of who the router would have chosen.
    assert (bool(attempt["router_assigned"]), bool(attempt["own_credential"])) == (False, True)
    stored = live.everything_stored()
    assert OWN.encode() not in stored
    assert json.dumps(OWN).encode() not in stored


def test_is_not_echoed_by_debug_or_by_a_provider(chat: Chat, account: str) -> None:
    chat.gateway.add_own_credential(account, "basalt", OWN, shared_too=False)
    chat.script(basalt=(answers({"error": {"message": f"no model for {OWN}"}}, 400),))

    body = chat.body(provider={"only": ["basalt"]})
    refused = chat.gateway.chat(body, key=account, headers=ASKED)

    assert refused.status == 400
    assert OWN.encode() not in refused.body
