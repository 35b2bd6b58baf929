"""A stream whose events are recognised by their bytes comes out as if each had been parsed."""

import re
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.chat import Chunk, Reply, ReplyAssembler
from providers.texts import TextEvents
from routing.gateway.bill import bill_of
from routing.gateway.shapes.chat import ChatShape
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.shapes.responses.shape import ResponsesShape
from routing.gateway.shapes.shape import Head, Shape
from routing.gateway.shapes.text import TextShape
from tests.routing.gateway.shapes.test_chat import PRICES

SHAPES: tuple[type[Shape], ...] = (ChatShape, MessagesShape, ResponsesShape, TextShape)
HEAD = Head("gen-1", 1, "a/b", "100% Amber")

texts = st.sampled_from(["", "a", 'b"c', "d\\\n", "é", "{%d}"])
functions = st.fixed_dictionaries(
    {},
    optional={"name": st.sampled_from(["look", "find", "", None]), "arguments": texts | st.none()},
)
# As fragments were seen: the first of a call with all, the others with little.
firsts = st.fixed_dictionaries(
    {
        "index": st.integers(0, 2),
        "id": st.sampled_from(["x", "y"]),
        "function": st.fixed_dictionaries({"name": st.just("look"), "arguments": texts}),
    }
)
others = st.fixed_dictionaries(
    {"index": st.integers(0, 2), "function": functions},
    optional={
        "id": st.sampled_from(["x", "", None]),
        "type": st.sampled_from(["function", "", None]),
    },
)
deltas = st.fixed_dictionaries({"content": texts}) | st.fixed_dictionaries(
    {"tool_calls": st.lists(others, min_size=1, max_size=2) | st.lists(firsts, max_size=1)},
    optional={"content": st.sampled_from(["", None])},
)


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


class Stream:
    """One stream through the assembler and a writer; `known` counts events not parsed."""

    def __init__(self, shape: type[Shape], *, parse_all: bool) -> None:
        self.known = 0
        self.sent = b""
        self._writer = shape().writer(HEAD, hide_reasoning=False)
        self._assembler = ReplyAssembler()
        self._texts = None if parse_all else TextEvents()

    def take(self, event: dict[str, Any]) -> None:
        data = orjson.dumps(event)
        found = self._texts.event.match(data) if self._texts else None
        said: Chunk = event if found is None else found
        if found is None:
            self._assembler.add(event)
            if self._texts:
                self._texts.learn(data, event)
        else:
            self.known += 1
            self._assembler.add_text(found)
        self.sent += self._writer.event(said)

    def end(self) -> tuple[Reply, list[bytes]]:
        """Return the reply the judge sees, and the lines the caller does."""
        reply = self._assembler.finish()
        self.sent += self._writer.last(bill_of(PRICES, reply, 1), reply, None)
        # What was made up by chance differs from stream to stream.
        steady = re.sub(rb"call_[0-9a-f]{18}|(?<=_at\":)[0-9.]+", b"0", self.sent)
        return reply, steady.splitlines()


def both(shape: type[Shape], events: list[dict[str, Any]]) -> tuple[Stream, Stream]:
    known, parsed = Stream(shape, parse_all=False), Stream(shape, parse_all=True)
    for event in events:
        known.take(event)
        parsed.take(event)
    return known, parsed


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=300)
@given(st.lists(deltas.map(chunk), max_size=10))
def test_reply_and_events_are_those_of_parsing(
    shape: type[Shape], events: list[dict[str, Any]]
) -> None:
    with patch("os.urandom", bytes):
        known, parsed = both(shape, events)

        reply, lines = known.end()
        reply_parsed, lines_parsed = parsed.end()

    assert reply == reply_parsed
    assert [_value(line) for line in lines] == [_value(line) for line in lines_parsed]


def _value(line: bytes) -> Any:
    """Return what a line says, whatever the order it says it in."""
    said = line.removeprefix(b"data: ")
    return orjson.loads(said) if said.startswith(b"{") else said


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"type": "function"},
        {"id": None, "type": None},
        {"id": "", "type": "function", "function": {"name": None}},
    ],
)
def test_arguments_of_calls_side_by_side_are_recognised(more: dict[str, Any]) -> None:
    events = [chunk({"content": text}) for text in ("I", ' look"', "\n")]
    for index in (0, 1, 2):
        start = {"index": index, "id": f"c-{index}", "function": {"name": "look", "arguments": ""}}
        events.append(chunk({"tool_calls": [start]}))
        for text in ('{"', "place", '": "', "Öland", '"}'):
            function = {**more.get("function", {}), "arguments": text}
            events.append(chunk({"tool_calls": [{**more, "index": index, "function": function}]}))

    known, parsed = both(ChatShape, events)

    assert known.known == 2 + 3 * 4
    assert known.end() == parsed.end()
    assert [call.arguments for call in known.end()[0].tool_calls] == ['{"place": "Öland"}'] * 3
