"""The clock of one stream: who is waited for, until when, and when the caller needs a comment.

Owns one timer per stream, whatever the number of its events: progress only stores a time, and the
timer looks at it when it rings. It sends nothing and closes nothing. The rule others rely on:
inside `async with` exactly one side is waited for, upstream or the caller; when that takes
too long the block ends with TimeoutError and `late` names the side. A caller who is waited for is
told of no silence.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal

Side = Literal["upstream", "caller"]


class StreamClock:
    """Times one stream. All times are the event loop's, in seconds."""

    def __init__(self, pause_s: float, idle_s: float, on_silence: Callable[[], None]) -> None:
        self.late: Side | None = None
        self.deadline = float("inf")  # of the whole stream
        self._idle = idle_s
        self._loop = asyncio.get_running_loop()
        self._pause = pause_s
        self._on_silence = on_silence
        self._last_sent = self._since = self._loop.time()
        self._side: Side = "upstream"
        self._patience = float("inf")  # with that side, from `_since` on
        self._rings_at = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> "StreamClock":
        await self._timeout.__aenter__()
        self._set_timer()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Whoever made the clock is told by it: each would keep the other past the stream's end.
        self._on_silence = _nobody
        await self._timeout.__aexit__(kind, error, trace)

    def wait_for_upstream(self) -> None:
        """Upstream has its idle time for the next event, and the stream its deadline."""
        self._wait_for("upstream", self._idle)

    def passed(self) -> None:
        """Something was sent without waiting for the caller, while upstream was waited for."""
        self._last_sent = self._since = self._loop.time()

    def wait_for_caller(self, seconds: float) -> None:
        """Something is being sent: the caller has this long to take it."""
        self._last_sent = self._loop.time()
        self._wait_for("caller", seconds)

    def _wait_for(self, side: Side, seconds: float) -> None:
        self._side, self._since, self._patience = side, self._loop.time(), seconds
        if self._until < self._rings_at:
            self._set_timer()

    @property
    def _until(self) -> float:
        until = self._since + self._patience
        return min(until, self.deadline) if self._side == "upstream" else until

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = min(self._until, self._last_sent + self._pause)
        self._timer = self._loop.call_at(self._rings_at, self._ring)

    def _ring(self) -> None:
        """See what is due; a time that has moved on since the timer was set is not."""
        now = self._loop.time()
        if now >= self._until:
            self.late = self._side
            self._timeout.reschedule(now)
            return
        if now - self._last_sent >= self._pause:
            self._last_sent = now
            if self._side == "upstream":
                self._on_silence()
        self._set_timer()


def _nobody() -> None:
    """Nobody is told of silence after the end."""
