"""Recorded real answers, sent again byte for byte: clients get what the providers once said."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tests.live import Answer, LiveGateway, eventually
from tests.scripted_upstream import ScriptedUpstream, Step, piece, wire

MODEL = "acme/recorded"
ANSWERS, STREAMS, CALLS = 96, 50, 71
# Providers send what comes in packets of any size.
PACKET = 97


@dataclass(slots=True)
class Said:
    """What an answer spells: its text, its calls as (id, name, arguments), how it ended."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    finish_reason: str | None = None

    def add(self, choice: dict[str, Any]) -> None:
        message = choice["delta"] if "delta" in choice else choice["message"]
        self.text += message.get("content") or ""
        self.reasoning += message.get("reasoning") or message.get("reasoning_content") or ""
        for position, call in enumerate(message.get("tool_calls") or []):
            spelled = self.calls.setdefault(call.get("index", position), ["", "", ""])
            function = call.get("function") or {}
            spelled[0] = spelled[0] or call.get("id") or ""
            spelled[1] += function.get("name") or ""
            spelled[2] += function.get("arguments") or ""
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    @classmethod
    def by(cls, answers: list[dict[str, Any]]) -> "Said":
        """Return what one body, or the chunks of a stream, say."""
        said = cls()
        for choice in [choice for answer in answers for choice in answer["choices"]]:
            said.add(choice)
        return said


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    request: dict[str, Any]
    kind: str
    body: bytes

    @property
    def streamed(self) -> bool:
        return bool(self.request.get("stream"))

    @property
    def said(self) -> Said:
        """Return what was said, read as simply as can be."""
        return Said.by(self.chunks if self.streamed else [json.loads(self.body)])

    @property
    def chunks(self) -> list[dict[str, Any]]:
        events = [line for line in self.body.decode().split("\n") if line.startswith("data: {")]
        return [json.loads(event.removeprefix("data: ")) for event in events]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return how a provider sends it again."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {self.kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        starts = range(0, len(self.body), PACKET if self.streamed else len(self.body))
        packets = [piece(self.body[start : start + PACKET]) for start in starts]
        if not self.streamed:
            packets = [piece(self.body)]
        return (wire(head.encode()), *packets, wire(b"0\r\n\r\n"))


@dataclass(frozen=True, slots=True)
class Replay:
    """One recording as it came through the gateway, raw and through the openai package."""

    recording: Recording
    generation: str
    answers: list[dict[str, Any]]  # the chunks of a stream, or one body
    parsed: Any


def catalog(port: int) -> dict[str, Any]:
    endpoint = {
        "model": MODEL,
        "provider": "recorded",
        "tag": "recorded",
        "upstream_model": "recorded",
        "context_length": 100_000,
        "prices": {"prompt": "0.000001", "completion": "0.000002"},
        "supported_parameters": ["max_tokens", "tools", "tool_choice"],
    }
    reason = "Recorded answers."
    listed = {"model": MODEL, "variant": "exacto", "reason": reason}
    return {
        "providers": [
            {"slug": "recorded", "name": "Recorded", "base_url": f"http://127.0.0.1:{port}/v1"}
        ],
        "models": [{"slug": MODEL, "name": "Recorded", "context_length": 100_000}],
        "endpoints": [endpoint],
        "allowlists": [{**listed, "endpoints": [{"tag": "recorded", "reason": reason}]}],
    }


@pytest.fixture(scope="module")
def recordings(shared_data: Path) -> list[Recording]:
    found = []
    for path in sorted((shared_data / "cassettes").glob("*/*/*.yaml")):
        exchanges: Any = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["interactions"]
        for number, exchange in enumerate(exchanges):
            answer = exchange["response"]
            kinds = {name.lower(): value for name, value in answer["headers"].items()}
            found.append(
                Recording(
                    f"{path.parent.name}-{path.stem}-{number}",
                    json.loads(exchange["request"]["body"]),
                    kinds["content-type"][0],
                    answer["body"].encode(),
                )
            )
    return found


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[LiveGateway, ScriptedUpstream]]:
    with (
        ScriptedUpstream("recorded") as upstream,
        LiveGateway(catalog(upstream.ports["recorded"])) as live,
    ):
        yield live, upstream


@pytest.fixture(scope="module")
def replays(
    gateway: tuple[LiveGateway, ScriptedUpstream], recordings: list[Recording]
) -> list[Replay]:
    live, upstream = gateway
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{live.port}/api/v1", api_key=live.key)
    with client:
        for recording in recordings:
            upstream.script(recording.name, recorded=recording.steps)
        return [replay(live, client, recording) for recording in recordings]


def replay(live: LiveGateway, client: Any, recording: Recording) -> Replay:
    body = asking_for(recording)
    extra = {k: body.pop(k) for k in ("usage",) if k in body}
    if not recording.streamed:
        answer: Answer = live.chat(body | extra)
        assert answer.status == 200, answer.body
        parsed = client.chat.completions.create(**body, extra_body=extra)
        return Replay(recording, answer.headers["x-generation-id"], [answer.json], parsed)
    with live.stream(body | extra) as stream:
        chunks = stream.chunks()
    with client.chat.completions.create(**body, extra_body=extra) as again:
        return Replay(recording, stream.headers["x-generation-id"], chunks, list(again))


def asking_for(recording: Recording) -> dict[str, Any]:
    """Return the recorded request, with the words the scripted provider knows it by."""
    *earlier, last = recording.request["messages"]
    content = last["content"]
    nonce = f"nonce:{recording.name} "
    if isinstance(content, str):
        content += f" {nonce}"
    else:
        content = [*content, {"type": "text", "text": nonce}]
    messages = [*earlier, {**last, "content": content}]
    return recording.request | {"model": f"{MODEL}:exacto", "messages": messages}


def test_the_recordings_are_all_there(recordings: list[Recording]) -> None:
    assert len(recordings) == ANSWERS
    assert sum(recording.streamed for recording in recordings) == STREAMS
    assert sum(len(recording.said.calls) for recording in recordings) == CALLS


def test_clients_get_what_was_said(replays: list[Replay]) -> None:
    for replay in replays:
        assert Said.by(replay.answers) == replay.recording.said, replay.recording.name


def test_the_openai_package_gets_what_was_said(replays: list[Replay]) -> None:
    for replay in replays:
        parsed = replay.parsed if replay.recording.streamed else [replay.parsed]
        said = Said.by([answer.model_dump(exclude_unset=True) for answer in parsed])
        assert said == replay.recording.said, replay.recording.name


def test_answers_have_the_shape_all_clients_parse(replays: list[Replay]) -> None:
    for replay in replays:
        name = replay.recording.name
        kind = "chat.completion.chunk" if replay.recording.streamed else "chat.completion"
        for answer in replay.answers:
            assert (answer["id"], answer["object"]) == (replay.generation, kind), name
            assert (answer["model"], answer["provider"]) == (MODEL, "Recorded"), name
            assert type(answer["created"]) is int, name
            [choice] = answer["choices"]
            assert choice["index"] == 0, name
            assert {"finish_reason", "native_finish_reason"} <= set(choice), name
            message = choice.get("delta") or choice["message"]
            assert message["role"] == "assistant", name
            assert message.get("tool_calls", True), name
            assert message.get("reasoning_details", True), name
        assert ("system_fingerprint" in replay.answers[0]) != replay.recording.streamed, name
        assert [answer for answer in replay.answers if "usage" in answer] == [replay.answers[-1]]
        assert replay.answers[-1]["usage"]["cost"] > 0, name


def test_every_recorded_call_is_judged_valid(
    gateway: tuple[LiveGateway, ScriptedUpstream], replays: list[Replay]
) -> None:
    live, _ = gateway
    rows = eventually(lambda: judged(live), 60)

    # Each was replayed twice.
    assert len(rows) == 2 * ANSWERS
    assert {row["outcome"] for row in rows} == {"ok"}
    by_id = {row["generation_id"]: row for row in rows}
    for replay in replays:
        row = by_id[replay.generation]
        calls = len(replay.recording.said.calls)
        assert row["verdict"] == ("valid" if calls else "no_tool_calls"), replay.recording.name
        assert (row["tool_calls"], row["bad_calls"]) == (calls, 0), replay.recording.name
    assert sum(row["tool_calls"] for row in rows) == 2 * CALLS
    for sign in ("leaked_tool_text", "truncated_arguments", "empty_reply", "duplicate_ids"):
        assert not any(row[sign] for row in rows), sign


def judged(live: LiveGateway) -> list[dict[str, Any]]:
    live.ingest()
    rows = live.rows("SELECT * FROM telemetry_attempt")
    return [] if any(row["verdict"] == "pending" for row in rows) else rows
