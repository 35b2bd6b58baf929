"""Chat completions that go well: JSON and streams, field by field as clients need them."""

import json
import re
from typing import Any

import pytest

from tests.live import eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import (
    REPLY,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    plain_stream,
    usage,
)

# 10 prompt tokens at 0.000002 and 4 completion tokens at 0.000003.
COST = 0.000032
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "cost": COST,
    "is_byok": False,
    "prompt_tokens_details": {
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "audio_tokens": 0,
        "video_tokens": 0,
    },
    "cost_details": {
        "upstream_inference_cost": COST,
        "upstream_inference_prompt_cost": 0.00002,
        "upstream_inference_completions_cost": 0.000012,
    },
    "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0, "audio_tokens": 0},
}
ASKED = {"X-OpenRouter-Metadata": "enabled"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


def test_answers_json_in_the_shape_all_clients_parse(chat: Chat) -> None:
    answer = chat.post()

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert re.fullmatch(r"gen-\d{10}-[A-Za-z0-9]{20}", body["id"])
    assert answer.headers["x-generation-id"] == body["id"]
    assert isinstance(body["created"], int)
    assert body == {
        "id": body["id"],
        "object": "chat.completion",
        "created": body["created"],
        "model": chat.model,
        "provider": "Amber AI",
        "system_fingerprint": None,
        "service_tier": None,
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "Good day.",
                    "refusal": None,
                    "reasoning": None,
                },
            }
        ],
        "usage": USAGE,
    }


def test_streams_events_in_the_shape_all_clients_parse(chat: Chat) -> None:
    with chat.stream() as stream:
        chunks = stream.chunks()

    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["x-generation-id"] == chunks[0]["id"]
    assert "content-length" not in stream.headers
    for one in chunks:
        assert one["id"] == chunks[0]["id"]
        assert one["object"] == "chat.completion.chunk"
        assert isinstance(one["created"], int)
        assert (one["model"], one["provider"]) == (chat.model, "Amber AI")
        assert "system_fingerprint" not in one
        assert one["choices"][0].keys() >= {"index", "delta", "finish_reason"}
    text = "".join(one["choices"][0]["delta"]["content"] for one in chunks)
    assert text == "Good day."


def test_carries_usage_exactly_once_in_the_last_chunk(chat: Chat) -> None:
    with chat.stream() as stream:
        chunks = stream.chunks()

    assert [one.get("usage") for one in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["usage"] == USAGE
    assert chunks[-1]["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "finish_reason": "stop",
            "native_finish_reason": "stop",
        }
    ]


def test_forwards_each_event_as_it_comes(chat: Chat) -> None:
    import threading

    from tests.scripted_upstream import wait

    gate = threading.Event()
    chat.script(amber=(begin_stream(), delta("one"), wait(gate), *plain_stream("two")[2:]))

    with chat.stream() as stream:
        first = stream.next_chunk()
        gate.set()
        rest = stream.chunks()

    assert first["choices"][0]["delta"]["content"] == "one"
    assert rest[0]["choices"][0]["delta"]["content"] == "two"


def test_estimates_usage_that_no_provider_told(chat: Chat) -> None:
    silent = {key: value for key, value in REPLY.items() if key != "usage"}
    chat.script(amber=(answer(silent),))
    first = chat.post().json
    chat.script(amber=(answer(REPLY),))
    second = chat.post().json
    chat.gateway.ingest()

    told = first["usage"]
    assert told["estimated"] is True
    assert told["completion_tokens"] >= 1
    assert told["cost"] > 0
    for reply, estimated in ((first, True), (second, False)):
        query = "SELECT usage_estimated FROM telemetry_attempt WHERE generation_id = %s"
        assert [bool(row["usage_estimated"]) for row in chat.gateway.rows(query, reply["id"])] == [
            estimated
        ]


def test_answers_tool_calls_with_text_arguments_and_no_null(chat: Chat) -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [CALL],
        "reasoning_details": None,
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    chat.script(amber=(answer({**REPLY, "choices": [choice]}),))

    shown = chat.post(tools=[live_catalog.WEATHER]).json["choices"][0]

    assert shown["finish_reason"] == "tool_calls"
    assert shown["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning": None,
        "tool_calls": [CALL],
    }


@pytest.mark.parametrize(
    ("native", "shown"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("function_call", "tool_calls"),
        ("safety", "content_filter"),
        ("made_up", "stop"),
    ],
)
def test_tells_both_the_native_and_the_common_finish_reason(
    chat: Chat, native: str, shown: str
) -> None:
    chat.script(amber=(begin_stream(), delta("x", finish=native), usage(), end_stream()))

    with chat.stream() as stream:
        last = stream.chunks()[-1]["choices"][0]

    assert (last["finish_reason"], last["native_finish_reason"]) == (shown, native)


def test_ends_in_tool_calls_when_a_provider_says_stop_after_one(chat: Chat) -> None:
    call = {"index": 0, **CALL}
    said = event(chunk({"tool_calls": [call]}))
    chat.script(amber=(begin_stream(), said, delta(finish="stop"), end_stream()))

    with chat.stream(tools=[live_catalog.WEATHER]) as stream:
        last = stream.chunks()[-1]["choices"][0]

    assert (last["finish_reason"], last["native_finish_reason"]) == ("tool_calls", "stop")


def test_turns_a_whole_answer_to_a_streaming_request_into_a_stream(chat: Chat) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "all at once"}}
    chat.script(amber=(answer({**REPLY, "choices": [choice]}),))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert chunks[0]["choices"][0]["delta"]["content"] == "all at once"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["cost"] == COST


def test_sends_upstream_what_the_caller_sent_and_nothing_of_ours(chat: Chat) -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5,
        "made_up": {"x": 1},
        "usage": {"include": True},
        "seed": 3,
    }

    chat.post(tools=[live_catalog.WEATHER], **fields)

    [visit] = chat.seen()
    assert visit.body == {
        "model": f"up-{chat.model.partition('/')[2]}",
        "messages": chat.body()["messages"],
        "tools": [live_catalog.WEATHER],
        "temperature": 0.5,
        "made_up": {"x": 1},
    }
    assert visit.headers["accept-encoding"] == "identity"
    assert visit.headers["authorization"] == f"Bearer {live_catalog.CREDENTIAL}-amber"
    assert not {"x-generation-id", "cookie", "referer", "x-title"} & visit.headers.keys()


def test_asks_providers_for_usage_in_streams(chat: Chat) -> None:
    with chat.stream() as stream:
        stream.chunks()

    [visit] = chat.seen()
    assert visit.body["stream"] is True
    assert visit.body["stream_options"] == {"include_usage": True}


# Metadata ----------------------------------------------------------------------------------


def test_explains_itself_only_when_asked(chat: Chat) -> None:
    assert "openrouter_metadata" not in chat.post().json
    assert "openrouter_metadata" in chat.post(ASKED).json


def test_explains_what_was_tried_and_why_nothing_else(chat: Chat) -> None:
    chat.script(amber=(answer({"error": "no"}, 500),))

    told = chat.post(ASKED, tools=[live_catalog.WEATHER]).json["openrouter_metadata"]

    assert told["requested"] == chat.pooled
    assert told["allowlist_version"] == 1
    assert told["attempt"] == 2
    tries = [(one["endpoint"], one["status"], one["outcome"]) for one in told["attempts"]]
    assert tries == [("amber", 500, "http_5xx"), ("basalt", 200, "ok")]
    assert [one["selected"] for one in told["endpoints"]["available"]] == [False, True]
    assert told["params"]["allowlists"] == {chat.pooled: 1}
    not_used = {one["endpoint"]: one["reason"] for one in told["params"]["not_used"]}
    assert not_used == {"cobalt": "exacto_pool", "dune": "exacto_pool"}


def test_explains_itself_in_the_last_chunk_of_a_stream(chat: Chat) -> None:
    with chat.stream(ASKED) as stream:
        chunks = stream.chunks()

    assert [("openrouter_metadata" in one) for one in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]
    assert chunks[-1]["openrouter_metadata"]["attempts"][0]["outcome"] == "ok"


def test_gives_a_reason_for_every_endpoint_that_was_not_used(chat: Chat) -> None:
    wishes = {"ignore": ["amber"], "quantizations": ["bf16"]}

    told = chat.post(ASKED, model=f"{live_catalog.VARIED}:exacto", provider=wishes).json

    not_used = told["openrouter_metadata"]["params"]["not_used"]
    assert {one["endpoint"]: one["reason"] for one in not_used} == {
        "amber": "ignored_providers",
        "cobalt": "quantization",
        "dune": "exacto_pool",
    }


# Facts -------------------------------------------------------------------------------------


def test_leaves_one_row_per_attempt_and_one_per_generation(chat: Chat) -> None:
    chat.script(amber=(answer({"error": "no"}, 503),))
    generation = chat.post(tools=[live_catalog.WEATHER]).json["id"]

    def row() -> dict[str, Any] | None:
        chat.gateway.ingest()
        found = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", generation)
        return found[0] if found else None

    kept = eventually(row)
    tries = chat.gateway.rows(
        "SELECT * FROM telemetry_attempt WHERE generation_id = %s ORDER BY ordinal", generation
    )

    assert (kept["model_slug"], kept["variant"], kept["allowlist_version"]) == (
        chat.model,
        "exacto",
        1,
    )
    assert (kept["attempts"], kept["status"], float(kept["cost"])) == (2, 200, COST)
    assert [(t["outcome"], t["http_status"]) for t in tries] == [("http_5xx", 503), ("ok", 200)]
    assert [bool(t["pinned"]) for t in tries] == [True, True]
    assert not any(t["router_assigned"] for t in tries)


@pytest.mark.parametrize(
    ("provider", "assigned"),
    [
        ({}, True),
        ({"zdr": False, "data_collection": "deny"}, True),
        ({"only": ["amber"]}, False),
        ({"order": ["amber"]}, False),
        ({"ignore": ["basalt"]}, False),
        ({"sort": "price"}, False),
        ({"max_price": {"prompt": 100}}, False),
        ({"quantizations": ["unknown"]}, False),
        ({"preferred_max_latency": 10}, False),
    ],
    ids=str,
)
def test_scores_count_only_what_the_router_chose(
    chat: Chat, provider: dict[str, Any], assigned: bool
) -> None:
    generation = chat.post(provider=provider).json["id"]

    chat.gateway.ingest()
    [row] = chat.gateway.rows(
        "SELECT router_assigned FROM telemetry_attempt WHERE generation_id = %s", generation
    )

    assert bool(row["router_assigned"]) is assigned


@pytest.mark.parametrize(
    ("fields", "stratum"),
    [
        pytest.param({}, 0, id="fresh"),
        pytest.param({"tool_choice": "required"}, 6, id="forced"),
        pytest.param({"tool_choice": "none"}, None, id="tools not to be used"),
        pytest.param(
            {"messages": [{"role": "user", "content": "?"}, {"role": "tool", "content": "5"}]},
            3,
            id="after a tool's result",
        ),
    ],
)
def test_keeps_where_in_a_conversation_tools_were_offered(
    chat: Chat, fields: dict[str, Any], stratum: int | None
) -> None:
    generation = chat.post(tools=[live_catalog.WEATHER], **fields).json["id"]

    chat.gateway.ingest()
    [row] = chat.gateway.rows(
        "SELECT stratum, slot FROM telemetry_attempt WHERE generation_id = %s", generation
    )

    assert row["stratum"] == stratum
    assert (row["slot"] is None) is (stratum is None)


@pytest.mark.parametrize("tools", [[live_catalog.WEATHER], None])
def test_keeps_which_endpoints_a_request_with_tools_named(
    chat: Chat, tools: list[dict[str, Any]] | None
) -> None:
    wishes = {"only": ["amber"], "ignore": ["basalt", "nobody"]}
    body: dict[str, Any] = {"tools": tools} if tools else {}
    generation = chat.post(provider=wishes, **body).json["id"]

    chat.gateway.ingest()
    [row] = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", generation)
    ids = {
        one["tag"]: one["id"]
        for one in chat.gateway.rows(
            "SELECT e.id, e.tag FROM providers_endpoint e JOIN providers_model m"
            " ON m.id = e.model_id WHERE m.slug = %s",
            chat.model,
        )
    }

    named = [row["pinned_endpoints"], row["ignored_endpoints"]]
    kept = [json.loads(one) if isinstance(one, str) else one for one in named]
    assert kept == ([[ids["amber"]], [ids["basalt"]]] if tools else [[], []])
