"""The events of a Messages stream, read as strictly as Anthropic's own clients put them together.

Owns the grammar: what may follow what. `whole` fails the test at the first event out of place.
"""

import json
from collections.abc import Iterable
from typing import Any

Event = dict[str, Any]

_TEXT_OF = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool_use", "partial_json"),
    "signature_delta": ("thinking", "signature"),
}


def events_of(lines: Iterable[str]) -> list[Event]:
    """Return the events of a stream's lines; comments are passed over."""
    found: list[Event] = []
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line and not line.startswith(":"):
            event = json.loads(line.removeprefix("data: "))
            assert event["type"] == name, line
            found.append(event)
    return found


def lines_of(stream: bytes) -> list[str]:
    assert stream.endswith(b"\n\n") or not stream
    return stream.decode().split("\n")


def whole(events: Iterable[Event]) -> dict[str, Any]:
    """Return the message that a good stream spells; a call's input stays text, as it was sent."""
    first, *rest = events
    assert first["type"] == "message_start"
    message: dict[str, Any] = first["message"]
    assert message["content"] == []
    content: list[dict[str, Any]] = message["content"]
    is_open = False
    last: list[Event] = []
    for event in rest:
        if event["type"] == "ping":
            continue
        assert not last or event["type"] == "message_stop", event
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(content)
            is_open = True
            content.append(_started(event["content_block"]))
        elif event["type"] == "content_block_delta":
            assert is_open
            assert event["index"] == len(content) - 1
            _add(content[-1], event["delta"])
        elif event["type"] == "content_block_stop":
            assert is_open
            assert event["index"] == len(content) - 1
            is_open = False
        else:
            assert not is_open
            last.append(event)
    assert [event["type"] for event in last] == ["message_delta", "message_stop"]
    message |= last[0]["delta"]
    message["usage"] |= last[0]["usage"]
    return message


def _started(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        assert block["input"] == {}
        return {**block, "input": ""}
    return block


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind, name = _TEXT_OF[delta["type"]]
    assert block["type"] == kind
    key = "input" if name == "partial_json" else name
    block[key] += delta[name]
