"""Request sets: what is read, what is left out, and how a bad line is told."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.benchmarks.errors import ResultError, Unreadable
from telemetry.judge.validators import ValidatorCache
from telemetry.verifier.request_set import own_set, read_set

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PLAIN = {"messages": [{"role": "user", "content": "Hello"}], "tools": [TOOL]}


def lines(*bodies: Any) -> bytes:
    return "\n".join(map(json.dumps, bodies)).encode()


def test_what_would_tell_who_asks_is_left_out() -> None:
    told = {"model": "x", "user": "test-user", "stream": True, "provider": {}, "n": 1}

    [request] = read_set(lines(PLAIN | told | {"expect": "call", "seed": 7}), "a").requests

    assert request.body == PLAIN | {"seed": 7}
    assert (request.number, request.expected, request.choice) == (1, True, "auto")


def test_words_of_other_verifiers_are_understood() -> None:
    body = PLAIN | {"messages": [{"role": "_input", "content": "Be kind."}, {"role": "user"}]}

    first, second = read_set(lines(body | {"should_call_tool": False}, body), "a").requests

    assert first.body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert (first.expected, second.expected) == (False, None)


def test_sets_that_ask_the_same_have_the_same_digest() -> None:
    one = read_set(lines(PLAIN | {"seed": 1, "expect": "call"}), "a")
    spaced = json.dumps({"expect": "call", "seed": 1, "user": "me", **PLAIN}, indent=None)
    other = read_set(b"\xef\xbb\xbf\n " + spaced.encode() + b" \n\n", "b")

    assert one.digest == other.digest
    assert one.digest != read_set(lines(PLAIN | {"seed": 1, "expect": "no_call"}), "a").digest
    assert one.digest != read_set(lines(PLAIN | {"seed": 2, "expect": "call"}), "a").digest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "set.jsonl: the file: no request in it"),
        (lines(PLAIN) + b"\nnope", "set.jsonl: line 2: not JSON at line 1 column 1"),
        (lines(PLAIN, []), "set.jsonl: line 2: expected an object, found an array"),
        (lines({"tools": [TOOL]}), "line 1.messages: at least one message is needed"),
        (lines(PLAIN | {"messages": ["hi"]}), "line 1.messages[0]: expected an object, found text"),
        (lines(PLAIN | {"messages": [{}]}), "line 1.messages[0].role: expected a role"),
        (lines(PLAIN | {"tools": []}), "line 1.tools: no tools. A request without tools says"),
        (lines(PLAIN | {"tools": [{}]}), "line 1.tools[0]: no function with a name"),
        (lines(PLAIN | {"expect": "maybe"}), 'line 1.expect: expected "call" or "no_call"'),
        (lines(PLAIN | {"should_call_tool": 1}), "expected true, false or null"),
    ],
)
def test_a_bad_file_is_told_with_line_place_and_cure(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_set(content, "set.jsonl")

    assert told in str(refused.value)
    assert str(refused.value).endswith(".")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(ResultError):
        assert read_set(content, "a").requests


def test_the_own_set_has_every_kind_of_request() -> None:
    requests = own_set().requests

    assert 30 <= len(requests) <= 60
    assert {one.choice for one in requests} == {"auto", "none", "required", "named"}
    assert {one.expected for one in requests} == {True, False, None}
    assert any(one.body["messages"][-1]["role"] == "tool" for one in requests)
    assert any(one.body.get("parallel_tool_calls") for one in requests)
    text = json.dumps([one.body["tools"] for one in requests])
    for keyword in ("$ref", "enum", "oneOf", "anyOf", "pattern", "minItems", "const"):
        assert f'"{keyword}"' in text


def test_every_schema_of_the_own_set_can_be_broken() -> None:
    validators = ValidatorCache()
    for request in own_set().requests:
        for tool in request.body["tools"]:
            compiled = validators.lookup(json.dumps(tool["function"]["parameters"]).encode())
            assert compiled.validator is not None
            assert not compiled.validator.is_valid([])
