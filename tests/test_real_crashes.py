"""Kill -9 of the web process, twenty times under load: no answer that had ended is forgotten."""

import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from tests.clients.fleet import FleetProcess, calm, demo_catalog
from tests.clients.weather import EXACTO, TOOLS, asked
from tests.live import REPOSITORY, LiveGateway

KILLS = 20
CLIENTS = 8


class Load:
    """Clients that ask without a pause until the server is gone, and remember what had ended."""

    def __init__(self, gateway: LiveGateway) -> None:
        self.ended: list[str] = []
        self._gateway = gateway
        self._changed = threading.Condition()
        self._clients = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]

    def run_until(self, answers: int) -> None:
        """Kill the server once that many answers have ended, while others are under way."""
        for client in self._clients:
            client.start()
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ended) >= answers, 60)
        self._gateway.kill()
        for client in self._clients:
            client.join(20)

    def _ask(self, number: int) -> None:
        ask = self._stream if number % 2 else self._whole
        tools = {"tools": TOOLS} if number % 4 < 2 else {}
        body = {"model": EXACTO, "messages": asked("Hello [[tokens:20]]"), **tools}
        try:
            while True:
                ask(body)
        except (OSError, http.client.HTTPException):
            return  # the server is gone

    def _whole(self, body: dict[str, Any]) -> None:
        answer = self._gateway.chat(body)
        assert answer.status == 200, answer.body
        self._has_ended(answer.json["id"])

    def _stream(self, body: dict[str, Any]) -> None:
        with self._gateway.stream({**body, "stream": True}) as stream:
            assert stream.status == 200
            chunk: dict[str, Any] = {}
            for event in stream.events():
                if event == "[DONE]":
                    self._has_ended(chunk["id"])
                elif not event.startswith(":"):
                    chunk = json.loads(event)

    def _has_ended(self, generation: str) -> None:
        with self._changed:
            self.ended.append(generation)
            self._changed.notify()


@pytest.fixture
def gateway() -> Iterator[LiveGateway]:
    with FleetProcess(calm(tokens_per_second=1000)) as fleet:
        live = LiveGateway(demo_catalog(), fleet.env)
        try:
            yield live
        finally:
            live.discard()


@contextmanager
def ingesting(gateway: LiveGateway) -> Iterator[None]:
    """Ingest all the while, as the Celery worker does."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "ingest", "--watch"],
        cwd=REPOSITORY,
        env=gateway.env,
        stdout=subprocess.DEVNULL,
    ) as process:
        yield
        process.terminate()


@pytest.mark.timeout(600)  # twenty starts of a server, perhaps on a busy machine
def test_twenty_kills_under_load_lose_and_double_nothing(
    gateway: LiveGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = Random(20)
    ended: list[str] = []
    with ingesting(gateway):
        for _ in range(KILLS):
            gateway.start()
            load = Load(gateway)
            load.run_until(rng.randrange(5, 60))
            ended += load.ended

    gateway.ingest()

    generations = Counter(row["id"] for row in gateway.rows("SELECT id FROM telemetry_generation"))
    served = Counter(
        row["generation_id"]
        for row in gateway.rows("SELECT generation_id FROM telemetry_attempt WHERE outcome = 'ok'")
    )
    lost = [one for one in ended if not generations[one] or not served[one]]
    doubled = [one for one in served if served[one] > 1 or generations[one] > 1]
    report = f"{KILLS} kills, {len(ended)} answers ended, {len(lost)} lost, {len(doubled)} doubled"
    with capsys.disabled():
        sys.stdout.write(f"\n{report}; {len(served)} rows\n")
    assert (lost, doubled) == ([], []), report
    assert len(set(ended)) == len(ended)
    assert len(ended) >= KILLS * 5
    gateway.manage("check_counts")
