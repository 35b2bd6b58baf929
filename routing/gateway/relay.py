"""Forwards one stream to its caller, event by event, until it ends or breaks.

Owns what happens between the first content and [DONE]: forwarding, keep-alive comments, errors in
band, the usage event. It chooses no endpoint. The rules others rely on: once anything was sent
there is no failover past the first content; the facts are recorded before the last byte; when
the caller leaves, the task is cancelled and the upstream connection closed with it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from providers.errors import ProviderError
from routing.api.completion import KEEPALIVE, ChunkWriter
from routing.api.errors import ApiError
from routing.api.inbound import ClientGone
from routing.gateway.explanation import explain
from routing.gateway.failure import in_band
from routing.gateway.generation import Generation

_STOPPING = {
    "code": 503,
    "message": "The gateway is restarting. Send the request again.",
    "metadata": {"error_type": "provider_overloaded", "limit_source": "gateway_restart"},
}
Send = Callable[[bytes, bool], Awaitable[None]]


class Relay:
    """One stream from the moment it may answer 200.

    `opening` ends with the first chunks, or with the ApiError that all attempts came to.
    """

    def __init__(
        self, generation: Generation, opening: "asyncio.Task[list[dict[str, Any]]]", explained: bool
    ) -> None:
        self.generation = generation
        self._opening = opening
        self._explained = explained
        self._last_sent = time.monotonic()
        self._cut = False

    async def run(self, send: Send) -> None:
        """Send the whole stream. `send(bytes, more)` may be awaited by one task at a time."""

        async def forward(data: bytes, more: bool = True) -> None:
            self._last_sent = time.monotonic()
            await send(data, more)

        gateway, task = self.generation.gateway, asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task

        def cut() -> None:
            self._cut = True
            task.cancel()

        comments = asyncio.create_task(self._keep_alive(forward))
        gateway.streams.add(cut)
        try:
            await self._run(forward)
        except asyncio.CancelledError:
            if not self._cut:
                await self.generation.finish(499, cancelled=True)
                raise
            task.uncancel()
            await self.generation.finish(503, "provider_overloaded")
            await forward(self._writer().error(_STOPPING), False)
        except ClientGone:
            await self.generation.finish(499, cancelled=True)
            raise
        finally:
            gateway.streams.discard(cut)
            comments.cancel()
            self._opening.cancel()

    async def _run(self, forward: Callable[..., Awaitable[None]]) -> None:
        try:
            chunks = await self._opening
        except ApiError as error:
            # Comments have committed us to 200: the error goes in band.
            await self.generation.finish(error.status, error.error_type)
            await forward(self._writer().error(error.body()["error"]), False)
            return
        writer = self._writer()
        attempt, deadline = self.generation.attempt, self.generation.deadline
        try:
            while chunks:
                await forward(b"".join(map(writer.event, chunks)))
                # A stream that is always ready would never let the loop see the caller leave.
                await asyncio.sleep(0)
                chunks = await attempt.more(deadline)
            reply = attempt.finish_stream()
        except ProviderError as error:
            broken = in_band(attempt.candidate.endpoint, error)
            attempt.salvage()
            await self.generation.finish(broken["code"], broken["metadata"]["error_type"])
            await forward(writer.error(broken), False)
            return
        bill = self.generation.bill()
        await self.generation.finish(200)
        metadata = explain(self.generation) if self._explained else None
        await forward(writer.last(bill, reply, metadata), False)

    def _writer(self) -> ChunkWriter:
        generation = self.generation
        served = generation.attempts[-1].candidate.endpoint if generation.attempts else None
        return ChunkWriter(
            generation_id=generation.id,
            created=int(generation.created_at),
            model=served.model_slug if served else generation.request.refs[0].slug,
            provider=served.provider_name if served else "",
        )

    async def _keep_alive(self, forward: Callable[[bytes], Awaitable[None]]) -> None:
        pause = self.generation.gateway.limits.keepalive_s
        while True:
            silent = time.monotonic() - self._last_sent
            if silent >= pause:
                await forward(KEEPALIVE)
                silent = 0.0
            await asyncio.sleep(pause - silent)
