"""Streams of POST /api/v1/responses: events in order, failures in band, callers who leave."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import EventStream, eventually
from tests.routing.conftest import Chat
from tests.routing.gateway.shapes.responses.test_stream import check_events
from tests.routing.test_responses import WEATHER, ask, stream
from tests.scripted_upstream import (
    Step,
    answer,
    begin_stream,
    chunk,
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

FIRST_WORD = (begin_stream(), delta("one "))


def lines_of(stream: EventStream) -> Iterator[str]:
    return (line for line in stream.events() if not line.startswith("event: "))


def events_of(stream: EventStream) -> list[dict[str, Any]]:
    """Read a stream to its end; it must be well-formed and end with [DONE]."""
    lines = [line for line in lines_of(stream) if not line.startswith(":")]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    check_events(events)
    return events


def first_text(stream: EventStream) -> None:
    """Read on until the first word has come."""
    next(line for line in lines_of(stream) if "output_text.delta" in line)


def test_streams_text(chat: Chat) -> None:
    chat.script(amber=plain_stream("Good ", "day, ", "dear."))

    with stream(chat) as told:
        events = events_of(told)

    deltas = [one["delta"] for one in events if one["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "Good day, dear."
    assert len(deltas) > 1
    last = events[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["id"] == told.headers["x-generation-id"]
    assert last["response"]["output"][0]["content"][0]["text"] == "Good day, dear."
    assert last["response"]["usage"]["total_tokens"] == 14
    assert last["response"]["openrouter_metadata"]["requested"] == chat.pooled
    assert events[0]["response"]["status"] == "in_progress"


def test_streams_what_a_whole_answer_shows(chat: Chat) -> None:
    told = ask(chat).json
    with stream(chat) as streamed:
        last = events_of(streamed)[-1]["response"]

    same = ("status", "model", "usage", "tools", "text")
    assert [told[name] for name in same] == [last[name] for name in same]
    assert told["output"][0]["content"] == last["output"][0]["content"]


def test_streams_a_call_and_has_it_judged(chat: Chat) -> None:
    def piece(**function: Any) -> Step:
        call = {"index": 0, "id": "c1", "type": "function", "function": function}
        return event(chunk({"tool_calls": [call]}))

    chat.script(
        amber=(
            begin_stream(),
            piece(name="get_weather", arguments=""),
            piece(arguments='{"city":'),
            piece(arguments=' "Oslo"}'),
            delta(finish="tool_calls"),
            usage(),
            end_stream(),
        )
    )

    with stream(chat, tools=[WEATHER]) as told:
        events = events_of(told)

    [call] = events[-1]["response"]["output"]
    assert (call["name"], call["arguments"]) == ("get_weather", '{"city": "Oslo"}')
    done = next(e for e in events if e["type"] == "response.function_call_arguments.done")
    assert (done["name"], done["arguments"]) == ("get_weather", '{"city": "Oslo"}')
    assert _verdict(chat, events[-1]["response"]["id"]) == "valid"


def _verdict(chat: Chat, generation: str) -> str:
    def judged() -> str | None:
        chat.gateway.ingest()
        rows = chat.gateway.rows(
            "SELECT verdict FROM telemetry_attempt WHERE generation_id = %s", generation
        )
        verdicts = {row["verdict"] for row in rows} - {"pending"}
        return verdicts.pop() if verdicts else None

    return str(eventually(judged))


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        pytest.param((fin,), "provider_unavailable", id="cut"),
        pytest.param((hang,), "timeout", id="silence"),
        pytest.param(
            (event({"error": {"message": "raw words", "code": 429}}), hang),
            "rate_limit_exceeded",
            id="rate limited",
        ),
    ],
)
def test_tells_in_band_what_broke_after_the_first_word(
    chat: Chat, steps: tuple[Step, ...], kind: str
) -> None:
    gate = threading.Event()
    chat.script(amber=(*FIRST_WORD, wait(gate), *steps))

    with stream(chat) as told:
        head = [next(lines_of(told)) for _ in range(2)]
        gate.set()
        lines = [*head, *lines_of(told)]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines if not line.startswith(":")]
    failed = check_events(events)

    assert told.status == 200
    assert events[-1]["type"] == "response.failed"
    assert failed["error_type"] == kind
    code = "rate_limit_exceeded" if kind == "rate_limit_exceeded" else "server_error"
    assert failed["error"]["code"] == code
    assert failed["output"][0]["status"] == "incomplete"
    assert failed["output"][0]["content"][0]["text"] == "one "
    assert "raw words" not in str(events)
    tries = failed["openrouter_metadata"]["attempts"]
    assert [visit.provider for visit in chat.seen()] == ["amber"]
    assert len(tries) == 1


def test_falls_back_before_the_first_word(chat: Chat) -> None:
    chat.script(amber=(answer({"error": {"message": "no"}}, 503),), basalt=plain_stream("yes"))

    with stream(chat) as told:
        last = events_of(told)[-1]["response"]

    assert last["provider"] == "Basalt AI"


def test_refuses_before_the_first_word_with_a_status(chat: Chat) -> None:
    down = (answer({"error": {"message": "no"}}, 503),)
    chat.script(amber=down, basalt=down)

    with stream(chat) as told:
        text = "".join(told.events())

    assert told.status in (502, 503)
    assert told.headers["content-type"] == "application/json"
    assert '"error_type"' in text


def test_tells_a_failure_in_band_once_comments_were_sent(chat: Chat) -> None:
    late = (sleep(0.8), answer({"error": {"message": "no"}}, 503))
    chat.script(amber=late, basalt=(answer({"error": {"message": "no"}}, 503),))

    with stream(chat) as told:
        lines = list(lines_of(told))

    assert told.status == 200
    assert lines[0].startswith(":")
    kinds = [line.partition('"type":"')[2].partition('"')[0] for line in lines if line[0] == "{"]
    assert kinds == ["response.created", "response.in_progress", "response.failed"]
    assert lines[-1] == "[DONE]"


def test_keeps_a_silent_stream_alive_with_comments(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, sleep(0.7), delta("two", finish="stop"), usage(), end_stream()))

    with stream(chat) as told:
        lines = list(lines_of(told))

    assert any(line.startswith(":") for line in lines)
    assert "one two" in lines[-2]


def test_shows_what_a_provider_was_sent(chat: Chat) -> None:
    with stream(chat, debug={"echo_upstream_body": True}) as told:
        events = events_of(told)

    [shown] = [one["debug"] for one in events if one["type"] == "response.debug"]
    assert chat.nonce in shown["echo_upstream_body"]["messages"][0]["content"]


def test_says_that_a_stream_was_cut_off_by_its_limit(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, delta(finish="length"), usage(), end_stream()))

    with stream(chat) as told:
        last = events_of(told)[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_lets_go_of_the_provider_when_the_caller_leaves(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, hang))

    with stream(chat) as told:
        first_text(told)
        generation = told.headers["x-generation-id"]

    assert eventually(lambda: chat.seen("amber"))[0].gone.wait(2)
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)
    chat.gateway.ingest()
    [row] = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", generation)
    assert (bool(row["cancelled"]), row["status"]) == (True, 499)
