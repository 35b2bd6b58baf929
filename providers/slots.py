"""How many requests may be in flight at one endpoint, and a short queue for the next ones.

Written out because a slot must never be lost: not when the waiter is cancelled in the same loop
step in which it is granted, and not when the limit changes while requests are in flight.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = limit
        self._waiters: deque[asyncio.Future[bool]] = deque()

    def resize(self, limit: int) -> None:
        self._limit = limit
        self._grant()

    async def acquire(self, timeout_s: float) -> bool:
        """Take a slot, waiting at most timeout_s; tell whether one was had."""
        if self.held < self._limit:
            self.held += 1
            return True
        if timeout_s <= 0:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(timeout_s, _give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled after the slot was granted: nobody else would give it back.
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release()
            raise
        finally:
            timer.cancel()

    def release(self) -> None:
        self.held -= 1
        self._grant()

    def _grant(self) -> None:
        while self._waiters and self.held < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.held += 1
                waiter.set_result(True)


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
