"""One child process as seen from the event loop: start, first word, answers, end.

Owns the pipes and nothing of what is said through them. Bytes written to a child that has died are
lost in silence; `ended` tells. It works on asyncio's loop and on uvloop alike.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from telemetry.judge.worker import split_frames

START_S = 10.0  # a child that is not ready by then is not going to be
END_S = 1.0  # what a child gets to leave by itself
_ROOT = Path(__file__).resolve().parents[2]


class Child(asyncio.SubprocessProtocol):
    """The process: its pipes, its first word and its end."""

    def __init__(self, on_answer: Callable[[bytes], None]) -> None:
        self._on_answer = on_answer
        self._buffer = bytearray()
        self._transport: asyncio.SubprocessTransport | None = None
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport else None

    async def start(self, command: tuple[str, ...]) -> None:
        """Return when the child is ready; raise OSError if it will not be."""
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *command,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may quote arguments
            cwd=_ROOT,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
        # Not wait_for, which loses a cancellation that comes as the child becomes ready (before
        # Python 3.12).
        async with asyncio.timeout(START_S):
            ready = await asyncio.shield(self._ready)
        if not ready:
            raise ChildProcessError

    async def end(self) -> None:
        """Close its stdin and see it out, by force if it lingers."""
        if self._transport is None:
            return
        stdin = self._stdin()
        if stdin is not None:
            stdin.close()
        done, _ = await asyncio.wait([self.ended], timeout=END_S)
        if not done:
            self.kill()
            await asyncio.wait([self.ended], timeout=END_S)
        self._transport.close()

    def write(self, data: bytes) -> None:
        stdin = self._stdin()
        if stdin is not None and not stdin.is_closing():
            stdin.write(data)

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        return cast("asyncio.WriteTransport | None", pipe)

    def kill(self) -> None:
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._buffer += data
        for body, _ in split_frames(self._buffer):
            if not self._ready.done():
                self._ready.set_result(True)
            else:
                self._on_answer(body)

    def connection_lost(self, exc: Exception | None) -> None:
        # Comes last: after the process has ended and what it wrote has been read.
        if not self._ready.done():
            self._ready.set_result(False)
        if not self.ended.done():
            self.ended.set_result(None)
