"""Carries out a program on one connection: the only place where the simulator waits and writes.

Notices within a moment when the peer has gone, or the server stops, and produces nothing more.
Steps that are due at the same time go out in one write.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from providers.simulator.programs import HangUp, Head, Program, Send, SendRaw, Step, Wait

NOTICE_SECONDS = 0.05  # how often a waiting program looks whether anybody is still there
SHORTEST_SLEEP = 0.001  # seconds; shorter waits are made up for later
LARGEST_WRITE = 64 * 1024

_LINGER_ZERO = struct.pack("ii", 1, 0)


class PeerGone(ConnectionError):
    """The client closed the connection."""


class Stopping(Exception):
    """The server is shutting down."""


class HungUp(Exception):
    """The program closed the connection."""


class Performance:
    def __init__(
        self, request: web.Request, is_stopping: Callable[[], bool], on_bytes: Callable[[int], None]
    ) -> None:
        self._request = request
        self._is_stopping = is_stopping
        self._on_bytes = on_bytes
        self._response: web.StreamResponse | None = None
        self._buffer = bytearray()
        self._due = asyncio.get_running_loop().time()

    async def run(self, program: Program) -> web.StreamResponse:
        """Perform to the end; raise PeerGone, Stopping or HungUp if it ends otherwise."""
        await self._wait(program.delay)
        if program.head is not None:
            self._response = await self._prepared(program.head)
        for step in program.steps:
            await self._take(step)
        await self._flush()
        return self._response or web.Response()

    async def _prepared(self, head: Head) -> web.StreamResponse:
        self._check()
        response = web.StreamResponse(status=head.status, headers=head.headers)
        await response.prepare(self._request)
        return response

    async def _take(self, step: Step) -> None:
        match step:
            case Send(data):
                self._buffer += data
                if len(self._buffer) >= LARGEST_WRITE:
                    await self._flush()
            case Wait(seconds):
                await self._wait(seconds)
            case SendRaw(data):
                await self._flush()
                self._check().write(data)
                self._on_bytes(len(data))
            case HangUp(reset):
                await self._flush()
                self._hang_up(reset=reset)
                raise HungUp

    async def _wait(self, seconds: float) -> None:
        """Wait on a schedule, not from now: lateness is made up for by the next waits."""
        loop = asyncio.get_running_loop()
        self._due += seconds
        if self._due - loop.time() <= SHORTEST_SLEEP:
            return
        await self._flush()
        while (left := self._due - loop.time()) > 0:
            await asyncio.sleep(min(left, NOTICE_SECONDS))
            self._check()

    async def _flush(self) -> None:
        """Write what is due; the first time the head goes out with it, even alone."""
        self._check()
        if self._response is None:
            return
        data = bytes(self._buffer)
        self._buffer.clear()
        await self._response.write(data)
        self._on_bytes(len(data))

    def _check(self) -> asyncio.Transport:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise PeerGone
        if self._is_stopping():
            raise Stopping
        return transport

    def _hang_up(self, *, reset: bool) -> None:
        transport = self._check()
        if reset:
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()
        else:
            transport.close()
