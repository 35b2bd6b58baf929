"""The only module that opens connections to providers: pooled, guarded, bounded.

Owns slots per endpoint, connecting, the limits on what is read, and the translation of everything
the network can do into the errors of providers.errors. It parses no JSON beyond error bodies and
does not know time to first token, idle time or deadlines: the caller wraps it in asyncio.timeout.
Rules: a request is sent once, never retried here; every dialled address passes the guard; leaving
the context early closes the socket; text of the network library reaches no message and no log.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from providers.chat import loads
from providers.complaints import rejection_of
from providers.errors import (
    ProviderError,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
    parse_retry_after,
)
from providers.guard import AddressGuard, AddressRefused, check_url
from providers.slots import Slots
from providers.sse import Event, EventDecoder

if TYPE_CHECKING:
    from types import TracebackType

    from providers.secrets import Secret

logger = logging.getLogger(__name__)

DNS_TTL_S = 30
KEEPALIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where one attempt goes. Reuse the same object: its headers are prepared once."""

    endpoint_id: int
    url: str  # the full address of chat/completions
    credential: Secret | None
    max_in_flight: int = 64
    headers: tuple[tuple[str, str], ...] = ()


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


@dataclass(frozen=True, slots=True)
class _Route:
    """What is prepared once for a target."""

    target: Target
    url: URL
    headers: CIMultiDict[str]
    timeout: aiohttp.ClientTimeout


class UpstreamResponse:
    """A successful answer whose body is still to be read, once, by events() or read()."""

    __slots__ = ("_limits", "_protocol", "_response", "content_type", "is_event_stream", "status")

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        limits: ClientLimits,
        content_type: str,
        stream: bool,
    ) -> None:
        self.status = response.status
        self.content_type = content_type
        self.is_event_stream = content_type == "text/event-stream" or (stream and not content_type)
        self._response = response
        self._limits = limits
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
        content = self._response.content
        try:
            while chunk := await content.readany():
                room -= len(chunk)
                if room < 0:
                    raise UpstreamMalformed(reason="stream too large")
                events = decoder.feed(chunk)
                if events:
                    yield events
        except (aiohttp.ClientError, OSError) as error:
            self._raise_unless_ended(error)
        else:
            self._raise_if_reset()
            last = decoder.finish()
            if last:
                yield last

    async def read(self) -> bytes:
        """Return the whole body."""
        body = bytearray()
        content = self._response.content
        try:
            while chunk := await content.readany():
                body += chunk
                if len(body) > self._limits.body_bytes:
                    raise UpstreamMalformed(reason="body too large")
        except (aiohttp.ClientError, OSError):
            self._raise_if_reset()
            raise UpstreamMalformed("truncated", "the body ended early") from None
        self._raise_if_reset()
        return bytes(body)

    def _raise_unless_ended(self, error: Exception) -> None:
        self._raise_if_reset()
        if self._response.content_length is not None or not isinstance(
            error, aiohttp.ClientPayloadError
        ):
            raise UpstreamMalformed("truncated", "the stream ended early") from None

    def _raise_if_reset(self) -> None:
        # A body without a declared length seems to end well when the connection is reset: only
        # the protocol knows.
        lost = self._protocol.exception() if self._protocol is not None else None
        if isinstance(lost, OSError):
            raise UpstreamUnavailable("disconnected") from None


class _Exchange:
    """One request and its answer; an async context manager, written out because it is hot."""

    __slots__ = ("_body", "_client", "_response", "_route", "_slots", "_stream")

    def __init__(
        self, client: UpstreamClient, route: _Route, slots: Slots, body: bytes, stream: bool
    ) -> None:
        self._client = client
        self._route = route
        self._slots = slots
        self._body = body
        self._stream = stream
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> UpstreamResponse:
        if not await self._slots.acquire(self._client.limits.queue_s):
            raise UpstreamUnavailable("busy")
        try:
            self._response = await self._send()
            return await self._accept(self._response)
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        response, self._response = self._response, None
        try:
            if response is not None:
                _drop(response)
        finally:
            self._slots.release()

    async def _send(self) -> aiohttp.ClientResponse:
        route = self._route
        try:
            return await self._client.session().post(
                route.url,
                data=self._body,
                headers=route.headers,
                timeout=route.timeout,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise self._translate(error) from None

    def _translate(self, error: Exception) -> ProviderError:
        if isinstance(error, TimeoutError):
            return UpstreamUnavailable("timeout_connect")
        if isinstance(error, aiohttp.ClientConnectorError):
            if error.os_error.errno == errno.EACCES:
                endpoint_id = self._route.target.endpoint_id
                logger.warning("endpoint %d resolves to an address that is refused", endpoint_id)
            return UpstreamUnavailable("connect_error")
        if isinstance(error, aiohttp.InvalidURL):
            return UpstreamUnavailable("connect_error")
        if isinstance(error, aiohttp.ClientResponseError):
            return UpstreamMalformed(reason="not HTTP")
        return UpstreamUnavailable("disconnected")

    async def _accept(self, response: aiohttp.ClientResponse) -> UpstreamResponse:
        status = response.status
        if status >= 400:
            raise await self._rejection(response)
        if status != 200:
            raise UpstreamMalformed(reason=f"status {status}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UpstreamMalformed(reason="an encoded body")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not _is_readable(kind, self._stream):
            raise UpstreamMalformed(reason="an unexpected content type")
        return UpstreamResponse(response, self._client.limits, kind, self._stream)

    async def _rejection(self, response: aiohttp.ClientResponse) -> UpstreamRejected:
        body = await self._error_body(response)
        try:
            value = loads(body)
        except UpstreamMalformed:
            value = None
        retry_after = parse_retry_after(response.headers.get("Retry-After"), time.time())
        credential = self._route.target.credential
        hide = credential.reveal() if credential is not None else ""
        return rejection_of(response.status, value, retry_after, hide)

    async def _error_body(self, response: aiohttp.ClientResponse) -> bytes:
        """Return what arrives of an error's body within the limits; the status counts more."""
        limits, body = self._client.limits, bytearray()
        try:
            async with asyncio.timeout(limits.error_body_s):
                while len(body) < limits.error_body_bytes:
                    chunk = await response.content.read(limits.error_body_bytes - len(body))
                    if not chunk:
                        break
                    body += chunk
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        return bytes(body)


class UpstreamClient:
    """Connections to all endpoints for one event loop; close() it in the same loop."""

    def __init__(self, guard: AddressGuard, limits: ClientLimits | None = None) -> None:
        self.limits = limits or ClientLimits()
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None
        self._routes: dict[int, _Route] = {}
        self._slots: dict[int, Slots] = {}

    def open(self, target: Target, body: bytes, *, stream: bool) -> _Exchange:
        """Return a context manager that sends body and gives an UpstreamResponse.

        Entering it raises ProviderError for whatever is not a readable success.
        """
        route = self._routes.get(target.endpoint_id)
        if route is None or route.target is not target:
            route = self._prepare(target)
        return _Exchange(self, route, self._slots[target.endpoint_id], body, stream)

    def in_flight(self, endpoint_id: int) -> int:
        slots = self._slots.get(endpoint_id)
        return slots.held if slots is not None else 0

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def session(self) -> aiohttp.ClientSession:
        # Made on first use, inside the running loop.
        if self._session is None:
            self._session = self._build_session()
        return self._session

    def _prepare(self, target: Target) -> _Route:
        route = _Route(target, _parse_url(target.url), _headers_of(target), self._timeout(target))
        slots = self._slots.get(target.endpoint_id)
        if slots is None:
            self._slots[target.endpoint_id] = Slots(target.max_in_flight)
        else:
            slots.resize(target.max_in_flight)
        self._routes[target.endpoint_id] = route
        return route

    def _timeout(self, target: Target) -> aiohttp.ClientTimeout:
        # aiohttp has one limit for the TCP and the TLS handshake together.
        limits = self.limits
        secure = target.url.startswith("https:")
        return aiohttp.ClientTimeout(
            total=None,
            connect=limits.connect_s + (limits.tls_s if secure else 0),
            sock_connect=max(limits.connect_s, limits.tls_s) if secure else limits.connect_s,
            ceil_threshold=1e9,
        )

    def _build_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # Slots is the limit; a second queue would only hide it
            ttl_dns_cache=DNS_TTL_S,
            keepalive_timeout=KEEPALIVE_S,
            socket_factory=self._dial,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=8190,
            max_field_size=self.limits.header_bytes,
        )

    def _dial(self, address_info: Any) -> socket.socket:
        """Make the socket for an address about to be dialled, unless the guard refuses it."""
        family, kind, protocol, _, address = address_info
        try:
            self._guard.check(address[0])
            if len(address) == 4 and address[3]:
                raise AddressRefused(address[0], "it has a zone")
        except AddressRefused:
            # An OSError, as the connector passes over these to the next address.
            raise PermissionError(errno.EACCES, "address refused") from None
        return socket.socket(family, kind, protocol)


def _drop(response: aiohttp.ClientResponse) -> None:
    """Close the connection unless the body was read to its end, which gave it back already."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()  # close() would first try to send what is still buffered
    response.close()


def _is_readable(content_type: str, stream: bool) -> bool:
    if content_type == "text/event-stream":
        return stream
    return content_type in ("", "application/json", "text/json") or content_type.endswith("+json")


def _parse_url(url: str) -> URL:
    try:
        check_url(url)
        return URL(url)
    except ValueError:
        raise UpstreamUnavailable("connect_error") from None


def _headers_of(target: Target) -> CIMultiDict[str]:
    headers = CIMultiDict(target.headers)
    headers["Content-Type"] = "application/json"
    headers["Accept"] = "text/event-stream, application/json"
    headers["Accept-Encoding"] = "identity"
    if target.credential is not None:
        headers["Authorization"] = f"Bearer {target.credential.reveal()}"
    for name, value in headers.items():
        if not (name.isascii() and value.isascii() and value.isprintable() and name.isprintable()):
            raise UpstreamUnavailable("connect_error")
    return headers
