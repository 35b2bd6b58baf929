"""The events of one /responses stream.

Owns their order and numbers: created and in_progress, what the output tells, and one that ends it,
then [DONE]. It reads chunks as chat does (`Deltas`), so that no quirk of a provider's is known
here. The rules others rely on: `sequence_number` counts from 0 without a gap; the Response that
ends a stream holds all that its deltas said.
"""

from collections.abc import Callable
from typing import Any

import orjson

from providers.chat import Chunk, Reply
from routing.gateway.bill import Bill
from routing.gateway.shapes.chat import DONE, Deltas, usage_object
from routing.gateway.shapes.responses.items import Event, Message, Part
from routing.gateway.shapes.responses.output import Output
from routing.gateway.shapes.responses.response import (
    Settings,
    failure,
    response,
    status_of,
    usage_of,
)
from routing.gateway.shapes.shape import Head


class ResponsesWriter:
    """Turns upstream chunks into the events of one stream; `now` is asked once, at its end."""

    def __init__(
        self,
        head: Head,
        settings: Settings,
        output: Output,
        now: Callable[[], int | None],
        *,
        hide_reasoning: bool = False,
    ) -> None:
        self._head = head
        self._settings = settings
        self._output = output
        self._now = now
        self._deltas = Deltas(hide_reasoning=hide_reasoning)
        self._sequence = 0
        # A part of a message, and what stands before the number of each of its deltas.
        self._before: tuple[Part, bytes] | None = None

    def event(self, chunk: Chunk) -> bytes:
        """Return the events for one upstream chunk; b"" if it says nothing new."""
        opening = self._opening()
        if isinstance(chunk, str):
            return opening + self._text(chunk)
        choice = self._deltas.choice(chunk)
        if choice is None:
            return opening
        return opening + self._events(self._output.add(choice["delta"], choice.get("logprobs")))

    def debug(self, upstream_body: bytes) -> bytes:
        """Return the event that shows what JSON one provider was sent."""
        shown = {"echo_upstream_body": orjson.Fragment(upstream_body)}
        return self._opening() + self._events([{"type": "response.debug", "debug": shown}])

    def last(
        self,
        bill: Bill,
        reply: Reply,
        metadata: dict[str, Any] | None,
        service_tier: str | None = None,
    ) -> bytes:
        """Return the events that end the items and the stream, and [DONE]."""
        opening, fields = self._opening(), status_of(self._deltas.end(reply)[0])
        status = "completed" if fields["status"] == "completed" else "incomplete"
        told = opening + self._events(self._output.end(status))
        fields["usage"] = usage_of(usage_object(bill))
        fields["service_tier"] = service_tier
        return told + self._end(fields, metadata)

    def error(self, error: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        """Return the event that ends a broken stream, and [DONE]."""
        opening = self._opening()
        self._output.broken_off()
        return opening + self._end(failure(error), metadata)

    def _opening(self) -> bytes:
        if self._sequence:
            return b""
        begun = response(self._head, self._settings, "in_progress")
        return self._events(
            [
                {"type": "response.created", "response": begun},
                {"type": "response.in_progress", "response": begun},
            ]
        )

    def _end(self, fields: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        if metadata is not None:
            fields["openrouter_metadata"] = metadata
        if fields["status"] != "failed":
            fields["completed_at"] = self._now()
        fields["output"] = self._output.shown()
        whole = response(self._head, self._settings, **fields)
        return self._events([{"type": f"response.{fields['status']}", "response": whole}]) + DONE

    def _text(self, text: str) -> bytes:
        """Return the event for a chunk that only goes on with a text.

        Nearly every event of a long answer is one of these, so what they have in common is
        encoded once.
        """
        message = self._output.message
        part = message.parts[-1] if message is not None and message.parts else None
        if message is None or part is None or part.kind != "output_text":
            return self._events(self._output.add({"content": text}))
        part.texts.append(text)
        number = b"%d" % self._sequence
        self._sequence += 1
        before = self._before_text(message, part)
        return before + number + b',"delta":' + orjson.dumps(text) + b"}\n\n"

    def _before_text(self, message: Message, part: Part) -> bytes:
        known = self._before
        if known is None or known[0] is not part:
            event = message.delta(part, "", [])
            del event["delta"]
            head = b"event: " + event["type"].encode() + b"\ndata: " + orjson.dumps(event)[:-1]
            known = self._before = (part, head + b',"sequence_number":')
        return known[1]

    def _events(self, events: list[Event]) -> bytes:
        return b"".join(map(self._encoded, events))

    def _encoded(self, event: Event) -> bytes:
        kind: str = event["type"]
        numbered = {"type": kind, "sequence_number": self._sequence, **event}
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(numbered) + b"\n\n"
