"""A coroutine that is started where no task runs, and finished where one does."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.gateway import eager


def _started_in_a_callback(coroutine: Coroutine[Any, Any, None]) -> Any:
    """Start the coroutine in a callback of the loop, await the rest; return what start gave."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        started: asyncio.Future[Any] = loop.create_future()

        def callback() -> None:
            try:
                started.set_result(eager.start(coroutine))
            except ZeroDivisionError as error:
                started.set_exception(error)

        loop.call_soon(callback)
        rest = await started
        if rest is not None:
            await rest
        return rest

    return asyncio.run(main())


def test_runs_a_coroutine_that_never_waits_to_its_end() -> None:
    done: list[int] = []

    async def quick() -> None:
        done.append(1)

    assert _started_in_a_callback(quick()) is None
    assert done == [1]


@given(st.lists(st.sampled_from([0.0, 0.001]), min_size=1, max_size=5))
def test_does_each_step_once_and_in_order_whatever_it_waits_for(pauses: list[float]) -> None:
    done: list[int] = []

    async def slow() -> None:
        for at, pause in enumerate(pauses):
            done.append(at)
            await asyncio.sleep(pause)
        done.append(len(pauses))

    assert _started_in_a_callback(slow()) is not None
    assert done == list(range(len(pauses) + 1))


@pytest.mark.parametrize("waits", [0, 1, 2])
def test_raises_what_the_coroutine_raises(waits: int) -> None:
    async def broken() -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _started_in_a_callback(broken())


def test_hands_a_cancellation_on_and_lets_the_coroutine_clean_up() -> None:
    seen: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("clean")
            raise

    async def main() -> None:
        rest = eager.start(waits())
        assert rest is not None
        task = asyncio.ensure_future(rest)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cancelled", "clean"]
