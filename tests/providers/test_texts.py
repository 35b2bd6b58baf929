"""Events recognised by their bytes must mean exactly what parsing them would have given."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.chat import loads
from providers.sse import EventDecoder
from providers.texts import Arguments, TextEvents

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EXTRAS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["role", "refusal", "reasoning", "tool_calls", "x", "content2"]),
    st.sampled_from([None, "", [], "assistant", "w"]),
)


def chunk(content: Any, delta: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {**(delta or {}), "content": content}, "finish_reason": None}
    return {"id": "c-1", "created": 1, "choices": [{**choice, **changes}]}


def calling(text: Any, index: Any = 0, **more: Any) -> dict[str, Any]:
    function = {**more.pop("function", {}), "arguments": text}
    piece = {"index": index, **more, "function": function}
    choice = {"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}
    return {"id": "c-1", "choices": [choice]}


def learnt(event: dict[str, Any]) -> TextEvents:
    texts = TextEvents()
    texts.learn(orjson.dumps(event), event)
    return texts


@given(WORDS, WORDS, EXTRAS)
def test_a_match_is_what_parsing_gives(first: str, second: str, extras: dict[str, Any]) -> None:
    texts, event = learnt(chunk(first, extras)), chunk(second, extras)
    data = orjson.dumps(event)

    text = texts.event.match(data)

    if text is not None:
        assert loads(data) == event == chunk(text, extras)


@given(WORDS, WORDS, st.integers(-1, 99))
def test_a_match_of_arguments_is_what_parsing_gives(first: str, second: str, index: int) -> None:
    texts, event = learnt(calling(first, index)), calling(second, index)

    said = texts.event.match(json.dumps(event, separators=(",", ":")).encode())

    assert said == (Arguments(index, second) if first and second else None)


@given(WORDS, st.binary(max_size=40))
def test_whatever_bytes_stand_in_the_middle(first: str, middle: bytes) -> None:
    texts = learnt(chunk(first))
    before, _, after = orjson.dumps(chunk("^")).partition(b"^")
    data = before + middle + after

    text = texts.event.match(data)

    if text is not None:
        assert text
        assert loads(data) == chunk(text)


@given(st.binary(max_size=60))
def test_whatever_bytes_come(data: bytes) -> None:
    assert learnt(chunk("word")).event.match(data) is None


def test_recognises_words_of_any_language() -> None:
    texts = learnt(chunk("Hello"))

    for word in (" world", "é", "漢字", "🙂", "{}", "'", "\x7f", "\u2028"):
        assert texts.event.match(orjson.dumps(chunk(word))) == word


@pytest.mark.parametrize("text", ['a"b', "\n", "\\", "\t{}", '"', "\x00"])
def test_reads_texts_that_json_has_to_escape(text: str) -> None:
    assert learnt(chunk("Hello")).event.match(orjson.dumps(chunk(text))) == text
    assert learnt(calling("{")).event.match(orjson.dumps(calling(text))) == Arguments(0, text)


@pytest.mark.parametrize(
    "spelling",
    [b'{"choices":[{"delta":{"content":"%s"}}]}', b'{"choices": [{"delta": {"content": "%s"}}]}'],
)
def test_recognises_both_usual_spellings(spelling: bytes) -> None:
    texts = TextEvents()
    texts.learn(spelling % b"one", orjson.loads(spelling % b"one"))

    assert texts.event.match(spelling % b"two") == "two"


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps(chunk("")),
        orjson.dumps(chunk("^")).replace(b"^", b"a\nb"),
        orjson.dumps(chunk("^")).replace(b"^", b"a\\"),
        orjson.dumps(chunk("^")).replace(b"^", b"\\ud83d"),
        orjson.dumps(chunk("w") | {"id": "c-2"}),
        orjson.dumps(chunk("w", finish_reason="stop")),
        orjson.dumps(chunk("^")).replace(b"^", b"a\xffb"),
        orjson.dumps(chunk("^")).replace(b"^", b"\xed\xa0\x80"),
        orjson.dumps(chunk("^")).replace(b"^", b'","content":"'),
        orjson.dumps(chunk("^"))[:-1],
    ],
)
def test_leaves_all_else_to_the_parser(data: bytes) -> None:
    assert learnt(chunk("word")).event.match(data) is None


@pytest.mark.parametrize(
    "event",
    [
        chunk("word", {"tool_calls": [{"index": 0}]}),
        chunk("word", {"reasoning": "hm"}),
        chunk("word", finish_reason="stop"),
        chunk("word", logprobs={"content": []}),
        chunk("word") | {"usage": {"completion_tokens": 1}},
        chunk(None),
        chunk(""),
        chunk(["parts"]),
        {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]},
        calling("{", id="c-1"),
        calling("{", function={"name": "look"}),
        calling("{", function={"name": ""}),
        calling("{", function={"output": "x"}),
        calling("{", index="0"),
        calling("{", index=True),
        calling(""),
        calling({}),
        {"choices": []},
        {"choices": "content"},
    ],
)
def test_learns_only_events_that_say_nothing_but_a_text(event: dict[str, Any]) -> None:
    texts = learnt(event)

    assert texts.event.match(orjson.dumps(event)) is None


@pytest.mark.parametrize(
    "data",
    [
        b'{"content":"w","choices":[{"delta":{"content":"w"}}]}',
        b'{"choices":[{"delta":{"content":"w","content":"w"}}]}',
        b'{"choices":[{"delta":{"content":"\\u0077"}}]}',
    ],
)
def test_learns_nothing_where_it_cannot_tell_where_the_text_stands(data: bytes) -> None:
    texts = TextEvents()
    texts.learn(data, orjson.loads(data))

    assert texts.event.match(data) is None


@given(WORDS, WORDS, st.binary(max_size=10), st.binary(max_size=10))
def test_a_block_is_one_event_with_the_text_and_nothing_else(
    first: str, second: str, before: bytes, after: bytes
) -> None:
    block = before + b"data: " + orjson.dumps(chunk(second)) + b"\n\n" + after

    text = learnt(chunk(first)).block.match(block)

    if text is not None:
        [event] = EventDecoder().feed(block)
        assert (event.name, loads(event.data)) == ("", chunk(text))


def test_an_event_of_several_lines_is_no_block() -> None:
    texts, event = TextEvents(), b'{"choices":\n[{"delta":{"content":"%s"}}]}'
    texts.learn(event % b"one", orjson.loads(event % b"one"))

    assert texts.event.match(event % b"two") == "two"
    assert texts.block.match(b"data: " + event % b"two" + b"\n\n") is None


def test_gives_up_on_a_provider_whose_events_all_differ() -> None:
    texts = TextEvents()
    for at in range(16):
        event = chunk("word") | {"id": at}
        texts.learn(orjson.dumps(event), event)
    last = chunk("word") | {"id": "last"}
    texts.learn(orjson.dumps(last), last)

    assert texts.event.match(orjson.dumps(last)) is None
