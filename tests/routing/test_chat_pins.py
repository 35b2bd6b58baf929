"""One endpoint pinned, over HTTP: by preference, by header or in the name, whatever the shape."""

from typing import Any

import pytest

from tests.live import Answer, LiveGateway
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import answer

PIN = "X-OR-Endpoint-Id"
# How a tool may say it: what goes after the model's name, what into the body, what into the head.
WAYS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "preference": ("", {"provider": {"only": ["basalt"], "allow_fallbacks": False}}, {}),
    "header": ("", {}, {PIN: "Basalt"}),
    "name": ("@basalt", {}, {}),
}
SAID: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": [{"role": "user", "content": "Hello"}]},
    "completions": {"prompt": "Hello"},
    "responses": {"input": "Hello"},
    "messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9},
    "embeddings": {"input": "Hello"},
}


def ask(gateway: LiveGateway, path: str, body: dict[str, Any], **headers: str) -> Answer:
    return gateway.chat(body, headers=headers, path=f"/api/v1/{path}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", SAID)
def test_only_the_pinned_endpoint_serves(live: LiveGateway, way: str, path: str) -> None:
    suffix, fields, headers = WAYS[way]
    model = live_catalog.embedder_slug(0) if path == "embeddings" else live_catalog.VARIED

    told = [
        ask(live, path, {"model": model + suffix, **SAID[path], **fields}, **headers)
        for _ in range(4)
    ]

    assert [one.status for one in told] == [200] * 4, told[0].body
    assert {one.json["provider"] for one in told} == {"Basalt AI"}


@pytest.mark.parametrize("way", ["header", "name"])
def test_a_pin_falls_back_to_nobody_and_counts_as_pinned(chat: Chat, way: str) -> None:
    suffix, _, headers = WAYS[way]
    chat.script(basalt=(answer({"error": {"message": "no"}}, 503),))
    free = chat.post(provider={"only": ["amber"]})
    pinned = chat.post(model=chat.pooled + suffix, headers=headers, provider={})

    assert free.status == 200
    assert pinned.status == 503
    assert {visit.provider for visit in chat.seen()} == {"amber", "basalt"}
    chat.gateway.ingest()
    rows = chat.gateway.rows(
        "SELECT pinned, router_assigned FROM telemetry_attempt WHERE generation_id = %s",
        pinned.headers["x-generation-id"],
    )
    assert rows
    assert all((row["pinned"], row["router_assigned"]) == (True, False) for row in rows)


@pytest.mark.parametrize(("suffix", "header"), [("@cobalt", ""), ("", "cobalt")])
def test_a_pin_never_widens_a_pool(chat: Chat, suffix: str, header: str) -> None:
    chat.script()

    refused = chat.post(model=chat.pooled + suffix, headers={PIN: header}, provider={})

    assert refused.status == 404
    assert refused.error["message"] == (
        f"{chat.pooled}{suffix} has no endpoint cobalt; it has amber, basalt."
    )
    assert refused.error["metadata"]["requested_providers"] == ["cobalt"]
    assert chat.seen() == []


def test_a_tag_means_one_endpoint_and_a_tier_when_it_is_named(live: LiveGateway) -> None:
    body = {"model": f"{live_catalog.TIERED}@amber/flex", **SAID["chat/completions"]}

    shown = ask(live, "route/preview", body).json["data"]["candidates"]
    plain = ask(live, "route/preview", body | {"model": live_catalog.TIERED}, **{PIN: "amber"})

    assert [one["endpoint"] for one in shown] == ["amber/flex"]
    assert [one["endpoint"] for one in plain.json["data"]["candidates"]] == ["amber"]


def test_each_model_has_its_own_pin(live: LiveGateway) -> None:
    models = [f"{live_catalog.VARIED}@amber", f"{live_catalog.GIFTED}@cobalt"]

    shown = ask(live, "route/preview", {"models": models, **SAID["chat/completions"]})

    candidates = shown.json["data"]["candidates"]
    assert [(one["model"], one["endpoint"]) for one in candidates] == [
        (live_catalog.VARIED, "amber"),
        (live_catalog.GIFTED, "cobalt"),
    ]


def test_two_pins_that_differ_are_refused(chat: Chat) -> None:
    chat.script()

    refused = chat.post(model=f"{chat.model}@amber", headers={PIN: "basalt"}, provider={})

    assert refused.status == 400
    assert refused.error["message"] == (
        f"{PIN}: the model names another endpoint; send one of the two."
    )


@pytest.mark.parametrize("name", ["@", "@preset", "@a b", "@a/b/c", "@A", ":exacto@amber:floor"])
def test_refuses_what_is_no_pin(chat: Chat, name: str) -> None:
    chat.script()

    assert chat.post(model=chat.model + name, provider={}).status == 400
