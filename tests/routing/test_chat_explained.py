"""The decision kept with a generation, and the preview of one, over HTTP."""

from typing import Any

import pytest

from tests.live import Answer, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.routing.test_chat_quality_gate import GATED, NO_CITY, calling, talking
from tests.scripted_upstream import answer, plain_stream

PREVIEW = "/api/v1/route/preview"
TOOLS = [live_catalog.WEATHER]


def explanation(chat: Chat, id: str) -> dict[str, Any]:
    """Return the explanation of a generation once every verdict is in."""

    def complete() -> dict[str, Any] | None:
        chat.gateway.ingest()
        found = chat.gateway.get(f"/api/v1/generation/explain?id={id}", key=chat.gateway.key)
        assert found.status == 200, found.body
        told: dict[str, Any] = found.json["data"]
        waiting = any(one["verdict"] == "pending" for one in told["attempts"])
        return None if waiting else told

    told: dict[str, Any] = eventually(complete)
    return told


def preview(chat: Chat, **fields: Any) -> Answer:
    return chat.gateway.post(PREVIEW, chat.body(**fields))


def test_explains_who_was_tried_who_was_not_and_why(chat: Chat) -> None:
    chat.gateway.stand(chat.model, "basalt", "verified")
    chat.gateway.wait_served()
    chat.script(amber=(answer({"error": "down"}, 500),), basalt=(calling(NO_CITY),))

    told = explanation(chat, chat.post(tools=TOOLS).json["id"])

    assert (told["requested_model"], told["status"]) == (chat.pooled, 200)
    assert told["allowlists"] == {chat.pooled: 1}
    assert told["allowlist_version"] == 1
    assert [(c["endpoint"], c["standing"]) for c in told["candidates"]] == [
        ("amber", "insufficient_data"),
        ("basalt", "verified"),
    ]
    assert all(c["probability"] == 1.0 and c["health"] == [] for c in told["candidates"])
    reasons = {one["endpoint"]: one["reason"] for one in told["not_used"]}
    assert reasons == {"cobalt": "exacto_pool", "dune": "exacto_pool"}
    first, second = told["attempts"]
    assert (first["endpoint"], first["outcome"], first["status"]) == ("amber", "http_5xx", 500)
    assert (second["endpoint"], second["outcome"], second["status"]) == ("basalt", "ok", 200)
    assert second["verdict"] == "schema_mismatch"
    assert second["latency_ms"] >= 0
    assert int(told["seed"]) < 2**63
    assert (told["quality_gate"], told["auto_exacto"], told["left_out"]) == (None, None, 0)


def test_explains_a_refusal(chat: Chat) -> None:
    refused = chat.post(provider={"only": ["dune"]})

    told = explanation(chat, refused.headers["x-generation-id"])

    assert told["status"] == 404
    assert told["candidates"] == told["attempts"] == []
    assert {one["reason"] for one in told["not_used"]} == {"exacto_pool", "allowed_providers"}


def test_explains_what_the_gate_did(chat: Chat) -> None:
    chat.script(amber=(calling(NO_CITY),), basalt=(talking(),))

    told = explanation(chat, chat.post(tools=TOOLS, provider=GATED).json["id"])

    assert told["quality_gate"] == "retried"
    first, second = told["attempts"]
    assert (first["verdict"], first["withheld"]) == ("schema_mismatch", True)
    assert first["call_errors"][0][0] == "schema_mismatch"
    assert (second["verdict"], second["withheld"]) == ("no_tool_calls", False)


def test_says_what_of_an_endpoints_health_moved_it(chat: Chat) -> None:
    chat.script(amber=(answer({"error": "down"}, 500),))
    chat.post()

    told = explanation(chat, chat.post(provider={"ignore": ["x"]}).json["id"])

    assert [(c["endpoint"], c["health"]) for c in told["candidates"]] == [
        ("basalt", []),
        ("amber", ["unstable"]),
    ]


def test_explains_to_the_owner_alone(chat: Chat) -> None:
    id = chat.post().json["id"]
    explanation(chat, id)
    stranger = chat.gateway.create_key("stranger", rpm=0)
    path = "/api/v1/generation/explain?id="

    refused = chat.gateway.get(path + id, key=stranger)
    unknown = chat.gateway.get(path + "gen-unknown", key=stranger)

    assert (refused.status, refused.body) == (unknown.status, unknown.body)
    assert refused.status == 404


# Previews ----------------------------------------------------------------------------------


def test_previews_without_asking_anyone_or_storing_anything(chat: Chat) -> None:
    chat.gateway.ingest()
    [before] = chat.gateway.rows("SELECT COUNT(*) AS n FROM telemetry_generation")

    told = preview(chat, provider={}, max_tokens=200, tools=TOOLS).json["data"]
    chat.gateway.ingest()

    assert chat.seen() == []
    assert chat.gateway.rows("SELECT COUNT(*) AS n FROM telemetry_generation") == [before]
    assert told["requested"] == chat.pooled
    assert told["allowlists"] == {chat.pooled: 1}
    assert told["would_answer"] is None
    assert {c["endpoint"] for c in told["candidates"]} == set(live_catalog.POOL)
    # Alike in price: each is first with one half, whichever this draw put there.
    assert [c["first_probability"] for c in told["candidates"]] == [0.5, 0.5]
    assert [c["probability"] for c in told["candidates"]] == [0.5, 1.0]
    assert {one["reason"] for one in told["not_used"]} == {"exacto_pool"}
    [cost, _] = [c["expected_cost"] for c in told["candidates"]]
    assert cost["completion_tokens"] == 200
    prompt = cost["prompt_tokens"] * float(live_catalog.PROMPT_PRICE)
    assert cost["usd"] == pytest.approx(prompt + 200 * float(live_catalog.COMPLETION_PRICE))


def test_previews_what_the_request_then_does(chat: Chat) -> None:
    chat.gateway.stand(chat.model, "dune", "verified")
    chat.gateway.wait_served()
    wishes = {"sort": "exacto", "ignore": ["cobalt"]}
    fields: dict[str, Any] = {"model": chat.model, "provider": wishes, "tools": TOOLS}

    told = preview(chat, **fields).json["data"]
    served = chat.post(**fields).json

    assert told["candidates"][0]["provider"] == served["provider"] == "Dune AI"
    assert told["candidates"][0]["standing"] == "verified"
    assert told["candidates"][0]["first_probability"] == 1.0
    assert {n["endpoint"]: n["reason"] for n in told["not_used"]} == {"cobalt": "ignored_providers"}


def test_previews_a_refusal_with_its_reasons(chat: Chat) -> None:
    chat.gateway.quarantine(chat.model, "amber")
    chat.gateway.wait_served()

    told = preview(chat, provider={"ignore": ["basalt"]}).json["data"]

    assert told["candidates"] == []
    assert told["would_answer"]["code"] == 404
    reasons = {one["endpoint"]: one["reason"] for one in told["not_used"]}
    assert (reasons["amber"], reasons["basalt"]) == ("quarantined", "ignored_providers")


def test_previews_with_the_preferences_of_the_account(chat: Chat) -> None:
    key = chat.gateway.create_key(f"preview-{chat.nonce}", rpm=0)
    chat.gateway.prefer(key, only=["basalt"], quality_gate=True)

    told = chat.gateway.post(PREVIEW, chat.body(provider={}, tools=TOOLS), key=key).json["data"]

    assert [c["endpoint"] for c in told["candidates"]] == ["basalt"]
    assert told["quality_gate"] is True


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"model": "acme/unknown"}, 400, id="unknown model"),
        pytest.param({"messages": []}, 400, id="no message"),
        pytest.param({"provider": {"sort": "beauty"}}, 400, id="bad preference"),
    ],
)
def test_refuses_what_chat_refuses(chat: Chat, fields: dict[str, Any], status: int) -> None:
    refused = preview(chat, **fields)

    assert refused.status == refused.error["code"] == status
    assert refused.error["message"] == chat.post(**fields).error["message"]


def test_asks_for_the_same_key_and_counts_to_the_same_limits(chat: Chat) -> None:
    key = chat.gateway.create_key("previewer", rpm=1)
    body = chat.body()

    assert chat.gateway.post(PREVIEW, body, key="").status == 401
    assert chat.gateway.post(PREVIEW, body, key="sk-assay-nonsense").status == 401
    assert chat.gateway.post(PREVIEW, body, key=key).status == 200
    assert chat.gateway.post(PREVIEW, body, key=key).status == 429
    assert chat.gateway.chat(body, key=key).status == 429
    assert chat.gateway.get(PREVIEW, key=chat.gateway.key).status == 405


def test_keeps_no_word_of_a_request_with_its_decision(chat: Chat) -> None:
    chat.script(amber=plain_stream("a-secret-word"))

    with chat.stream(provider=FIRST, tools=TOOLS) as stream:
        id = stream.headers["x-generation-id"]
        stream.chunks()
    explanation(chat, id)

    [row] = chat.gateway.rows("SELECT decision FROM telemetry_generation WHERE id = %s", id)
    assert chat.nonce not in str(row["decision"])
    assert "a-secret-word" not in str(row["decision"])
