"""A stream that breaks through a fault of our own, or that the caller does not read."""

import asyncio
import json
import logging
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from providers.chat import Usage
from routing.errors import ClientGone
from routing.gateway.bill import Bill
from routing.gateway.extras import NO_EXTRAS
from routing.gateway.places import Places
from routing.gateway.relay import Relay
from routing.gateway.shapes.chat import KEEPALIVE, ChatShape, ChunkWriter
from tests.routing.gateway.specs import LIMITS, make_endpoint

SECRET = "secret words"
LIMITS_OF_SILENCE = replace(LIMITS, keepalive_s=0.01)
WORDS = {"choices": [{"delta": {"content": "one"}}]}


class _Broken:
    """An attempt whose next chunks never come, for a reason that quotes the request."""

    candidate = SimpleNamespace(endpoint=make_endpoint(1))

    def offer(self, taker: Any) -> None:
        """Nothing comes that could be offered."""

    async def more(self) -> list[dict[str, Any]]:
        raise ZeroDivisionError(SECRET)


class _Endless:
    """An attempt that has always something more to say at once."""

    candidate = SimpleNamespace(endpoint=make_endpoint(1))
    said = 0

    def offer(self, taker: Any) -> None:
        """Nothing comes while somebody waits."""

    async def more(self) -> list[dict[str, Any]]:
        self.said += 1
        assert self.said < 10_000, "the loop is never given a turn"
        return [WORDS]


class _Spoken:
    """An attempt that hands its words to the taker, one by one, as a connection's callback does."""

    candidate = SimpleNamespace(endpoint=make_endpoint(1))

    def __init__(self, *words: str) -> None:
        self.taker: Any = None
        self.left = list(words)
        self.told = asyncio.Event()

    def offer(self, taker: Any) -> None:
        self.taker = taker

    async def more(self) -> list[dict[str, Any] | str]:
        loop = asyncio.get_running_loop()
        loop.call_soon(self._say)
        await self.told.wait()
        self.told.clear()
        return [self.left.pop(0)] if self.left else []

    def _say(self) -> None:
        if self.left and self.taker is not None:
            self.taker(self.left.pop(0))
            asyncio.get_running_loop().call_soon(self._say)
        else:
            self.told.set()

    def finish_stream(self) -> Any:
        return SimpleNamespace(finish_reason="stop", tool_calls=[])

    def salvage(self) -> None:
        """Nothing was assembled."""


class _Generation:
    """What a relay needs of a generation."""

    def __init__(self, attempt: Any) -> None:
        self.id = "gen-1"
        self.created_at = 0.0
        self.gateway = SimpleNamespace(limits=LIMITS)
        self.attempt = attempt
        self.attempts = [attempt]
        self.request = SimpleNamespace(extras=NO_EXTRAS)
        self.service_tier = None
        self.finished: list[tuple[Any, ...]] = []

    def time_left(self) -> float:
        return 60.0

    async def finish(self, *how: Any, cancelled: bool = False) -> None:
        self.finished.append((*how, cancelled))

    def bill_sent(self) -> None:
        """Nobody pays here."""

    def bill(self) -> Bill:
        return Bill(Usage(1, 1), 1, 1, estimated=False)


async def _relayed(generation: _Generation, send: Any) -> None:
    async def opened() -> list[dict[str, Any]]:
        return [WORDS]

    opening = asyncio.create_task(opened())
    await asyncio.wait({opening})
    with Places(1).take() as place:
        relay = Relay(generation, opening, place, False, ChatShape())  # type: ignore[arg-type]
        await relay.run(send)


def test_tells_a_fault_of_our_own_in_band_without_a_word_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generation, sent = _Generation(_Broken()), []

    async def send(data: bytes, more: bool) -> None:
        sent.append((data, more))

    with caplog.at_level(logging.ERROR):
        asyncio.run(_relayed(generation, send))

    assert [more for _, more in sent] == [True, False]
    event, done, _ = sent[-1][0].split(b"\n\n")
    assert done == b"data: [DONE]"
    assert json.loads(event[6:])["error"] == {
        "code": 500,
        "message": "Internal error. It has been logged.",
        "metadata": {"error_type": "server"},
    }
    assert generation.finished == [(500, "server", False)]
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def test_ends_as_cancelled_when_the_caller_does_not_read() -> None:
    generation = _Generation(_Broken())

    async def send(data: bytes, more: bool) -> None:
        raise ClientGone

    with pytest.raises(ClientGone):
        asyncio.run(_relayed(generation, send))

    assert generation.finished == [(499, True)]


def test_gives_up_a_caller_who_takes_nothing() -> None:
    generation = _Generation(_Endless())
    generation.gateway.limits = replace(LIMITS, send_stall_s=0.05)

    async def send(data: bytes, more: bool) -> None:
        await asyncio.sleep(30)

    with pytest.raises(ClientGone):
        asyncio.run(_relayed(generation, send))

    assert generation.finished == [(499, True)]


def test_lets_the_loop_have_its_turn_while_a_provider_never_pauses() -> None:
    generation = _Generation(_Endless())

    async def send(data: bytes, more: bool) -> None:
        return

    async def leave() -> None:
        relaying = asyncio.create_task(_relayed(generation, send))
        for _ in range(5):
            await asyncio.sleep(0)
        relaying.cancel()
        await relaying

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())

    assert generation.finished == [(499, True)]


def _words(sent: list[bytes]) -> list[str]:
    events = b"".join(sent).decode().split("\n\n")
    chunks = [json.loads(event[6:]) for event in events if event.startswith("data: {")]
    return [text for one in chunks if (text := one["choices"][0]["delta"]["content"])]


def test_passes_words_on_without_a_turn_of_its_own() -> None:
    attempt = _Spoken("two", "three", "four")
    sent: list[bytes] = []

    async def send(data: bytes, more: bool) -> None:
        sent.append(data)

    generation = _Generation(attempt)
    asyncio.run(_relayed(generation, send))

    assert _words(sent) == ["one", "two", "three", "four"]
    assert sent[-1].endswith(b"data: [DONE]\n\n")
    assert generation.finished == [(200, False)]


@pytest.mark.parametrize("slow", range(5))
def test_keeps_the_order_when_the_caller_is_slow_to_take_a_word(slow: int) -> None:
    attempt = _Spoken("two", "three", "four")
    sent: list[bytes] = []
    sends = 0

    async def send(data: bytes, more: bool) -> None:
        nonlocal sends
        sends += 1
        if sends == slow + 1:
            await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        sent.append(data)

    asyncio.run(_relayed(_Generation(attempt), send))

    assert _words(sent) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("patience", [0, 1])
def test_tells_of_a_send_that_failed_inside_the_callback(
    patience: int, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[bytes] = []

    async def send(data: bytes, more: bool) -> None:
        if b"two" in data:
            for _ in range(patience):
                await asyncio.sleep(0)
            raise ZeroDivisionError(SECRET)
        sent.append(data)

    generation = _Generation(_Spoken("two", "three"))
    with caplog.at_level(logging.ERROR):
        asyncio.run(_relayed(generation, send))

    assert generation.finished == [(500, "server", False)]
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def test_leaves_nothing_unsent_behind_when_the_caller_has_left() -> None:
    async def send(data: bytes, more: bool) -> None:
        if b"two" in data:
            await asyncio.sleep(30)

    async def leave() -> None:
        relaying = asyncio.create_task(_relayed(_Generation(_Spoken("two")), send))
        await asyncio.sleep(0.02)
        relaying.cancel()
        await asyncio.wait({relaying})
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(leave())


class _SilentUntilTheEnd:
    """An attempt that ends in the very turn of the loop in which its caller is due a comment."""

    candidate = SimpleNamespace(endpoint=make_endpoint(1))

    def offer(self, taker: Any) -> None:
        """Nothing comes that could be offered."""

    async def more(self) -> list[dict[str, Any]]:
        await asyncio.sleep(3 * LIMITS_OF_SILENCE.keepalive_s)  # a first comment, or two
        time.sleep(2 * LIMITS_OF_SILENCE.keepalive_s)  # noqa: ASYNC251  # so the timer is due
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return []

    def finish_stream(self) -> Any:
        return SimpleNamespace(finish_reason="stop", tool_calls=[])


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_sends_no_comment_after_the_end(turns: int) -> None:
    generation, sent = _Generation(_SilentUntilTheEnd()), []
    generation.gateway.limits = LIMITS_OF_SILENCE

    async def send(data: bytes, more: bool) -> None:
        for _ in range(turns):  # a server writes when there is room again
            await asyncio.sleep(0)
        sent.append((data, more))

    asyncio.run(_relayed(generation, send))

    assert [data for data, _ in sent].count(KEEPALIVE) >= 2
    assert [more for _, more in sent].index(False) == len(sent) - 1
    assert generation.finished == [(200, False)]


def test_sends_no_comment_to_a_caller_who_does_not_take_what_there_is() -> None:
    generation = _Generation(_Spoken())
    generation.gateway.limits = LIMITS_OF_SILENCE
    sent: list[bytes] = []

    async def send(data: bytes, more: bool) -> None:
        await asyncio.sleep(4 * LIMITS_OF_SILENCE.keepalive_s)
        sent.append(data)

    asyncio.run(_relayed(generation, send))

    assert KEEPALIVE not in sent
    assert sent[-1].endswith(b"data: [DONE]\n\n")


def test_tells_of_a_chunk_that_cannot_be_written_inside_the_callback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = ChunkWriter.event

    def event(self: ChunkWriter, chunk: dict[str, Any] | str) -> bytes:
        if chunk == "two":
            raise ZeroDivisionError(SECRET)
        return write(self, chunk)

    async def send(data: bytes, more: bool) -> None:
        return

    monkeypatch.setattr(ChunkWriter, "event", event)
    generation = _Generation(_Spoken("two", "three"))
    with caplog.at_level(logging.ERROR):
        asyncio.run(_relayed(generation, send))

    assert generation.finished == [(500, "server", False)]
    assert SECRET not in caplog.text
