"""Real answers of real providers, cut at random places, must assemble to whole tool calls."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from providers.chat import Reply, ReplyAssembler, error_of, has_content, loads, reply_of_body
from providers.sse import EventDecoder

# Answers in the recordings, and those among them that call tools: a reader that silently finds
# fewer would pass every other assertion.
ANSWERS = 96
CALLING = 48


@dataclass(frozen=True, slots=True)
class Answer:
    name: str
    streamed: bool
    body: bytes


@pytest.fixture(scope="module")
def answers(shared_data: Path) -> list[Answer]:
    found = []
    for path in sorted((shared_data / "cassettes").glob("**/*.yaml")):
        recording: Any = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for number, interaction in enumerate(recording["interactions"]):
            response = interaction["response"]
            headers = {key.lower(): value for key, value in response["headers"].items()}
            streamed = headers["content-type"][0].startswith("text/event-stream")
            name = f"{path.parent.name}/{path.stem}#{number}"
            found.append(Answer(name, streamed, response["body"].encode()))
    return found


def read(answer: Answer, rng: Random) -> Reply:
    if not answer.streamed:
        return reply_of_body(loads(answer.body))
    places = sorted(rng.randrange(len(answer.body)) for _ in range(rng.randrange(40)))
    decoder, assembler = EventDecoder(), ReplyAssembler()
    events = []
    for start, end in pairwise([0, *places, len(answer.body)]):
        events += decoder.feed(answer.body[start:end])
    events += decoder.finish()
    assert events.pop().data == b"[DONE]"
    chunks = [loads(event.data) for event in events]
    assert any(map(has_content, chunks)), answer.name
    for chunk in chunks:
        assert error_of(chunk) is None
        assembler.add(chunk)
    assert assembler.finished, answer.name
    return assembler.finish()


def test_every_recorded_answer_is_understood(answers: list[Answer]) -> None:
    rng = Random(7)

    replies = {answer.name: read(answer, rng) for answer in answers}

    assert len(replies) == ANSWERS
    for name, reply in replies.items():
        assert reply.finish_reason in ("tool_calls", "stop"), name
        assert reply.content or reply.tool_calls, name
        assert reply.usage is not None, name
        assert reply.usage.prompt_tokens > 0, name
        assert reply.upstream_id, name
        assert (reply.finish_reason == "tool_calls") == bool(reply.tool_calls), name
        for call in reply.tool_calls:
            assert call.id, name
            assert call.name, name
            assert isinstance(call.arguments, str), name
            assert isinstance(json.loads(call.arguments), dict), name
    assert sum(bool(reply.tool_calls) for reply in replies.values()) == CALLING


def test_cutting_a_recorded_stream_changes_nothing(answers: list[Answer]) -> None:
    rng = Random(11)
    streams = [answer for answer in answers if answer.streamed]

    for answer in streams:
        whole = read(answer, Random(0))
        assert all(read(answer, rng) == whole for _ in range(5)), answer.name
