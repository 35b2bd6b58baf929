"""Providers that do exactly what a test says, byte by byte, and remember what they were sent.

Owns a port per provider, served by one event loop in a thread. A request is recognised by the
nonce in its last message, or in its input; what has no script is answered plainly. The rule tests
rely on: a request that reaches a provider its test has forbidden is kept in `violations`.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

REPLY = {
    "id": "up-1",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Good day."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
}


@dataclass(slots=True)
class Visit:
    """One request, as a provider saw it."""

    provider: str
    nonce: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    gone: threading.Event = field(default_factory=threading.Event)  # the gateway hung up
    _writer: asyncio.StreamWriter | None = None
    _reader: asyncio.StreamReader | None = None
    ended: bool = False

    async def send(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def wait_gone(self) -> None:
        assert self._reader is not None
        try:
            while await self._reader.read(65536):
                pass
        finally:
            self.gone.set()

    def close(self, *, reset: bool = False) -> None:
        assert self._writer is not None
        self.ended = True
        if reset:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()


Step = Callable[[Visit], Awaitable[None]]


# Steps -------------------------------------------------------------------------------------


def wire(data: bytes) -> Step:
    """Send these very bytes."""

    async def step(visit: Visit) -> None:
        await visit.send(data)

    return step


def answer(body: Any = REPLY, status: int = 200, *headers: str, kind: str = "") -> Step:
    """Answer whole: JSON, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Type: {kind or 'application/json'}",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return wire("\r\n".join([*lines, "", ""]).encode() + data)


def begin_stream(*headers: str) -> Step:
    """Send the head of an event stream."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
    return wire("\r\n".join([*lines, *headers, "", ""]).encode())


def piece(data: bytes) -> Step:
    """Send bytes of the body as one HTTP chunk."""
    return wire(b"%x\r\n%s\r\n" % (len(data), data))


def event(payload: Any) -> Step:
    """Send one event: JSON, or text as it is."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return piece(f"data: {text}\n\n".encode())


def delta(text: str = "", *, finish: str | None = None, **fields: Any) -> Step:
    """Send one chunk with this content (or other fields of its delta)."""
    said = {"content": text, **fields} if text else fields
    return event(chunk(said, finish=finish))


def chunk(said: dict[str, Any], *, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return {"id": "up-1", "object": "chat.completion.chunk", "choices": [choice], **fields}


def usage(prompt: int = 10, completion: int = 4) -> Step:
    """Send the chunk that only counts."""
    counted = {"prompt_tokens": prompt, "completion_tokens": completion}
    return event({"id": "up-1", "choices": [], "usage": counted})


def end_stream(*, done: bool = True) -> Step:
    """Send [DONE] and end the body."""
    data = b"e\r\ndata: [DONE]\n\n\r\n" if done else b""
    return wire(data + b"0\r\n\r\n")


def sleep(seconds: float) -> Step:
    async def step(visit: Visit) -> None:
        await asyncio.sleep(seconds)

    return step


def wait(opened: threading.Event) -> Step:
    """Wait until the test opens the gate."""

    async def step(visit: Visit) -> None:
        await asyncio.to_thread(opened.wait, 20)

    return step


def repeat(step: Step, pause_s: float, times: int = 1_000_000) -> Step:
    async def repeated(visit: Visit) -> None:
        for _ in range(times):
            await step(visit)
            await asyncio.sleep(pause_s)

    return repeated


async def fin(visit: Visit) -> None:
    """Close the connection."""
    visit.close()


async def rst(visit: Visit) -> None:
    """Reset the connection, once what was sent has left."""
    await asyncio.sleep(0.02)
    visit.close(reset=True)


async def hang(visit: Visit) -> None:
    """Say nothing more until the gateway hangs up."""
    await visit.wait_gone()


def plain_stream(*words: str) -> tuple[Step, ...]:
    """The steps of a whole, good stream."""
    said = [delta(word) for word in words or ("Good ", "day.")]
    role, last = delta(role="assistant", content=""), delta(finish="stop")
    return (begin_stream(), role, *said, last, usage(), end_stream())


def plain_vectors(asked: Any, dimensions: int | None = None) -> dict[str, Any]:
    """Return a good answer to a request for embeddings of what is asked."""
    vector = [0.25] * (dimensions or 2)
    several = isinstance(asked, list) and not isinstance(asked[0], int)
    data = [
        {"object": "embedding", "index": at, "embedding": vector}
        for at in range(len(asked) if several else 1)
    ]
    return {"object": "list", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}


def _plain(body: dict[str, Any]) -> tuple[Step, ...]:
    if "messages" not in body:
        return (answer(plain_vectors(body["input"], body.get("dimensions"))),)
    return plain_stream() if body.get("stream") else (answer(),)


# Providers ---------------------------------------------------------------------------------


class ScriptedUpstream:
    """Some providers, each on a port of its own. A context manager."""

    def __init__(self, *providers: str) -> None:
        self.ports: dict[str, int] = {}
        self.visits: list[Visit] = []
        self.violations: list[Visit] = []
        self._providers = providers
        self._scripts: dict[tuple[str, str], Sequence[Step]] = {}
        self._allowed: dict[str, frozenset[str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def script(self, nonce: str, *, only: Sequence[str] = (), **programs: Sequence[Step]) -> None:
        """Say what each provider does with this request, and which ones may see it at all."""
        for provider, steps in programs.items():
            self._scripts[nonce, provider] = steps
        if only:
            self._allowed[nonce] = frozenset(only)

    def seen(self, nonce: str, provider: str = "") -> list[Visit]:
        """Return the visits of this request, in order."""
        return [v for v in self.visits if v.nonce == nonce and provider in ("", v.provider)]

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        servers = []
        for provider in self._providers:
            server = await asyncio.start_server(self._handler(provider), "127.0.0.1", 0)
            self.ports[provider] = server.sockets[0].getsockname()[1]
            servers.append(server)
        self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)

    def _handler(
        self, provider: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await self._one(provider, reader, writer):
                    pass
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass  # the gateway hung up, as it may; or the rig stops
            finally:
                writer.close()

        return handle

    async def _one(
        self, provider: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        visit = await _receive(provider, reader)
        visit._reader, visit._writer = reader, writer
        self.visits.append(visit)
        if provider not in self._allowed.get(visit.nonce, self._providers):
            self.violations.append(visit)
        steps = self._scripts.get((visit.nonce, provider))
        if steps is None:
            steps = _plain(visit.body)
        try:
            for step in steps:
                await step(visit)
        except ConnectionError:
            visit.gone.set()
            raise
        return not visit.ended and not visit.gone.is_set()


async def _receive(provider: str, reader: asyncio.StreamReader) -> Visit:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in lines}
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    said = body["messages"][-1].get("content") if "messages" in body else body.get("input")
    content = str(said or "")
    nonce = content.rpartition("nonce:")[2].partition(" ")[0] if "nonce:" in content else ""
    return Visit(provider, nonce, headers, body, time.monotonic())
