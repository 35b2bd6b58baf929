"""POST /api/v1/responses as a shape of chat.

Owns what is remembered between a request and its answer: what the answer repeats, which tools were
custom, where the request named each tool. The reading is `request`'s, the writing `output`'s and
`stream`'s. A whole answer is made as a stream is, of one piece, so that both show the same items.
"""

from collections.abc import Callable, Mapping
from typing import Any

from routing.errors import ApiError
from routing.gateway.shapes.responses.output import Output
from routing.gateway.shapes.responses.request import read
from routing.gateway.shapes.responses.response import (
    Settings,
    response,
    settings_of,
    status_of,
    usage_of,
)
from routing.gateway.shapes.responses.stream import ResponsesWriter
from routing.gateway.shapes.shape import Head
from routing.limits import Limits

_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
    "response_format.json_schema": "text.format",
    "tool_choice.function": "tool_choice",
    "verbosity": "text.verbosity",
}


class ResponsesShape:
    """The Responses API over chat. `clock` tells the time in Unix seconds, for `completed_at`."""

    clock: Callable[[], float] | None = None

    def __init__(self) -> None:
        self._settings: Settings = {}
        self._custom: frozenset[str] = frozenset()
        self._tool_places: list[str] = []

    @property
    def names(self) -> Mapping[str, str]:
        tools = {f"tools[{at}]": place for at, place in enumerate(self._tool_places)}
        flat = {f"{name}.function": place for name, place in tools.items()}
        return {**_NAMES, **tools, **flat}

    def chat_body(self, body: dict[str, Any], limits: Limits) -> dict[str, Any]:
        reading = read(body)
        self._settings = settings_of(body)
        self._custom = frozenset(reading.tools.custom)
        self._tool_places = reading.tools.places
        return reading.chat

    def answer(self, completion: dict[str, Any]) -> dict[str, Any]:
        [choice] = completion["choices"]
        head = Head(*(completion[name] for name in ("id", "created", "model", "provider")))
        fields = status_of(choice["finish_reason"])
        output = self._output(head)
        output.add(_numbered(choice["message"]), choice["logprobs"])
        output.end("completed" if fields["status"] == "completed" else "incomplete")
        return response(
            head,
            self._settings,
            **fields,
            completed_at=self._now(),
            output=output.shown(),
            service_tier=completion["service_tier"],
            usage=usage_of(completion["usage"]),
        )

    def writer(self, head: Head, *, hide_reasoning: bool) -> ResponsesWriter:
        output = self._output(head)
        return ResponsesWriter(
            head, self._settings, output, self._now, hide_reasoning=hide_reasoning
        )

    @staticmethod
    def error_body(error: ApiError) -> dict[str, Any]:
        # `code` is the number that OpenRouter's own clients parse, not the word of its guide.
        return {**error.body(), "error_type": error.error_type}

    def _output(self, head: Head) -> Output:
        return Output(head.generation_id, self._custom)

    def _now(self) -> int | None:
        return None if self.clock is None else int(self.clock())


def _numbered(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole message as one delta: its calls have numbers."""
    calls = message.get("tool_calls") or ()
    return {**message, "tool_calls": [{**call, "index": at} for at, call in enumerate(calls)]}
