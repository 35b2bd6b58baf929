"""A client that joins the pieces of an index has the calls that the judge has."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.toolcalls import CallAssembler, CallLimits
from routing.gateway.tool_calls import CallPieces, whole_calls

Piece = dict[str, Any]

# What fragments were seen to look like; ids and names from so few that they meet again.
FUNCTIONS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["look", "find", "", None]),
        "arguments": st.sampled_from(["", "{", '"x":1}', None]),
    },
)
PIECES = st.fixed_dictionaries(
    {"function": FUNCTIONS},
    optional={
        "index": st.sampled_from([0, 1, 2, 7, "0", None]),
        "id": st.sampled_from(["a", "b", "", None]),
        "type": st.sampled_from(["function", "", None]),
    },
)


def joined(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Return name and arguments of each call, as OpenAI's SDK adds them up."""
    calls: dict[int, dict[str, str]] = {}
    for piece in pieces:
        call = calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
        call["id"] += piece.get("id", "")
        for name, value in piece.get("function", {}).items():
            call[name] += value
    assert len({call["id"] for call in calls.values()}) == len(calls)
    assert all(call["id"] for call in calls.values())
    return [(call["name"], call["arguments"]) for call in calls.values()]


@given(st.lists(st.lists(PIECES, max_size=3), max_size=8))
def test_the_client_has_the_calls_that_the_judge_has(deltas: list[list[Piece]]) -> None:
    shaper, assembler = CallPieces(), CallAssembler(CallLimits())
    shown: list[Piece] = []
    for delta in deltas:
        shown += shaper.shape(delta)
        assembler.add(delta)

    judged = [(call.name, call.arguments) for call in assembler.finish()]
    assert joined(shown) == judged


@given(st.lists(PIECES, max_size=8))
def test_the_first_piece_of_an_index_has_what_clients_ask_of_it(pieces: list[Piece]) -> None:
    begun: set[int] = set()
    for piece in CallPieces().shape(pieces):
        assert None not in piece.values()
        assert ("id" in piece) == (piece["index"] not in begun)
        begun.add(piece["index"])


def test_keeps_the_indexes_told_where_they_are_free() -> None:
    pieces = [{"index": at, "id": str(at), "function": {"name": "look"}} for at in (1, 0, 5)]

    assert [piece["index"] for piece in CallPieces().shape(pieces)] == [1, 0, 5]


def test_reads_an_index_that_is_text() -> None:
    pieces = [{"index": "1", "id": "a"}, {"index": "1"}, {"index": "x"}]

    assert [piece["index"] for piece in CallPieces().shape(pieces)] == [1, 1, 2]


@pytest.mark.parametrize("told", ["same", "", None, 7])
def test_whole_calls_have_ids_of_their_own(told: object) -> None:
    calls = whole_calls([{"id": told, "function": {"name": "look"}}] * 3)

    ids = [call["id"] for call in calls]
    assert len(set(ids)) == 3
    assert all(isinstance(one, str) and one for one in ids)
    if told:
        assert ids[0] == str(told)
