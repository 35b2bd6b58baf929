"""`make run` as a newcomer meets it: what it prints works, and it stops, restarts and refuses well.

Everything runs in a home of its own, without the settings of the test run.
"""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.clients.weather import EXACTO, TOOLS, asked
from tests.live import REPOSITORY, eventually, free_port

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="NOT TESTED: `make run` without /proc"
)

OURS = re.compile(
    "ASSAY_|DATABASE_URL|REDIS_URL|CELERY_|SPOOL_|SECRET_KEY|API_KEY_PEPPER|CREDENTIAL_KEYS|DJANGO_"
)
# What comes and goes by itself.
VOLATILE = {
    "telemetry_spoolposition",
    "routing_processreport",
    "django_session",
    "sqlite_sequence",
    "sqlite_stat1",
}


def environment(home: Path, **more: object) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not OURS.search(name)}
    settings = {"ASSAY_HOME": home, "DEMO_TRAFFIC": 0, **more}
    return {**clean, **{name: str(value) for name, value in settings.items()}}


class Up:
    """`manage.py up` on free ports. A context manager; kills what is left at the end."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.home = home
        self.port = free_port()
        self._lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=REPOSITORY,
            env=environment(home, PORT=self.port, SIMULATOR_PORT=free_port(), **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        for pid in children(self.home):
            os.kill(pid, signal.SIGKILL)
        assert self.process.stdout
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout
        self._lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def wait_for(self, words: str, within_s: float = 90) -> None:
        def said() -> bool:
            assert self.process.poll() is None, self.output
            return words in self.output

        eventually(said, within_s)

    def wait_up(self) -> None:
        # Ten seconds on two idle cores; a machine that runs other tests as well may need a minute.
        self.wait_for("Ctrl-C stops everything", within_s=90)

    def stop(self) -> int:
        """End it as Ctrl-C and service managers do; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    @property
    def curl(self) -> str:
        [line] = [line.strip() for line in self.output.splitlines() if line.startswith("  curl ")]
        return line

    def shown(self, title: str) -> str:
        """Return what stands behind a word of the banner."""
        [line] = [line for line in self.output.splitlines() if line.startswith(f"  {title} ")]
        return line.removeprefix(f"  {title} ").strip()

    def ask_with_tools(self) -> str:
        """Ask with the printed key; return the generation's id."""
        body = {"model": EXACTO, "messages": asked("Start with get_weather. [[tool]]")}
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/api/v1/chat/completions",
            headers={"Authorization": f"Bearer {self.shown('Key')}"},
            json={**body, "tools": TOOLS},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def rows(self, sql: str, *values: object) -> list[Any]:
        return rows(self.home, sql, *values)

    def verdict(self, generation: str) -> str:
        """Return the verdict of the served attempt, once it is visible."""
        query = "SELECT verdict FROM telemetry_attempt WHERE generation_id = ? AND outcome = 'ok'"

        def judged() -> list[str]:
            found = [verdict for (verdict,) in self.rows(query, generation)]
            return [] if "pending" in found else found

        [verdict] = eventually(judged, 60)
        return str(verdict)


def rows(home: Path, sql: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(home / "assay.sqlite3", timeout=20)) as database, database:
        return database.execute(sql, values).fetchall()


def counts(home: Path) -> dict[str, int]:
    """Return how many rows each table has."""
    tables = [name for (name,) in rows(home, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: rows(home, f'SELECT COUNT(*) FROM "{table}"')[0][0]
        for table in tables
        if table not in VOLATILE
    }


def children(home: Path) -> dict[int, str]:
    """Return the processes that live in this home, with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"ASSAY_HOME={home}".encode() in variables:
            found[int(folder.name)] = command
    return found


def web(home: Path) -> int:
    [pid] = [pid for pid, command in children(home).items() if "manage.py serve" in command]
    return pid


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("home")) as up:
        up.wait_up()
        yield up


def test_the_printed_line_works_as_pasted(running: Up) -> None:
    done = subprocess.run(
        ["bash", "-c", running.curl], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["choices"][0]["message"]["content"]
    # No tools were offered: there is nothing to judge, but the attempt is there.
    assert running.verdict(answer["id"]) == ""


def test_a_call_is_judged_by_the_running_worker(running: Up) -> None:
    assert running.verdict(running.ask_with_tools()) == "valid"


@pytest.mark.parametrize("title", ["Curator", "Operator"])
def test_the_printed_logins_open_the_admin(running: Up, title: str) -> None:
    name, _, password = running.shown(title).partition(" / ")
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=20) as client:
        client.get("/admin/login/")
        form = {"username": name, "password": password, "next": "/admin/"}
        token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
        entered = client.post("/admin/login/", data=form | token)

        assert (entered.status_code, entered.headers["location"]) == (302, "/admin/")
        assert client.get("/admin/").status_code == 200


def refusal(home: Path, **ports: int) -> str:
    """Start it where it cannot run; return what it says."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=REPOSITORY,
        env=environment(home, **{"PORT": free_port(), "SIMULATOR_PORT": free_port(), **ports}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_second_one_in_the_same_home_is_one_clear_line(running: Up) -> None:
    said = refusal(running.home)

    assert said == f"CommandError: Assay is already running in {running.home}.\n"
    assert running.ask_with_tools()


@pytest.mark.parametrize("name", ["PORT", "SIMULATOR_PORT"])
def test_a_busy_port_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(tmp_path, **{name: port})

    reason = f"Port {port} cannot be used (Address already in use): set {name} to a free one."
    assert said == f"CommandError: {reason}\n"
    assert not (tmp_path / "assay.sqlite3").exists()


def test_a_killed_web_process_is_started_again(running: Up) -> None:
    before = web(running.home)
    os.kill(before, signal.SIGKILL)

    running.wait_for("web ended (-9): starting it again.")
    eventually(lambda: _is_ready(running.port), 90)

    assert web(running.home) != before
    assert running.verdict(running.ask_with_tools()) == "valid"


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_starting_again_neither_doubles_nor_loses_anything(tmp_path: Path) -> None:
    with Up(tmp_path) as first:
        first.wait_up()
        first.verdict(asked_before := first.ask_with_tools())
        assert first.stop() == 0
        assert children(tmp_path) == {}
    assert first.output.endswith("Assay has stopped.\n")
    curators_change = (
        "UPDATE providers_endpoint SET enabled = 0, price_prompt = '0.5' WHERE tag = ?"
    )
    rows(tmp_path, curators_change, "tallow/fp4")
    changed = "SELECT * FROM providers_endpoint ORDER BY id"
    before, endpoints = counts(tmp_path), rows(tmp_path, changed)

    with Up(tmp_path) as second:
        second.wait_up()
        again, endpoints_again = counts(tmp_path), rows(tmp_path, changed)
        generation = second.ask_with_tools()

        assert second.shown("Key") == first.shown("Key")
        assert second.shown("Curator") == first.shown("Curator")
        assert (again, endpoints_again) == (before, endpoints)
        assert second.verdict(generation) == "valid"
        assert second.verdict(asked_before) == "valid"

        # Now as a machine that runs out of memory does it.
        second.process.kill()
        eventually(lambda: not children(tmp_path), 60)


def test_without_ready_children_it_still_stops_at_once(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        eventually(lambda: any("simulate_providers" in c for c in children(tmp_path).values()), 90)

        assert up.stop() == 0
        assert children(tmp_path) == {}
