"""The ASGI entry: chat and previews go straight to their lean views, everything else to Django.

Owns the process's life (start, drain, stop of the gateway), the guard in front of every request,
/healthz and /readyz, and sending. It knows no routing. The rules others rely on: the hot path
passes no middleware, thread or database; when a caller leaves, its task is cancelled at once;
on SIGTERM nothing new is admitted and running streams get GRACEFUL_STOP_S to end.
"""

import asyncio
import gc
import os
import signal
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application

# WhiteNoise hands Django plain file iterators; they are small and Django copes.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "routing.settings")
django_application = get_asgi_application()

# Everything below needs Django's apps to be ready.
from django.http.response import HttpResponse, HttpResponseBase  # noqa: E402

from routing.api.chat import ChatCompletionsView, EventStream  # noqa: E402
from routing.api.completions import CompletionsView  # noqa: E402
from routing.api.embeddings import EmbeddingsView  # noqa: E402
from routing.api.inbound import (  # noqa: E402
    LeanRequest,
    Message,
    Receive,
    Scope,
    check_headers,
    read_body,
)
from routing.api.messages import CountTokensView, MessagesView  # noqa: E402
from routing.api.preview import RoutePreviewView  # noqa: E402
from routing.api.responses import ResponsesView  # noqa: E402
from routing.api.views import PiecesResponse, json_response  # noqa: E402
from routing.databases import bound_statements  # noqa: E402
from routing.errors import ApiError, ClientGone  # noqa: E402
from routing.gateway.runtime import Gateway  # noqa: E402

Send = Callable[[Message], Coroutine[Any, Any, None]]  # as every server makes it

# What is answered from memory, past Django's middleware, threads and database.
LEAN: dict[str, type[ChatCompletionsView | RoutePreviewView]] = {
    "/api/v1/chat/completions": ChatCompletionsView,
    "/api/v1/messages": MessagesView,
    "/api/v1/messages/count_tokens": CountTokensView,
    "/api/v1/responses": ResponsesView,
    "/api/v1/completions": CompletionsView,
    "/api/v1/embeddings": EmbeddingsView,
    "/api/v1/route/preview": RoutePreviewView,
}
_LINGER_S = 1.0
# A long answer goes out in pieces: one write of megabytes holds up all other requests.
_PIECE_BYTES = 512 * 1024


class Application:
    """One per process; its gateway lives from lifespan startup to lifespan shutdown."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    # Life ----------------------------------------------------------------------------------

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
            else:
                await self._stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _start(self) -> None:
        bound_statements(settings.LIMITS.db_statement_s, settings.LIMITS)
        self.gateway = Gateway(settings.LIMITS)
        await self.gateway.start()
        # All that is loaded by now stays: walking it again and again was a tenth of the CPU.
        gc.collect()
        gc.freeze()
        # Hardly anything here is cyclic: looking for it after each 700 objects found nothing.
        gc.set_threshold(10_000, 10, 10)
        self._drain_on(signal.SIGTERM)
        self._drain_on(signal.SIGINT)

    async def _stop(self) -> None:
        if self.gateway is not None:
            await self.gateway.stop()
            self.gateway = None

    def _drain_on(self, signum: signal.Signals) -> None:
        """Drain when the signal comes, then let the server's own handler do its part."""
        loop, previous = asyncio.get_running_loop(), signal.getsignal(signum)
        gateway = self.gateway

        def handle(number: int, frame: Any) -> None:
            if gateway is not None:
                loop.call_soon_threadsafe(gateway.drain)
            if callable(previous):
                previous(number, frame)

        try:
            signal.signal(signum, handle)
        except ValueError:
            # Not the main thread: a test's server. It stops by lifespan alone.
            return

    # Requests ------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = settings.LIMITS
        path = scope["path"]
        if path in ("/healthz", "/readyz"):
            await self._health(path, send)
            return
        try:
            check_headers(scope, limits)
            body = await read_body(scope, receive, limits)
        except ClientGone:
            return
        except ApiError as error:
            await _refuse(error, _error_body(path, error), receive, send)
            return
        if path in LEAN:
            await self._lean(LEAN[path], scope, body, receive, send)
        else:
            await django_application(scope, _replay(body, receive), send)  # type: ignore[arg-type]

    async def _lean(
        self,
        view_class: type[ChatCompletionsView | RoutePreviewView],
        scope: Scope,
        body: bytes,
        receive: Receive,
        send: Send,
    ) -> None:
        if self.gateway is None or not self.gateway.started:
            error = ApiError(503, "Starting.", error_type="server", headers={"Retry-After": "1"})
            await _send_json(send, error.status, view_class.error_body(error), error.headers)
            return
        caller_left = asyncio.create_task(_cancel_when_gone(receive, asyncio.current_task()))
        try:
            view = view_class(gateway=self.gateway, body=body)
            response = await view.respond(LeanRequest(scope))
            if isinstance(response, EventStream):
                await _send_stream(send, response)
            elif isinstance(response, PiecesResponse):
                await _send_pieces(send, response)
            else:
                await _send_response(send, response)
        except ClientGone:
            return
        except asyncio.CancelledError:
            if not caller_left.done():
                raise
        finally:
            caller_left.cancel()

    async def _health(self, path: str, send: Send) -> None:
        if path == "/healthz":
            await _send_json(send, 200, {"status": "ok"})
            return
        gateway = self.gateway
        if gateway is None:
            await _send_json(send, 503, {"status": "starting"})
            return
        await _send_json(send, 200 if gateway.ready else 503, gateway.report())


async def _cancel_when_gone(receive: Receive, task: "asyncio.Task[Any] | None") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give Django the body that has been read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _error_body(path: str, error: ApiError) -> dict[str, Any]:
    view_class = LEAN.get(path)
    return view_class.error_body(error) if view_class else error.body()


async def _refuse(error: ApiError, body: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer a request whose body was not read to its end.

    The connection cannot be used again; but closed while the caller still sends, it would be
    reset, and the answer lost. So what comes is thrown away for a moment.
    """
    response = json_response(body, error.status, error.headers | {"Connection": "close"})
    await send(_start_message(response))
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})


async def _send_response(send: Send, response: HttpResponseBase) -> None:
    assert isinstance(response, HttpResponse)  # noqa: S101  # lean views answer in one piece
    await send(_start_message(response))
    await send({"type": "http.response.body", "body": response.content})


async def _send_pieces(send: Send, response: PiecesResponse) -> None:
    """Send a long answer, at most half a megabyte at a time. Raises ClientGone if nobody reads."""
    await send(_start_message(response))
    body = bytearray()
    for piece in response.pieces:
        body += piece
        if len(body) < _PIECE_BYTES:
            continue
        try:
            async with asyncio.timeout(settings.LIMITS.send_stall_s):
                message = {"type": "http.response.body", "body": bytes(body), "more_body": True}
                await send(message)
        except TimeoutError:
            raise ClientGone from None
        body.clear()
    await send({"type": "http.response.body", "body": bytes(body)})


async def _send_stream(send: Send, response: EventStream) -> None:
    def send_part(data: bytes, more: bool) -> Coroutine[Any, Any, None]:
        return send({"type": "http.response.body", "body": data, "more_body": more})

    with response.held:
        await send(_start_message(response))
        await response.relay.run(send_part)


def _start_message(response: HttpResponseBase) -> Message:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    if isinstance(response, HttpResponse):
        headers.append((b"content-length", str(len(response.content)).encode()))
    headers.append((b"x-content-type-options", b"nosniff"))
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


async def _send_json(
    send: Send, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    await _send_response(send, json_response(body, status, headers))


application = Application()
