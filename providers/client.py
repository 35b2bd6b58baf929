"""The only module that opens connections to providers: pooled, guarded, bounded.

Owns slots per endpoint, connecting, the limits on what is read, and the translation of everything
the network can do into the errors of providers.errors. It parses no JSON beyond error bodies and
does not know time to first token, idle time or deadlines: the caller wraps it in asyncio.timeout.
Rules: a request is sent once, never retried here; every dialled address passes the guard; leaving
the context early closes the socket; text of the network library reaches no message and no log.
"""

from __future__ import annotations

import errno
import io
import logging
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from providers.answers import (
    ClientLimits,
    GuardedResponse,
    UpstreamResponse,
    read_error_body,
    refuse_unusable,
)
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

if TYPE_CHECKING:
    from types import TracebackType

    from providers.secrets import Secret

__all__ = ["ClientLimits", "Target", "UpstreamClient", "UpstreamResponse"]

logger = logging.getLogger(__name__)

DNS_TTL_S = 30
KEEPALIVE_S = 30.0
WHOLE_BODY_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where one attempt goes. Reuse the same object: its headers are prepared once."""

    endpoint_id: int
    url: str  # the full address of chat/completions
    credential: Secret | None
    max_in_flight: int = 64
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Route:
    """What is prepared once for a target."""

    target: Target
    url: URL
    headers: CIMultiDict[str]
    timeout: aiohttp.ClientTimeout


class _Exchange:
    """One request and its answer; an async context manager, written out because it is hot."""

    __slots__ = ("_answer", "_body", "_client", "_response", "_route", "_slots", "_stream")

    def __init__(
        self, client: UpstreamClient, route: _Route, slots: Slots, body: bytes, stream: bool
    ) -> None:
        self._client = client
        self._route = route
        self._slots = slots
        self._body = body
        self._stream = stream
        self._response: aiohttp.ClientResponse | None = None
        self._answer: UpstreamResponse | None = None

    async def __aenter__(self) -> UpstreamResponse:
        if not await self._slots.acquire(self._client.limits.queue_s):
            raise UpstreamUnavailable("busy")
        try:
            self._response = await self._send()
            self._answer = await self._accept(self._response)
            return self._answer
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._answer is not None:
                await self._answer.settle()
        finally:
            self._leave()

    def _leave(self) -> None:
        """Give the slot back, and close the connection unless the body was read to its end."""
        response, self._response = self._response, None
        try:
            if response is not None:
                response.close()
        finally:
            self._slots.release()

    async def _send(self) -> aiohttp.ClientResponse:
        route, body = self._route, self._body
        try:
            return await self._client.session().post(
                route.url,
                # In pieces if it is long: one write of megabytes holds up all other requests.
                data=body if len(body) <= WHOLE_BODY_BYTES else io.BytesIO(body),
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
            return self._translate_connecting(error.os_error.errno)
        if isinstance(error, aiohttp.InvalidURL):
            return UpstreamUnavailable("connect_error")
        if isinstance(error, aiohttp.ClientResponseError):
            return UpstreamMalformed(reason="not HTTP")
        return UpstreamUnavailable("disconnected")

    def _translate_connecting(self, code: int | None) -> ProviderError:
        if code == errno.EACCES:
            endpoint_id = self._route.target.endpoint_id
            logger.warning("endpoint %d: its address is refused by the guard", endpoint_id)
        return UpstreamUnavailable(
            "timeout_connect" if code == errno.ETIMEDOUT else "connect_error"
        )

    async def _accept(self, response: aiohttp.ClientResponse) -> UpstreamResponse:
        if response.status >= 400:
            raise await self._rejection(response)
        refuse_unusable(response, self._client.limits, stream=self._stream)
        return UpstreamResponse(response, self._client.limits, stream=self._stream)

    async def _rejection(self, response: aiohttp.ClientResponse) -> UpstreamRejected:
        body = await read_error_body(response, self._client.limits)
        try:
            value = loads(body)
        except UpstreamMalformed:
            value = None
        retry_after = parse_retry_after(response.headers.get("Retry-After"), time.time())
        credential = self._route.target.credential
        hide = credential.reveal() if credential is not None else ""
        return rejection_of(response.status, value, retry_after, hide)


class UpstreamClient:
    """Connections to all endpoints for one event loop; close() it in the same loop."""

    def __init__(self, guard: AddressGuard, limits: ClientLimits | None = None) -> None:
        self.limits = limits or ClientLimits()
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._routes: dict[int, _Route] = {}
        self._slots: dict[int, Slots] = {}

    def open(self, target: Target, body: bytes, *, stream: bool) -> _Exchange:
        """Return a context manager that sends body and gives an UpstreamResponse.

        Entering it raises ProviderError for whatever is not a readable success.
        """
        route = self._routes.get(target.endpoint_id)
        if route is None or (route.target is not target and route.target != target):
            route = self._prepare(target)
        return _Exchange(self, route, self._slots[target.endpoint_id], body, stream)

    def in_flight(self, endpoint_id: int) -> int:
        slots = self._slots.get(endpoint_id)
        return slots.held if slots is not None else 0

    async def close(self) -> None:
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def session(self) -> aiohttp.ClientSession:
        # Made on first use, inside the running loop.
        if self._closed:
            raise UpstreamUnavailable("disconnected")
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
            response_class=GuardedResponse,
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
