"""A provider of raw bytes on loopback: it can do what no HTTP library would."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from providers.client import ClientLimits, UpstreamClient
from providers.guard import AddressGuard

LOOPBACK = AddressGuard.from_cidrs("127.0.0.0/8")
JSON_BODY = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'


class Peer:
    """One connection, seen from the provider."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request; raise IncompleteReadError when there is none."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return head + await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def closed(self) -> None:
        """Return when the gateway's side is gone."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return

    def reset(self) -> None:
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class RawUpstream:
    def __init__(self, script: Script) -> None:
        self._script = script
        self.connections = 0
        self._open = 0
        self._gone = asyncio.Condition()
        self.scheme = "http"
        self.port = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/chat/completions"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        try:
            await self._script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway hung up, as it may
        finally:
            writer.close()
            async with self._gone:
                self._open -= 1
                self._gone.notify_all()

    async def all_gone(self) -> None:
        """Return when no connection is open any more."""
        async with self._gone:
            await self._gone.wait_for(lambda: self._open == 0)


@asynccontextmanager
async def upstream(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawUpstream]:
    raw = RawUpstream(script)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    raw.scheme = "https" if tls else "http"
    try:
        yield raw
    finally:
        server.close()


@asynccontextmanager
async def opened(
    limits: ClientLimits | None = None, *, guard: AddressGuard = LOOPBACK
) -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient(guard, limits)
    try:
        yield client
    finally:
        await client.close()


def head(status: str = "200 OK", content_type: str = "application/json", *lines: str) -> bytes:
    kind = [f"Content-Type: {content_type}"] if content_type else []
    return "\r\n".join([f"HTTP/1.1 {status}", *kind, *lines, "", ""]).encode()


def answer(body: bytes = JSON_BODY, status: str = "200 OK", *lines: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    return head(status, "application/json", length, *lines) + body


def answering(data: bytes) -> Script:
    """Answer every request with these bytes."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(data)

    return script


def answering_once(data: bytes, *, reset: bool = False) -> Script:
    """Answer one request with these bytes, then close or reset the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)
        if reset:
            await asyncio.sleep(0.02)  # so that the bytes are not lost with the connection
            peer.reset()

    return script
