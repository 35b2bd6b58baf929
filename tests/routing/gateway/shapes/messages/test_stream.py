"""The events of a stream, whatever order its pieces come in."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.chat import Chunk, Reply, Usage
from routing.errors import ApiError
from routing.gateway.bill import bill_of
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.shapes.messages.stream import MessageWriter
from routing.gateway.shapes.shape import Head
from tests.routing.gateway.shapes.test_chat import PRICES
from tests.routing.gateway.shapes.test_chat import message as any_delta
from tests.routing.message_events import Event, events_of, lines_of, whole

HEAD = Head("gen-1", 1, "a/b", "Amber AI")
TEXT = {"type": "text", "text": "Hi"}


def writer(*stops: str, hide_reasoning: bool = False) -> MessageWriter:
    shape = MessagesShape()
    shape._stops = list(stops)
    return shape.writer(HEAD, hide_reasoning=hide_reasoning)


def chunk(delta: dict[str, Any], finish: Any = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def piece(index: int, arguments: str = "", **named: str) -> dict[str, Any]:
    """A piece of a call; `id` and `name` come with the first."""
    function = {"arguments": arguments}
    if "name" in named:
        function["name"] = named.pop("name")
    return chunk({"tool_calls": [{"index": index, **named, "function": function}]})


def last_of(writes: MessageWriter, finish: str | None = None) -> bytes:
    reply = Reply("", 0, False, (), finish, finish, Usage(10, 4), "")
    return writes.last(bill_of(PRICES, reply, 10), reply, None)


def parts_of(chunks: Iterable[Chunk], *stops: str) -> list[list[Event]]:
    """Return the events by the chunk they came with; the last are those of the end."""
    writes = writer(*stops)
    parts = [writes.event(chunk) for chunk in chunks]
    return [events_of(lines_of(part)) for part in [*parts, last_of(writes)]]


def told(*chunks: Chunk, stops: tuple[str, ...] = ()) -> dict[str, Any]:
    return whole(event for part in parts_of(chunks, *stops) for event in part)


def test_blocks_follow_each_other() -> None:
    message = told(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning": "Hm"}),
        chunk({"reasoning": "."}),
        "He",
        "llo",
        chunk({"content": ' "you"'}),
        piece(0, id="c1", name="f"),
        piece(0, '{"a"'),
        piece(0, ": 1}"),
        chunk({}, "tool_calls"),
    )

    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": 'Hello "you"'},
        {"type": "tool_use", "id": "c1", "name": "f", "input": '{"a": 1}'},
    ]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["input_tokens"] == 10
    assert message["usage"]["output_tokens"] == 4


def test_nothing_said_is_an_empty_message() -> None:
    message = told(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"))

    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


def test_each_call_is_sent_while_it_comes() -> None:
    parts = parts_of(
        [
            piece(0, id="c1", name="f"),
            piece(0, '{"a":'),
            piece(0, "1}"),
            piece(1, id="c2", name="g"),
            piece(1, '{"b":'),
        ]
    )

    kinds = [[event["type"] for event in part] for part in parts]
    assert kinds[0] == []  # its name may not be whole yet
    assert kinds[1][-2:] == ["content_block_start", "content_block_delta"]
    assert kinds[2] == ["content_block_delta"]
    assert kinds[3] == ["content_block_stop"]
    assert kinds[4] == ["content_block_start", "content_block_delta"]


def test_calls_that_are_woven_into_each_other_are_taken_apart() -> None:
    message = told(
        piece(0, '{"a":', id="c1", name="f"),
        piece(1, '{"b":', id="c2", name="g"),
        "Wait",
        piece(0, "1"),
        piece(2, "", id="c3", name="h"),
        piece(1, "2}"),
        piece(0, "}"),
    )

    assert message["content"] == [
        {"type": "tool_use", "id": "c1", "name": "f", "input": '{"a":1}'},
        {"type": "tool_use", "id": "c2", "name": "g", "input": '{"b":2}'},
        {"type": "text", "text": "Wait"},
        {"type": "tool_use", "id": "c3", "name": "h", "input": ""},
    ]


def test_arguments_that_are_no_object_are_sent_as_they_are() -> None:
    message = told(
        piece(0, '{"a": ', id="c1", name="f"),
        piece(1, "[1]", id="c2", name="g"),
    )

    assert [block["input"] for block in message["content"]] == ['{"a": ', "[1]"]


def test_what_follows_a_whole_object_is_left_out_once_another_block_began() -> None:
    message = told(piece(0, "{}", id="c1", name="f"), "So", piece(0, "}"))

    assert message["content"][0]["input"] == "{}"
    assert message["content"][1]["text"] == "So"


def test_a_name_in_pieces_is_put_together_and_a_repeated_one_is_not() -> None:
    message = told(
        piece(0, id="c1", name="get_"),
        piece(0, name="weather"),
        piece(0, "{", name="get_weather"),
        piece(0, "}", name="get_weather"),
    )

    assert message["content"] == [
        {"type": "tool_use", "id": "c1", "name": "get_weather", "input": "{}"}
    ]


def test_one_index_for_two_calls_makes_two_blocks() -> None:
    message = told(piece(0, "{}", id="c1", name="f"), piece(0, "{}", id="c2", name="g"))

    assert [block["id"] for block in message["content"]] == ["c1", "c2"]


def test_calls_without_an_id_get_one_each() -> None:
    message = told(piece(0, "{}", name="f"), piece(1, "{}", name="f"))

    first, second = (block["id"] for block in message["content"])
    assert first
    assert second not in ("", first)


def test_a_signature_ends_its_thoughts() -> None:
    signed = {"type": "reasoning.text", "signature": "s"}
    sealed = {"type": "reasoning.encrypted", "data": "d"}
    message = told(
        chunk({"reasoning": "Hm."}),
        chunk({"reasoning_details": [signed]}),
        chunk({"reasoning": "Well."}),
        chunk({"reasoning_details": [sealed]}),
        chunk({"reasoning_details": [signed]}),
    )

    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "thinking", "thinking": "Well.", "signature": ""},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "", "signature": "s"},
    ]


def test_thoughts_can_be_hidden() -> None:
    writes = writer(hide_reasoning=True)

    assert writes.event(chunk({"reasoning": "Hm."})) == b""
    assert b"thinking_delta" not in writes.event(chunk({"content": "Hi", "reasoning": "Hm."}))


@pytest.mark.parametrize(
    ("chunks", "stops", "reason", "which"),
    [
        (("Hi", chunk({}, "length")), (), "max_tokens", None),
        (("Hi", chunk({}, "stop_sequence")), ("END",), "stop_sequence", "END"),
        (("Hi", chunk({}, "stop_sequence")), ("END", "STOP"), "stop_sequence", None),
        ((chunk({"refusal": "No."}), chunk({}, "stop")), (), "refusal", None),
        ((piece(0, "{}", id="c1", name="f"), chunk({}, "stop")), (), "tool_use", None),
    ],
)
def test_the_reason_to_stop(
    chunks: tuple[Chunk, ...], stops: tuple[str, ...], reason: str, which: str | None
) -> None:
    message = told(*chunks, stops=stops)

    assert (message["stop_reason"], message["stop_sequence"]) == (reason, which)


def test_a_stream_that_breaks_ends_in_an_error() -> None:
    writes = writer()
    begun = writes.event("Hi")
    error = ApiError(502, "Broke.", metadata={"provider_name": "Amber AI"}).body()["error"]

    broken = events_of(lines_of(writes.error(error, {"attempts": []})))

    assert b"message_start" in begun
    assert broken == [
        {
            "type": "error",
            "error": {
                "type": "api_error",
                "message": "Broke.",
                "error_type": "provider_unavailable",
                "metadata": {"provider_name": "Amber AI"},
            },
            "request_id": "gen-1",
            "openrouter_metadata": {"attempts": []},
        }
    ]


def test_a_stream_whose_reason_is_an_error_ends_in_one() -> None:
    writes = writer()
    writes.event("Hi")
    writes.event(chunk({}, "malformed_function_call"))

    [error] = events_of(lines_of(last_of(writes)))

    assert (error["type"], error["error"]["type"]) == ("error", "api_error")


# Any order -----------------------------------------------------------------------------------

_text = st.text(st.sampled_from('ab "\\\n{}é☃'), min_size=1, max_size=4)
_said = st.one_of(
    st.tuples(st.just("fast"), st.text("ab é", min_size=1, max_size=4)),
    st.tuples(st.just("content"), _text),
    st.tuples(st.just("reasoning"), _text),
    st.tuples(st.just("refusal"), _text),
    st.tuples(st.integers(0, 2), st.sampled_from(["{}", '{"a":1', "}", '{"b":[', "]}", "x", " "])),
)


def _chunks(said: list[tuple[Any, str]]) -> list[Chunk]:
    begun: set[int] = set()
    chunks: list[Chunk] = []
    for kind, text in said:
        if kind == "fast":
            chunks.append(text)
        elif isinstance(kind, str):
            chunks.append(chunk({kind: text}))
        else:
            named = {} if kind in begun else {"id": f"c{kind}", "name": f"f{kind}"}
            begun.add(kind)
            chunks.append(piece(kind, text, **named))
    return chunks


@given(st.lists(_said, max_size=12))
def test_any_order_of_pieces_makes_a_good_stream_that_says_it_all(
    said: list[tuple[Any, str]],
) -> None:
    message = told(*_chunks(said))

    def joined(*kinds: Any) -> str:
        return "".join(text for kind, text in said if kind in kinds)

    content = message["content"]
    texts = "".join(block["text"] for block in content if block["type"] == "text")
    thoughts = "".join(block["thinking"] for block in content if block["type"] == "thinking")
    assert texts == joined("fast", "content", "refusal")
    assert thoughts == joined("reasoning")
    calls = {block["id"]: block["input"] for block in content if block["type"] == "tool_use"}
    assert set(calls) == {f"c{kind}" for kind, _ in said if isinstance(kind, int)}
    for call_id, arguments in calls.items():
        sent = joined(int(call_id[1:]))
        if arguments != sent:
            # Left out is only what nobody could have used.
            assert sent.startswith(arguments)
            assert isinstance(json.loads(arguments), dict)


@given(st.lists(any_delta, max_size=6))
def test_nothing_a_provider_sends_makes_a_bad_stream(deltas: list[dict[str, Any]]) -> None:
    message = told(*map(chunk, deltas))

    assert message["stop_reason"]
