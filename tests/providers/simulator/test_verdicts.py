"""What Assay's own reader and judge make of the simulated faults: each verdict can be rehearsed."""

from typing import Any

import orjson
import pytest

from providers.chat import Reply, ReplyAssembler, reply_of_body
from telemetry.judge.rules import Judgement, ToolExchange, judge
from telemetry.judge.validators import ValidatorCache
from tests.providers.simulator.rehearsal import TOOLS, Answer, Client, rehearse

SIGNS = (
    "leaked_tool_text",
    "tool_choice_violated",
    "truncated_arguments",
    "empty_reply",
    "duplicate_ids",
)


def read_reply(answer: Answer, *, stream: bool) -> Reply:
    if not stream:
        return reply_of_body(answer.json())
    assembler = ReplyAssembler()
    for chunk in answer.chunks():
        assembler.add(chunk)
    assert assembler.finished
    return assembler.finish()


def verdict_of(fault: str, *, stream: bool, tool_choice: str) -> Judgement:
    async def scene(client: Client) -> Answer:
        fields: dict[str, Any] = {"tools": TOOLS, "tool_choice": tool_choice, "stream": stream}
        return await client.chat(f"[[fault:{fault}]]", **fields)

    reply = read_reply(rehearse(scene), stream=stream)
    exchange = ToolExchange(
        tools=orjson.dumps(TOOLS),
        tool_choice=tool_choice,
        calls=reply.tool_calls,
        finish_reason=reply.finish_reason,
        content=reply.content,
        completed=True,
    )
    return judge(exchange, ValidatorCache())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "tool_choice", "verdict", "signs"),
    [
        ("none", "auto", "valid", set()),
        ("invalid_json", "auto", "invalid_json", set()),
        ("unknown_name", "auto", "unknown_name", set()),
        ("schema_mismatch", "auto", "schema_mismatch", set()),
        ("arguments_as_object", "auto", "invalid_json", set()),
        ("silent_truncation", "auto", "invalid_json", set()),
        ("truncated_arguments", "auto", "invalid_json", {"truncated_arguments"}),
        ("leaked_tool_text", "auto", "no_tool_calls", {"leaked_tool_text"}),
        ("tool_choice_violated", "required", "no_tool_calls", {"tool_choice_violated"}),
        ("tool_choice_violated", "none", "valid", {"tool_choice_violated"}),
        ("empty_reply", "auto", "no_tool_calls", {"empty_reply"}),
        ("missing_calls", "auto", "no_tool_calls", {"empty_reply"}),
        ("duplicate_ids", "auto", "valid", {"duplicate_ids"}),
        ("interleaved_calls", "auto", "valid", set()),
        ("split_name", "auto", "valid", set()),
    ],
)
def test_a_fault_gets_its_verdict_and_signs(
    fault: str, tool_choice: str, verdict: str, signs: set[str], stream: bool
) -> None:
    judgement = verdict_of(fault, stream=stream, tool_choice=tool_choice)

    assert judgement.verdict == verdict
    assert {sign for sign in SIGNS if getattr(judgement, sign)} == signs
