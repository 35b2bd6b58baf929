import json
from random import Random
from typing import Any

import jsonschema_rs
import pytest

from providers.simulator.faults import KNOWN, Stage
from providers.simulator.replies import Reply, answer
from providers.simulator.spoiling import ACTORS, spoil
from tests.providers.simulator.rehearsal import TOOLS, WEATHER, chat, endpoint

SEEDS = range(15)
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def spoiled(name: str, seed: int, *, choice: Any = NAMED, tools: Any = TOOLS) -> Reply:
    fields = {"tools": tools, "tool_choice": choice} if tools else {}
    request, rng = chat("Hello", **fields), Random(seed)
    return spoil(name, answer(request, endpoint(), rng), request, rng)


def test_every_answer_fault_has_its_actor() -> None:
    assert set(ACTORS) == {n for n, fault in KNOWN.items() if fault.stage is Stage.ANSWER}


@pytest.mark.parametrize("seed", SEEDS)
def test_invalid_json_is_none(seed: int) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoiled("invalid_json", seed).calls[0].arguments)


def test_invalid_json_spoils_empty_arguments_too() -> None:
    tools = [{"type": "function", "function": {"name": "ping"}}]

    with pytest.raises(json.JSONDecodeError):
        json.loads(spoiled("invalid_json", 1, choice="required", tools=tools).calls[0].arguments)


@pytest.mark.parametrize("seed", SEEDS)
def test_unknown_name_was_not_offered(seed: int) -> None:
    assert spoiled("unknown_name", seed).calls[0].name not in {"get_weather", "read_clock"}


@pytest.mark.parametrize("seed", SEEDS)
def test_schema_mismatch_is_json_the_schema_refuses(seed: int) -> None:
    arguments = json.loads(spoiled("schema_mismatch", seed).calls[0].arguments)

    assert not jsonschema_rs.is_valid(WEATHER, arguments)


def test_nothing_mismatches_where_everything_is_allowed() -> None:
    tools = [{"type": "function", "function": {"name": "ping", "parameters": {}}}]
    request, rng = chat(tools=tools), Random(1)
    healthy = answer(request, endpoint(), rng)

    assert spoil("schema_mismatch", healthy, request, rng) == healthy


@pytest.mark.parametrize("seed", SEEDS)
def test_leaked_tool_text_names_the_tool_in_the_text(seed: int) -> None:
    reply = spoiled("leaked_tool_text", seed)

    assert (reply.calls, reply.finish_reason) == ((), "stop")
    assert "get_weather" in reply.text
    assert '"city"' in reply.text


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "finish_reason"),
    [("truncated_arguments", "length"), ("silent_truncation", "tool_calls")],
)
def test_truncated_arguments_are_no_json(name: str, finish_reason: str, seed: int) -> None:
    reply = spoiled(name, seed)

    assert reply.finish_reason == finish_reason
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.calls[-1].arguments)


@pytest.mark.parametrize("seed", SEEDS)
def test_tool_choice_is_violated_each_way(seed: int) -> None:
    none = spoiled("tool_choice_violated", seed, choice="none")
    required = spoiled("tool_choice_violated", seed, choice="required")
    named = spoiled("tool_choice_violated", seed)
    only_one = spoiled("tool_choice_violated", seed, tools=TOOLS[:1])

    assert none.calls
    assert none.finish_reason == "tool_calls"
    assert not required.calls
    assert required.text
    assert {call.name for call in named.calls} == {"read_clock"}
    assert not only_one.calls


def test_a_free_choice_cannot_be_violated() -> None:
    assert spoiled("tool_choice_violated", 1, choice="auto").calls


def test_an_empty_reply_has_nothing_and_costs_nothing() -> None:
    reply = spoiled("empty_reply", 1)

    assert (reply.text, reply.calls, reply.finish_reason) == ("", (), "stop")
    assert reply.completion_tokens == 0


def test_duplicate_ids_are_shared_by_two_calls() -> None:
    calls = spoiled("duplicate_ids", 1).calls

    assert len(calls) == 2
    assert len({call.id for call in calls}) == 1


def test_arguments_as_object_are_still_valid() -> None:
    [call, *_] = spoiled("arguments_as_object", 1).calls

    assert isinstance(call.arguments, dict)
    assert jsonschema_rs.is_valid(WEATHER, call.arguments)


def test_missing_calls_are_announced() -> None:
    reply = spoiled("missing_calls", 1)

    assert (reply.calls, reply.finish_reason) == ((), "tool_calls")


@pytest.mark.parametrize("name", [n for n, fault in KNOWN.items() if fault.needs_call])
def test_a_reply_without_a_call_stays_as_it_is(name: str) -> None:
    request, rng = chat(), Random(1)
    healthy = answer(request, endpoint(), rng)

    assert spoil(name, healthy, request, rng) == healthy
