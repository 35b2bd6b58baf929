"""Runs a few programs as children of one foreground process, and stops them in order.

Owns starting, restarting after a crash, and stopping. It knows neither what the programs do nor
when they are ready. The rules others rely on: children are in sessions of their own, so that
Ctrl-C reaches only this process, and the kernel kills them if it dies; they stop in the order
given; a child that keeps crashing stops everything, with exit code 1.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

_MOST_CRASHES = 5
_CRASH_WINDOW_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """A program to keep running. `stop_s` is how long it may take to end by itself."""

    name: str
    command: Sequence[str]
    stop_s: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    crashes: list[float] = field(default_factory=list)


class Supervisor:
    """Start with `start`, then `run` until a signal; children stop in the order of the list."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        logs: Path,
        environ: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._children = children
        self._logs = logs
        self._environ = environ
        self._say = say
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start all, and take over SIGINT, SIGTERM and SIGHUP."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        for child in self._children:
            self._spawn(child)

    def run(self, ready: Callable[[], bool], on_ready: Callable[[], None]) -> int:
        """Watch until a signal comes or a child keeps crashing; return the exit code."""
        announced = False
        try:
            while not self._stopping.is_set():
                if not all(map(self._alive, self._children)):
                    return 1
                if not announced and ready():
                    announced = True
                    on_ready()
                self._stopping.wait(0.2)
            return 0
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop every child, in order, and wait for it."""
        for child in self._children:
            self._stop(child)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._stopping.set()

    def _spawn(self, child: Child) -> None:
        with (self._logs / f"{child.name}.log").open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603  # our own programs only
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._environ),
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def _alive(self, child: Child) -> bool:
        """Restart the child if it has died; False if it does so again and again."""
        assert child.process is not None  # noqa: S101  # started before it is watched
        if child.process.poll() is None:
            return True
        at = time.monotonic()
        child.crashes = [crash for crash in child.crashes if crash > at - _CRASH_WINDOW_S] + [at]
        log = self._logs / f"{child.name}.log"
        if len(child.crashes) >= _MOST_CRASHES:
            self._say(f"{child.name} keeps ending: stopping. Its last words are in {log}.")
            return False
        self._say(f"{child.name} ended ({child.process.returncode}): starting it again.")
        # A crash at once would otherwise be repeated many times a second.
        self._stopping.wait(0.5 * len(child.crashes))
        if not self.stopping:
            self._spawn(child)
        return True

    def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(child.stop_s)
        except subprocess.TimeoutExpired:
            self._say(f"{child.name} does not end: killing it.")
        # What a child left behind in its session goes with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
