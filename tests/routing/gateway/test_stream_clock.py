import asyncio
from collections.abc import Awaitable, Callable

import pytest

from routing.gateway.stream_clock import StreamClock

LONG = 30.0


def timed(
    scenario: Callable[[StreamClock], Awaitable[None]], pause_s: float = LONG, idle_s: float = LONG
) -> int:
    """Run a scenario inside a clock; return how often the caller needed a comment."""
    silences = 0

    def on_silence() -> None:
        nonlocal silences
        silences += 1

    async def main() -> None:
        async with StreamClock(pause_s, idle_s, on_silence) as clock:
            await scenario(clock)

    asyncio.run(main())
    return silences


@pytest.mark.parametrize("side", ["upstream", "caller"])
def test_ends_the_wait_for_a_side_and_names_it(side: str) -> None:
    seen: list[StreamClock] = []

    async def wait(clock: StreamClock) -> None:
        seen.append(clock)
        if side == "upstream":
            clock.wait_for_upstream()
        else:
            clock.wait_for_caller(0.02)
        await asyncio.sleep(LONG)

    with pytest.raises(TimeoutError):
        timed(wait, idle_s=0.02)

    assert seen[0].late == side


@pytest.mark.parametrize("step", [StreamClock.wait_for_upstream, StreamClock.passed])
def test_progress_puts_the_end_off(step: Callable[[StreamClock], None]) -> None:
    async def progress(clock: StreamClock) -> None:
        clock.wait_for_upstream()
        for _ in range(10):
            step(clock)
            await asyncio.sleep(0.1)

    assert timed(progress, idle_s=0.5) == 0


@pytest.mark.parametrize("step", [StreamClock.wait_for_upstream, StreamClock.passed])
def test_no_progress_puts_off_the_deadline(step: Callable[[StreamClock], None]) -> None:
    async def progress(clock: StreamClock) -> None:
        clock.deadline = asyncio.get_running_loop().time() + 0.05
        clock.wait_for_upstream()
        while True:
            step(clock)
            await asyncio.sleep(0.01)

    with pytest.raises(TimeoutError):
        timed(progress)


def test_what_is_passed_on_needs_no_comment_after_it() -> None:
    async def pass_on(clock: StreamClock) -> None:
        for _ in range(30):
            clock.passed()
            await asyncio.sleep(0.01)

    assert timed(pass_on, pause_s=0.2) == 0


def test_a_nearer_end_is_kept_though_a_farther_one_was_set_before() -> None:
    async def narrow(clock: StreamClock) -> None:
        clock.wait_for_upstream()
        clock.wait_for_caller(0.02)
        await asyncio.sleep(LONG)

    with pytest.raises(TimeoutError):
        timed(narrow)


def test_asks_for_a_comment_after_each_pause_without_a_write() -> None:
    async def listen(clock: StreamClock) -> None:
        await asyncio.sleep(0.25)

    assert 2 <= timed(listen, pause_s=0.1) <= 3


def test_leaves_a_cancellation_from_outside_alone() -> None:
    async def cancelled(clock: StreamClock) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        timed(cancelled)
