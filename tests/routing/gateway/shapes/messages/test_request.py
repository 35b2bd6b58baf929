"""What a chat completion is asked for when a message is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.errors import ApiError
from routing.gateway.chat_request import read_chat
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.upstream_body import dumps
from routing.limits import Limits

LIMITS = Limits()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
MARK = {"type": "ephemeral"}
PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}
TEXT: dict[str, Any] = {"type": "text", "text": "Hi"}
NAMED = {"type": "tool_reference", "name": "g"}
USER = {"role": "user", "content": "Hi"}


def asked(**fields: Any) -> dict[str, Any]:
    body = {"model": "a/b", "max_tokens": 9, "messages": [USER], **fields}
    return MessagesShape().chat_body(body, LIMITS)


def conversation(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(messages=list(messages), **fields)["messages"]
    return found


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(**fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", **fields}


# Messages ----------------------------------------------------------------------------------


def test_text_becomes_text() -> None:
    told = conversation(USER, assistant(TEXT), user(TEXT, TEXT), system=[TEXT])

    assert told == [
        {"role": "system", "content": "Hi"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Hi\n\nHi"},
    ]


def test_marks_for_a_cache_stay_where_they_are() -> None:
    marked = {**TEXT, "cache_control": MARK}
    image = {"type": "image", "source": PNG, "cache_control": MARK}

    told = conversation(
        user(TEXT, marked),
        assistant({"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        user(result(content="ok", cache_control=MARK), image),
        system=[TEXT, marked],
    )

    assert told[0] == {"role": "system", "content": [TEXT, marked]}
    assert told[1] == {"role": "user", "content": [TEXT, marked]}
    assert told[3]["content"] == [{"type": "text", "text": "ok", "cache_control": MARK}]
    assert told[4]["content"][0]["cache_control"] == MARK


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        pytest.param(
            {"type": "image", "source": PNG},
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
            id="image",
        ),
        pytest.param(
            {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
            [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}],
            id="image by its address",
        ),
        pytest.param(
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            },
            [
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,aGk=",
                    },
                }
            ],
            id="document",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
            [
                {
                    "type": "file",
                    "file": {"filename": "document.pdf", "file_data": "https://x.test/a.pdf"},
                }
            ],
            id="document by its address",
        ),
    ],
)
def test_what_is_no_text_becomes_a_part(block: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    [told] = conversation(user(block, TEXT))

    assert told["content"] == [*parts, TEXT]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        pytest.param(
            {
                "type": "document",
                "title": "Notes",
                "context": "Old.",
                "source": {"type": "text", "media_type": "text/plain", "data": "Rain."},
            },
            "Notes\n\nOld.\n\nRain.",
            id="document of text",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "content", "content": [TEXT, TEXT]}},
            "Hi\n\nHi",
            id="document of blocks",
        ),
        pytest.param(
            {"type": "document", "source": {"type": "content", "content": "Rain."}},
            "Rain.",
            id="document of blocks that are text",
        ),
        pytest.param(
            {"type": "search_result", "source": "x.test", "title": "Rain", "content": [TEXT]},
            "Rain (x.test)\n\nHi",
            id="search result",
        ),
    ],
)
def test_what_can_be_text_is_text(block: dict[str, Any], text: str) -> None:
    assert conversation(user(block)) == [{"role": "user", "content": text}]


def test_the_results_of_tools_follow_their_calls() -> None:
    calls: list[dict[str, Any]] = [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "t2", "name": "g"},
    ]
    results = [
        result(content="12"),
        {"type": "tool_result", "tool_use_id": "t2", "content": [TEXT], "is_error": True},
    ]

    told = conversation(USER, assistant(*calls), user(TEXT, *results))

    assert told[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"city":"Oslo"}'},
                },
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "12"},
        {"role": "tool", "tool_call_id": "t2", "content": "The tool failed.\n\nHi"},
        {"role": "user", "content": "Hi"},
    ]


def test_a_result_may_be_empty_or_an_image() -> None:
    image = {"type": "image", "source": PNG}

    told = conversation(user(result()), user(result(content=[image])))

    assert told[0]["content"] == ""
    assert told[1]["content"][0]["type"] == "image_url"


def test_thoughts_go_back_to_whom_they_came_from() -> None:
    [told] = conversation(
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
            {"type": "redacted_thinking", "data": "d1"},
            {"type": "thinking", "thinking": "Well.", "signature": ""},
            TEXT,
        )
    )

    assert told == {
        "role": "assistant",
        "content": "Hi",
        "reasoning": "Hm.\n\nWell.",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Hm.", "signature": "s1"},
            {"type": "reasoning.encrypted", "data": "d1"},
        ],
    }


# Fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
        ({"metadata": {"user_id": "u1"}}, {"user": "u1"}),
        ({"top_k": 5, "top_p": 0.5}, {"top_k": 5, "top_p": 0.5}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            {"reasoning": {"max_tokens": 2048}},
        ),
        ({"thinking": {"type": "disabled"}}, {"reasoning": {"enabled": False}}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning": {"enabled": True}}),
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "high"},
            },
            {"reasoning": {"effort": "high", "exclude": True}, "verbosity": "high"},
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
                }
            },
        ),
        (
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
                }
            },
        ),
        ({"fallbacks": [{"model": "c/d"}]}, {"models": ["c/d"]}),
        ({"service_tier": "auto", "session_id": "s"}, {"service_tier": "auto", "session_id": "s"}),
        ({"provider": {"only": ["x"]}, "seed": 3}, {"provider": {"only": ["x"]}, "seed": 3}),
        ({"speed": "fast", "context_management": {"edits": []}, "betas": ["b"]}, {}),
        ({"tool_choice": {"type": "any"}}, {}),
    ],
)
def test_each_field_has_its_counterpart(fields: dict[str, Any], chat: dict[str, Any]) -> None:
    assert asked(**fields) == {"model": "a/b", "max_tokens": 9, "messages": [USER], **chat}


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            {
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "parallel_tool_calls": False,
            },
        ),
    ],
)
def test_the_choice_of_tools(choice: dict[str, Any], chat: dict[str, Any]) -> None:
    tool = {"name": "f", "type": "custom", "description": "F.", "input_schema": SCHEMA}

    told = asked(tools=[{**tool, "cache_control": MARK, "strict": True}], tool_choice=choice)

    function = {"name": "f", "parameters": SCHEMA, "description": "F.", "strict": True}
    assert told.pop("tools") == [{"type": "function", "function": function, "cache_control": MARK}]
    assert {name: told[name] for name in chat} == chat


@pytest.mark.parametrize(
    "brought_up",
    [
        [{"role": "system", "content": [{"type": "tool_addition", "tool": NAMED}]}],
        [user(result(content=[{"type": "tool_reference", "tool_name": "g"}]))],
        [assistant({"type": "tool_use", "id": "t", "name": "g", "input": {}})],
    ],
)
def test_a_deferred_tool_is_offered_once_it_was_brought_up(
    brought_up: list[dict[str, Any]],
) -> None:
    tools = [{"name": name, "input_schema": SCHEMA, "defer_loading": name != "f"} for name in "fgh"]

    before = asked(tools=tools)["tools"]
    after = asked(tools=tools, messages=[USER, *brought_up])["tools"]

    assert [tool["function"]["name"] for tool in before] == ["f"]
    assert [tool["function"]["name"] for tool in after] == ["f", "g"]


def test_a_model_is_told_which_tools_come_and_go() -> None:
    blocks = [{"type": "tool_addition", "tool": NAMED}, {"type": "tool_removal", "tool": NAMED}]

    told = conversation(USER, {"role": "system", "content": blocks})

    assert told[1] == {
        "role": "system",
        "content": "The tool g can be used.\n\nThe tool g cannot be used any more.",
    }


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"messages": "Hi"}, "messages"),
        ({"messages": [USER, {"role": "tool", "content": ""}]}, "messages[1].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [user({"type": "text"})]}, "messages[0].content[0].text"),
        ({"messages": [user({"text": "Hi"})]}, "messages[0].content[0].type"),
        ({"messages": [user({"type": "video"})]}, "messages[0].content[0].type"),
        (
            {"messages": [USER, user(TEXT, {"type": "tool_result"})]},
            "messages[1].content[1].tool_use_id",
        ),
        ({"messages": [user(result(content=[{}]))]}, "messages[0].content[0].content[0].type"),
        (
            {"messages": [user({"type": "image", "source": {"type": "file"}})]},
            "messages[0].content[0].source.type",
        ),
        ({"messages": [assistant(TEXT, result())]}, "messages[0].content[1].type"),
        (
            {"messages": [user({"type": "tool_use", "id": "t", "name": "f"})]},
            "messages[0].content[0].type",
        ),
        ({"system": 3}, "system"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "f g", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": 3}]}, "tools[0].input_schema"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json"}}}, "output_config.format.type"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id"),
        ({"fallbacks": [{"model": "c/d"}], "models": ["e/f"]}, "fallbacks"),
        ({"fallbacks": [{"model": "c/d"}] * 4}, "fallbacks"),
        ({"mcp_servers": [{"url": "https://x.test"}]}, "mcp_servers"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as error:
        asked(**fields)

    assert error.value.status == 400
    assert error.value.metadata["path"] == path
    assert error.value.message.startswith(f"{path}: ")


# Anything ----------------------------------------------------------------------------------

_KEYS = (
    """type text content role source data url media_type name input id tool_use_id is_error title
    thinking signature cache_control input_schema budget_tokens format schema user_id model"""
).split()
_WORDS = (
    """text image document tool_use tool_result thinking redacted_thinking search_result base64
    url user assistant system auto any none tool enabled adaptive disabled json_schema f"""
).split()
_FIELDS = (
    """system tools tool_choice stop_sequences thinking output_config max_tokens output_format
    metadata fallbacks models temperature provider stream reasoning"""
).split()
_anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(_WORDS) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)
_block = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(_WORDS)}, optional=dict.fromkeys(_KEYS[1:], _anything)
    ),
    st.just(TEXT),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": st.text(max_size=3), "name": st.text(max_size=3)},
        optional={"input": st.dictionaries(st.text(max_size=3), _anything, max_size=2)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("tool_result"), "tool_use_id": st.text(max_size=3)},
        optional={"content": st.text(max_size=3) | st.just([TEXT]), "is_error": st.booleans()},
    ),
)
_message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.text(max_size=3) | st.lists(_block, max_size=3),
    }
)
_body = st.fixed_dictionaries(
    {"model": st.just("a/b"), "messages": st.lists(_message, max_size=4) | _anything},
    optional=dict.fromkeys(_FIELDS, _anything),
)


@given(_body)
def test_no_body_raises_anything_but_a_400(body: dict[str, Any]) -> None:
    errors: list[ApiError] = []
    try:
        chat = MessagesShape().chat_body(body, LIMITS)
    except ApiError as error:
        errors.append(error)
    else:
        errors += _refused_by_chat(chat)

    assert {error.status for error in errors} <= {400}


def _refused_by_chat(body: dict[str, Any]) -> list[ApiError]:
    try:
        read_chat(body, len(dumps(body)), LIMITS)
    except ApiError as error:
        # What the conversation became is always right: nothing but its length can be wrong.
        assert "messages[" not in str(error.metadata["path"])  # noqa: PT017
        return [error]
    return []


@given(st.lists(_message, min_size=1, max_size=4))
def test_no_result_and_no_call_is_lost(messages: list[dict[str, Any]]) -> None:
    try:
        told = conversation(*messages)
    except ApiError:
        return

    kinds = [
        block["type"]
        for message in messages
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    calls = [call for message in told for call in message.get("tool_calls", ())]
    assert len(calls) == kinds.count("tool_use")
    results = [message for message in told if message["role"] == "tool"]
    assert len(results) == kinds.count("tool_result")
