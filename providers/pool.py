"""Keeps the connections that may carry another request.

Owns which connection a request gets, and how long an idle one is kept. It bounds nothing, since
Slots does, and it sends nothing. Rules: a connection is held by one request at a time; one that
was closed, or that has said something unasked, is never handed out; none outlives `close`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from providers.connection import Connection
from providers.dialer import Dialer, Origin

KEEPALIVE_S = 30.0
_CLOSING_S = 1.0


class Pool:
    """Belongs to one event loop."""

    def __init__(self, dialer: Dialer, header_bytes: int) -> None:
        self._dialer = dialer
        self._header_bytes = header_bytes
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._open: set[Connection] = set()
        self._none_open = asyncio.Event()
        self._sweep_at: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self, origin: Origin) -> Connection:
        """Return a connection that may be asked. Raises OSError if none can be had."""
        idle = self._idle[origin]
        while idle:
            # The one used last is the likeliest to be still open.
            connection = idle.pop()
            if connection.idle_since > self._oldest() and connection.usable:
                return connection
            connection.abort()
        connection = await self._dialer.dial(origin, self._make)
        if self._closed:
            connection.abort()
            raise ConnectionAbortedError
        if not connection.lost:
            self._open.add(connection)
        return connection

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep the connection if its answer was read to the end, else close it."""
        if self._closed or not connection.spent:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.rest()
        connection.idle_since = loop.time()
        self._idle[origin].append(connection)
        if self._sweep_at is None:
            self._sweep_at = loop.call_later(KEEPALIVE_S, self._sweep)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        self._closed = True
        if self._sweep_at is not None:
            self._sweep_at.cancel()
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                while self._open:
                    self._none_open.clear()
                    await self._none_open.wait()

    def _make(self) -> Connection:
        return Connection(self._header_bytes, self._lost)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()

    def _sweep(self) -> None:
        """Close what was idle for too long, or is dead; come back while something is left."""
        oldest = self._oldest()
        for idle in self._idle.values():
            for connection in [one for one in idle if one.idle_since <= oldest or one.lost]:
                connection.abort()
                idle.remove(connection)
        loop, left = asyncio.get_running_loop(), any(self._idle.values())
        self._sweep_at = loop.call_later(KEEPALIVE_S / 2, self._sweep) if left else None

    def _oldest(self) -> float:
        return asyncio.get_running_loop().time() - KEEPALIVE_S
