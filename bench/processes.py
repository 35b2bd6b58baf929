"""Starts the bench's own processes, waits until they answer, and ends exactly those again."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

START_SECONDS = 120.0
STOP_SECONDS = 15.0


class Unavailable(Exception):
    """A system cannot take part; the text says why, for the report."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: Sequence[str], log: Path, *, env: Mapping[str, str], seconds: float = 900) -> str:
    """Runs a set-up step to its end and returns what it printed; Unavailable when it fails."""
    with log.open("ab") as stderr:
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=stderr, timeout=seconds, text=True
        )
        stderr.write(done.stdout.encode())
    if done.returncode:
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise Unavailable(f"{' '.join(command[:4])} … failed: {' / '.join(tail)}")
    return done.stdout


def capabilities() -> dict[str, str]:
    """The environment of children: the caller's, without what is meant for another Assay."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "PIP_INDEX_URL")
    return {name: os.environ[name] for name in keep if name in os.environ}


class Processes:
    """The children of one bench run; leaving the context ends them and their descendants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for process in self.running:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)  # whatever of its group is left

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Starts a child in a process group of its own; its output goes to `name`.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        return process.pid

    def wait_for(self, name: str, pid: int, url: str) -> None:
        """Returns once `url` answers at all, with any status below 500."""
        deadline = time.monotonic() + START_SECONDS
        process = next(p for p in self.running if p.pid == pid)
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return
            except OSError:
                pass
            else:
                return
            time.sleep(0.2)
        log = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        raise Unavailable(f"{name} does not answer at {url}: {' / '.join(log[-3:])}")


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def counters(port: int) -> dict[str, int]:
    """The mock upstream's own count of what it served."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        counts: dict[str, int] = json.loads(answer.read())
        return counts
