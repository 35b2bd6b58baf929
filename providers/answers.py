"""Reading what a provider answers, within limits, and telling how an answer broke off.

Owns the body of one answer: as events, as a whole, or as the little of an error body that is
looked at. It opens nothing (providers.client does) and parses no JSON. Rule: what has arrived is
given out before it is told that nothing more will.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from providers.errors import UpstreamMalformed, UpstreamUnavailable
from providers.sse import Event, EventDecoder

if TYPE_CHECKING:
    from providers.connection import Connection
    from providers.texts import Text, TextEvents

# How long a finished stream is read on, so that its connection can be used again: the bytes that
# end the body often come one packet after [DONE].
AFTER_DONE_S = 0.05
AFTER_DONE_BYTES = 4096
# Of a body that may be far longer.
PIECE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class ClientLimits:
    connect_s: float = 3.0
    tls_s: float = 5.0
    queue_s: float = 0.25
    error_body_s: float = 2.0
    error_body_bytes: int = 16 * 1024
    body_bytes: int = 16 * 1024 * 1024
    event_bytes: int = 1024 * 1024
    header_bytes: int = 32 * 1024


class Taker(NamedTuple):
    """Who has the events of a stream at once, in the loop's callback. Neither waits nor raises."""

    texts: TextEvents  # which events are known but for their text
    text: Callable[[Text], None]  # takes the text of such a one
    data: Callable[[bytes], bool]  # takes the data of any other, if it returns True


class UpstreamResponse:
    """A successful answer whose body is still to be read, once, by events() or read()."""

    __slots__ = (
        "_connection",
        "_decoder",
        "_done",
        "_limits",
        "_over",
        "_room",
        "content_type",
        "is_event_stream",
        "status",
    )

    def __init__(self, connection: Connection, limits: ClientLimits, *, stream: bool) -> None:
        self.status = connection.status
        self.content_type = content_type_of(connection)
        self.is_event_stream = self.content_type == "text/event-stream" or (
            stream and not self.content_type
        )
        self._connection = connection
        self._limits = limits
        self._decoder = EventDecoder(limits.event_bytes)
        self._room = limits.body_bytes
        self._done = False
        self._over = False

    async def events(self) -> list[Event]:
        """Return the events that have arrived, or wait for some; [DONE] is one; none at the end.

        A stream that just ends is not an error here: whether it was complete is told by the finish
        reason, which the caller looks for. An event that was cut off is dropped then.
        """
        connection = self._connection
        while not self._over:
            chunk = connection.take()
            if chunk:
                if events := self._decoded(chunk):
                    return events
            elif connection.ended is None:
                await connection.change()
            else:
                self._over = True
                self._check_end()
                # Only an end that may have been meant completes the last event.
                return self._decoder.finish() if connection.ended == "complete" else []
        return []

    def _decoded(self, chunk: bytes) -> list[Event]:
        self._room -= len(chunk)
        if self._room < 0:
            raise UpstreamMalformed(reason="stream too large")
        events = self._decoder.feed(chunk)
        if events:
            self._done = events[-1].data == b"[DONE]"
        return events

    def offer(self, taker: Taker | None) -> None:
        """Let taker have each event that comes alone while events() waits for some.

        What it leaves is returned by events(). [DONE] is offered as well.
        """
        if taker is None:
            self._connection.offer(None)
            return
        decoder, texts, on_text, on_data = self._decoder, taker.texts, taker.text, taker.data
        most = decoder.most

        def take(chunk: bytes) -> bool:
            size = len(chunk)
            if size > self._room or size > most:
                return False
            if decoder.idle and (text := texts.block.match(chunk)) is not None:
                on_text(text)
            elif not (data := decoder.one_of(chunk)) or not on_data(data):
                return False
            self._room -= size
            return True

        self._connection.offer(take)

    async def read(self) -> bytes:
        """Return the whole body."""
        body = bytearray()
        while chunk := await self._connection.read():
            body += chunk
            if len(body) > self._limits.body_bytes:
                raise UpstreamMalformed(reason="body too large")
        self._check_complete()
        return bytes(body)

    async def pieces(self, most: int) -> list[bytes]:
        """Return the whole body, of at most `most` bytes, in pieces that are quick to copy."""
        pieces, piece = [], bytearray()
        while chunk := await self._connection.read():
            most -= len(chunk)
            if most < 0:
                raise UpstreamMalformed(reason="body too large")
            piece += chunk
            if len(piece) >= PIECE_BYTES:
                pieces.append(bytes(piece))
                piece.clear()
        self._check_complete()
        return [*pieces, bytes(piece)]

    async def settle(self) -> None:
        """Read the end of a body whose last event was seen, but do not wait for more."""
        connection, room = self._connection, AFTER_DONE_BYTES
        if not self._done:
            return
        connection.take()
        if connection.ended is not None:
            return
        try:
            async with asyncio.timeout(AFTER_DONE_S):
                while room > 0 and (chunk := await connection.read()):
                    room -= len(chunk)
        except TimeoutError:
            return

    def _check_complete(self) -> None:
        self._check_end()
        if self._connection.ended != "complete":
            raise UpstreamMalformed("truncated", "the body ended early")

    def _check_end(self) -> None:
        """Raise for an end that cannot have been meant.

        UpstreamUnavailable if the connection was reset, UpstreamMalformed if the body is shorter
        than its declared length or breaks the rules of HTTP.
        """
        ended = self._connection.ended
        if ended == "reset":
            raise UpstreamUnavailable("disconnected")
        if ended == "cut" and self._connection.length is not None:
            raise UpstreamMalformed("truncated", "the body ended early")
        if ended not in ("complete", "cut"):
            raise UpstreamMalformed(reason="not HTTP")


async def read_error_body(connection: Connection, limits: ClientLimits) -> bytes:
    """Return what arrives of an error's body within the limits; its status counts more."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.error_body_s):
            while len(body) < limits.error_body_bytes and (chunk := await connection.read()):
                body += chunk
    except TimeoutError:
        pass
    return bytes(body[: limits.error_body_bytes])


def refuse_unusable(connection: Connection, *, stream: bool) -> None:
    """Raise UpstreamMalformed for an answer below 400 that cannot hold a reply."""
    if connection.status != 200:
        raise UpstreamMalformed(reason=f"status {connection.status}")
    codings = [value for name, value in connection.headers if name == b"content-encoding"]
    if any(coding.lower() != b"identity" for coding in codings):
        raise UpstreamMalformed(reason="an encoded body")
    content_type = content_type_of(connection)
    if content_type == "text/event-stream":
        readable = stream
    else:
        readable = content_type in ("", "application/json") or content_type.endswith("+json")
    if not readable:
        raise UpstreamMalformed(reason="an unexpected content type")


def content_type_of(connection: Connection) -> str:
    told = connection.header(b"content-type").decode("latin-1")
    return told.partition(";")[0].strip().lower()
