"""Which judgements the quality gate holds against a reply, and the wait for a verdict."""

import asyncio

import pytest

from routing.gateway.quality_gate import AwaitedVerdict, badness, is_bad, signs_of
from telemetry.judge.rules import Judgement

GOOD, BAD = Judgement("valid", calls=1), Judgement("invalid_json", calls=1, bad_calls=1)


@pytest.mark.parametrize(
    ("judgement", "bad"),
    [
        (GOOD, False),
        (Judgement("no_tool_calls"), False),
        (Judgement("unjudged", "timeout"), False),
        (Judgement("valid", duplicate_ids=True), False),
        (Judgement("no_tool_calls", empty_reply=True), False),
        (BAD, True),
        (Judgement("unknown_name"), True),
        (Judgement("schema_mismatch"), True),
        (Judgement("no_tool_calls", leaked_tool_text=True), True),
        (Judgement("valid", tool_choice_violated=True), True),
        (Judgement("unjudged", truncated_arguments=True), True),
    ],
    ids=str,
)
def test_holds_back_invalid_calls_and_the_signs_of_lost_ones(
    judgement: Judgement, bad: bool
) -> None:
    assert is_bad(judgement) is bad
    assert bad or not signs_of(judgement)


def test_ranks_a_reply_by_how_little_a_client_can_do_with_it() -> None:
    ranked = ["schema_mismatch", "unknown_name", "invalid_json"]
    sign_alone = Judgement("no_tool_calls", leaked_tool_text=True)

    order = [badness(sign_alone), *(badness(Judgement(verdict)) for verdict in ranked)]

    assert order == sorted(set(order))


def test_records_a_verdict_only_after_its_attempt() -> None:
    async def scenario() -> list[Judgement]:
        recorded: list[Judgement] = []
        awaited = AwaitedVerdict(recorded.append)
        awaited.take(BAD)
        assert await awaited.wait(5) is BAD
        assert recorded == []
        awaited.settle()
        return recorded

    assert asyncio.run(scenario()) == [BAD]


def test_records_a_verdict_that_comes_too_late_for_the_gate() -> None:
    async def scenario() -> list[Judgement]:
        recorded: list[Judgement] = []
        awaited = AwaitedVerdict(recorded.append)
        assert await awaited.wait(0) is None
        awaited.settle()
        assert recorded == []
        awaited.take(GOOD)
        return recorded

    assert asyncio.run(scenario()) == [GOOD]
