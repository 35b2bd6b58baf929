"""A chat completion told as a message."""

import json
from typing import Any

import pytest
from hypothesis import given

from providers.chat import Usage, reply_of_body
from providers.errors import ProviderError
from routing.errors import ApiError
from routing.gateway.bill import bill_of
from routing.gateway.shapes.chat import completion
from routing.gateway.shapes.messages.answer import message
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.shapes.shape import Head
from tests.routing.gateway.shapes.test_chat import PRICES, json_values
from tests.routing.gateway.shapes.test_chat import message as any_message

HEAD = Head("gen-1", 1, "a/b", "Amber AI")
TEXT = {"type": "text", "text": "Hi"}
_ERRORS = {"error", "failed", "abort", "aborted", "cancelled"}


def told(
    said: dict[str, Any], finish: Any = "stop", *, stops: tuple[str, ...] = (), **usage: Any
) -> dict[str, Any]:
    counted = usage or {"prompt_tokens": 10, "completion_tokens": 4}
    body = {"choices": [{"message": said, "finish_reason": finish}], "usage": counted}
    reply = reply_of_body(body)
    return message(completion(body, reply, bill_of(PRICES, reply, 1), HEAD), stops)


def call(arguments: Any, name: str = "f") -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_text_thoughts_and_calls_are_blocks_in_this_order() -> None:
    shown = told({"content": "Hi", "reasoning": "Hm.", "tool_calls": [call('{"a": 1}')]})

    assert shown["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        TEXT,
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
    ]
    assert shown["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        (" \n", {}),
        (None, {}),
        ("{}", {}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ("null", {"INVALID_JSON": "null"}),
        ("NaN", {"INVALID_JSON": "NaN"}),
        ('"{}"', {"INVALID_JSON": '"{}"'}),
    ],
)
def test_the_input_of_a_call_is_always_an_object(arguments: Any, shown: dict[str, Any]) -> None:
    [block] = told({"content": None, "tool_calls": [call(arguments)]})["content"]

    assert block["input"] == shown


@pytest.mark.parametrize(
    ("details", "blocks"),
    [
        (
            [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}],
            [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
        ),
        (
            [{"type": "reasoning.text", "signature": "s"}],
            [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
        ),
        (
            [{"type": "reasoning.encrypted", "data": "d", "signature": None}],
            [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "redacted_thinking", "data": "d"},
            ],
        ),
        (
            [{"type": "reasoning.summary", "summary": "Hm."}],
            [{"type": "thinking", "thinking": "Hm.", "signature": ""}],
        ),
    ],
)
def test_what_a_provider_signed_or_sealed_comes_with_it(
    details: list[dict[str, Any]], blocks: list[dict[str, Any]]
) -> None:
    shown = told({"content": "Hi", "reasoning": "Hm.", "reasoning_details": details})

    assert shown["content"] == [*blocks, TEXT]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("made_up", "end_turn"),
        (None, "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
    ],
)
def test_the_reason_to_stop(finish: str | None, reason: str) -> None:
    shown = told({"content": "Hi"}, finish)

    assert (shown["stop_reason"], shown["stop_sequence"]) == (reason, None)


@pytest.mark.parametrize(
    ("stops", "which"), [(("END",), "END"), (("END", "STOP"), None), ((), None)]
)
def test_the_stop_sequence_is_told_where_it_is_known(
    stops: tuple[str, ...], which: str | None
) -> None:
    shown = told({"content": "Hi"}, "stop_sequence", stops=stops)

    assert (shown["stop_reason"], shown["stop_sequence"]) == ("stop_sequence", which)


def test_a_refusal_is_text_and_the_reason() -> None:
    shown = told({"content": None, "refusal": "No."})

    assert shown["content"] == [{"type": "text", "text": "No."}]
    assert shown["stop_reason"] == "refusal"


def test_an_answer_that_ended_in_an_error_is_one() -> None:
    with pytest.raises(ApiError) as error:
        told({"content": "Hi"}, "malformed_function_call")

    assert error.value.status == 502


def test_cached_tokens_are_counted_apart() -> None:
    details = {"cached_tokens": 60, "cache_write_tokens": 30}
    usage = told(
        {"content": "Hi"},
        prompt_tokens=100,
        completion_tokens=7,
        prompt_tokens_details=details,
        completion_tokens_details={"reasoning_tokens": 5},
    )["usage"]

    assert usage["input_tokens"] == 10
    assert usage["cache_read_input_tokens"] == 60
    assert usage["cache_creation_input_tokens"] == 30
    assert usage["output_tokens"] == 7
    assert usage["output_tokens_details"] == {"thinking_tokens": 5}
    assert usage["cost"] == pytest.approx(0.000221)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_errors_have_anthropics_names(status: int, name: str) -> None:
    body = MessagesShape.error_body(
        ApiError(status, "No.", metadata={"path": "x"}, availability={"code": "c"})
    )

    assert body["type"] == "error"
    error = body["error"]
    assert (error["type"], error["message"]) == (name, "No.")
    assert error["error_type"] == ApiError(status).error_type
    assert (error["metadata"], error["availability"]) == ({"path": "x"}, {"code": "c"})


def test_an_error_without_more_says_no_more() -> None:
    assert MessagesShape.error_body(ApiError(404, "No.")) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "No.", "error_type": "not_found"},
    }


@given(any_message, json_values)
def test_any_answer_is_a_message_that_clients_parse(said: dict[str, Any], finish: Any) -> None:
    try:
        shown = told(said, finish, completion_tokens=1)
    except ProviderError:
        return
    except ApiError:
        assert str(finish).lower() in _ERRORS
        return

    assert json.loads(json.dumps(shown)) == shown
    assert isinstance(shown["stop_reason"], str)
    for block in shown["content"]:
        if block["type"] == "tool_use":
            assert isinstance(block["input"], dict)
            assert isinstance(block["name"], str)
            assert isinstance(block["id"], str)
        else:
            assert all(isinstance(value, str) for value in block.values())


def test_usage_is_never_below_nothing() -> None:
    counted = Usage(prompt_tokens=1, cache_write_tokens=5)

    usage = told(
        {"content": "Hi"},
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=1,
        cache_creation_input_tokens=counted.cache_write_tokens,
    )["usage"]

    assert usage["input_tokens"] == 0
