"""The Messages API as a shape of chat.

Owns no more than who does what; each part has a module beside this one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from routing.errors import ApiError
from routing.gateway.shapes.messages import answer, errors, request
from routing.gateway.shapes.messages.stream import MessageWriter
from routing.gateway.shapes.shape import Head
from routing.limits import Limits


class MessagesShape:
    """One request to /messages, and what answers it."""

    names: ClassVar[Mapping[str, str]] = {
        "stop": "stop_sequences",
        "user": "metadata.user_id",
        "reasoning": "thinking",
        "response_format": "output_config.format",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    }

    def __init__(self) -> None:
        self._stops: list[str] = []

    def chat_body(self, body: dict[str, Any], limits: Limits) -> dict[str, Any]:
        asked = request.chat_body(body)
        self._stops = body.get("stop_sequences") or []
        return asked

    def answer(self, completion: dict[str, Any]) -> dict[str, Any]:
        return answer.message(completion, self._stops)

    def writer(self, head: Head, *, hide_reasoning: bool) -> MessageWriter:
        return MessageWriter(head, self._stops, hide_reasoning=hide_reasoning)

    @staticmethod
    def error_body(error: ApiError) -> dict[str, Any]:
        return errors.error_of(error.body()["error"])
