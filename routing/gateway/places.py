"""How many requests a process serves at once, and how they end when it must stop.

Owns the IN_FLIGHT places and the drain. It knows no request. The rules others rely on: nothing
is queued, who finds no place is told at once; a request that is cut off at a restart sees its
task cancelled and `forgive` say so, and has the time to tell its caller.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from routing.errors import ApiError


class Place:
    """One request in flight, in the task that took it."""

    def __init__(self, task: "asyncio.Task[Any]") -> None:
        self._task = task
        self._cut = False

    def cut(self) -> None:
        self._cut = True
        self._task.cancel()

    def forgive(self) -> bool:
        """Tell whether it was `cut` that cancelled the task, which may go on then."""
        if self._cut:
            self._task.uncancel()
        return self._cut


class Places:
    def __init__(self, limit: int) -> None:
        self.draining = False
        self._limit = limit
        self._taken: set[Place] = set()

    def __len__(self) -> int:
        return len(self._taken)

    @contextmanager
    def take(self) -> Iterator[Place]:
        """Hold a place for the current task. Raises ApiError 503 if there is none."""
        if self.draining:
            raise restarting()
        if len(self._taken) >= self._limit:
            raise _no_place("This gateway is full. Try again shortly.", "gateway_in_flight")
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine runs in a task
        place = Place(task)
        self._taken.add(place)
        try:
            yield place
        finally:
            self._taken.discard(place)

    def cut(self) -> None:
        """End every request that is still in flight."""
        for place in list(self._taken):
            place.cut()


def restarting() -> ApiError:
    """Return the error of a request that a restart has kept from its answer."""
    return _no_place("The gateway is restarting. Send the request again.", "gateway_restart")


def _no_place(message: str, source: str) -> ApiError:
    return ApiError(503, message, metadata={"limit_source": source}, headers={"Retry-After": "1"})
