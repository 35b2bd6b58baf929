"""What real processes say of themselves: a server, a worker and beat, started and ended."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.live import REPOSITORY, LiveGateway, eventually


@contextmanager
def celery(home: LiveGateway, *arguments: str) -> Iterator[None]:
    """Run one of Celery's programs as a deployment does, ended in order."""
    command = [sys.executable, "-m", "celery", "-A", "routing", *arguments]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
        process.terminate()
        process.wait(20)
    finally:
        process.kill()


def kinds(home: LiveGateway) -> list[str]:
    return [row["kind"] for row in home.rows("SELECT kind FROM routing_processreport ORDER BY 1")]


@pytest.mark.timeout(600)  # it starts Python five times
def test_each_process_is_known_while_it_runs_and_takes_its_leave() -> None:
    home = LiveGateway({"providers": [], "models": [], "endpoints": []})
    try:
        home.start()
        home.wait_ready()
        eventually(lambda: kinds(home) == ["web"], 60)
        worker = celery(home, "worker", "-P", "threads", "-c", "2", "--loglevel", "WARNING")
        with worker, celery(home, "beat", "--loglevel", "WARNING"):
            eventually(lambda: kinds(home) == ["schedule", "web", "worker"], 60)
            said = home.manage("health")  # it would fail if anything were down
        home.stop()
        left = kinds(home)
    finally:
        home.discard()

    assert [line.split()[:2] for line in said.splitlines()] == [
        ["ok", "Web"],
        ["ok", "Spool"],
        ["ok", "Worker:"],
        ["ok", "Schedule:"],
        ["ok", "Scores:"],
    ]
    assert left == ["schedule"]
