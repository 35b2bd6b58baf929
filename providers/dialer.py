"""Opens connections to providers: name, guard, TCP, TLS.

Owns every outgoing dial of the gateway. It keeps no connection and sends nothing. Rules: every
address is shown to the guard at the moment it is dialled, whatever a name resolved to before; no
proxy of the environment is used; a certificate must be valid for the host; whatever fails is an
OSError, and a socket that is not handed over is closed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import aiohappyeyeballs

from providers.connection import Connection
from providers.guard import AddressGuard, AddressRefused

DNS_TTL_S = 30.0
# The next address is tried beside a silent one after this long. Source: RFC 8305, section 8.
NEXT_ADDRESS_S = 0.25

Addresses = list[tuple[Any, ...]]


class Origin(NamedTuple):
    """What a connection leads to; two requests to the same may share one, after each other."""

    secure: bool
    host: str
    port: int


class Dialer:
    """Belongs to one event loop."""

    def __init__(self, guard: AddressGuard, *, connect_s: float, tls_s: float) -> None:
        self._guard = guard
        self._connect_s = connect_s
        self._tls_s = tls_s
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}

    async def dial(self, origin: Origin, make: Callable[[], Connection]) -> Connection:
        """Return an open connection. Raises OSError, of which TimeoutError is one."""
        try:
            async with asyncio.timeout(self._connect_s):
                addresses = await self._resolve(origin.host, origin.port)
                connected = await aiohappyeyeballs.start_connection(
                    addresses,
                    happy_eyeballs_delay=NEXT_ADDRESS_S,
                    socket_factory=self._socket_for,
                )
        except (UnicodeError, RuntimeError):
            # A host that is no name; and what uvloop raises for an address it cannot take.
            raise OSError(errno.EINVAL, "no such address") from None
        return await self._speak(connected, origin, make)

    async def _resolve(self, host: str, port: int) -> Addresses:
        loop = asyncio.get_running_loop()
        until, addresses = self._known.get((host, port), (0.0, []))
        if loop.time() >= until:
            addresses = list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            self._known[host, port] = (loop.time() + DNS_TTL_S, addresses)
        return addresses

    def _socket_for(self, address_info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for an address about to be dialled, unless the guard refuses it."""
        family, kind, protocol, _, address = address_info
        try:
            self._guard.check(address[0])
            if len(address) == 4 and address[3]:
                raise AddressRefused(address[0], "it has a zone")
        except AddressRefused:
            # An OSError, as the dial passes over these to the next address.
            raise PermissionError(errno.EACCES, "address refused") from None
        return socket.socket(family, kind, protocol)

    async def _speak(
        self, connected: socket.socket, origin: Origin, make: Callable[[], Connection]
    ) -> Connection:
        """Make a connection of the socket, over TLS if the origin is secure."""
        tls = _tls() if origin.secure else None
        name = origin.host.rstrip(".") if origin.secure else None
        async with asyncio.timeout(self._tls_s):
            # Whatever happens in here, the loop closes the socket.
            _, connection = await asyncio.get_running_loop().create_connection(
                make, sock=connected, ssl=tls, server_hostname=name
            )
        return connection


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
