"""Thoughts inside the content, cut in every way, come out whole and apart from what is said."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.thinking import ThoughtfulStream, Thoughts, sorted_body

TEXTS = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<", "<th", "think>", "</", "/think>", "\n", " ", "hm", "é", ">"]
    ),
    max_size=12,
).map("".join)


def reference(text: str) -> tuple[str, str]:
    """Split a whole text plainly."""
    start = text.lstrip()
    if not start.startswith("<think>"):
        return "", text
    thought, _, said = start.removeprefix("<think>").partition("</think>")
    return thought, said


def split(pieces: list[str]) -> tuple[str, str]:
    thoughts = Thoughts()
    parts = [*map(thoughts.split, pieces), thoughts.rest()]
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


@given(TEXTS, st.lists(st.integers(0, 100), max_size=8))
def test_any_cutting_gives_the_same(text: str, places: list[int]) -> None:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]

    assert split(pieces) == reference(text)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def said(chunks: list[dict[str, Any]]) -> tuple[str, str]:
    deltas = [one["choices"][0]["delta"] for one in chunks]
    return (
        "".join(delta.get("reasoning") or "" for delta in deltas),
        "".join(delta.get("content") or "" for delta in deltas),
    )


@given(TEXTS, st.lists(st.integers(0, 100), max_size=8), st.booleans())
def test_a_stream_says_what_it_said(text: str, places: list[int], finishes: bool) -> None:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    pieces = [chunk(content=text[start:end]) for start, end in pairwise(edges)]
    if finishes:
        pieces.append(chunk("stop"))
    stream = ThoughtfulStream()

    shown = [one if stream.over else stream.sorted(one) for one in pieces]
    if (rest := stream.rest()) is not None:
        assert not finishes
        shown.append(rest)

    assert said(shown) == reference(text)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param({"content": "Good"}, id="text"),
        pytest.param({"reasoning": "hm"}, id="reasoning"),
        pytest.param({"reasoning_content": "hm", "content": None}, id="reasoning_content"),
        pytest.param({"tool_calls": [{"index": 0}]}, id="a tool call"),
    ],
)
def test_a_stream_that_does_not_begin_with_a_tag_is_left_alone(first: dict[str, Any]) -> None:
    stream = ThoughtfulStream()
    role, begun = chunk(role="assistant", content=""), chunk(**first)

    assert stream.sorted(role) is role
    assert stream.sorted(begun) is begun
    assert stream.over


def test_a_call_in_the_middle_of_a_thought_ends_nothing() -> None:
    stream = ThoughtfulStream()
    call = chunk(tool_calls=[{"index": 0}])

    shown = [stream.sorted(chunk(content="<think>so")), stream.sorted(call)]
    shown.append(stream.sorted(chunk(content="</think>Good day.")))

    assert shown[1] is call
    assert said(shown) == ("so", "Good day.")


def test_a_text_that_is_only_thought_says_nothing() -> None:
    stream = ThoughtfulStream()

    shown = [stream.sorted(chunk(content="<think>so </thi")), stream.sorted(chunk("length"))]

    assert said(shown) == ("so </thi", "")


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, "odd"]},
    {"type": "text", "text": "Good"},
    None,
    {"type": "text", "text": " day."},
]


def body(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("content", "reasoning", "text"),
    [
        ("<think>hm</think>Good day.", "hm", "Good day."),
        (" \n<think>hm</think>Good day.", "hm", "Good day."),
        ("<think>hm", "hm", ""),
        (PARTS, "hm", "Good day."),
    ],
)
def test_a_body_says_what_it_said(content: object, reasoning: str, text: str) -> None:
    message = sorted_body(body(role="assistant", content=content))["choices"][0]["message"]

    assert message == {"role": "assistant", "content": text, "reasoning": reasoning}


@pytest.mark.parametrize(
    "whole",
    [
        body(content="Good <think>day</think>."),
        body(content="<think>is a tag</think>", reasoning="hm"),
        body(content=None),
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"message": "x"}]},
        {"error": {"message": "no"}},
        [],
        None,
    ],
)
def test_a_body_without_thoughts_is_the_same_object(whole: object) -> None:
    assert sorted_body(whole) is whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "thinking", "text", "reasoning"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_nothing_breaks_it(value: Any) -> None:
    sorted_body(value)
    if isinstance(value, dict):
        ThoughtfulStream().sorted(value)
