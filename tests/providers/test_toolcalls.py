"""Each case is one way providers were seen to send tool calls, and what it must become."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.toolcalls import (
    CallAssembler,
    CallLimits,
    ToolCall,
    calls_of_message,
)

LIMITS = CallLimits()

Fragment = dict[str, Any]


def part(**fields: Any) -> Fragment:
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return {**fields, "function": function} if function else fields


def assemble(*fragments: object) -> list[ToolCall]:
    assembler = CallAssembler()
    for fragment in fragments:
        assembler.add([fragment])
    return list(assembler.finish())


A = ToolCall("a", "look", '{"x":1}')
B = ToolCall("b", "find", '{"y":2}')


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        pytest.param(
            [part(index=0, id="a", name="look", arguments='{"x":1}')], [A], id="in one piece"
        ),
        pytest.param(
            [
                part(index=0, id="a", name="look", arguments=""),
                part(index=0, arguments='{"x"'),
                part(index=0, arguments=":1}"),
            ],
            [A],
            id="id and name only in the first",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="look"),
                part(index=1, id="b", name="find"),
                part(index=0, arguments='{"x"'),
                part(index=1, arguments='{"y"'),
                part(index=0, arguments=":1}"),
                part(index=1, arguments=":2}"),
            ],
            [A, B],
            id="interleaved",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="lo"),
                part(index=0, name="ok"),
                part(index=0, arguments='{"x":1}'),
            ],
            [A],
            id="name in pieces",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="look", arguments='{"x"'),
                part(index=0, id="a", name="look", arguments=":1}"),
            ],
            [A],
            id="id and name repeated",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="look", arguments='{"x"'),
                part(index=0, id="z", arguments=":1}"),
            ],
            [A],
            id="another id for each piece",
        ),
        pytest.param(
            [part(id="a", name="look", arguments='{"x"'), part(arguments=":1}")],
            [A],
            id="no index, same call",
        ),
        pytest.param(
            [
                part(id="a", name="look", arguments='{"x":1}'),
                part(id="b", name="find", arguments='{"y":2}'),
            ],
            [A, B],
            id="no index, new id",
        ),
        pytest.param(
            [
                part(id="a", name="look", arguments='{"x"'),
                part(id="b", name="find", arguments='{"y"'),
                part(id="a", arguments=":1}"),
                part(id="b", arguments=":2}"),
            ],
            [A, B],
            id="no index, interleaved by id",
        ),
        pytest.param(
            [part(name="look", arguments='{"x":1}'), part(name="find", arguments='{"y":2}')],
            [ToolCall("", "look", '{"x":1}'), ToolCall("", "find", '{"y":2}')],
            id="neither index nor id",
        ),
        pytest.param(
            [
                part(index=0, id="a", name="look", arguments='{"x":1}'),
                part(index=0, id="b", name="find", arguments='{"y"'),
                part(index=0, arguments=":2}"),
            ],
            [A, B],
            id="one index for two calls",
        ),
        pytest.param(
            [part(index=0, id="a", name="look", arguments={"x": 1})],
            [ToolCall("a", "look", {"x": 1})],
            id="arguments as an object",
        ),
        pytest.param(
            [part(index=0, id="a", name="look", arguments="")],
            [ToolCall("a", "look", "")],
            id="empty arguments",
        ),
        pytest.param(
            [part(index=0, id="a", name="look", arguments=None)],
            [ToolCall("a", "look", "")],
            id="no arguments",
        ),
        pytest.param(
            [
                part(index="0", id="a", name="look", arguments='{"x"'),
                part(index="0", arguments=":1}"),
            ],
            [A],
            id="index as text",
        ),
        pytest.param([None, 5, "x", []], [], id="no objects"),
        pytest.param(
            [{"index": [], "id": 7, "function": "look"}], [ToolCall("", "", "")], id="wrong types"
        ),
    ],
)
def test_assembles(fragments: list[object], calls: list[ToolCall]) -> None:
    assert assemble(*fragments) == calls


def test_marks_arguments_that_are_too_long_and_keeps_what_fits() -> None:
    piece = "x" * 1000
    fragments = [part(index=0, id="a", name="look", arguments=piece) for _ in range(300)]

    [call] = assemble(*fragments)

    assert call.oversized
    assert isinstance(call.arguments, str)
    assert LIMITS.argument_chars - 1000 < len(call.arguments) <= LIMITS.argument_chars


def test_nothing_is_joined_across_a_gap() -> None:
    [call] = assemble(
        part(index=0, id="a", arguments='{"x":'),
        part(index=0, arguments="y" * (LIMITS.argument_chars + 1)),
        part(index=0, arguments="1}"),
    )

    assert (call.arguments, call.oversized) == ('{"x":', True)


def test_drops_calls_beyond_the_limit() -> None:
    assembler = CallAssembler()
    for index in range(LIMITS.calls + 5):
        assembler.add([part(index=index, id=str(index), name="look")])

    assert [call.id for call in assembler.finish()] == [str(n) for n in range(LIMITS.calls)]


def test_limits_can_be_set() -> None:
    limits = CallLimits(argument_chars=3, calls=1)
    entries = [part(id="a", name="look", arguments="1234"), part(id="b", name="look")]
    assembler = CallAssembler(limits)
    assembler.add([{**entry, "index": at} for at, entry in enumerate(entries)])

    for calls in (assembler.finish(), calls_of_message(entries, limits)):
        assert [(call.id, call.oversized) for call in calls] == [("a", True)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "id", "function", "name", "arguments"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=8))
def test_no_fragment_breaks_it(deltas: list[object]) -> None:
    assembler = CallAssembler()
    for delta in deltas:
        assembler.add(delta)

    assert len(assembler.finish()) == len(assembler)


@given(JSON)
def test_no_message_breaks_it(entries: object) -> None:
    assert len(calls_of_message(entries)) == (len(entries) if isinstance(entries, list) else 0)


def test_each_entry_of_a_message_is_a_call_of_its_own() -> None:
    same = part(id="a", name="look", arguments='{"x":1}')

    assert calls_of_message([same, same, None]) == (A, A, ToolCall("", "", None))
    assert len(calls_of_message([same] * (LIMITS.calls + 2))) == LIMITS.calls
