"""What a /responses body asks for, as a chat completion's body; and what it may not ask for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.errors import ApiError
from routing.gateway.chat_request import read_chat
from routing.gateway.shapes.responses.shape import ResponsesShape
from routing.gateway.shapes.shape import Head, in_words_of
from routing.limits import Limits
from tests.routing.gateway.shapes.test_chat import json_values

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "5"}
FLAT = {"type": "function", "name": "f", "description": None, "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def _chat(**fields: Any) -> dict[str, Any]:
    return ResponsesShape().chat_body({"input": "Hi", **fields}, Limits())


def _messages(*items: Any, **fields: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = _chat(input=list(items), **fields)["messages"]
    return messages


def _said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


# What is said -------------------------------------------------------------------------------


def test_text_is_what_the_user_says_after_the_instructions() -> None:
    assert _chat(instructions="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_a_message_may_leave_out_its_type() -> None:
    assert _messages({"role": "developer", "content": "Obey."}) == [
        {"role": "developer", "content": "Obey."}
    ]


def test_parts_are_those_of_chat() -> None:
    [message] = _messages(
        _said(
            "user",
            {"type": "input_text", "text": "See"},
            {"type": "input_image", "image_url": "data:x", "detail": "low", "file_id": None},
            {"type": "input_file", "file_url": "https://a.test/b.pdf", "filename": "b.pdf"},
            {"type": "input_audio", "input_audio": {"data": "AAA", "format": "wav"}},
            {"type": "input_video", "video_url": "data:y"},
        )
    )

    assert message["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
        {"type": "file", "file": {"filename": "b.pdf", "file_data": "https://a.test/b.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AAA", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "data:y"}},
    ]


def test_what_a_model_brought_forth_in_a_row_is_one_message() -> None:
    messages = _messages(
        {"role": "user", "content": "?"},
        {
            "type": "reasoning",
            "id": "rs_up",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAA",
            "format": "openai",
        },
        _said("assistant", {"type": "output_text", "text": "I look.", "annotations": []}),
        CALL,
        CALL | {"call_id": "c2"},
        RESULT,
        RESULT | {"call_id": "c2", "output": [{"type": "input_text", "text": "6"}]},
        _said("assistant", {"type": "output_text", "text": "11"}),
    )

    about = {"id": "rs_up", "format": "openai"}
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert messages == [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning": "Hm.",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "Hm.", "index": 0, **about},
                {"type": "reasoning.encrypted", "data": "gAAA", "index": 1, **about},
            ],
            "tool_calls": [{"id": "c1", **call}, {"id": "c2", **call}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
        {"role": "tool", "tool_call_id": "c2", "content": "6"},
        {"role": "assistant", "content": "11"},
    ]


def test_a_call_stays_beside_its_result() -> None:
    messages = _messages(CALL, _said("assistant", {"type": "output_text", "text": "Wait."}), RESULT)

    assert [message["role"] for message in messages] == ["assistant", "tool"]
    assert messages[0]["content"] == "Wait."


def test_two_answers_in_a_row_stay_two() -> None:
    said = [_said("assistant", {"type": "output_text", "text": text}) for text in "ab"]

    assert [message["content"] for message in _messages(*said)] == ["a", "b"]


def test_a_refusal_stays_one() -> None:
    [message] = _messages(_said("assistant", {"type": "refusal", "refusal": "No."}))

    assert message == {"role": "assistant", "content": "", "refusal": "No."}


def test_reasoning_goes_back_to_the_model_as_it_came_out() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "sig", "format": "f", "index": 0},
        {"type": "reasoning.encrypted", "data": "gAAA", "format": "f", "index": 1},
    ]
    shape = ResponsesShape()
    writer = shape.writer(Head("gen-1-abc", 1, "m", "p"), hide_reasoning=False)
    writer.event({"choices": [{"delta": {"reasoning_details": details}}]})

    [item] = writer._output.shown()
    [message] = _messages(item)

    assert message["reasoning_details"] == details
    assert message["reasoning"] == "Hm."


# What is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"tools": [FLAT]}, {"tools": [NESTED]}),
        ({"tool_choice": "required", "tools": [FLAT]}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "name": "f"}, "tools": [FLAT]},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {
                "tools": [FLAT | {"name": "g"}, FLAT],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "required",
                    "tools": [{"type": "function", "name": "f"}],
                },
            },
            {"tools": [NESTED], "tool_choice": "required"},
        ),
        (
            {"text": {"format": {"type": "json_object"}}},
            {"response_format": {"type": "json_object"}},
        ),
        (
            {
                "text": {
                    "format": {"type": "json_schema", "name": "r", "schema": {}, "strict": True},
                    "verbosity": "low",
                }
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "r", "schema": {}, "strict": True},
                },
                "verbosity": "low",
            },
        ),
        (
            {"reasoning": {"effort": "high", "summary": None, "max_tokens": 5}},
            {"reasoning": {"effort": "high", "max_tokens": 5}},
        ),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"truncation": "auto"}, {"transforms": ["middle-out"]}),
        ({"truncation": "disabled"}, {"transforms": []}),
        ({"truncation": "auto", "transforms": []}, {"transforms": []}),
        ({"tools": [{"type": "web_search"}]}, {"plugins": [{"id": "tool:web_search"}]}),
    ],
    ids=str,
)
def test_asks_chat_for_the_same(fields: dict[str, Any], asked: dict[str, Any]) -> None:
    chat = _chat(**fields)

    assert {name: chat[name] for name in asked} == asked


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False, "background": False, "previous_response_id": None, "conversation": None},
        {"text": {"format": {"type": "text"}}},
        {"include": ["reasoning.encrypted_content"], "max_tool_calls": 3, "prompt": None},
        {"stream_options": {"include_obfuscation": False}, "client_metadata": {"a": "b"}},
        {"top_logprobs": 0, "reasoning": None, "tools": [], "temperature": None},
        {"tools": [{"type": "web_search"}][:0], "tool_choice": None},
    ],
    ids=str,
)
def test_passes_over_what_means_nothing_here(fields: dict[str, Any]) -> None:
    assert _chat(**fields) == {"messages": [{"role": "user", "content": "Hi"}]}


def test_passes_along_what_both_apis_call_alike_and_what_is_unknown() -> None:
    fields = {
        "model": "a/b:exacto",
        "models": ["c/d"],
        "provider": {"only": ["x"]},
        "plugins": [],
        "preset": "mine",
        "session_id": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "temperature": 0.5,
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
        "user": "u",
        "stream": True,
        "made_up": {"x": 1},
    }

    chat = _chat(**fields)

    assert chat == fields | {"messages": chat["messages"]}


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
    tool = {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar}
    call = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a "b"'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "done"}

    chat = _chat(tools=[tool], input=[call, output])

    [offered] = chat["tools"]
    assert offered["function"]["description"].startswith("Patches.\n\nThe input follows")
    assert "start: X" in offered["function"]["description"]
    called = chat["messages"][0]["tool_calls"][0]["function"]
    assert called == {"name": "patch", "arguments": '{"input": "a \\"b\\""}'}
    assert chat["messages"][1] == {"role": "tool", "tool_call_id": "c", "content": "done"}


# What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"role": "user", "content": "a"}, {"type": "magic"}]}, "input[1].type"),
        ({"input": [{"type": ["message"]}]}, "input[0].type"),
        ({"input": [{"role": "boss", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [3]}]}, "input[0].content[0]"),
        (
            {"input": [_said("user", {"type": "input_text", "text": 3})]},
            "input[0].content[0].text",
        ),
        ({"input": [_said("user", {"type": "magic"})]}, "input[0].content[0].type"),
        (
            {"input": [_said("user", {"type": "input_image", "file_id": "f"})]},
            "input[0].content[0].file_id",
        ),
        ({"input": [_said("user", {"type": "input_file"})]}, "input[0].content[0]"),
        (
            {"input": [_said("assistant", {"type": "input_image", "image_url": "x"})]},
            "input[0].content[0].type",
        ),
        ({"input": [CALL, RESULT | {"call_id": 3}]}, "input[1].call_id"),
        ({"input": [CALL, RESULT | {"output": None}]}, "input[1].output"),
        ({"input": [CALL | {"arguments": {}}]}, "input[0].arguments"),
        ({"input": [CALL | {"name": None}]}, "input[0].name"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
        ({"input": [{"type": "reasoning", "summary": [{}]}]}, "input[0].summary[0].text"),
        ({"input": [{"type": "reasoning", "encrypted_content": 1}]}, "input[0].encrypted_content"),
        ({"instructions": ["x"]}, "instructions"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"tools": {}}, "tools"),
        ({"tools": [FLAT, {"name": "f"}]}, "tools[1].type"),
        ({"tools": [FLAT, NESTED]}, "tools[1].name"),
        ({"tools": [{"type": "web_search"}, FLAT | {"name": "a b"}]}, "tools[1].name"),
        ({"tools": [FLAT | {"parameters": "x"}]}, "tools[0].parameters"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"tool_choice": "perhaps", "tools": [FLAT]}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, "tool_choice.mode"),
        ({"text": "x"}, "text"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "r"}}}, "text.format.schema"),
        ({"truncation": "all"}, "truncation"),
        ({"truncation": 3}, "truncation"),
        ({"include": "x"}, "include"),
        ({"reasoning": {"effort": "vast"}}, "reasoning.effort"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": "x"}, "top_logprobs"),
        ({"temperature": 3}, "temperature"),
        ({"model": 3}, "model"),
        ({"input": [{"role": "user", "content": "a"}] * 2001}, "input"),
        ({"tools": [FLAT | {"name": f"f{at}"} for at in range(129)]}, "tools"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_naming_the_place_in_its_own_words(fields: dict[str, Any], path: str) -> None:
    error = refusal_of({"model": "a/b", "input": "Hi"} | fields)

    assert error is not None
    assert error.status == 400
    assert error.metadata["path"] == path
    assert error.message.startswith(f"{path}: ")


def refusal_of(body: dict[str, Any]) -> ApiError | None:
    """Return what the view would refuse a body with."""
    shape = ResponsesShape()
    try:
        chat = shape.chat_body(body, Limits())
    except ApiError as error:
        return error
    try:
        read_chat(chat, 100, Limits())
    except ApiError as error:
        return in_words_of(shape.names, error)
    return None


FIELDS = """input instructions tools tool_choice text reasoning include truncation store metadata
    max_output_tokens top_logprobs temperature previous_response_id plugins service_tier""".split()
items = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("type", "role", "content", "call_id", "name", "arguments", "output", "summary"),
        json_values,
    ),
)
typed = st.builds(
    lambda item, kind: item | {"type": kind},
    items,
    st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "custom"]),
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={name: json_values | st.lists(typed, max_size=3) for name in FIELDS},
    )
)
def test_any_body_is_read_or_refused_with_a_place_of_its_own(fields: dict[str, Any]) -> None:
    body = {"model": "a/b"} | fields

    error = refusal_of(body)

    if error is None:
        ResponsesShape().chat_body(body, Limits())
        return
    assert error.status == 400
    place = error.metadata["path"]
    assert place.partition(".")[0].partition("[")[0] in {*FIELDS, "input"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", []),
        ("text", ""),
        ("reasoning", []),
        ("background", 0),
        ("store", ""),
        ("top_logprobs", ""),
        ("max_tool_calls", "many"),
        ("safety_identifier", 5),
    ],
)
def test_what_an_answer_would_repeat_has_the_right_type(field: str, value: Any) -> None:
    with pytest.raises(ApiError) as caught:
        ResponsesShape().chat_body({"model": "a/b", "input": "Hello", field: value}, Limits())

    assert caught.value.status == 400
    assert caught.value.metadata["path"] == field
