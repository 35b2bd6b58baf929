"""What one API says and hears of a chat: the seam between its words and the gateway's.

Owns the interface alone. The gateway knows one request (`ChatRequest`, read from the body of a
chat completion) and one answer; a shape turns the body of its own API into the former and the
latter into what its clients parse. A shape routes nothing, and it is pure: it neither reads a
clock nor sends. The rule others rely on: one instance serves one request, so it may remember what
it read until the answer is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from providers.chat import Chunk, Reply
from routing.errors import ApiError
from routing.gateway.bill import Bill
from routing.limits import Limits

_PLACE_ENDS = re.compile(r"(?=[.\[])|$")


@dataclass(frozen=True, slots=True)
class Head:
    """What every object of an answer says of where it came from. `created` is in Unix seconds."""

    generation_id: str
    created: int
    model: str
    provider: str


class EventWriter(Protocol):
    """Writes the events of one stream, in order; each return value is whole events, or b""."""

    def event(self, chunk: Chunk) -> bytes:
        """Return what to send for one upstream chunk."""

    def debug(self, upstream_body: bytes) -> bytes:
        """Return what shows the JSON that one provider was sent."""

    def last(
        self,
        bill: Bill,
        reply: Reply,
        metadata: dict[str, Any] | None,
        service_tier: str | None = None,
    ) -> bytes:
        """Return what ends a stream that succeeded."""

    def error(self, error: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        """Return what ends a broken stream; `error` is the contract's error object."""


class Shape(Protocol):
    """How one API says what the gateway does."""

    @property
    def names(self) -> Mapping[str, str]:
        """What a place in a chat body is called in this API, where it is called otherwise.

        A place is a field, as in max_tokens, or one inside it, as in tools[2].function.
        """

    def chat_body(self, body: dict[str, Any], limits: Limits) -> dict[str, Any]:
        """Return the chat completion's body that asks for the same. Raises ApiError 400."""

    def answer(self, completion: dict[str, Any]) -> dict[str, Any]:
        """Return the whole answer for a chat.completion object (`shapes.chat.completion`)."""

    def writer(self, head: Head, *, hide_reasoning: bool) -> EventWriter:
        """Return the writer of the one stream that answers."""

    @staticmethod
    def error_body(error: ApiError) -> dict[str, Any]:
        """Return the body of an answer that is an error."""


def in_words_of(names: Mapping[str, str], error: ApiError) -> ApiError:
    """Return the error with the place it names, if any, called as the shape calls it."""
    path = error.metadata.get("path")
    place = _known(names, path) if isinstance(path, str) else ""
    if not isinstance(path, str) or not place:
        return error
    said = names[place] + path.removeprefix(place)
    return ApiError(
        error.status,
        said + error.message.removeprefix(path)
        if error.message.startswith(path)
        else error.message,
        error_type=error.error_type,
        metadata={**error.metadata, "path": said},
        availability=error.availability,
        headers=error.headers,
    )


def _known(names: Mapping[str, str], path: str) -> str:
    """Return the innermost place on the way to `path` that has another name; "" for none."""
    places = [path[: end.start()] for end in _PLACE_ENDS.finditer(path)]
    return next((place for place in reversed(places) if place in names), "")
