"""Every recorded quirk through the gateway: what the client gets, and what is recorded as fact.

All recordings are played once, each on endpoints of its own, and the facts ingested once; the
tests then look at one recording each. What a client understands is told by joining the pieces as
OpenAI's SDK does: texts are added up, by index.
"""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.live import LiveGateway, eventually
from tests.providers.quirk_files import Recording, recordings
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import (
    ScriptedUpstream,
    Step,
    answer,
    begin_stream,
    end_stream,
    piece,
    wait,
)

RECORDINGS = recordings()
END = end_stream(done=False)  # a recording has its own [DONE], if any
OSLO, BERGEN = {"city": "Oslo"}, {"city": "Bergen"}
COUNTED = (21, 9)
THOUGHT = "They greet me."
TOO_LONG = "context"


@dataclass(frozen=True, slots=True)
class Expected:
    """What becomes of one recording. `calls` are the arguments of calls of get_weather."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[dict[str, Any], ...] = ()
    finish: str = "stop"
    native: str = "stop"
    tokens: tuple[int, int] | None = COUNTED  # None: estimated
    verdict: str = "no_tool_calls"
    reason: str = ""
    signs: frozenset[str] = frozenset()
    asked: dict[str, Any] = field(default_factory=dict)


def _said(text: str = "Good day.", **fields: Any) -> Expected:
    return Expected(text, **fields)


def _called(*calls: dict[str, Any], **fields: Any) -> Expected:
    usual = {"finish": "tool_calls", "native": "tool_calls", "verdict": "valid"}
    return Expected(calls=calls, **{**usual, **fields})


NAMED = {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}
REQUIRED = {"tool_choice": "required"}
ANSWERED = {
    "vllm-reasoning.sse": _said(reasoning=THOUGHT),
    "sglang-reasoning-content.sse": _said(reasoning=THOUGHT),
    "vllm-both-reasonings.json": _said(reasoning=THOUGHT),
    "groq-raw-thinking.sse": _said(
        "\n\nGood day.<think>", reasoning="\nThey greet < me.\n", tokens=COUNTED
    ),
    "groq-raw-thinking.json": _said("\n\nGood day.", reasoning="\nThey greet me.\n"),
    "mistral-thinking-parts.sse": _said(reasoning=THOUGHT),
    "mistral-thinking-parts.json": _said(reasoning=THOUGHT),
    "ollama-one-index.sse": _called(OSLO, BERGEN),
    "ollama-no-index.sse": _called(OSLO, BERGEN, native="stop", tokens=None),
    "llamacpp-repeated-name.sse": _called(OSLO),
    "llamacpp-one-id.sse": _called(OSLO, BERGEN, signs=frozenset(["duplicate_ids"])),
    "glm-one-id.json": _called(OSLO, BERGEN, signs=frozenset(["duplicate_ids"])),
    "llamacpp-object-arguments.json": _called(OSLO, verdict="invalid_json"),
    "llamacpp-object-arguments.sse": _called(OSLO, verdict="invalid_json"),
    "vllm-no-id.sse": _called(OSLO, BERGEN),
    "lmstudio-empty-name.sse": _called(OSLO, tokens=None),
    "vllm-named-stop.json": _called(OSLO, native="stop", asked=NAMED),
    "vllm-named-stop.sse": _called(OSLO, native="stop", asked=NAMED),
    "vllm-calls-missing.json": _said(
        finish="tool_calls",
        native="tool_calls",
        reason="calls_missing",
        signs=frozenset(["tool_choice_violated"]),
        asked=REQUIRED,
    ),
    "vllm-leaked-call.sse": _said(
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        signs=frozenset(["leaked_tool_text"]),
    ),
    "vllm-abort.sse": _said("Good", finish="error", native="abort", tokens=(21, 1)),
    "sglang-empty-finish.sse": _said(tokens=None),
    "gemini-no-finish.sse": _called(OSLO, native="", tokens=None),
    "tgi-no-done.sse": _said(native="eos_token", tokens=None),
    "vllm-usage-in-each.sse": _said(),
    "groq-usage.sse": _said(),
    "deepinfra-estimated-cost.sse": _said(),
    "deepinfra-estimated-cost.json": _said(),
    "fireworks-perf-metrics.sse": _said(),
    "fireworks-raw-output.json": _said(),
    "starlette-crlf.sse": _said(tokens=None),
    "empty-data.sse": _said(),
}


@dataclass(frozen=True, slots=True)
class Failed:
    """What becomes of a recording that is an error: the client's status and words, and the fact.

    `text`: what had been said before, in a stream that was under way (`late`).
    """

    code: int
    outcome: str
    words: str = "Provider returned error"
    text: str = ""
    late: bool = False
    verdict: str = "unjudged"
    signs: frozenset[str] = frozenset()
    asked: dict[str, Any] = field(default_factory=dict)


def _late(outcome: str, text: str = "Good", verdict: str = "no_tool_calls") -> Failed:
    return Failed(502, outcome, text=text, verdict=verdict, late=True)


BUSY = "The providers cannot answer right now."
FAILED = {
    "llamacpp-error-field.sse": Failed(400, "client_error", TOO_LONG),
    "llamacpp-error-field-late.sse": _late("http_5xx"),
    "vllm-error-late.sse": _late("http_5xx", "Good day."),
    "vllm-error-object.json": Failed(400, "client_error", TOO_LONG),
    "vllm-error-object.sse": Failed(400, "client_error", TOO_LONG),
    "sglang-error-first.sse": Failed(400, "client_error", TOO_LONG),
    "deepinfra-spread-error.sse": Failed(400, "client_error", TOO_LONG),
    "tgi-text-error.sse": _late("http_5xx"),
    "groq-stream-error.sse": _late("malformed"),
    "ollama-lost-error.sse": Failed(502, "malformed"),
    "ollama-text-error.json": Failed(404, "not_found", "do not know this model"),
    "llamacpp-loading.json": Failed(503, "http_5xx", BUSY),
    "fastapi-detail.json": Failed(422, "client_error", "body.messages.0.role: Field required"),
    "deepinfra-no-tools.json": Failed(400, "client_error", ""),
    "groq-failed-schema.json": Failed(
        400, "failed_generation", "did not match schema", verdict="schema_mismatch"
    ),
    "groq-failed-name.json": Failed(
        400, "failed_generation", "not in request.tools", verdict="unknown_name"
    ),
    "groq-failed-text.json": Failed(
        400, "failed_generation", "Failed to call a function", verdict="invalid_json"
    ),
    "groq-failed-nothing.json": Failed(
        400, "failed_generation", "Failed to call a function", verdict="invalid_json"
    ),
    "groq-failed-required.json": Failed(
        400,
        "failed_generation",
        "did not call a tool",
        verdict="no_tool_calls",
        signs=frozenset(["tool_choice_violated"]),
        asked=REQUIRED,
    ),
    "groq-failed-json.json": Failed(400, "failed_generation", "Failed to validate JSON"),
    "groq-failed-late.sse": _late("failed_generation", "", "schema_mismatch"),
}
SIGNS = ("leaked_tool_text", "tool_choice_violated", "truncated_arguments", "empty_reply")


@dataclass(frozen=True, slots=True)
class Played:
    """One recording, as the client got it and as it was recorded."""

    status: int
    generation: str
    chunks: list[dict[str, Any]]  # of a stream; else the whole answer alone

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.chunks[-1]["error"]
        return error


def _steps(recording: Recording) -> tuple[Step, ...]:
    if not recording.streamed:
        return (answer(recording.body, recording.status),)
    # In three cuts, none of which is the end of an event.
    body, third = recording.body, len(recording.body) // 3
    cuts = (body[:third], body[third : 2 * third], body[2 * third :])
    return (begin_stream(), *map(piece, cuts), END)


def _steps_in_two(recording: Recording, gate: threading.Event) -> tuple[Step, ...]:
    """Send the two events that begin a stream, and the rest at once when the gate opens."""
    events = recording.body.split(b"\n\n")
    begun, rest = b"\n\n".join([*events[:2], b""]), b"\n\n".join(events[2:])
    return (begin_stream(), piece(begun), wait(gate), piece(rest), END)


def _play(chat: Chat, recording: Recording, expected: Expected | Failed) -> Played:
    late, gate = isinstance(expected, Failed) and expected.late, threading.Event()
    chat.script(amber=_steps_in_two(recording, gate) if late else _steps(recording))
    fields = {"tools": [live_catalog.WEATHER], "provider": {"only": ["amber"]}, **expected.asked}
    if not recording.streamed:
        got = chat.post(**fields)
        return Played(got.status, got.headers["x-generation-id"], [got.json])
    with chat.stream(**fields) as stream:
        name = stream.headers["x-generation-id"]
        if stream.status != 200:
            return Played(stream.status, name, [json.loads("".join(stream.events()))])
        first = [stream.next_chunk()] if late else []
        gate.set()
        return Played(200, name, first + stream.chunks())


@pytest.fixture(scope="module")
def played(
    live: LiveGateway, upstream: ScriptedUpstream, fresh_models: live_catalog.FreshModels
) -> dict[str, Played]:
    expected: dict[str, Expected | Failed] = {**ANSWERED, **FAILED}
    return {
        name: _play(
            Chat(live, upstream, fresh_models.take(), live_catalog.new_nonce()),
            recording,
            expected[name],
        )
        for name, recording in RECORDINGS.items()
    }


@pytest.fixture(scope="module")
def facts(live: LiveGateway, played: dict[str, Played]) -> dict[str, dict[str, Any]]:
    """Return the one attempt of each recording, judged."""
    generations = {one.generation: name for name, one in played.items()}

    def judged() -> dict[str, dict[str, Any]] | None:
        live.ingest()
        rows = live.rows("SELECT * FROM telemetry_attempt WHERE verdict <> 'pending'")
        found = {generations.get(row["generation_id"], ""): row for row in rows}
        return found if found.keys() >= played.keys() else None

    found: dict[str, dict[str, Any]] = eventually(judged, within_s=60)
    return found


def test_every_recording_has_its_test() -> None:
    assert {*ANSWERED, *FAILED} == RECORDINGS.keys()


@pytest.mark.parametrize("name", ANSWERED)
def test_answers_in_the_one_shape_and_records_what_was_sent(
    played: dict[str, Played], facts: dict[str, dict[str, Any]], name: str
) -> None:
    got, expected, fact = played[name], ANSWERED[name], facts[name]
    message, finish = _understood(got.chunks, streamed=name.endswith(".sse"))

    assert got.status == 200
    assert message["content"] == expected.text
    assert message["reasoning"] == expected.reasoning
    assert [json.loads(call["arguments"]) for call in message["calls"]] == list(expected.calls)
    assert {call["name"] for call in message["calls"]} <= {"get_weather"}
    assert len({call["id"] for call in message["calls"]} - {""}) == len(expected.calls)
    assert finish == expected.finish
    usage = got.chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
        expected.tokens or (fact["prompt_tokens"], fact["completion_tokens"])
    )
    assert sum("usage" in one for one in got.chunks) == 1
    assert "estimated_cost" not in usage

    assert fact["outcome"] == "ok"
    assert (fact["finish_reason"], fact["native_finish_reason"]) == (finish, expected.native)
    assert (fact["verdict"], fact["verdict_reason"]) == (expected.verdict, expected.reason)
    assert fact["tool_calls"] == len(expected.calls)
    assert _signs(fact) == expected.signs
    assert bool(fact["usage_estimated"]) == (expected.tokens is None)


def _understood(chunks: list[dict[str, Any]], *, streamed: bool) -> tuple[dict[str, Any], str]:
    """Return what a client makes of an answer: text, thoughts and calls, and how it ended."""
    choices = [choice for one in chunks for choice in one["choices"]]
    said = [choice["delta" if streamed else "message"] for choice in choices]
    calls: dict[int, dict[str, str]] = {}
    for delta in said:
        for at, part in enumerate(delta.get("tool_calls", [])):
            call = calls.setdefault(part.get("index", at), {"id": "", "name": "", "arguments": ""})
            call["id"] += part.get("id", "")
            for key, value in part.get("function", {}).items():
                call[key] += value
    message = {
        "content": "".join(delta.get("content") or "" for delta in said),
        "reasoning": "".join(delta.get("reasoning") or "" for delta in said),
        "calls": [calls[index] for index in sorted(calls)],
    }
    return message, choices[-1]["finish_reason"]


def _signs(fact: dict[str, Any]) -> frozenset[str]:
    return frozenset(sign for sign in (*SIGNS, "duplicate_ids") if fact[sign])


@pytest.mark.parametrize("name", FAILED)
def test_tells_an_error_as_the_contract_does_and_records_whose_it_is(
    played: dict[str, Played], facts: dict[str, dict[str, Any]], name: str
) -> None:
    got, expected, fact = played[name], FAILED[name], facts[name]

    assert got.status == (200 if got.chunks[-1].get("choices") else expected.code)
    assert got.error["code"] == expected.code
    assert expected.words in got.error["message"]
    assert "secret" not in str(got.chunks)
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in got.chunks[:-1])
    assert text == expected.text

    assert fact["outcome"] == expected.outcome
    assert fact["verdict"] == expected.verdict
    assert _signs(fact) == expected.signs
    assert fact["cost"] in (None, 0)


@pytest.mark.parametrize("name", ["groq-failed-schema.json", "groq-failed-late.sse"])
def test_a_refused_generation_is_tried_elsewhere_and_counts_where_it_was_made(
    chat: Chat, name: str
) -> None:
    recording = RECORDINGS[name]
    steps = _steps(recording)
    if recording.streamed:
        # The error comes before any content, so that the next endpoint may still be tried.
        head, _, tail = recording.body.partition(b"event: error")
        first = head.split(b"\n\n")[0] + b"\n\n"
        steps = (begin_stream(), piece(first), piece(b"event: error" + tail), END)
    chat.script(amber=steps)
    fields: dict[str, Any] = {"tools": [live_catalog.WEATHER]}

    if recording.streamed:
        with chat.stream(**fields) as stream:
            generation = stream.headers["x-generation-id"]
            assert stream.chunks()[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        answered = chat.post(**fields)
        assert answered.status == 200
        generation = answered.headers["x-generation-id"]

    def judged() -> list[dict[str, Any]] | None:
        chat.gateway.ingest()
        rows = chat.gateway.rows(
            "SELECT * FROM telemetry_attempt WHERE generation_id = %s ORDER BY ordinal", generation
        )
        done = len(rows) == 2 and all(row["verdict"] != "pending" for row in rows)
        return rows if done else None

    refused, served = eventually(judged)
    assert (refused["outcome"], refused["verdict"]) == ("failed_generation", "schema_mismatch")
    assert (served["outcome"], served["verdict"]) == ("ok", "no_tool_calls")
    assert b"town" not in chat.gateway.everything_stored()


def test_thoughts_in_the_text_are_hidden_from_who_asks_for_none(chat: Chat) -> None:
    chat.script(amber=_steps(RECORDINGS["groq-raw-thinking.sse"]))

    with chat.stream(reasoning={"exclude": True}) as stream:
        chunks = stream.chunks()

    message, _ = _understood(chunks, streamed=True)
    assert (message["content"], message["reasoning"]) == ("\n\nGood day.<think>", "")
