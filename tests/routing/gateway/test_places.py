"""Places of a process: a number of them, none while it drains, all given back."""

import asyncio

import pytest

from routing.errors import ApiError
from routing.gateway.places import Place, Places


async def _sit(places: Places, taken: list[Place]) -> str:
    with places.take() as place:
        taken.append(place)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not place.forgive():
                raise
            await asyncio.sleep(0)
            return "told"
    return "never"


def test_refuses_one_more_than_it_has() -> None:
    async def fill() -> None:
        places = Places(2)
        with places.take(), places.take():
            assert len(places) == 2
            with pytest.raises(ApiError) as refused, places.take():
                pass
            assert refused.value.metadata["limit_source"] == "gateway_in_flight"
        with places.take():
            assert len(places) == 1
        assert len(places) == 0

    asyncio.run(fill())


def test_admits_nobody_while_it_drains() -> None:
    async def drain() -> None:
        places = Places(2)
        places.draining = True
        with pytest.raises(ApiError) as refused, places.take():
            pass
        assert refused.value.metadata["limit_source"] == "gateway_restart"

    asyncio.run(drain())


def test_lets_those_it_cuts_off_tell_their_callers() -> None:
    async def cut() -> None:
        places, taken = Places(5), list[Place]()
        tasks = [asyncio.create_task(_sit(places, taken)) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(places) == len(taken) == 3
        tasks[0].cancel()
        await asyncio.sleep(0)

        places.cut()

        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(told[0], asyncio.CancelledError)
        assert told[1:] == ["told", "told"]
        assert len(places) == 0

    asyncio.run(cut())
