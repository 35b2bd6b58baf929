"""The events of one streamed message, in the order Anthropic's clients put it together again.

Owns what frames the blocks: `message_start` first, `message_delta` with the stop reason and the
usage, `message_stop` last, an `error` event where it broke. The blocks between them are
`shapes.messages.blocks`'s. The rules others rely on: usage appears once, at the end; an answer that
failed before its first content has an `error` event and nothing else.
"""

from collections.abc import Sequence
from typing import Any

from providers.chat import Chunk, Reply
from routing.gateway.bill import Bill
from routing.gateway.shapes.chat import Deltas, usage_object
from routing.gateway.shapes.messages.answer import (
    details_of,
    ended_in_error,
    opening,
    stop_of,
    usage_of,
)
from routing.gateway.shapes.messages.blocks import Blocks, event
from routing.gateway.shapes.messages.errors import error_of
from routing.gateway.shapes.shape import Head


class MessageWriter:
    """Turns upstream chunks into the events of one stream."""

    def __init__(self, head: Head, stops: Sequence[str], *, hide_reasoning: bool) -> None:
        self._head = head
        self._stops = stops
        self._deltas = Deltas(hide_reasoning=hide_reasoning)
        self._blocks = Blocks(head.generation_id)
        self._started = False
        self._refused = False

    def event(self, chunk: Chunk) -> bytes:
        if isinstance(chunk, str):
            return self._begun(self._blocks.more_text(chunk))
        choice = self._deltas.choice(chunk)
        return self._begun(self._said(choice["delta"])) if choice else b""

    def debug(self, upstream_body: bytes) -> bytes:
        """Return nothing: `debug` is no parameter of this API."""
        return b""

    def last(
        self,
        bill: Bill,
        reply: Reply,
        metadata: dict[str, Any] | None,
        service_tier: str | None = None,
    ) -> bytes:
        finish, native = self._deltas.end(reply)
        if finish == "error":
            return self.error(ended_in_error().body()["error"], metadata)
        told = {
            "delta": stop_of(finish, native, self._stops, refused=self._refused),
            "usage": usage_of(usage_object(bill), service_tier),
        }
        if metadata is not None:
            told["openrouter_metadata"] = metadata
        end = event("message_delta", **told) + event("message_stop")
        return self._start() + self._blocks.end() + end

    def error(self, error: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        told = error_of(error)
        more = {} if metadata is None else {"openrouter_metadata": metadata}
        return event("error", error=told["error"], request_id=self._head.generation_id, **more)

    def _said(self, delta: dict[str, Any]) -> bytes:
        """Return the events for one delta, as `Deltas` shapes them."""
        blocks = self._blocks
        events = [blocks.thinking(thought)] if (thought := delta.get("reasoning")) else []
        for detail in details_of(delta):
            if "data" in detail:
                events.append(blocks.redacted(detail["data"]))
            else:
                events.append(blocks.signature(detail["signature"]))
        if refusal := delta.get("refusal"):
            self._refused = True
            events.append(blocks.text(refusal))
        if text := delta["content"]:
            events.append(blocks.text(text))
        events += [blocks.call(piece) for piece in delta.get("tool_calls") or ()]
        return b"".join(events)

    def _begun(self, events: bytes) -> bytes:
        return self._start() + events if events else b""

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        return event("message_start", message=opening(self._head)) + event("ping")
