"""What the gateway asks providers through: one request, its slot, its connection, its answer.

Owns slots per endpoint, the head of every request, and the translation of everything the network
can do before an answer into the errors of providers.errors. It dials nothing (providers.dialer
does), parses no JSON beyond error bodies and does not know time to first token, idle time or
deadlines: the caller wraps it in asyncio.timeout. Rules: a request is sent once, never retried
here; leaving the context early closes the socket; text of the network reaches no message, no log.
"""

from __future__ import annotations

import errno
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from providers.answers import (
    ClientLimits,
    UpstreamResponse,
    read_error_body,
    refuse_unusable,
)
from providers.chat import loads
from providers.complaints import rejection_of
from providers.dialer import Dialer, Origin
from providers.errors import (
    ProviderError,
    UpstreamMalformed,
    UpstreamUnavailable,
    parse_retry_after,
)
from providers.guard import AddressGuard, check_url
from providers.pool import Pool
from providers.slots import Slots

if TYPE_CHECKING:
    from types import TracebackType

    from providers.connection import Connection
    from providers.secrets import Secret

__all__ = ["ClientLimits", "Target", "UpstreamClient", "UpstreamResponse"]

logger = logging.getLogger(__name__)

# Source: RFC 9110, sections 5.1 and 5.5; nothing that could end a line, and no text beyond ASCII.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[ -~]*")
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one attempt goes. Reuse the same object: its headers are prepared once.

    `passing`: a credential of somebody's own, for which nothing is kept from request to request.
    """

    endpoint_id: int
    url: str  # the full address, such as …/v1/chat/completions
    credential: Secret | None
    max_in_flight: int = 64
    headers: tuple[tuple[str, str], ...] = ()
    passing: bool = False


@dataclass(frozen=True, slots=True)
class _Route:
    """What is prepared once for a target."""

    target: Target
    origin: Origin
    head: bytes  # of a request, up to the value of Content-Length


class _Exchange:
    """One request and its answer; an async context manager, written out because it is hot."""

    __slots__ = ("_answer", "_body", "_client", "_connection", "_route", "_slots", "_stream")

    def __init__(
        self, client: UpstreamClient, route: _Route, slots: Slots, body: bytes, stream: bool
    ) -> None:
        self._client = client
        self._route = route
        self._slots = slots
        self._body = body
        self._stream = stream
        self._connection: Connection | None = None
        self._answer: UpstreamResponse | None = None

    async def __aenter__(self) -> UpstreamResponse:
        if not await self._slots.acquire(self._client.limits.queue_s):
            raise UpstreamUnavailable("busy")
        try:
            self._answer = await self._accept(await self._send())
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
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                self._client.pool.give_back(self._route.origin, connection)
        finally:
            self._slots.release()

    async def _send(self) -> Connection:
        """Return a connection with the head of the answer."""
        route, body = self._route, self._body
        connection = self._connection = await self._connect()
        connection.ask(b"%s%d\r\n\r\n" % (route.head, len(body)), body)
        self._body = body = b""  # sent once: while the answer is awaited nobody needs it
        await connection.head()
        if connection.ended in ("garbled", "headers too large"):
            reason = "not HTTP" if connection.ended == "garbled" else connection.ended
            raise UpstreamMalformed(reason=reason)
        if not connection.headed:
            raise UpstreamUnavailable("disconnected")
        return connection

    async def _connect(self) -> Connection:
        if self._client.closed:
            raise UpstreamUnavailable("disconnected")
        try:
            return await self._client.pool.take(self._route.origin)
        except OSError as error:
            raise self._translate(error) from None

    def _translate(self, error: OSError) -> ProviderError:
        if error.errno == errno.EACCES:
            endpoint_id = self._route.target.endpoint_id
            logger.warning("endpoint %d: its address is refused by the guard", endpoint_id)
        return UpstreamUnavailable(
            "timeout_connect" if isinstance(error, TimeoutError) else "connect_error"
        )

    async def _accept(self, connection: Connection) -> UpstreamResponse:
        if connection.status >= 400:
            raise await self._rejection(connection)
        refuse_unusable(connection, stream=self._stream)
        return UpstreamResponse(connection, self._client.limits, stream=self._stream)

    async def _rejection(self, connection: Connection) -> ProviderError:
        body = await read_error_body(connection, self._client.limits)
        try:
            value = loads(body)
        except UpstreamMalformed:
            value = None
        told = connection.header(b"retry-after").decode("latin-1")
        retry_after = parse_retry_after(told, time.time())
        credential = self._route.target.credential
        hide = credential.reveal() if credential is not None else ""
        return rejection_of(connection.status, value, retry_after, hide)


class UpstreamClient:
    """Connections to all endpoints for one event loop; close() it in the same loop."""

    def __init__(self, guard: AddressGuard, limits: ClientLimits | None = None) -> None:
        self.limits = limits or ClientLimits()
        self.closed = False
        dialer = Dialer(guard, connect_s=self.limits.connect_s, tls_s=self.limits.tls_s)
        self.pool = Pool(dialer, self.limits.header_bytes)
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
        self.closed = True
        await self.pool.close()

    def _prepare(self, target: Target) -> _Route:
        route = _route_to(target)
        slots = self._slots.get(target.endpoint_id)
        if slots is None:
            self._slots[target.endpoint_id] = Slots(target.max_in_flight)
        else:
            slots.resize(target.max_in_flight)
        if not target.passing:
            self._routes[target.endpoint_id] = route
        return route


def _route_to(target: Target) -> _Route:
    """Prepare what does not change from request to request. Raises UpstreamUnavailable."""
    headers = _headers_of(target)
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(text) for name, text in headers.items()):
        raise UpstreamUnavailable("connect_error")
    try:
        check_url(target.url)
        parts = urlsplit(target.url)
        host = (parts.hostname or "").encode("idna").decode()
        origin = Origin(parts.scheme == "https", host, parts.port or _usual_port(parts.scheme))
    except ValueError:
        raise UpstreamUnavailable("connect_error") from None
    path = quote(parts.path or "/", _PATH_SAFE) + (
        f"?{quote(parts.query, _PATH_SAFE + '?')}" if parts.query else ""
    )
    lines = [f"POST {path} HTTP/1.1", f"Host: {_authority(origin)}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    return _Route(target, origin, "\r\n".join([*lines, "Content-Length: "]).encode())


def _headers_of(target: Target) -> dict[str, str]:
    headers = dict(target.headers)
    headers["Content-Type"] = "application/json"
    headers["Accept"] = "text/event-stream, application/json"
    headers["Accept-Encoding"] = "identity"
    if target.credential is not None:
        headers["Authorization"] = f"Bearer {target.credential.reveal()}"
    return headers


def _usual_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    usual = origin.port == _usual_port("https" if origin.secure else "http")
    return host if usual else f"{host}:{origin.port}"
