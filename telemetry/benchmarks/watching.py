"""One official program as a process of its own: started, watched, and never left behind.

Owns its process group, time limit and log. What it prints may hold prompts and answers: it goes
to a file beside the results, and no word of it but the name of an exception is shown. The rule
others rely on: when `watch` returns or raises, for whatever reason, nothing that the program
started in its group is alive; nor is it when the watching process was killed.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOG = "program.log"
_LOOK_S = 0.5
_TELL_S = 10.0
_GRACE_S = 10.0
_TAIL = 64 * 1024
_EXCEPTION = re.compile(
    rb"^(?:[a-z_][\w]*\.)*([A-Z]\w*(?:Error|Exception|Timeout))\b(?=:|\s*$)", re.M
)


class Failed(Exception):
    """The program did not end well; the message says how, and quotes nothing it said. `exception`
    is the name of what it died of, "" if it is not known."""

    def __init__(self, problem: str, exception: str = "") -> None:
        super().__init__(f"{problem} ({exception})" if exception else problem)
        self.exception = exception


def watch(
    command: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    limit_s: float,
    on_look: Callable[[float], None],
) -> None:
    """Run the program in the folder to its end, telling the seconds gone now and then. Raises
    Failed."""
    started = time.monotonic()
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # the program a person named, and no shell
            command, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            with _guarded(process):
                _wait(process, started, limit_s, on_look)
        finally:
            _end(process)
    if process.returncode:
        raise Failed(f"ended with {_ended(process.returncode)}", _exception(folder))


@contextmanager
def _guarded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have the group ended by a shell that hears from us no more, should we be killed."""
    kill = 'read -r _; kill -s KILL -- "-$0"'  # its pipe ends when nobody holds our end of it
    guard = subprocess.Popen(  # noqa: S603  # our own words, and a number
        ["/bin/sh", "-c", kill, str(process.pid)], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _wait(
    process: subprocess.Popen[bytes],
    started: float,
    limit_s: float,
    on_look: Callable[[float], None],
) -> None:
    told = started
    while process.poll() is None:
        now = time.monotonic()
        if now - started > limit_s:
            raise Failed(f"ran longer than {limit_s / 60:g} minutes and was ended")
        if now - told >= _TELL_S:
            told = now
            on_look(now - started)
        time.sleep(_LOOK_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group: first kindly while its leader lives, then whatever is left of it."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(process.pid, number)


def _ended(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"


def log_end(folder: Path) -> bytes:
    """Return the end of what the program printed: to be looked at, never to be shown."""
    with (folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
        return log.read()


def _exception(folder: Path) -> str:
    """Return the name of the last exception in the log, or ""."""
    names = _EXCEPTION.findall(log_end(folder))
    return names[-1].decode() if names else ""
