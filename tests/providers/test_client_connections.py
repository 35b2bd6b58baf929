"""Which connections the client keeps, which it closes, and that no slot is ever lost."""

import asyncio
import socket
import ssl
from pathlib import Path
from random import Random

import pytest

from providers import pool
from providers.client import ClientLimits
from providers.errors import ProviderError
from providers.guard import AddressGuard
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
                    assert await response.events() == [Event(b"1"), Event(b"[DONE]")]
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
                    assert (await response.events())[-1] == Event(b"[DONE]")
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
                assert await response.events()
            assert client.in_flight(7) == 0
            await asyncio.wait_for(gone.wait(), 10)

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
            await asyncio.wait_for(gone.wait(), 10)

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
                assert await response.events()
            await asyncio.wait_for(gone.wait(), 10)

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
        await asyncio.wait_for(raw.all_gone(), 15)

    run(main())


@pytest.mark.parametrize(
    "ending", ["closed", "half-closed", "Connection: close", "HTTP/1.0"], ids=str
)
def test_a_connection_that_has_ended_is_replaced(run: Run, ending: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        data = answer(JSON_BODY, "200 OK", *([ending] if ":" in ending else []))
        await peer.send(data.replace(b"HTTP/1.1", b"HTTP/1.0") if "/" in ending else data)
        if ending == "closed":
            return
        if ending == "half-closed":
            peer.writer.write_eof()
        await peer.closed()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            for _ in range(3):
                assert await read(client, target(raw)) == JSON_BODY
                await asyncio.sleep(0.02)
            assert raw.connections == 3

    run(main())


def test_an_idle_connection_is_closed_after_a_while(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEEPALIVE_S", 0.02)

    async def main() -> None:
        async with upstream(answering(answer())) as raw, opened() as client:
            await read(client, target(raw))
            await raw.all_gone()
            await read(client, target(raw))
            assert raw.connections == 2

    run(main())


def test_closing_the_client_ends_what_is_still_read(run: Run) -> None:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head("200 OK", SSE, CHUNKED))
        reached.set()
        await peer.closed()

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            reading = asyncio.create_task(stream(client, target(raw)))
            await reached.wait()
            await client.close()
            await asyncio.gather(reading, return_exceptions=True)
            await raw.all_gone()
            assert client.in_flight(7) == 0

    run(main())


@pytest.mark.usefixtures("trusting")
def test_a_provider_behind_tls_is_asked_over_one_connection(
    run: Run, self_signed: ssl.SSLContext
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            assert request.endswith(b"{}")
            await peer.send(head("200 OK", SSE, CHUNKED))
            await peer.chunk(b"data: 1\n\n")
            await asyncio.sleep(0.002)
            await peer.chunk(b"data: [DONE]\n\n")
            await peer.send(b"0\r\n\r\n")

    async def main() -> None:
        async with upstream(script, self_signed) as raw, opened() as client:
            for _ in range(3):
                assert await stream(client, target(raw)) == [Event(b"1"), Event(b"[DONE]")]
            assert raw.connections == 1

    run(main())


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_host_is_not_trusted(
    run: Run, self_signed: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with upstream(answering(answer()), self_signed) as raw, opened() as client:
            to = target(raw, url=raw.url.replace("127.0.0.1", "localhost"))
            assert (await failure(client, to)).outcome == "connect_error"

    run(main())


@pytest.mark.usefixtures("trusting")
@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts the open files Linux shows")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_cancelling_at_any_moment_leaves_nothing_behind(
    run: Run, self_signed: ssl.SSLContext, secure: bool
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(head("200 OK", SSE, CHUNKED))
            await peer.chunk(DONE)
            await asyncio.sleep(0)
            await peer.send(b"0\r\n\r\n")

    async def main() -> None:
        async with upstream(script, self_signed if secure else None) as raw:
            for fresh in (True, False):
                for steps in range(60):
                    async with opened() as client:
                        if not fresh:
                            await stream(client, target(raw))
                        task = asyncio.create_task(stream(client, target(raw)))
                        for _ in range(steps):
                            await asyncio.sleep(0)
                        task.cancel()
                        await asyncio.gather(task, return_exceptions=True)
                        assert client.in_flight(7) == 0
                        assert len(await stream(client, target(raw))) == 2
                    await asyncio.wait_for(raw.all_gone(), 15)

    run(asyncio.sleep(0))  # libuv opens two files with a process's first loop, and keeps them
    before = open_files()
    run(main())
    assert open_files() == before


def test_another_address_of_the_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    addresses: list[tuple[str, int]] = []

    def resolve(*about: object, **_: object) -> list[object]:
        asked.append(about[0])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    async def main() -> None:
        guard = AddressGuard.from_cidrs("127.0.0.1/32")
        async with upstream(answering(answer())) as raw, opened(guard=guard) as client:
            with socket.create_server(("127.0.0.1", 0)) as closed:
                addresses.append(closed.getsockname())
            # One refuses, one is refused by the guard, the third answers.
            addresses.extend([("127.0.0.2", raw.port), ("127.0.0.1", raw.port)])
            to = target(raw, url=f"http://many.example:{raw.port}/v1")

            assert await asyncio.gather(*(read(client, to) for _ in range(2))) == [JSON_BODY] * 2
            assert await read(client, to) == JSON_BODY

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    asyncio.run(main())

    assert set(asked) == {"many.example"}
    assert len(asked) <= 2


@pytest.mark.parametrize("said", [b"", b"220 mail ready\r\n"], ids=["closes", "speaks first"])
def test_a_provider_that_does_not_wait_for_the_request(run: Run, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(said)

    async def main() -> None:
        async with upstream(script) as raw, opened() as client:
            for _ in range(20):
                error = await failure(client, target(raw))
                assert error.outcome in ("disconnected", "malformed")
            assert client.in_flight(7) == 0

    run(main())
