"""Serve the gateway and the admin with uvicorn, with the options they rely on."""

import asyncio
import sys
from argparse import ArgumentParser
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

_TICK_S = 1.0  # uvicorn renews its Date header once a second
_NOT_STARTED = 3  # uvicorn's own exit code for it


class QuietServer(uvicorn.Server):
    """uvicorn's server, but woken by a signal instead of looking ten times a second for one.

    On a quiet gateway those looks were a twentieth of what a slow stream costs.
    """

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._signalled = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signalled.set)


class Command(BaseCommand):
    help = "Serve HTTP: the API, the admin, /healthz and /readyz."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1, help="Processes; each one serves.")

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        about: dict[str, Any] = {
            "host": host,
            "port": port,
            # The other parser accepts Content-Length and Transfer-Encoding together.
            "http": "httptools",
            "loop": "uvloop",
            "ws": "none",
            "lifespan": "on",
            "access_log": False,
            "server_header": False,
            # `client_address` decides who is believed; Django reads the scheme for itself.
            "proxy_headers": False,
            "log_level": "warning",
            # Streams are ended by our own drain first: the server's cut would lose their records.
            "timeout_graceful_shutdown": int(settings.LIMITS.graceful_stop_s) + 5,
        }
        if workers > 1:
            uvicorn.run("routing.asgi:application", workers=workers, **about)
            return
        server = QuietServer(uvicorn.Config("routing.asgi:application", **about))
        with suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            sys.exit(_NOT_STARTED)
