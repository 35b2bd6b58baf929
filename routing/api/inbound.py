"""What comes in before any framework sees it: header limits, body limits, deadlines.

Owns the guard that ASGI servers lack (they have no time-out for a body and no limit for its
size) and the plain request object of the hot path. It routes and authenticates nothing. The rule
others rely on: past this point a body is complete, within its limit, and in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.http import HttpRequest

from routing.errors import ApiError, ClientGone
from routing.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class LeanRequest(HttpRequest):
    """An HttpRequest made straight from an ASGI scope, with the headers in META."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
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
    try:
        # One clock for both limits, the idle one and the whole one: this runs for every request.
        loop = asyncio.get_running_loop()
        last = loop.time() + limits.body_read_s
        async with asyncio.timeout(None) as clock:

            async def receive_soon() -> Message:
                clock.reschedule(min(loop.time() + limits.body_idle_s, last))
                return await receive()

            return await _collect(receive_soon, limits)
    except TimeoutError:
        raise ApiError(408, "The body came too slowly.") from None


async def _collect(receive: Receive, limits: Limits) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        _check_size(len(body), limits)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        _check_size(size, limits)
    return b"".join(parts)


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.body_bytes:
        raise _too_large(limits)


def _too_large(limits: Limits) -> ApiError:
    return ApiError(413, f"The body is larger than {limits.body_bytes} bytes.")
