"""The quality gate over HTTP: an invalid tool call is not handed over while another may be had."""

import json
import threading
from typing import Any

import pytest

from tests.live import Answer, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.scripted_upstream import (
    Step,
    answer,
    begin_stream,
    delta,
    end_stream,
    event,
    fin,
    hang,
    plain_stream,
    sleep,
    usage,
    wait,
)

GATED = {**FIRST, "quality_gate": True}
GOOD, NO_CITY, BROKEN = '{"city": "Oslo"}', '{"town": "Oslo"}', '{"city": "Os'
LEAK = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>'
HEADER = "x-assay-quality-gate"


def calling(arguments: str, name: str = "get_weather") -> Step:
    """Answer whole, with one tool call."""
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return _saying({"content": None, "tool_calls": [call]}, "tool_calls")


def talking(text: str = "It rains.") -> Step:
    return _saying({"content": text}, "stop")


def _saying(message: dict[str, Any], finish: str) -> Step:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    counted = {"prompt_tokens": 10, "completion_tokens": 4}
    return answer({"id": "up-1", "choices": [choice], "usage": counted})


def call_stream(arguments: str, *between: Step) -> tuple[Step, ...]:
    """Stream some text and then one tool call, its arguments in two pieces."""
    half = len(arguments) // 2
    first = {"index": 0, "id": "c1", "type": "function",
             "function": {"name": "get_weather", "arguments": arguments[:half]}}  # fmt: skip
    second = {"index": 0, "function": {"arguments": arguments[half:]}}
    return (
        begin_stream(),
        delta("Let me see. "),
        delta(tool_calls=[first]),
        *between,
        delta(tool_calls=[second]),
        delta(finish="tool_calls"),
        usage(),
        end_stream(),
    )


def ask(chat: Chat, **fields: Any) -> Answer:
    return chat.post(**{"provider": GATED, "tools": [live_catalog.WEATHER], **fields})


def arguments_of(body: dict[str, Any]) -> str:
    [call] = body["choices"][0]["message"]["tool_calls"]
    arguments: str = call["function"]["arguments"]
    return arguments


def streamed(chat: Chat, **fields: Any) -> tuple[dict[str, str], list[dict[str, Any]]]:
    body = {"provider": GATED, "tools": [live_catalog.WEATHER], **fields}
    with chat.stream(**body) as stream:
        assert stream.status == 200
        return stream.headers, stream.chunks()


def said(chunks: list[dict[str, Any]]) -> str:
    """Return the arguments that a stream's pieces spell."""
    calls = [c for one in chunks for c in one["choices"][0]["delta"].get("tool_calls", [])]
    return "".join(call["function"].get("arguments", "") for call in calls)


@pytest.mark.parametrize(
    ("bad", "verdict", "signs", "tool_choice"),
    [
        pytest.param(calling(NO_CITY), "schema_mismatch", [], "auto", id="schema mismatch"),
        pytest.param(calling(BROKEN), "invalid_json", [], "auto", id="invalid JSON"),
        pytest.param(calling(GOOD, "get_wether"), "unknown_name", [], "auto", id="unknown name"),
        pytest.param(talking(LEAK), "no_tool_calls", ["leaked_tool_text"], "auto", id="leaked"),
        pytest.param(
            talking(),
            "no_tool_calls",
            ["tool_choice_violated"],
            "required",
            id="no call as required",
        ),
    ],
)
def test_retries_an_invalid_call_on_the_next_endpoint_of_the_pool(
    chat: Chat, bad: Step, verdict: str, signs: list[str], tool_choice: str
) -> None:
    chat.script(amber=(bad,), basalt=(calling(GOOD),))

    served = ask(chat, tool_choice=tool_choice)

    assert served.status == 200
    assert served.json["provider"] == "Basalt AI"
    assert arguments_of(served.json) == GOOD
    assert served.headers[HEADER] == "retried"
    told = served.json["openrouter_metadata"]
    assert told["quality_gate"] == "retried"
    first, second = told["attempts"]
    assert (first["verdict"], first["signs"], first["withheld"]) == (verdict, signs, True)
    assert (second["verdict"], second["signs"], second["withheld"]) == ("valid", [], False)
    assert told["endpoints"]["available"][1]["selected"] is True


@pytest.mark.parametrize("reply", [calling(GOOD), talking()], ids=["valid call", "no call"])
def test_hands_over_at_once_what_is_good(chat: Chat, reply: Step) -> None:
    chat.script(amber=(reply,))

    served = ask(chat)

    assert served.json["provider"] == "Amber AI"
    assert served.headers[HEADER] == "passed"
    assert chat.seen("basalt") == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"provider": FIRST}, id="not asked for"),
        pytest.param({"provider": {**FIRST, "quality_gate": False}}, id="asked not to"),
        pytest.param({"tools": None}, id="without tools"),
    ],
)
def test_stays_out_of_requests_that_did_not_ask_for_it(chat: Chat, fields: dict[str, Any]) -> None:
    chat.script(amber=(calling(BROKEN),))

    served = ask(chat, **fields)

    assert served.json["provider"] == "Amber AI"
    assert HEADER not in served.headers
    assert "openrouter_metadata" not in served.json


def test_hands_over_the_least_bad_reply_when_none_passes(chat: Chat) -> None:
    chat.script(amber=(calling(NO_CITY),), basalt=(calling(BROKEN),))

    served = ask(chat)

    assert served.status == 200
    assert served.json["provider"] == "Amber AI"
    assert arguments_of(served.json) == NO_CITY
    assert served.headers[HEADER] == "exhausted"
    withheld = [one["withheld"] for one in served.json["openrouter_metadata"]["attempts"]]
    assert withheld == [False, True]


def test_hands_over_the_bad_reply_when_the_next_endpoint_fails(chat: Chat) -> None:
    chat.script(amber=(calling(NO_CITY),), basalt=(answer({"error": "down"}, 500),))

    served = ask(chat)

    assert (served.status, served.json["provider"]) == (200, "Amber AI")
    assert served.headers[HEADER] == "exhausted"


def test_never_leaves_the_pool(chat: Chat) -> None:
    chat.script(amber=(calling(BROKEN),), basalt=(calling(BROKEN),))

    served = ask(chat, provider={"quality_gate": True, "order": ["amber", "dune"]})

    # Cobalt and dune serve the model, too, but the script forbids them.
    assert served.headers[HEADER] == "exhausted"
    assert len(chat.seen()) == 2


def test_bills_only_what_is_handed_over_and_records_every_attempt(chat: Chat) -> None:
    chat.script(amber=(calling(NO_CITY),), basalt=(calling(GOOD),))

    served = ask(chat)
    chat.gateway.ingest()

    # 10 tokens at 2 and 4 at 3 dollars a million, once on the bill and twice in the record.
    assert served.json["usage"]["cost"] == pytest.approx(0.000032)
    [generation] = chat.gateway.rows(
        "SELECT cost, quality_gate, attempts FROM telemetry_generation WHERE id = %s",
        served.json["id"],
    )
    assert float(generation["cost"]) == pytest.approx(0.000032)
    assert (generation["quality_gate"], generation["attempts"]) == ("retried", 2)
    rows = eventually(lambda: _judged(chat, served.json["id"]))
    assert [(r["verdict"], bool(r["withheld"]), r["outcome"]) for r in rows] == [
        ("schema_mismatch", True, "ok"),
        ("valid", False, "ok"),
    ]
    assert [float(r["cost"]) for r in rows] == [pytest.approx(0.000032)] * 2
    assert [bool(r["router_assigned"]) for r in rows] == [False, False]


def _judged(chat: Chat, id: str) -> list[dict[str, Any]]:
    """Return the attempts of a generation once every verdict is in."""
    chat.gateway.ingest()
    rows = chat.gateway.rows(
        "SELECT verdict, withheld, outcome, cost, router_assigned FROM telemetry_attempt"
        " WHERE generation_id = %s ORDER BY ordinal",
        id,
    )
    return rows if all(row["verdict"] != "pending" for row in rows) else []


def test_applies_to_all_requests_of_an_account_that_wants_it(chat: Chat) -> None:
    key = chat.gateway.create_key("gated", rpm=0, in_flight=0)
    chat.gateway.prefer(key, quality_gate=True)
    chat.script(amber=(calling(NO_CITY),), basalt=(calling(GOOD),))
    tools = [live_catalog.WEATHER]

    gated = chat.gateway.chat(chat.body(tools=tools), key=key)
    chat.script(amber=(calling(NO_CITY),), basalt=(calling(GOOD),))
    not_gated = chat.gateway.chat(
        chat.body(tools=tools, provider={**FIRST, "quality_gate": False}), key=key
    )

    assert (gated.json["provider"], gated.headers[HEADER]) == ("Basalt AI", "retried")
    assert (not_gated.json["provider"], HEADER in not_gated.headers) == ("Amber AI", False)


# Streams -----------------------------------------------------------------------------------


def test_holds_a_stream_until_its_call_is_complete_and_retries(chat: Chat) -> None:
    chat.script(amber=call_stream(NO_CITY), basalt=call_stream(GOOD))

    headers, chunks = streamed(chat)

    assert headers[HEADER] == "retried"
    assert said(chunks) == GOOD
    assert {one["provider"] for one in chunks} == {"Basalt AI"}
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    assert text == "Let me see. "
    assert chunks[-1]["openrouter_metadata"]["quality_gate"] == "retried"
    assert chunks[-1]["usage"]["cost"] == pytest.approx(0.000032)


def test_streams_the_least_bad_reply_when_none_passes(chat: Chat) -> None:
    chat.script(amber=call_stream(NO_CITY), basalt=call_stream(BROKEN))

    headers, chunks = streamed(chat)

    assert headers[HEADER] == "exhausted"
    assert said(chunks) == NO_CITY
    assert {one["provider"] for one in chunks} == {"Amber AI"}


def test_sends_comments_while_it_holds_a_stream_back(chat: Chat) -> None:
    gate = threading.Event()
    chat.script(amber=call_stream(GOOD, wait(gate)))

    with chat.stream(provider=GATED, tools=[live_catalog.WEATHER]) as stream:
        events = stream.events()
        assert next(events).startswith(":")
        assert next(events).startswith(":")
        gate.set()
        rest = [one for one in events if not one.startswith(":")]

    assert rest[-1] == "[DONE]"
    chunks = [json.loads(one) for one in rest[:-1]]
    assert said(chunks) == GOOD
    assert chunks[-1]["openrouter_metadata"]["quality_gate"] == "passed"


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param((fin,), id="cut off"),
        pytest.param((hang,), id="stalls"),
        pytest.param(
            (event({"error": {"message": "boom", "code": 500}}), end_stream()), id="error"
        ),
    ],
)
def test_fails_over_from_a_stream_that_breaks_while_it_is_held(
    chat: Chat, ending: tuple[Step, ...]
) -> None:
    chat.script(amber=(begin_stream(), delta("Let me "), *ending), basalt=call_stream(GOOD))

    _, chunks = streamed(chat)

    assert said(chunks) == GOOD
    assert {one["provider"] for one in chunks} == {"Basalt AI"}


def test_leaves_ungated_streams_as_they_are(chat: Chat) -> None:
    gate = threading.Event()
    chat.script(amber=(begin_stream(), delta("One "), wait(gate), *plain_stream("two")[1:]))

    with chat.stream(tools=[live_catalog.WEATHER]) as stream:
        first = stream.next_chunk()
        gate.set()
        stream.chunks()

    assert first["choices"][0]["delta"]["content"] == "One "


def test_records_what_was_held_when_the_caller_leaves(chat: Chat) -> None:
    chat.script(
        amber=call_stream(NO_CITY), basalt=(begin_stream(), delta("Wait"), sleep(0.2), hang)
    )

    with chat.stream(provider=GATED, tools=[live_catalog.WEATHER]) as stream:
        id = stream.headers["x-generation-id"]
        eventually(lambda: chat.seen("basalt"))
    eventually(lambda: chat.seen("basalt")[0].gone.is_set())

    rows = eventually(lambda: _judged(chat, id))
    assert [(r["outcome"], bool(r["withheld"])) for r in rows] == [
        ("ok", True),
        ("client_cancelled", False),
    ]
    assert rows[0]["verdict"] == "schema_mismatch"


# What cannot be judged ---------------------------------------------------------------------


def test_hands_over_a_stream_that_is_too_large_to_hold(chat: Chat) -> None:
    gate = threading.Event()
    words = [delta("x" * 65_536)] * 20
    chat.script(amber=(begin_stream(), *words, wait(gate), delta(finish="stop"), end_stream()))

    with chat.stream(provider=GATED, tools=[live_catalog.WEATHER]) as stream:
        first = stream.next_chunk()
        gate.set()
        rest = stream.chunks()

    assert first["provider"] == "Amber AI"
    assert rest[-1]["openrouter_metadata"]["quality_gate"] == "unjudged"


def test_hands_over_what_the_judge_declines(chat: Chat) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(25):
        schema = {"type": "object", "properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    chat.script(amber=(calling(GOOD),))

    served = ask(chat, tools=[tool])

    assert served.json["provider"] == "Amber AI"
    assert served.headers[HEADER] == "unjudged"
    [tried] = served.json["openrouter_metadata"]["attempts"]
    assert (tried["verdict"], tried["withheld"]) == ("unjudged", False)
