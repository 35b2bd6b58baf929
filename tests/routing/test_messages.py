"""Messages that go well: whole and streamed, field by field as Anthropic's clients need them."""

import json
import threading
from typing import Any

import pytest

from tests.live import eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.routing.message_events import events_of
from tests.routing.messages_client import COUNT, MESSAGES, WEATHER, Caller
from tests.scripted_upstream import (
    REPLY,
    Step,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    plain_stream,
    usage,
    wait,
)

# 10 prompt tokens at 0.000002 and 4 completion tokens at 0.000003.
COST = 0.000032
USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 4,
    "output_tokens_details": {"thinking_tokens": 0},
    "service_tier": "standard",
    "cost": COST,
    "is_byok": False,
    "cost_details": {
        "upstream_inference_cost": COST,
        "upstream_inference_prompt_cost": 0.00002,
        "upstream_inference_completions_cost": 0.000012,
    },
}


@pytest.fixture
def caller(chat: Chat) -> Caller:
    return Caller(chat)


def test_answers_a_message(caller: Caller) -> None:
    answer = caller.post()

    assert answer.status == 200
    body = answer.json
    assert body["id"].startswith("gen-")
    assert answer.headers["x-generation-id"] == answer.headers["request-id"] == body["id"]
    assert body == {
        "id": body["id"],
        "type": "message",
        "role": "assistant",
        "model": caller.chat.model,
        "provider": "Amber AI",
        "content": [{"type": "text", "text": "Good day."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def test_streams_the_same_message(caller: Caller) -> None:
    with caller.stream() as stream:
        events = events_of(stream.events())

    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["request-id"] == events[0]["message"]["id"]
    assert [event["type"] for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": USAGE,
    }


def test_the_stream_and_the_whole_say_the_same(caller: Caller) -> None:
    told, streamed = caller.post().json, caller.streamed()

    assert {**streamed, "id": told["id"]} == told


def test_forwards_each_event_as_it_comes(caller: Caller) -> None:
    gate = threading.Event()
    caller.chat.script(amber=(begin_stream(), delta("one"), wait(gate), *plain_stream("two")[2:]))

    with caller.stream() as stream:
        lines = stream.events()
        first = next(line for line in lines if '"one"' in line)
        gate.set()
        rest = events_of(lines)

    assert "text_delta" in first
    assert rest[-1]["type"] == "message_stop"


def test_asks_the_provider_for_the_same(caller: Caller) -> None:
    caller.post(
        system="Be kind.",
        tools=[WEATHER],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        temperature=0.5,
        speed="fast",
    )

    [visit] = caller.chat.seen()
    assert visit.body == {
        "model": f"up-{caller.chat.model.partition('/')[2]}",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": f"Hello nonce:{caller.chat.nonce} "},
        ],
        "max_tokens": 100,
        "tools": [live_catalog.WEATHER],
        "tool_choice": "auto",
        "temperature": 0.5,
    }


def test_takes_a_query_and_anthropics_headers(caller: Caller) -> None:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24"}

    told = caller.post(path=f"{MESSAGES}?beta=true", headers=headers)

    assert told.json["content"][0]["text"] == "Good day."


# Tools -------------------------------------------------------------------------------------


def calling(*arguments: str) -> Step:
    """Answer whole, with one call of get_weather for each of these arguments."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "get_weather", "arguments": said}}
        for n, said in enumerate(arguments)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return answer({**REPLY, "choices": [choice]})


def piece(index: int, arguments: str, **named: str) -> Step:
    function = {"arguments": arguments, **named}
    call = {"index": index, "function": function} | ({"id": f"c{index}"} if named else {})
    return event(chunk({"tool_calls": [call]}))


def verdict_of(chat: Chat, generation: str) -> str:
    def judged() -> str:
        chat.gateway.ingest()
        query = "SELECT verdict FROM telemetry_attempt WHERE generation_id = %s"
        found = [str(row["verdict"]) for row in chat.gateway.rows(query, generation)]
        return found[0] if found and found[0] != "pending" else ""

    return str(eventually(judged))


@pytest.mark.parametrize(
    ("arguments", "shown", "verdict"),
    [
        ('{"city": "Oslo"}', {"city": "Oslo"}, "valid"),
        ('{"town": "Oslo"}', {"town": "Oslo"}, "schema_mismatch"),
        ('{"city": ', {"INVALID_JSON": '{"city": '}, "invalid_json"),
    ],
)
def test_a_call_is_judged_as_it_was_sent(
    caller: Caller, arguments: str, shown: dict[str, Any], verdict: str
) -> None:
    caller.chat.script(amber=(calling(arguments),))

    told = caller.post(tools=[WEATHER]).json

    assert told["stop_reason"] == "tool_use"
    assert [block["input"] for block in told["content"]] == [shown]
    assert verdict_of(caller.chat, told["id"]) == verdict


def test_a_streamed_call_is_judged_as_it_was_sent(caller: Caller) -> None:
    steps = (piece(0, '{"city": ', name="get_weather"), piece(0, "Oslo"), delta(finish="stop"))
    caller.chat.script(amber=(begin_stream(), *steps, usage(), end_stream()))

    told = caller.streamed(tools=[WEATHER])

    assert told["content"][0]["input"] == '{"city": Oslo'
    assert told["stop_reason"] == "tool_use"
    assert verdict_of(caller.chat, told["id"]) == "invalid_json"


def test_parallel_calls_that_are_woven_into_each_other_come_one_by_one(caller: Caller) -> None:
    steps = (
        piece(0, '{"city":', name="get_weather"),
        piece(1, '{"city":', name="get_weather"),
        piece(0, '"Oslo"}'),
        piece(1, '"Rome"}'),
        delta(finish="tool_calls"),
    )
    caller.chat.script(amber=(begin_stream(), *steps, usage(), end_stream()))

    told = caller.streamed(tools=[WEATHER])

    assert [block["input"] for block in told["content"]] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    assert verdict_of(caller.chat, told["id"]) == "valid"


def test_the_quality_gate_keeps_bad_calls_back(caller: Caller) -> None:
    good = calling('{"city": "Oslo"}')
    caller.chat.script(amber=(calling("{}"),), basalt=(good,))
    provider = {"order": ["amber", "basalt"], "quality_gate": True}

    told = caller.post(tools=[WEATHER], provider=provider)

    assert told.headers["x-assay-quality-gate"] == "retried"
    assert told.json["content"][0]["input"] == {"city": "Oslo"}
    assert told.json["openrouter_metadata"]["quality_gate"] == "retried"


# Extras ------------------------------------------------------------------------------------


def test_the_way_of_a_request_is_explained_where_it_is_asked_for(caller: Caller) -> None:
    asked = {"X-OpenRouter-Metadata": "enabled"}

    told = caller.post(headers=asked).json
    with caller.stream(headers=asked) as stream:
        *_, last, _ = events_of(stream.events())

    assert told["openrouter_metadata"].keys() == last["openrouter_metadata"].keys()


def test_thoughts_are_shown_unless_they_are_not_wanted(caller: Caller) -> None:
    thinking = (event(chunk({"reasoning_content": "Hm."})), delta("Yes."), delta(finish="stop"))
    caller.chat.script(amber=(begin_stream(), *thinking, usage(), end_stream()))

    shown = caller.streamed(thinking={"type": "adaptive"})
    hidden = caller.streamed(thinking={"type": "adaptive", "display": "omitted"})

    assert [block["type"] for block in shown["content"]] == ["thinking", "text"]
    assert [block["type"] for block in hidden["content"]] == ["text"]


def test_what_was_cached_is_counted_and_priced_apart(caller: Caller) -> None:
    details = {"cached_tokens": 600, "cache_write_tokens": 300}
    counted = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": details}
    caller.chat.script(amber=(answer({**REPLY, "usage": counted}),))
    marked = {
        "type": "text",
        "text": f"Hello nonce:{caller.chat.nonce} ",
        "cache_control": {"type": "ephemeral"},
    }

    told = caller.post(
        model=live_catalog.GIFTED, messages=[{"role": "user", "content": [marked]}]
    ).json

    [visit] = caller.chat.seen()
    assert visit.body["messages"] == [{"role": "user", "content": [marked]}]
    assert told["usage"]["input_tokens"] == 100
    assert told["usage"]["cache_read_input_tokens"] == 600
    assert told["usage"]["cache_creation_input_tokens"] == 300
    # 100 at 0.000002, 600 at 0.0000005, 300 at 0.0000025, and 10 at 0.000003.
    assert told["usage"]["cost"] == pytest.approx(0.00128)


@pytest.mark.parametrize("name", ["fallbacks", "models"])
def test_falls_back_to_another_model(caller: Caller, name: str) -> None:
    caller.chat.script()
    pooled = caller.chat.pooled
    wish: list[Any] = [{"model": pooled}] if name == "fallbacks" else [pooled]
    body = caller.body(model=f"{live_catalog.UNLISTED}:exacto") | {name: wish}

    told = caller.send(body).json

    assert told["model"] == caller.chat.model
    assert told["provider"] == "Amber AI"


# Counting ----------------------------------------------------------------------------------


def test_counts_tokens_by_the_estimate_of_routing_and_asks_nobody(caller: Caller) -> None:
    body = caller.body(system="Be kind.", tools=[WEATHER], max_tokens=None)

    counted = caller.send(body, path=COUNT)

    assert counted.status == 200
    # Four bytes of JSON a token.
    assert counted.json == {"input_tokens": len(json.dumps(body)) // 4}
    assert not caller.chat.seen()


def test_counting_is_refused_like_a_message(caller: Caller) -> None:
    unknown = caller.post(path=COUNT, key="sk-wrong")
    wrong = caller.post(path=COUNT, messages="Hi")

    assert (unknown.status, unknown.error["type"]) == (401, "authentication_error")
    assert (wrong.status, wrong.error["metadata"]["path"]) == (400, "messages")
