"""What comes in before any framework sees it: header limits, body limits, deadlines.

Owns the guard that ASGI servers lack (they have no time-out for a body and no limit for its
size) and the plain request object of the hot path. It routes and authenticates nothing. The rule
others rely on: past this point a body is complete, within its limit, and in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from routing.errors import ApiError, ClientGone
from routing.gateway import eager
from routing.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class LeanRequest(HttpRequest):
    """An HttpRequest made straight from an ASGI scope, with the headers in META.

    It has no query, form, cookies or files: no lean view reads them, and to make them empty anew
    for each request took longer than all else here.
    """

    GET = POST = QueryDict("")
    COOKIES: dict[str, str] = {}
    FILES: "MultiValueDict[str, UploadedFile[bytes]]" = MultiValueDict()

    def __init__(self, scope: Scope) -> None:
        self.META = {}
        self.content_type = self.content_params = self.resolver_match = None
        self.method = scope["method"]
        self.path = self.path_info = scope["path"]
        for raw_name, raw_value in scope["headers"]:
            # `a_b` and `a-b` would become one META name: the ambiguous spelling is not read.
            if b"_" not in raw_name:
                name = raw_name.decode("latin-1").upper().replace("-", "_")
                value = raw_value.decode("latin-1")
                key = f"HTTP_{name}"
                self.META[key] = f"{self.META[key]},{value}" if key in self.META else value


def check_headers(scope: Scope, limits: Limits) -> None:
    """Raise ApiError for headers that are too many, too large, or ambiguous."""
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > limits.header_count or size > limits.header_bytes:
        raise ApiError(431, "The request's headers are too large.")
    if sum(name == b"authorization" for name, _ in headers) > 1:
        raise ApiError(400, "Send one Authorization header.")


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """Return the whole body.

    Raises ApiError 413 beyond BODY_BYTES, 408 when it comes too slowly, 400 for a length that is
    no number; ClientGone when the caller hangs up.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise ApiError(400, "Content-Length is not a number.")
            if int(value) > limits.body_bytes:
                raise _too_large(limits)
    body = _Body(receive, limits)
    # Nearly every body is there by now: no clock is wound for it.
    rest = eager.start(body.take())
    if rest is not None or body.more:
        try:
            await _take_soon(rest, body, limits)
        except TimeoutError:
            raise ApiError(408, "The body came too slowly.") from None
    return b"".join(body.pieces)


class _Body:
    """What has come of a body so far; `more` of it may come."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self.pieces: list[bytes] = []
        self.more = True
        self._size = 0
        self._receive = receive
        self._limits = limits

    async def take(self) -> None:
        """Wait for a piece. Raises ClientGone, and ApiError 413 for one too many."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self.pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limits.body_bytes:
            raise _too_large(self._limits)
        self.more = bool(message.get("more_body"))


async def _take_soon(rest: Awaitable[None] | None, body: _Body, limits: Limits) -> None:
    """Await the rest of a take, and all further ones. Raises TimeoutError if they are late."""
    # One clock for both limits, the idle one and the whole one.
    loop = asyncio.get_running_loop()
    last = loop.time() + limits.body_read_s
    async with asyncio.timeout(None) as clock:
        while rest is not None or body.more:
            clock.reschedule(min(loop.time() + limits.body_idle_s, last))
            await (body.take() if rest is None else rest)
            rest = None


def _too_large(limits: Limits) -> ApiError:
    return ApiError(413, f"The body is larger than {limits.body_bytes} bytes.")
