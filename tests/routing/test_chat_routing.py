"""Who may serve a request: the allowlist first, then the caller's preferences inside it."""

import time
from typing import Any

import pytest

from tests.live import LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import answer

VARIED = f"{live_catalog.VARIED}:exacto"
IN_ANY_ORDER = "all in any order"
ASKED = {"X-OpenRouter-Metadata": "enabled"}


def _order(gateway: LiveGateway, provider: dict[str, Any], **fields: Any) -> list[str]:
    """Return the endpoints that would be tried, in order."""
    body = live_catalog.request(fields.pop("model", VARIED), provider=provider, **fields)
    served = gateway.chat(body, headers=ASKED)
    assert served.status == 200, served.body
    available = served.json["openrouter_metadata"]["endpoints"]["available"]
    return [one["endpoint"] for one in available]


@pytest.mark.parametrize(
    ("wishes", "order"),
    [
        ({"order": ["basalt", "cobalt", "amber"]}, ["basalt", "cobalt", "amber"]),
        ({"order": ["dune", "cobalt"], "allow_fallbacks": False}, ["cobalt"]),
        ({"only": ["basalt"]}, ["basalt"]),
        ({"only": ["Basalt AI"]}, ["basalt"]),
        ({"only": ["basalt", "dune"]}, ["basalt"]),
        ({"only": []}, IN_ANY_ORDER),
        ({"ignore": ["basalt", "cobalt"]}, ["amber"]),
        ({"sort": "price"}, ["amber", "cobalt", "basalt"]),
        ({"sort": {"by": "price", "partition": "none"}}, ["amber", "cobalt", "basalt"]),
        ({"sort": "price", "allow_fallbacks": False}, ["amber"]),
        ({"quantizations": ["bf16"]}, ["basalt"]),
        ({"quantizations": ["fp4", "fp8"], "sort": "price"}, ["amber", "cobalt"]),
        ({"data_collection": "deny", "sort": "price"}, ["amber", "basalt"]),
        ({"data_collection": "allow", "sort": "price"}, ["amber", "cobalt", "basalt"]),
        ({"zdr": True}, ["basalt"]),
        ({"zdr": False, "sort": "price"}, ["amber", "cobalt", "basalt"]),
        ({"max_price": {"prompt": 1}}, ["amber"]),
        ({"max_price": {"prompt": "2", "completion": 2}, "sort": "price"}, ["amber", "cobalt"]),
        ({"max_price": {"completion": 1.5}}, ["amber"]),
        ({"made_up": 1, "sort": "price"}, ["amber", "cobalt", "basalt"]),
        (None, IN_ANY_ORDER),
    ],
    ids=str,
)
def test_keeps_every_preference_inside_the_allowlist(
    live: LiveGateway, wishes: dict[str, Any], order: list[str] | str
) -> None:
    found = _order(live, wishes)

    if order == IN_ANY_ORDER:
        found, order = sorted(found), ["amber", "basalt", "cobalt"]
    assert found == order


def test_requires_parameters_only_when_asked(live: LiveGateway) -> None:
    strict = {"require_parameters": True}

    assert _order(live, strict, seed=1) == ["basalt"]
    assert set(_order(live, {}, seed=1)) == {"amber", "basalt", "cobalt"}


def test_gives_tools_only_to_endpoints_that_take_them(live: LiveGateway) -> None:
    assert set(_order(live, {}, tools=[live_catalog.WEATHER])) == {"amber", "basalt"}


def test_gives_long_prompts_only_to_endpoints_with_room(live: LiveGateway) -> None:
    assert _order(live, {}, max_tokens=150_000) == ["cobalt"]


@pytest.mark.parametrize(
    ("suffix", "first"),
    [(":floor", "amber"), (":exacto:floor", "amber"), (":floor:exacto", "amber")],
)
def test_sorts_by_the_suffix_of_the_model(live: LiveGateway, suffix: str, first: str) -> None:
    order = _order(live, {"ignore": ["dune"]}, model=live_catalog.VARIED + suffix)

    assert order == ["amber", "cobalt", "basalt"]
    assert order[0] == first


def test_lets_the_last_sorting_suffix_win(live: LiveGateway) -> None:
    body = live_catalog.request(f"{VARIED}:nitro:floor")

    assert live.chat(body).json["provider"] == "Amber AI"


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"only": ["cobalt", "dune"]}, "allowed_providers"),
        ({"only": ["nobody"]}, "allowed_providers"),
        ({"ignore": ["amber", "basalt"]}, "allowed_providers"),
        ({"only": ["amber"], "ignore": ["amber"]}, "allowed_providers"),
        ({"quantizations": ["int4"]}, "quantization"),
        ({"zdr": True}, "data_policy:zdr"),
        ({"max_price": {"prompt": 0.001}}, "max_price"),
        ({"require_parameters": True}, "require_parameters"),
    ],
    ids=str,
)
def test_answers_404_when_preferences_leave_nothing_of_the_allowlist(
    chat: Chat, wishes: dict[str, Any], reason: str
) -> None:
    refused = chat.post(provider=wishes, seed=1)

    assert refused.status == refused.error["code"] == 404
    assert refused.error["metadata"]["error_type"] == "not_found"
    told = refused.error["availability"]
    assert reason in told["excluded_by"]
    assert told["retryable"] is False
    assert told["requested_models"] == [chat.pooled]
    named = reason == "allowed_providers"
    assert (told["code"] == "no_endpoints") is named
    assert chat.seen() == []


def test_answers_404_when_no_allowlist_is_published(live: LiveGateway) -> None:
    refused = live.chat(live_catalog.request(f"{live_catalog.UNLISTED}:exacto"))

    assert refused.status == 404
    assert refused.error["availability"]["code"] == "no_endpoints"
    assert "allowed_providers" in refused.error["availability"]["excluded_by"]
    assert refused.headers["x-generation-id"].startswith("gen-")


def test_serves_a_model_without_suffix_from_all_its_endpoints(chat: Chat) -> None:
    served = chat.post(model=chat.model, provider={"only": ["dune"]})

    assert served.json["provider"] == "Dune AI"


@pytest.mark.parametrize(
    "name",
    [
        "acme/unknown",
        "acme/unknown:exacto",
        "acme/m-000:exacto:exacto",
        "acme/m-000:EXACTO",
        "acme/m-000:exacto ",
        "acme/m-000:",
        "acme/m-000:nope",
        ":exacto",
        "acme",
        "../../etc/passwd",
        "acme/../m-000",
        "acme/m-000\x00",
        "acme/m-000\r\nX-Injected: 1",
        "a" * 10_000,
        "a" * 99 + "/" + "b" * 10_000,
        "",
    ],
    ids=repr,
)
def test_answers_400_for_what_is_no_model(live: LiveGateway, name: str) -> None:
    refused = live.chat(live_catalog.request(name))

    assert refused.status == refused.error["code"] == 400
    assert refused.error["metadata"]["error_type"] == "invalid_request"
    assert refused.error["availability"]["code"] == "model_not_found"
    assert len(refused.body) < 2_000
    assert "x-injected" not in refused.headers


# Changes while running ---------------------------------------------------------------------


def test_stops_asking_an_endpoint_that_is_switched_off(chat: Chat) -> None:
    gateway = chat.gateway
    assert chat.post().json["provider"] == "Amber AI"

    gateway.switch(chat.model, "amber", on=False)

    limit = time.monotonic() + 2
    while chat.post().json["provider"] == "Amber AI":
        assert time.monotonic() < limit


def test_keeps_a_retry_from_an_endpoint_switched_off_since(chat: Chat) -> None:
    import threading

    from tests.scripted_upstream import wait

    gate = threading.Event()
    chat.script(amber=(wait(gate), answer({"error": "late"}, 500)))
    told: list[Any] = []
    caller = threading.Thread(target=lambda: told.append(chat.post()))
    caller.start()
    eventually(lambda: chat.seen("amber"))

    chat.gateway.switch(chat.model, "basalt", on=False)
    chat.gateway.wait_served(2)
    gate.set()
    caller.join()

    assert chat.seen("basalt") == []
    assert told[0].status == 503


def test_answers_404_when_the_whole_allowlist_is_switched_off(chat: Chat) -> None:
    for tag in live_catalog.POOL:
        chat.gateway.switch(chat.model, tag, on=False)
    chat.gateway.wait_served(2)

    refused = chat.post()

    assert refused.status == 404
    assert refused.error["availability"]["code"] == "no_endpoints"
    assert "allowed_providers" in refused.error["availability"]["excluded_by"]
    assert chat.post(model=chat.model, provider={}).status == 200


def test_serves_a_new_edition_and_tells_its_version(chat: Chat) -> None:
    model = chat.model
    chat.upstream.script(chat.nonce, only=("amber", "basalt", "dune"))
    assert chat.post(ASKED).json["openrouter_metadata"]["allowlist_version"] == 1

    chat.gateway.load(
        {
            "providers": [
                live_catalog.provider("dune", chat.upstream.ports["dune"]),
            ],
            "models": [{"slug": model, "name": model, "context_length": 100_000}],
            "endpoints": [live_catalog.endpoint(model, "dune")],
            "allowlists": [live_catalog.allowlist(model, "dune", reason="Better.")],
        }
    )
    served = chat.post(ASKED).json

    assert served["provider"] == "Dune AI"
    assert served["openrouter_metadata"]["allowlist_version"] == 2
