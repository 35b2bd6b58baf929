"""Starts a coroutine at once, in whatever called, and leaves to a task only what has to wait.

Owns nothing but that step, which the eager tasks of Python 3.12 take as well. For coroutines that
hardly ever wait, such as an ASGI `send`: no task is woken for them. The rule others rely on: what
`start` returns must be awaited, and the coroutine must not ask for the current task before its
first wait, as there may be none. Source: PEP 492, "Await Expression".
"""

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

_ENDED = object()


def start(coroutine: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Run the coroutine to its first wait; return the rest of it, or None if it has ended.

    Raises what the coroutine raises before it waits.
    """
    rest = coroutine.__await__()
    # Its `send` would make an exception only to say that it has ended.
    waited_for = next(rest, _ENDED)
    return None if waited_for is _ENDED else _Rest(rest, waited_for)


class _Rest:
    """What is left of a coroutine that waits for something already."""

    def __init__(self, rest: Generator[Any, Any, None], waited_for: Any) -> None:
        self._rest = rest
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, None]:
        waited_for = self._waited_for
        try:
            while True:
                try:
                    answer = yield waited_for
                except BaseException as error:  # noqa: BLE001  # meant for the coroutine
                    waited_for = self._rest.throw(error)
                else:
                    waited_for = self._rest.send(answer)
        except StopIteration:
            return
