"""Forwards one stream to its caller, event by event, until it ends or breaks.

Owns what happens between the first content and [DONE]: forwarding, keep-alive comments, errors in
band, the usage event. It chooses no endpoint. The rules others rely on: once anything was sent
there is no failover past the first content; the facts are recorded before the last byte; when
the caller leaves, the task is cancelled and the upstream connection closed with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from providers.errors import ProviderError
from routing.api.completion import KEEPALIVE, ChunkWriter
from routing.api.errors import ApiError, log_unexpected, to_api_error
from routing.api.inbound import ClientGone
from routing.gateway.explanation import explain
from routing.gateway.failure import in_band
from routing.gateway.generation import Generation
from routing.gateway.places import Place, restarting

Send = Callable[[bytes, bool], Awaitable[None]]
Forward = Callable[..., Awaitable[None]]


class Relay:
    """One stream from the moment it may answer 200.

    `opening` ends with the first chunks, or with the ApiError that all attempts came to.
    """

    def __init__(
        self,
        generation: Generation,
        opening: "asyncio.Task[list[dict[str, Any]]]",
        place: Place,
        explained: bool,
    ) -> None:
        self.generation = generation
        self._opening = opening
        self._place = place
        self._explained = explained
        # Who has waited for KEEPALIVE_S already gets the first comment at once.
        self._last_sent = time.monotonic() if opening.done() else float("-inf")

    async def run(self, send: Send) -> None:
        """Send the whole stream. `send(bytes, more)` may be awaited by one task at a time."""

        async def forward(data: bytes, more: bool = True) -> None:
            self._last_sent = time.monotonic()
            await send(data, more)

        comments = asyncio.create_task(self._keep_alive(forward))
        try:
            await self._tell(forward)
        except (asyncio.CancelledError, ClientGone):
            await self.generation.finish(499, cancelled=True)
            raise
        finally:
            comments.cancel()
            self._opening.cancel()

    async def _tell(self, forward: Forward) -> None:
        """Forward the stream, or as much as there is and then in band what ended it."""
        try:
            await self._forward_all(forward)
            return
        except ClientGone:
            raise
        except asyncio.CancelledError:
            if not self._place.forgive():
                raise
            error = restarting()
        except Exception as exc:  # noqa: BLE001  # the door through which a stream's errors leave
            error = to_api_error(exc)
            if not isinstance(exc, ApiError):
                log_unexpected(exc, type(self).__name__)
        await self.generation.finish(error.status, error.error_type)
        # A bug of ours is told without any detail.
        metadata = explain(self.generation) if self._explained and error.status != 500 else None
        await forward(self._writer().error(error.body()["error"], metadata), False)

    async def _forward_all(self, forward: Forward) -> None:
        chunks = await self._opening
        writer, attempt = self._writer(), self.generation.attempt
        try:
            while chunks:
                await forward(b"".join(map(writer.event, chunks)))
                # A stream that is always ready would never let the loop see the caller leave.
                await asyncio.sleep(0)
                chunks = await attempt.more(self.generation.deadline)
            reply = attempt.finish_stream()
        except ProviderError as error:
            attempt.salvage()
            raise in_band(attempt.candidate.endpoint, error) from None
        bill = self.generation.bill()
        metadata = explain(self.generation) if self._explained else None
        last = writer.last(bill, reply, metadata)
        await self.generation.finish(200)
        await forward(last, False)

    def _writer(self) -> ChunkWriter:
        generation = self.generation
        served = generation.attempts[-1].candidate.endpoint if generation.attempts else None
        return ChunkWriter(
            generation_id=generation.id,
            created=int(generation.created_at),
            model=served.model_slug if served else generation.request.refs[0].slug,
            provider=served.provider_name if served else "",
        )

    async def _keep_alive(self, forward: Forward) -> None:
        pause = self.generation.gateway.limits.keepalive_s
        while True:
            silent = time.monotonic() - self._last_sent
            if silent >= pause:
                with suppress(ClientGone):  # the next event will find that out, too
                    await forward(KEEPALIVE)
                silent = 0.0
            await asyncio.sleep(pause - silent)
