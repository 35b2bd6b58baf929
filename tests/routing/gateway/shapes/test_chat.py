"""The shape of answers, whatever a provider sent."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from providers.chat import Reply, Usage, reply_of_body
from providers.errors import ProviderError
from routing.gateway.admission import Prices
from routing.gateway.bill import bill_of
from routing.gateway.shapes.chat import ChunkWriter, completion
from routing.gateway.shapes.shape import Head

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
piece = st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "index": json_values,
        "type": json_values,
        "function": json_values
        | st.fixed_dictionaries({}, optional={"name": json_values, "arguments": json_values}),
    },
)
message = st.fixed_dictionaries(
    {},
    optional={
        "role": json_values,
        "content": json_values,
        "refusal": json_values,
        "reasoning": json_values,
        "reasoning_content": json_values,
        "reasoning_details": json_values,
        "tool_calls": json_values | st.lists(piece, max_size=3),
        "annotations": json_values,
    },
)
HEAD = Head("g", 1, "m", "p")
PRICES = Prices(prompt=2_000_000, completion=3_000_000)


def _check_calls(calls: Any) -> None:
    assert isinstance(calls, list)
    assert calls
    for call in calls:
        assert None not in call.values()
        function = call.get("function", {})
        assert None not in function.values()
        assert isinstance(function.get("arguments", ""), str)


@given(message, json_values, json_values)
def test_a_whole_answer_always_has_the_shape_clients_parse(
    said: dict[str, Any], finish: Any, logprobs: Any
) -> None:
    choice = {"message": said, "finish_reason": finish, "logprobs": logprobs}
    body = {"choices": [choice], "usage": {"completion_tokens": 1}}
    try:
        reply = reply_of_body(body)
    except ProviderError:
        return
    bill = bill_of(PRICES, reply, 1)

    shown = completion(body, reply, bill, HEAD)

    json.dumps(shown, allow_nan=False)
    [told] = shown["choices"]
    assert told["finish_reason"] in (
        None,
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "error",
    )
    assert told["message"]["role"] == "assistant"
    for name in ("content", "reasoning", "refusal"):
        assert isinstance(told["message"][name], str | None)
    assert told["message"].get("reasoning_details", True)
    if "tool_calls" in told["message"]:
        _check_calls(told["message"]["tool_calls"])
        for call in told["message"]["tool_calls"]:
            assert isinstance(call["id"], str)
            assert call.keys() >= {"id", "type", "function"}
            assert call["function"].keys() >= {"name", "arguments"}


@given(st.lists(st.tuples(message | json_values, json_values), max_size=5))
def test_chunks_always_have_the_shape_clients_parse(chunks: list[tuple[Any, Any]]) -> None:
    writer = ChunkWriter(HEAD)

    for said, finish in chunks:
        choice = {"delta": said, "finish_reason": finish, "logprobs": None}
        sent = writer.event({"choices": [choice], "usage": {"prompt_tokens": 1}})

        assert sent.startswith(b"data: ")
        assert sent.endswith(b"\n\n")
        assert sent.count(b"\n") == 2
        shown = json.loads(sent[6:])
        assert "usage" not in shown
        [told] = shown["choices"]
        assert told["delta"]["role"] == "assistant"
        assert isinstance(told["delta"]["content"], str)
        assert isinstance(told["delta"].get("reasoning", ""), str)
        assert isinstance(told["delta"].get("refusal", ""), str)
        assert None not in told["delta"].values()
        if "tool_calls" in told["delta"]:
            _check_calls(told["delta"]["tool_calls"])
            assert all(isinstance(call["index"], int) for call in told["delta"]["tool_calls"])


def test_numbers_pieces_of_calls_that_have_no_index() -> None:
    writer = ChunkWriter(HEAD)
    pieces = [{"id": "a"}, {}, {"id": "b"}, {"index": None}, {"id": "a"}]

    events = [writer.event({"choices": [{"delta": {"tool_calls": [one]}}]}) for one in pieces]

    told = [json.loads(event[6:])["choices"][0]["delta"]["tool_calls"][0] for event in events]
    assert [call["index"] for call in told] == [0, 0, 1, 1, 0]


def test_bills_cached_tokens_at_their_own_price() -> None:
    prices = Prices(prompt=100, completion=1000, request=7, cache_read=10, cache_write=125)
    usage = Usage(prompt_tokens=50, completion_tokens=3, cached_tokens=20, cache_write_tokens=10)
    reply = Reply("x", 0, False, (), "stop", "stop", usage, "")

    bill = bill_of(prices, reply, 0)

    assert bill.prompt_pico == 7 + 20 * 100 + 20 * 10 + 10 * 125
    assert bill.completion_pico == 3000
    assert bill.total_pico == bill.prompt_pico + bill.completion_pico
