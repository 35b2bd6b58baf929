import asyncio
from random import Random

import pytest

from providers.slots import Slots


def test_waits_for_a_slot_and_gets_it_in_order() -> None:
    async def main() -> list[int]:
        slots, order = Slots(1), []
        assert await slots.acquire(0)

        async def worker(number: int) -> None:
            assert await slots.acquire(5)
            order.append(number)
            slots.release()

        tasks = [asyncio.create_task(worker(number)) for number in range(3)]
        await asyncio.sleep(0)
        slots.release()
        await asyncio.gather(*tasks)
        assert slots.held == 0
        return order

    assert asyncio.run(main()) == [0, 1, 2]


@pytest.mark.parametrize("timeout_s", [0, 0.01])
def test_gives_up_when_none_becomes_free(timeout_s: float) -> None:
    async def main() -> None:
        slots = Slots(1)
        assert await slots.acquire(0)

        assert not await slots.acquire(timeout_s)

        slots.release()
        assert slots.held == 0
        assert await slots.acquire(0)

    asyncio.run(main())


def test_a_waiter_cancelled_as_it_is_granted_gives_the_slot_back() -> None:
    async def main() -> None:
        slots = Slots(1)
        assert await slots.acquire(0)
        waiting = asyncio.create_task(slots.acquire(5))
        await asyncio.sleep(0)

        slots.release()  # grants it to the waiter, who does not run before it is cancelled
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert slots.held == 0

    asyncio.run(main())


def test_a_raised_limit_lets_waiters_in_and_a_lowered_one_takes_nothing_away() -> None:
    async def main() -> None:
        slots = Slots(1)
        assert await slots.acquire(0)
        waiting = asyncio.create_task(slots.acquire(5))
        await asyncio.sleep(0)

        slots.resize(2)
        assert await waiting
        slots.resize(1)

        assert slots.held == 2
        slots.release()
        assert not await slots.acquire(0)
        slots.release()
        assert await slots.acquire(0)

    asyncio.run(main())


def test_no_storm_of_cancels_loses_a_slot() -> None:
    async def main() -> None:
        slots, rng = Slots(3), Random(5)

        async def worker() -> None:
            if await slots.acquire(0.01):
                assert slots.held <= 3
                try:
                    await asyncio.sleep(rng.random() / 500)
                finally:
                    slots.release()

        tasks = [asyncio.create_task(worker()) for _ in range(300)]
        for task in rng.sample(tasks, 200):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert slots.held == 0

    asyncio.run(main())
