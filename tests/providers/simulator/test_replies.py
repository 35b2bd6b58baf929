import json
from collections import Counter
from random import Random
from typing import Any

import jsonschema_rs
import pytest

from providers.simulator.asked import read
from providers.simulator.replies import Reply, answer, pieces
from tests.providers.simulator.rehearsal import CLOCK, TOOLS, WEATHER, body, chat, endpoint

SCHEMAS = {"get_weather": WEATHER, "read_clock": CLOCK}


def reply_to(text: str = "Hello", *, seed: int = 1, propensity: float = 1, **fields: Any) -> Reply:
    return answer(chat(text, **fields), endpoint(propensity=propensity), Random(seed))


def test_a_call_is_valid_for_its_tool() -> None:
    for seed in range(50):
        reply = reply_to(tools=TOOLS, seed=seed)

        assert reply.finish_reason == "tool_calls"
        for call in reply.calls:
            arguments = json.loads(call.arguments)
            assert jsonschema_rs.is_valid(SCHEMAS[call.name], arguments)


def test_propensity_is_the_share_of_tool_calls() -> None:
    outcomes = Counter(
        reply_to(tools=TOOLS, seed=seed, propensity=0.3).finish_reason for seed in range(2000)
    )

    assert outcomes["tool_calls"] + outcomes["stop"] == 2000
    assert 0.26 < outcomes["tool_calls"] / 2000 < 0.34


@pytest.mark.parametrize(
    ("tool_choice", "finish_reason"),
    [
        pytest.param("none", "stop", id="none"),
        pytest.param("required", "tool_calls", id="required"),
        pytest.param({"function": {"name": "read_clock"}}, "tool_calls", id="named"),
    ],
)
def test_tool_choice_beats_propensity(tool_choice: Any, finish_reason: str) -> None:
    propensity = 1 if tool_choice == "none" else 0

    reply = reply_to(tools=TOOLS, tool_choice=tool_choice, propensity=propensity)

    assert reply.finish_reason == finish_reason
    if isinstance(tool_choice, dict):
        assert {call.name for call in reply.calls} == {"read_clock"}


def test_the_tool_the_message_speaks_of_is_called() -> None:
    named = {
        call.name for n in range(20) for call in reply_to("A clock?", tools=TOOLS, seed=n).calls
    }

    assert named == {"read_clock"}


def test_several_calls_where_the_message_suggests_them_and_the_client_allows() -> None:
    text = "Compare both cities"

    assert len(reply_to(text, tools=TOOLS).calls) == 2
    assert len(reply_to(text, tools=TOOLS, parallel_tool_calls=False).calls) == 1
    assert len(reply_to("[[tool:3]]", tools=TOOLS).calls) == 3
    assert len({call.id for call in reply_to("[[tool:9]]", tools=TOOLS).calls}) == 9


def test_a_tool_result_is_answered_with_text() -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "tool", "content": "21 degrees"}]
    request = read(body(tools=TOOLS) | {"messages": messages}, "x")

    reply = answer(request, endpoint(), Random(1))

    assert reply.calls == ()
    assert reply.text


def test_directives_choose_the_words() -> None:
    assert reply_to("[[text:Good morning]]", tools=TOOLS).text == "Good morning"
    assert len(pieces(reply_to("[[tokens:50]]").text)) == 50
    assert reply_to("[[no_tool]]", tools=TOOLS).calls == ()


@pytest.mark.parametrize(
    ("response_format", "schema"),
    [
        pytest.param({"type": "json_object"}, {"type": "object"}, id="any object"),
        pytest.param(
            {"type": "json_schema", "json_schema": {"name": "report", "schema": WEATHER}},
            WEATHER,
            id="by schema",
        ),
    ],
)
def test_a_response_format_is_answered_with_json_that_fits(
    response_format: Any, schema: Any
) -> None:
    for seed in range(20):
        reply = reply_to(response_format=response_format, seed=seed)

        assert reply.finish_reason == "stop"
        assert jsonschema_rs.is_valid(schema, json.loads(reply.text))


def test_the_words_of_a_directive_beat_a_response_format() -> None:
    assert reply_to("[[text:No.]]", response_format={"type": "json_object"}).text == "No."


@pytest.mark.parametrize("text", ["[[tokens:50]]", "[[tool]]"])
def test_max_tokens_ends_a_reply_in_the_middle(text: str) -> None:
    reply = reply_to(text, tools=TOOLS, max_tokens=5)

    assert (reply.finish_reason, reply.completion_tokens) == ("length", 5)
    assert len(reply.text) <= 20
    assert all(len(call.name + call.arguments) <= 20 for call in reply.calls)


def test_pieces_join_to_the_text() -> None:
    text = "  Grüße aus 東京, wohin auch immer\n\n(sogar Donaudampfschifffahrt) "

    assert "".join(pieces(text)) == text


def test_usage_counts_four_bytes_as_a_token() -> None:
    reply = reply_to("[[text:twelve bytes]]")

    assert reply.completion_tokens == 3
    assert reply.prompt_tokens == 4 + -(-len("[[text:twelve bytes]]") // 4)


def test_the_same_seed_gives_the_same_reply() -> None:
    assert reply_to(tools=TOOLS, seed=9) == reply_to(tools=TOOLS, seed=9)
