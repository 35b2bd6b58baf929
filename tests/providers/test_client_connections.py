"""Which connections the client keeps, which it closes, and that no slot is ever lost."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from providers.client import ClientLimits
from providers.errors import ProviderError
from providers.sse import Event
from tests.providers.conftest import Run
from tests.providers.raw_upstream import (
    JSON_BODY,
    Peer,
    Script,
    answer,
    answering,
    head,
    opened,
    upstream,
)
from tests.providers.test_client import CHUNKED, SSE, failure, read, stream, target


def answering_after(release: asyncio.Event) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await release.wait()
            await peer.send(answer())

    return script


DONE = b"data: 1\n\ndata: [DONE]\n\n"
OPEN_FILES = Path("/proc/self/fd")


def open_files() -> int:
    return sum(1 for _ in OPEN_FILES.iterdir())


def test_an_answer_read_to_its_end_leaves_a_connection_for_the_next(run: Run) -> None:
    async def main() -> None:
        async with upstream(answering(answer())) as raw, opened() as client:
            for _ in range(3):
                await read(client, target(raw))
            assert raw.connections == 1

    run(main())


def test_a_rejection_read_to_its_end_does_too(run: Run) -> None:
    async def main() -> None:
        async with upstream(answering(answer(b"{}", "429 X"))) as raw, opened() as client:
            for _ in range(3):
                await failure(client, target(raw))
            assert raw.connections == 1

    run(main())


def test_a_reader_that_stops_at_done_does_too(run: Run) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head("200 OK", SSE, CHUNKED))
            await peer.chunk(DONE)
            await asyncio.sleep(0.005)  # the end of the body comes a little later
            await peer.send(b"0\r\n\r\n")

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            for _ in range(3):
                async with client.open(target(raw), b"{}", stream=True) as response:
                    async for events in response.events():
                        assert events == [Event(b"1"), Event(b"[DONE]")]
                        break
            assert raw.connections == 1

    run(main())


def test_a_stream_that_goes_on_after_done_is_dropped(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", SSE, CHUNKED))
        await peer.chunk(DONE)
        while True:
            await peer.chunk(b": still here\n\n" * 50)
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            for _ in range(2):
                async with client.open(target(raw), b"{}", stream=True) as response:
                    async for events in response.events():
                        assert events[-1] == Event(b"[DONE]")
                        break
            assert raw.connections == 2

    run(main())


def test_a_stream_that_does_not_end_after_done_is_closed(run: Run) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", SSE, CHUNKED))
        await peer.chunk(DONE)
        await peer.closed()
        gone.set()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            async with client.open(target(raw), b"{}", stream=True) as response:
                async for _ in response.events():
                    break
            assert client.in_flight(7) == 0
            await asyncio.wait_for(gone.wait(), 1)

    run(main())


@pytest.mark.parametrize("when", ["headers", "body"])
def test_cancelling_closes_the_connection_at_once(run: Run, when: str) -> None:
    gone, reached = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if when == "body":
            await peer.send(head("200 OK", SSE, CHUNKED))
            await peer.chunk(b"data: 1\n\n")
        reached.set()
        await peer.closed()
        gone.set()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            task = asyncio.create_task(stream(client, target(raw)))
            await reached.wait()
            await asyncio.sleep(0.02)
            assert client.in_flight(7) == 1

            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert client.in_flight(7) == 0
            await asyncio.wait_for(gone.wait(), 1)

    run(main())


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts the open files Linux shows")
def test_cancelling_an_upload_nobody_reads_closes_its_socket(run: Run) -> None:
    connected, done = asyncio.Event(), asyncio.Event()

    async def script(_: Peer) -> None:
        connected.set()
        await done.wait()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            before = open_files()
            task = asyncio.create_task(read(client, target(raw), bytes(32 * 1024 * 1024)))
            await connected.wait()
            await asyncio.sleep(0.1)  # until nothing more fits into the buffers between the two
            assert open_files() == before + 2

            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.02)

            # What is left is the provider's own end.
            assert open_files() == before + 1
            done.set()

    run(main())


def test_leaving_a_stream_early_closes_its_connection(run: Run) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", SSE, CHUNKED))
        await peer.chunk(b"data: 1\n\n")
        await peer.closed()
        gone.set()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            async with client.open(target(raw), b"{}", stream=True) as response:
                async for _ in response.events():
                    break
            await asyncio.wait_for(gone.wait(), 1)

    run(main())


def test_a_connection_closed_while_idle_is_reported_or_replaced_but_never_retried(
    run: Run,
) -> None:
    asked: list[bytes] = []

    async def script(peer: Peer) -> None:
        asked.append(await peer.request())
        await peer.send(answer())
        asked.append(await peer.request())  # the second is taken and never answered

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            await read(client, target(raw))
            assert (await failure(client, target(raw))).outcome == "disconnected"

    run(main())

    assert len(asked) == 2


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(answer(b'{"stolen":1}'), id="a whole answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half an answer"),
        pytest.param(b"garbage\r\n\r\n", id="garbage"),
        pytest.param(b"{}", id="a little more body"),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_bytes_after_an_answer_never_become_the_next_one(
    run: Run, extra: bytes, late: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if late:
            await peer.send(answer())
            await asyncio.sleep(0.01)
            await peer.send(extra)
        else:
            await peer.send(answer() + extra)
        await peer.request()
        await peer.send(answer())

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            for attempt in range(4):
                # The provider broke its word, so an attempt may fail; it must not be given what
                # answers nothing.
                try:
                    assert await read(client, target(raw)) == JSON_BODY
                except ProviderError as error:
                    assert error.outcome in ("disconnected", "malformed")  # noqa: PT017
                    assert attempt > 0 or not late
                await asyncio.sleep(0.03)

    run(main())


def test_more_than_its_slots_is_busy(run: Run) -> None:
    release = asyncio.Event()

    async def main() -> None:
        limits = ClientLimits(queue_s=0.02)
        async with upstream(answering_after(release)) as raw, opened(limits) as client:
            to = target(raw, max_in_flight=1)
            first = asyncio.create_task(read(client, to))
            await asyncio.sleep(0.01)

            error = await failure(client, to)

            assert (error.outcome, error.health_fault) == ("busy", False)
            release.set()
            assert await first == JSON_BODY
            assert client.in_flight(7) == 0

    run(main())


def test_a_slot_that_becomes_free_is_used(run: Run) -> None:
    release = asyncio.Event()

    async def main() -> None:
        limits = ClientLimits(queue_s=10)
        async with upstream(answering_after(release)) as raw, opened(limits) as client:
            to = target(raw, max_in_flight=1)
            tasks = [asyncio.create_task(read(client, to)) for _ in range(3)]
            await asyncio.sleep(0.01)
            assert client.in_flight(7) == 1

            release.set()

            assert await asyncio.gather(*tasks) == [JSON_BODY] * 3
            assert raw.connections == 1

    run(main())


def test_a_target_with_more_slots_lets_waiting_requests_in(run: Run) -> None:
    release = asyncio.Event()

    async def main() -> None:
        limits = ClientLimits(queue_s=10)
        async with upstream(answering_after(release)) as raw, opened(limits) as client:
            narrow, wide = target(raw, max_in_flight=1), target(raw, max_in_flight=3)
            tasks = [asyncio.create_task(read(client, to)) for to in (narrow, narrow, wide)]
            await asyncio.sleep(0.02)
            assert client.in_flight(7) == 3

            release.set()
            assert await asyncio.gather(*tasks) == [JSON_BODY] * 3

    run(main())


def test_no_storm_of_cancels_leaves_a_slot_or_a_connection_in_use(run: Run) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.001)
            await peer.send(answer())

    async def main() -> None:
        rng = Random(3)
        async with upstream(script) as raw, opened(ClientLimits(queue_s=20)) as client:
            to = target(raw, max_in_flight=10)
            tasks = [asyncio.create_task(read(client, to)) for _ in range(300)]
            for task in rng.sample(tasks, 200):
                await asyncio.sleep(rng.random() / 1000)
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)

            cancelled = [one for one in results if isinstance(one, asyncio.CancelledError)]
            assert len(cancelled) <= 200
            assert results.count(JSON_BODY) == 300 - len(cancelled)
            assert client.in_flight(7) == 0
            assert await asyncio.gather(*(read(client, to) for _ in range(10))) == [JSON_BODY] * 10
        await asyncio.wait_for(raw.all_gone(), 5)

    run(main())
