"""Forwards one stream to its caller, event by event, until it ends or breaks.

Owns what happens between the first content and [DONE]: forwarding, keep-alive comments, errors in
band, the usage event. It chooses no endpoint. The rules others rely on: once anything was sent
there is no failover past the first content; the facts are recorded before the last byte; when
the caller leaves, the task is cancelled and the upstream connection closed with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property, partial
from typing import Any

from providers.chat import Chunk
from providers.errors import ProviderError
from routing.errors import (
    ApiError,
    ClientGone,
    log_unexpected,
    to_api_error,
    without_frames,
)
from routing.gateway import eager
from routing.gateway.explanation import explain
from routing.gateway.failure import in_band
from routing.gateway.generation import Generation
from routing.gateway.places import Place, restarting
from routing.gateway.shapes.chat import KEEPALIVE
from routing.gateway.shapes.shape import EventWriter, Head, Shape
from routing.gateway.stream_clock import StreamClock

Send = Callable[[bytes, bool], Coroutine[Any, Any, None]]

# A stream that is always ready would never let the loop see its caller leave.
_WRITES_A_TURN = 16


class Relay:
    """One stream from the moment it may answer 200.

    `opening` ends with the first chunks, or with the ApiError that all attempts came to.
    """

    def __init__(
        self,
        generation: Generation,
        opening: "asyncio.Task[list[Chunk]]",
        place: Place,
        explained: bool,
        shape: Shape,
    ) -> None:
        self.generation = generation
        self._shape = shape
        self._opening = opening
        self._place = place
        self._explained = explained
        self._limits = generation.gateway.limits
        self._clock = StreamClock(self._limits.keepalive_s, self._limits.idle_s, self._comment)
        self._began = False  # the caller may have some of the reply
        self._unsent: asyncio.Future[None] | None = None  # what was sent last, if it waits for room

    async def run(self, send: Send) -> None:
        """Send the whole stream. `send(bytes, more)` writes at once, then waits for room."""
        self._send = send
        try:
            await self._tell()
        except (asyncio.CancelledError, ClientGone):
            if self._began:
                self.generation.bill_sent()
            await self.generation.finish(499, cancelled=True)
            raise
        finally:
            self._opening.cancel()
            if self._unsent is not None:
                self._unsent.cancel()

    async def _tell(self) -> None:
        """Forward the stream, or as much as there is and then in band what ended it."""
        try:
            await self._forward_all()
            return
        except ClientGone:
            raise
        except asyncio.CancelledError:
            if not self._place.forgive():
                raise
            error = restarting()
        except Exception as exc:  # noqa: BLE001  # the door through which a stream's errors leave
            error = without_frames(to_api_error(exc))
            if not isinstance(exc, ApiError):
                log_unexpected(exc, type(self).__name__)
        await self.generation.finish(error.status, error.error_type)
        # A bug of ours is told without any detail.
        metadata = explain(self.generation) if self._explained and error.status != 500 else None
        event = self._writer.error(error.body()["error"], metadata)
        try:
            async with asyncio.timeout(self._limits.send_stall_s):
                await self._send_in_order(event, False)
        except TimeoutError:
            raise ClientGone from None

    async def _forward_all(self) -> None:
        generation, clock = self.generation, self._clock
        try:
            async with clock:
                if not self._opening.done():
                    # Who has waited for KEEPALIVE_S already gets the first comment at once.
                    self._comment()
                chunks = await self._opening
                last = await self._forward(chunks)
                await generation.finish(200)
                clock.wait_for_caller(self._limits.send_stall_s)
                await self._send_in_order(last, False)
        except TimeoutError:
            if clock.late == "caller":
                raise ClientGone from None
            raise self._broken(generation.attempt.stalled()) from None
        except ProviderError as error:
            raise self._broken(error) from None

    async def _forward(self, chunks: list[Chunk]) -> bytes:
        """Send the chunks and all that follow; return the event that ends them."""
        clock, stall_s = self._clock, self._limits.send_stall_s
        writer, attempt = self._writer, self.generation.attempt
        clock.deadline = asyncio.get_running_loop().time() + self.generation.time_left()
        writes = 0
        if self.generation.request.extras.echo:
            clock.wait_for_caller(stall_s)
            await self._send_in_order(b"".join(map(writer.debug, self._echoed())), True)
        self._began = True
        try:
            while chunks:
                clock.wait_for_caller(stall_s)
                await self._send_in_order(b"".join(map(writer.event, chunks)), True)
                attempt.offer(partial(self._pass_on, writer))
                writes += 1
                if writes % _WRITES_A_TURN == 0:
                    await asyncio.sleep(0)
                clock.wait_for_upstream()
                chunks = await attempt.more()
        finally:
            attempt.offer(None)
        reply = attempt.finish_stream()
        bill = self.generation.bill()
        metadata = explain(self.generation) if self._explained else None
        return writer.last(bill, reply, metadata, self.generation.service_tier)

    def _echoed(self) -> list[bytes]:
        return [attempt.echo for attempt in self.generation.attempts if attempt.echo]

    def _pass_on(self, writer: EventWriter, chunk: Chunk) -> None:
        """Send a chunk straight from the connection's callback, without waking this task for it.

        Nearly every event of a slow stream goes this way. When the caller does not keep up, or
        sending fails, what follows is left to the task, which first awaits what is unsent.
        """
        try:
            data = writer.event(chunk)
            rest = eager.start(self._send(data, True)) if data else None
        except Exception as exc:  # noqa: BLE001  # raised where the task awaits what is unsent
            data, rest = b"", _raise(exc)
        if rest is not None:
            self._leave_to_task(rest)
        if data:
            self._clock.passed()
        else:
            self._clock.wait_for_upstream()

    def _leave_to_task(self, rest: Awaitable[None]) -> None:
        """Have the task await the rest of a send before it sends anything more."""
        self._unsent = asyncio.ensure_future(rest)
        self._unsent.add_done_callback(lambda unsent: unsent.cancelled() or unsent.exception())
        if self.generation.attempts:
            self.generation.attempt.offer(None)

    async def _send_in_order(self, data: bytes, more: bool) -> None:
        unsent, self._unsent = self._unsent, None
        if unsent is not None:
            await unsent
        await self._send(data, more)

    def _broken(self, error: ProviderError) -> ApiError:
        attempt = self.generation.attempt
        attempt.salvage()
        return in_band(attempt.candidate.endpoint, without_frames(error))

    def _comment(self) -> None:
        """Send a comment from the clock's callback; a write is whole, so nothing is split by it.

        What it waits for, the next event awaits first: no comment can follow the last one.
        """
        unsent = self._unsent
        if unsent is not None and not (unsent.done() and unsent.exception() is None):
            return  # the caller has not taken what there is
        try:
            rest = eager.start(self._send(KEEPALIVE, True))
        except Exception as exc:  # noqa: BLE001  # raised where the task awaits what is unsent
            rest = _raise(exc)
        if rest is not None:
            self._leave_to_task(rest)

    @cached_property
    def _writer(self) -> EventWriter:
        """The stream's one writer: first asked for when it is settled who serves, if anybody."""
        generation = self.generation
        hide_reasoning = generation.request.extras.hide_reasoning
        return self._shape.writer(head_of(generation), hide_reasoning=hide_reasoning)


def head_of(generation: Generation) -> Head:
    """Return what the answer says of where it came from."""
    served = generation.attempt.candidate.endpoint if generation.attempts else None
    return Head(
        generation_id=generation.id,
        created=int(generation.created_at),
        model=served.model_slug if served else generation.request.refs[0].slug,
        provider=served.provider_name if served else "",
    )


async def _raise(exc: Exception) -> None:
    raise exc
