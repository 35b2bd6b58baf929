"""Reading what a provider answers, within limits, and telling how an answer broke off.

Owns the body of one answer: as events, as a whole, or as the little of an error body that is
looked at. It opens nothing (providers.client does) and parses no JSON. Rule: aiohttp's exceptions
end here and in providers.client; their text, which may hold credentials, goes nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from providers.errors import UpstreamMalformed, UpstreamUnavailable
from providers.sse import Event, EventDecoder

# How long a finished stream is read on, so that its connection can be used again: the bytes that
# end the body often come one packet after [DONE].
AFTER_DONE_S = 0.05
AFTER_DONE_BYTES = 4096

NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)


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


class GuardedResponse(aiohttp.ClientResponse):
    """A response that is careful about its connection, at both ends of its life."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        # Nothing of the request is sent yet, so what is here already answers something else: a
        # provider sent more than it declared on a connection that was kept.
        if connection.protocol is None or connection.protocol.should_close:
            if connection.transport is not None:
                connection.transport.abort()
            raise aiohttp.ServerDisconnectedError
        return await super().start(connection)

    def close(self) -> None:
        # aiohttp would first send what is left of the request, for ever if the provider does not
        # read it.
        connection = self.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        super().close()


class UpstreamResponse:
    """A successful answer whose body is still to be read, once, by events() or read()."""

    __slots__ = (
        "_done",
        "_limits",
        "_protocol",
        "_response",
        "content_type",
        "is_event_stream",
        "status",
    )

    def __init__(
        self, response: aiohttp.ClientResponse, limits: ClientLimits, *, stream: bool
    ) -> None:
        self.status = response.status
        self.content_type = content_type_of(response)
        self.is_event_stream = self.content_type == "text/event-stream" or (
            stream and not self.content_type
        )
        self._response = response
        self._limits = limits
        self._done = False
        # Kept because the response lets go of it when the body ends, well or badly.
        connection = response.connection
        self._protocol = connection.protocol if connection is not None else None

    async def events(self) -> AsyncIterator[list[Event]]:
        """Yield the events of each piece the network delivers, [DONE] among them, until the end.

        A stream that just ends is not an error here: whether it was complete is told by the finish
        reason, which the caller looks for. An event that was cut off is dropped then.
        """
        decoder = EventDecoder(self._limits.event_bytes)
        room = self._limits.body_bytes
        while chunk := await self._next_chunk():
            room -= len(chunk)
            if room < 0:
                raise UpstreamMalformed(reason="stream too large")
            events = decoder.feed(chunk)
            if events:
                self._done = events[-1].data == b"[DONE]"
                yield events
        if self._response.content.exception() is None:
            last = decoder.finish()
            if last:
                yield last

    async def read(self) -> bytes:
        """Return the whole body."""
        body = bytearray()
        while chunk := await self._next_chunk():
            body += chunk
            if len(body) > self._limits.body_bytes:
                raise UpstreamMalformed(reason="body too large")
        if self._response.content.exception() is not None:
            raise UpstreamMalformed("truncated", "the body ended early")
        return bytes(body)

    async def settle(self) -> None:
        """Read the end of a body whose last event was seen, but do not wait for more."""
        content, room = self._response.content, AFTER_DONE_BYTES
        if not self._done or content.at_eof():
            return
        try:
            async with asyncio.timeout(AFTER_DONE_S):
                while room > 0 and (chunk := await content.readany()):
                    room -= len(chunk)
        except (*NETWORK_ERRORS, TimeoutError):
            return

    async def _next_chunk(self) -> bytes:
        """Return what has arrived; nothing at the end, also at one that came too early.

        Raises UpstreamUnavailable if the connection was reset and UpstreamMalformed if the body is
        shorter than its declared length or breaks the rules of HTTP.
        """
        try:
            chunk = await self._response.content.readany()
        except NETWORK_ERRORS as error:
            self._raise_if_reset()
            if self._response.content_length is not None:
                raise UpstreamMalformed("truncated", "the body ended early") from None
            if not isinstance(error, aiohttp.ClientPayloadError):
                raise UpstreamMalformed(reason="not HTTP") from None
            return b""
        if not chunk and self._ends_with_connection():
            # Such a body seems to end well also when the connection is reset.
            self._raise_if_reset()
        return chunk

    def _ends_with_connection(self) -> bool:
        response = self._response
        return response.content_length is None and "Transfer-Encoding" not in response.headers

    def _raise_if_reset(self) -> None:
        lost = self._protocol.exception() if self._protocol is not None else None
        if isinstance(lost, OSError):
            raise UpstreamUnavailable("disconnected") from None


async def read_error_body(response: aiohttp.ClientResponse, limits: ClientLimits) -> bytes:
    """Return what arrives of an error's body within the limits; its status counts more."""
    body = bytearray()
    try:
        async with asyncio.timeout(limits.error_body_s):
            while room := limits.error_body_bytes - len(body):
                chunk = await response.content.read(room)
                if not chunk:
                    break
                body += chunk
    except (*NETWORK_ERRORS, TimeoutError):
        return bytes(body)
    return bytes(body)


def refuse_unusable(
    response: aiohttp.ClientResponse, limits: ClientLimits, *, stream: bool
) -> None:
    """Raise UpstreamMalformed for an answer below 400 that cannot hold a reply."""
    if sum(len(name) + len(value) for name, value in response.raw_headers) > limits.header_bytes:
        raise UpstreamMalformed(reason="headers too large")
    if response.status != 200:
        raise UpstreamMalformed(reason=f"status {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamMalformed(reason="an encoded body")
    content_type = content_type_of(response)
    if content_type == "text/event-stream":
        readable = stream
    else:
        readable = content_type in ("", "application/json") or content_type.endswith("+json")
    if not readable:
        raise UpstreamMalformed(reason="an unexpected content type")


def content_type_of(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
