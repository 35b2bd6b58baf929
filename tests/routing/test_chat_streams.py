"""What happens to a stream after its first content: errors in band, quirks, silence, hang-ups."""

import json
import threading
import time
from typing import Any

import pytest

from tests.live import eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import (
    Step,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    fin,
    hang,
    piece,
    plain_stream,
    repeat,
    rst,
    sleep,
    usage,
    wait,
    wire,
)

Program = tuple[Step, ...]
FIRST_WORD = (begin_stream(), delta("one "))
CALL = {"index": 0, "id": "call_1", "type": "function"}


def _text(chunks: list[dict[str, Any]]) -> str:
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks)


KINDS = {429: "rate_limit_exceeded", 502: "provider_unavailable", 504: "timeout"}
ASKED = {"X-OpenRouter-Metadata": "enabled"}


@pytest.mark.parametrize(
    ("steps", "code", "outcome"),
    [
        pytest.param((end_stream(done=False),), 502, "truncated", id="neither end"),
        pytest.param((fin,), 502, "truncated", id="cut"),
        pytest.param((rst,), 502, "disconnected", id="reset"),
        pytest.param((event("oops"), hang), 502, "malformed", id="no JSON"),
        pytest.param(
            (event({"error": {"message": "raw words", "code": 500}}), hang),
            502,
            "http_5xx",
            id="error event",
        ),
        pytest.param(
            (piece(b'event: error\ndata: {"detail": "raw words"}\n\n'), hang),
            502,
            "malformed",
            id="event: error",
        ),
        pytest.param(
            (event({"error": {"message": "raw words", "code": 429}}), hang),
            429,
            "rate_limited",
            id="rate limited",
        ),
        pytest.param((hang,), 504, "timeout_idle", id="silence"),
        pytest.param(
            (repeat(piece(b": still here\n\n"), 0.1),), 504, "timeout_idle", id="comments"
        ),
        pytest.param(
            (piece(b"data: " + b"x" * (1024 * 1024 + 1)), hang),
            502,
            "malformed",
            id="an event without end",
        ),
    ],
)
def test_tells_in_band_what_broke_after_the_first_content(
    chat: Chat, steps: Program, code: int, outcome: str
) -> None:
    gate = threading.Event()
    chat.script(amber=(*FIRST_WORD, wait(gate), *steps))

    with chat.stream(ASKED) as stream:
        first = stream.next_chunk()
        gate.set()
        chunks = stream.chunks()

    assert stream.status == 200
    assert _text([first, *chunks]) == "one "
    last = chunks[-1]
    assert last["error"]["code"] == code
    assert last["error"]["metadata"]["error_type"] == KINDS[code]
    assert last["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]
    assert (last["object"], last["provider"]) == ("chat.completion.chunk", "Amber AI")
    assert last["id"] == stream.headers["x-generation-id"]
    tries = last["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == [outcome]
    assert "raw words" not in str(chunks)
    assert not any("usage" in one for one in chunks)
    assert [visit.provider for visit in chat.seen()] == ["amber"], "no failover after content"
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)


def test_cuts_a_stream_that_never_ends_at_its_total_time(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, repeat(delta("more "), 0.05)))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert chunks[-1]["error"]["code"] == 504
    assert chat.seen()[0].gone.wait(10)


def test_cuts_a_stream_that_is_too_large(chat: Chat) -> None:
    flood = repeat(delta("x" * 500_000), 0, times=40)
    chat.script(amber=(*FIRST_WORD, flood, hang))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert chunks[-1]["error"]["code"] == 502
    assert len(_text(chunks)) <= 16 * 1024 * 1024


def test_ends_a_stream_that_lacks_done_after_its_finish_reason(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, delta(finish="stop"), usage(), end_stream(done=False)))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 14


def test_ignores_what_follows_done_and_a_second_finish_reason(chat: Chat) -> None:
    after = piece(b'data: [DONE]\n\ndata: {"choices":[{"delta":{"content":"late"}}]}\n\n')
    second = delta(finish="length")
    chat.script(amber=(*FIRST_WORD, delta(finish="stop"), second, usage(), after, hang))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert _text(chunks) == "one "
    assert sum("usage" in one for one in chunks) == 1


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param(
            "a\u2028b\u0085c\x0bd\x0ce", "a\u2028b\u0085c\x0bd\x0ce", id="line separators"
        ),
        pytest.param("\ufeffx", "\ufeffx", id="BOM in text"),
        pytest.param("🙂é漢", "🙂é漢", id="astral"),
    ],
)
def test_forwards_text_as_it_is(chat: Chat, sent: str, shown: str) -> None:
    raw = json.dumps(chunk({"content": sent}), ensure_ascii=False).encode()
    data = b"data: " + raw + b"\n\n"
    # One byte at a time: no boundary of the network may show.
    pieces = [piece(data[at : at + 1]) for at in range(len(data))]
    chat.script(amber=(begin_stream(), *pieces, delta(finish="stop"), end_stream()))

    with chat.stream() as stream:
        assert _text(stream.chunks()) == shown


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b'\xef\xbb\xbfdata: {"choices":[{"delta":{"content":"x"}}]}\n\n', id="BOM first"
        ),
        pytest.param(b'data:{"choices":[{"delta":{"content":"x"}}]}\r\n\r\n', id="CRLF, no blank"),
        pytest.param(b'data: {"choices":[{"delta":{"content":"x"}}]}\r\r', id="CR"),
        pytest.param(
            b'id: 1\nretry: 5\nevent: message\ndata: {"choices":[{"delta":\n'
            b'data: {"content":"x"}}]}\n\n',
            id="two data lines",
        ),
    ],
)
def test_reads_every_spelling_of_an_event(chat: Chat, data: bytes) -> None:
    chat.script(amber=(begin_stream(), piece(data), delta(finish="stop"), end_stream()))

    with chat.stream() as stream:
        assert _text(stream.chunks()) == "x"


def test_replaces_bytes_that_are_not_text(chat: Chat) -> None:
    bad = b'data: {"choices":[{"delta":{"content":"a\xff\xfeb"}}]}\n\n'
    chat.script(amber=(begin_stream(), piece(bad), delta(finish="stop"), end_stream()))

    with chat.stream() as stream:
        assert _text(stream.chunks()) == "a\ufffd\ufffdb"


# Tool calls --------------------------------------------------------------------------------


def _calls(*fragments: dict[str, Any]) -> Step:
    return event(chunk({"tool_calls": list(fragments)}))


def _function(**fields: Any) -> dict[str, Any]:
    return {"function": fields}


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        pytest.param(
            [
                [CALL | _function(name="get_weather", arguments="")],
                [{"index": 0, **_function(arguments='{"city":')}],
                [{"index": 0, **_function(arguments='"Oslo"}')}],
            ],
            "valid",
            id="in pieces",
        ),
        pytest.param(
            [
                [CALL | _function(name="get_weather", arguments='{"city":')],
                [
                    CALL
                    | {"index": 1, "id": "call_2"}
                    | _function(name="get_weather", arguments="{")
                ],
                [{"index": 0, **_function(arguments='"Oslo"}')}],
                [{"index": 1, **_function(arguments='"city": "Bergen"}')}],
            ],
            "valid",
            id="interleaved",
        ),
        pytest.param(
            [[CALL | _function(name="get_weather", arguments={"city": "Oslo"})]],
            "invalid_json",
            id="arguments as an object",
        ),
        pytest.param(
            [[CALL | _function(name="get_weather", arguments='{"city": 3}')]],
            "schema_mismatch",
            id="wrong type",
        ),
        pytest.param(
            [[CALL | _function(name="get_wether", arguments='{"city": "Oslo"}')]],
            "unknown_name",
            id="unknown name",
        ),
        pytest.param(
            [[CALL | _function(name="get_weather", arguments='{"city": "Os')]],
            "invalid_json",
            id="cut arguments",
        ),
        pytest.param(
            [
                [CALL | _function(name="get_", arguments="")],
                [{"index": 0, **_function(name="weather", arguments='{"city": "Oslo"}')}],
            ],
            "valid",
            id="name split",
        ),
        pytest.param(
            [
                [
                    CALL | _function(name="get_weather", arguments='{"city": "Oslo"}'),
                    CALL | {"index": 1, "id": "b"} | _function(name="nope", arguments="{}"),
                ]
            ],
            "unknown_name",
            id="two in one delta",
        ),
    ],
)
def test_forwards_tool_calls_as_they_came_and_judges_them(
    chat: Chat, sent: list[list[dict[str, Any]]], verdict: str
) -> None:
    steps = [_calls(*fragments) for fragments in sent]
    chat.script(amber=(begin_stream(), *steps, delta(finish="tool_calls"), usage(), end_stream()))

    with chat.stream(tools=[live_catalog.WEATHER]) as stream:
        chunks = stream.chunks()

    got = [one["choices"][0]["delta"].get("tool_calls") for one in chunks]
    assert [_as_text(fragments) for fragments in sent] == [calls for calls in got if calls]
    assert _verdict(chat, chunks[0]["id"]) == verdict


def _as_text(fragments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the fragments as clients need them: arguments are text."""
    shown = json.loads(json.dumps(fragments))
    for fragment in shown:
        arguments = fragment["function"].get("arguments")
        if not isinstance(arguments, str | None):
            fragment["function"]["arguments"] = json.dumps(arguments, separators=(",", ":"))
    return list(shown)


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
    "sent",
    [
        pytest.param(
            [{"id": "a", "function": {"name": "get_weather", "arguments": "{}"}}], id="no index"
        ),
        pytest.param([{"index": None, "function": {"name": "f", "arguments": None}}], id="nulls"),
        pytest.param([{"index": "0", "id": "a", "function": {"name": "f"}}], id="index as text"),
        pytest.param([{"index": 0, "id": "a", "function": None}], id="no function"),
        pytest.param([{"index": 0, "function": "f"}], id="function as text"),
        pytest.param(["call", None, 3], id="not objects"),
        pytest.param([], id="empty"),
        pytest.param(None, id="null"),
        pytest.param({"index": 0}, id="not a list"),
    ],
)
def test_never_sends_tool_calls_that_clients_cannot_read(chat: Chat, sent: Any) -> None:
    odd = event(chunk({"content": "x", "tool_calls": sent}))
    chat.script(amber=(begin_stream(), odd, delta(finish="stop"), end_stream()))

    with chat.stream(tools=[live_catalog.WEATHER]) as stream:
        chunks = stream.chunks()

    assert "error" not in chunks[-1]
    for one in chunks:
        said = one["choices"][0]["delta"]
        assert "tool_calls" not in said or said["tool_calls"]
        for call in said.get("tool_calls", []):
            assert isinstance(call["index"], int)
            assert None not in call.values()
            assert isinstance(call.get("function", {}), dict)


# Silence -----------------------------------------------------------------------------------


def test_keeps_a_silent_connection_alive(chat: Chat) -> None:
    gate = threading.Event()
    chat.script(amber=(*FIRST_WORD, wait(gate), delta(finish="stop"), end_stream()))

    with chat.stream() as stream:
        events = stream.events()
        next(events)
        assert next(events) == ": OPENROUTER PROCESSING"
        gate.set()
        assert list(events)[-1] == "[DONE]"


def test_commits_to_200_with_a_comment_and_tells_errors_in_band_from_there(chat: Chat) -> None:
    late = (sleep(0.6), wire(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
    chat.script(amber=late, basalt=late)

    with chat.stream() as stream:
        events = list(stream.events())

    assert stream.status == 200
    assert events[0] == ": OPENROUTER PROCESSING"
    assert events[-1] == "[DONE]"
    failed = json.loads(events[-2])
    assert failed["error"]["code"] == 503
    assert failed["choices"][0]["finish_reason"] == "error"


def test_still_fails_over_after_a_comment(chat: Chat) -> None:
    late = (sleep(0.6), wire(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
    chat.script(amber=late, basalt=plain_stream("from basalt"))

    with chat.stream() as stream:
        assert next(stream.events()).startswith(":")
        chunks = stream.chunks()

    assert _text(chunks) == "from basalt"


# Hang-ups ----------------------------------------------------------------------------------


def _gone_at_once(chat: Chat) -> None:
    """Long before any time-out of the gateway's own."""
    assert eventually(lambda: chat.seen("amber"))[0].gone.wait(2)
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)


def test_lets_go_of_the_provider_when_the_caller_leaves_a_stream(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, hang))

    with chat.stream() as stream:
        stream.next_chunk()

    _gone_at_once(chat)


def test_lets_go_of_a_provider_that_is_always_ready(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, repeat(delta("x" * 1000), 0)))

    with chat.stream() as stream:
        stream.next_chunk()

    _gone_at_once(chat)


@pytest.mark.parametrize("streamed", [True, False], ids=["before the first token", "not streamed"])
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((hang,), id="no head"),
        pytest.param((begin_stream(), hang), id="no body"),
        pytest.param(
            (wire(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), hang), id="half a body"
        ),
    ],
)
def test_lets_go_of_the_provider_when_the_caller_leaves_before_an_answer(
    chat: Chat, steps: Program, streamed: bool
) -> None:
    chat.script(amber=steps)

    with chat.gateway.socket() as caller:
        caller.sendall(_raw_request(chat, stream=streamed))
        eventually(lambda: chat.seen("amber"))

    _gone_at_once(chat)


def _raw_request(chat: Chat, **fields: Any) -> bytes:
    body = json.dumps(chat.body(**fields)).encode()
    return (
        b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
        % (chat.gateway.key.encode(), len(body), body)
    )


def test_lets_go_of_a_caller_who_does_not_read(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, repeat(delta("x" * 100_000), 0, times=150), hang))

    with chat.gateway.socket() as caller:
        caller.sendall(_raw_request(chat, stream=True))
        eventually(lambda: chat.seen("amber"))
        # Within SEND_STALL_S, long before the stream's own time is over.
        assert chat.seen("amber")[0].gone.wait(6)

    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)


def test_records_that_the_caller_left(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, hang))

    with chat.stream() as stream:
        generation = stream.next_chunk()["id"]
    _gone_at_once(chat)

    chat.gateway.ingest()
    [row] = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", generation)
    [tried] = chat.gateway.rows(
        "SELECT * FROM telemetry_attempt WHERE generation_id = %s", generation
    )
    assert (row["status"], bool(row["cancelled"])) == (499, True)
    assert tried["outcome"] == "client_cancelled"


def test_serves_on_after_many_hang_ups(chat: Chat) -> None:
    chat.script(amber=(*FIRST_WORD, hang))
    for _ in range(70):
        with chat.stream() as stream:
            stream.next_chunk()

    with chat.stream() as stream:
        assert stream.next_chunk()["choices"][0]["delta"]["content"] == "one "


@pytest.mark.parametrize("pause_s", [0.0, 0.01], ids=["at once", "one by one"])
def test_a_stream_says_the_same_however_it_is_paced(chat: Chat, pause_s: float) -> None:
    said: tuple[Step, ...] = (
        delta("one "),
        delta("two "),
        delta("three "),
        delta('"quoted" '),
        delta("four "),
        delta(reasoning="hm"),
        delta("five"),
        delta(tool_calls=[CALL | {"function": {"name": "f", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a": '}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
        delta(finish="tool_calls"),
        usage(),
    )
    paced = [step for one in said for step in (one, sleep(pause_s))]
    chat.script(amber=(begin_stream(), *paced, end_stream()))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert _text(chunks) == 'one two three "quoted" four five'
    calls = [c for one in chunks for c in one["choices"][0]["delta"].get("tool_calls", [])]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a": 1}'
    assert [one["usage"]["total_tokens"] for one in chunks if "usage" in one] == [14]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_caller_who_reads_late_gets_every_event_once_and_in_order(chat: Chat) -> None:
    # More than the sockets between hold, so that the gateway has to wait for its caller.
    words = [f"{at:05} " + "x" * 20_000 for at in range(400)]
    said = [step for word in words for step in (delta(word), sleep(0.001))]
    chat.script(amber=(*FIRST_WORD, *said, delta(finish="stop"), usage(), end_stream()))

    with chat.stream() as stream:
        first = stream.next_chunk()
        time.sleep(0.4)
        chunks = stream.chunks()

    assert _text([first, *chunks]) == "one " + "".join(words)
    assert chunks[-1]["usage"]["total_tokens"] == 14
