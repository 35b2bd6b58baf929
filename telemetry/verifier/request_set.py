"""A request set: what the built-in verifier puts to every endpoint alike. JSONL, OpenAI's format.

Owns the reading of a file, the labels beside its requests, and its digest. It sends nothing and
does not check what the gateway checks of any request. The rules others rely on: a request is known
by its line's place among the requests, from 1; two files that ask the same have the same digest,
however they are spaced, ordered inside a line or named; what would tell a provider that it is
being tested (`model`, `user`, the labels) is no part of a request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telemetry.benchmarks.errors import Unreadable
from telemetry.benchmarks.fields import Field, digest, parse_lines

OWN: Final = Path(__file__).parent / "assay_requests.jsonl"
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_REQUESTS: Final = 5_000
# Decided per probe, or telling who asks; `_input` is what K2 Vendor Verifier calls the system.
_NOT_ASKED = frozenset("model models provider stream stream_options user metadata n".split())
_ROLES = {"_input": "system"}
_LABELS = {"call": True, "no_call": False}
_CURE = "One chat-completions body a line, see docs/verifier.md."


@dataclass(frozen=True, slots=True)
class SetRequest:
    """One request; `expected` is whether a tool is to be called, None where nobody says."""

    number: int
    body: dict[str, Any]
    expected: bool | None

    @property
    def choice(self) -> str:
        """Return its `tool_choice`: auto, none, required or named."""
        told = self.body.get("tool_choice")
        return "named" if isinstance(told, dict) else told if isinstance(told, str) else "auto"


@dataclass(frozen=True, slots=True)
class Requests:
    """A whole set, checked."""

    name: str
    content: str
    digest: str
    requests: Sequence[SetRequest]

    @property
    def labels(self) -> dict[int, bool]:
        """Return whether a tool is to be called, by request, where the set says."""
        return {one.number: one.expected for one in self.requests if one.expected is not None}


def read_set(content: bytes, name: str) -> Requests:
    """Return the requests of a file. Raises Unreadable naming the line, the place and the cure."""
    if len(content) > MAX_BYTES:
        raise Unreadable(name, "the file", f"more than {MAX_BYTES >> 20} MiB", "Split it.")
    requests = [_request(line, at) for at, line in enumerate(parse_lines(content, name), start=1)]
    if not requests:
        raise Unreadable(name, "the file", "no request in it", _CURE)
    if len(requests) > MAX_REQUESTS:
        problem = f"{len(requests)} requests; {MAX_REQUESTS} are the most"
        raise Unreadable(name, "the file", problem, "Split it.")
    asked = digest([[one.body, one.expected] for one in requests])
    return Requests(name, content.decode("utf-8-sig"), asked, requests)


def own_set() -> Requests:
    """Return the set that comes with Assay."""
    return read_set(OWN.read_bytes(), "assay")


def _request(line: Field, number: int) -> SetRequest:
    fields = line.object()
    body = {name: value for name, value in fields.items() if name not in _NOT_ASKED}
    expected = _expected(line)
    for label in ("expect", "should_call_tool"):
        body.pop(label, None)
    body["messages"] = _messages(line.get("messages"))
    _check_tools(line.get("tools"))
    return SetRequest(number, body, expected)


def _expected(line: Field) -> bool | None:
    told = line.get("expect")
    if told.value is None:
        return line.get("should_call_tool").truth()
    if not isinstance(told.value, str) or told.value not in _LABELS:
        raise told.fault('expected "call" or "no_call"', "Leave it out where both are right.")
    return _LABELS[told.value]


def _messages(messages: Field) -> list[Any]:
    found = list(messages.items())
    if not found:
        raise messages.fault("at least one message is needed", _CURE)
    return [_message(message) for message in found]


def _message(message: Field) -> dict[str, Any]:
    role = message.get("role")
    if not isinstance(role.value, str):
        raise role.fault("expected a role", "user, system, assistant or tool.")
    return message.object() | {"role": _ROLES.get(role.value, role.value)}


def _check_tools(tools: Field) -> None:
    found = list(tools.items())
    if not found:
        raise tools.fault("no tools", "A request without tools says nothing of tool calling.")
    for tool in found:
        if not tool.dig("function", "name").raw_text():
            raise tool.fault("no function with a name", _CURE)
