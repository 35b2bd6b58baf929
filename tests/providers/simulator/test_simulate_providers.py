"""The command, as a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "manage.py", "simulate_providers"]
NO_DATABASE = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_serves_without_a_database_until_it_is_stopped(signum: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--seed", "1"],
        cwd=REPOSITORY,
        env=NO_DATABASE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"Simulating cobalt, .* at (http://127\.0\.0\.1:\d+)/", line)
        assert found is not None, process.stderr.read()
        with urllib.request.urlopen(f"{found[1]}/healthz") as response:
            assert response.status == 200

        process.send_signal(signum)

        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=REPOSITORY,
        env=NO_DATABASE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("--port", str(port))

    assert result.returncode == 1
    assert result.stderr == (
        f"CommandError: Cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_a_wrong_fleet_file_is_one_clear_line(tmp_path: Path) -> None:
    wrong = tmp_path / "fleet.yaml"
    wrong.write_text("providers: {a: {endpoints: [{model: m, faults: {bogus: 1}}]}}")

    result = run("--fleet", str(wrong))

    assert result.returncode == 1
    assert result.stderr.startswith("CommandError: providers.a.endpoints[0].faults.bogus: unknown")
