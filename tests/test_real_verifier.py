"""The verifier as its own process: killed in the midst of its run, and against known faults."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.clients.fleet import FleetProcess, adjust, calm, demo_catalog
from tests.live import REPOSITORY, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.verifier.rig import Script, calls
from tests.scripted_upstream import ScriptedUpstream, sleep

MODEL = live_catalog.model_slug(0)
REQUESTS, KILLS, LANES, HOLD_S = 16, 2, 3, 1


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(*live_catalog.PROVIDERS) as rig:
        yield rig


@pytest.fixture
def home(upstream: ScriptedUpstream) -> Iterator[LiveGateway]:
    """A home with a catalogue, and no server: the command needs none."""
    env = {"VERIFY_HOLD_S": str(HOLD_S), "VERIFY_LANES": str(LANES), **live_catalog.credentials()}
    gateway = LiveGateway(live_catalog.catalog(upstream.ports, 1), env)
    try:
        yield gateway
    finally:
        gateway.discard()


@pytest.mark.timeout(600)  # it starts Python five times
def test_no_request_is_repeated_whatever_is_killed(
    home: LiveGateway, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    script, command = _script(upstream, tmp_path)

    for kill in range(1, KILLS + 1):
        process = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env=home.env, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        eventually(partial(_has_seen, script, kill * 30), 60)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    said = home.manage(*command[1:])

    _assert_nothing_repeated(home, script, KILLS)
    assert "Going on with run 1" in said
    assert "Run 1 is finished" in said


@pytest.mark.timeout(600)  # it starts Python five times
def test_no_request_is_repeated_when_the_worker_is_killed(
    home: LiveGateway, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    script, command = _script(upstream, tmp_path)
    home.manage(*command[1:], "--order-only")

    with worker(home) as process:
        eventually(partial(_has_seen, script, 30), 60)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    with worker(home):
        eventually(partial(_is_finished, home), 90)

    _assert_nothing_repeated(home, script, 1)


def _script(upstream: ScriptedUpstream, folder: Path) -> tuple[Script, list[str]]:
    """Return providers that answer, and the command that asks them."""
    script = Script(upstream, REQUESTS)
    for provider in live_catalog.PROVIDERS:
        script.answers(provider, sleep(0.05), calls())
    asked = folder / "set.jsonl"
    asked.write_text("\n".join(map(json.dumps, script.lines)))
    return script, ["manage.py", "verify", MODEL, "--set", str(asked)]


@contextmanager
def worker(home: LiveGateway) -> Iterator[subprocess.Popen[bytes]]:
    """Give a Celery worker that has been told to go on, as beat tells it; killed at the end."""
    celery = [sys.executable, "-m", "celery", "-A", "routing"]
    process = subprocess.Popen(
        [*celery, "worker", "-P", "threads", "-c", "2", "--loglevel", "WARNING"],
        cwd=REPOSITORY, env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        time.sleep(HOLD_S)  # what a killed one held is free again
        subprocess.run(
            [*celery, "call", "routing.verify"], cwd=REPOSITORY, env=home.env, check=True,
            stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _is_finished(home: LiveGateway) -> bool:
    [row] = home.rows("SELECT state FROM telemetry_verifierrun")
    return bool(row["state"] == "finished")


def _assert_nothing_repeated(home: LiveGateway, script: Script, kills: int) -> None:
    every = REQUESTS * 2 * len(live_catalog.PROVIDERS)
    sent = Counter(script.seen())
    rows = home.rows("SELECT state, count(*) AS n FROM telemetry_probe GROUP BY state")
    states = {row["state"]: row["n"] for row in rows}
    assert max(sent.values()) == 1
    assert 0 < states.pop("unknown") <= kills * LANES
    # What was claimed and killed before it left is as unknown as what arrived.
    assert every - kills * LANES <= len(sent) <= every
    assert states["done"] <= len(sent)
    assert list(states) == ["done"]


def _has_seen(script: Script, enough: int) -> bool:
    return len(script.seen()) >= enough


# What the simulated providers are told to do wrong, and what figure tells it.
FAULTS: dict[str, dict[str, float]] = {
    "cobalt": {},
    "larkspur": {"invalid_json": 0.1, "unknown_name": 0.15},
    "meridian": {"schema_mismatch": 0.2, "http_503": 0.05},
    "quillstone": {"leaked_tool_text": 0.25},
}
FIGURES = {"leaked_tool_text": "leaked_tool_text_rate", "http_503": "success"}
SIMULATED = "moonshotai/kimi-k2-0905"
REAL_REQUESTS = 150


@pytest.mark.timeout(600)
def test_it_finds_the_faults_that_the_fleet_was_told_to_have(
    shared_data: Path, tmp_path: Path
) -> None:
    fleet = calm(tokens_per_second=0)
    for provider, faults in FAULTS.items():
        adjust(fleet, provider, "kimi-k2-0905", faults=faults)
    lines = (shared_data / "llm-vendor-verifier" / "requests.jsonl").read_text().splitlines()
    asked = tmp_path / "set.jsonl"
    asked.write_text("\n".join(lines[:REAL_REQUESTS]))
    with FleetProcess(fleet) as simulated:
        # A busy machine must not make the judge late.
        env = simulated.env | {"VERIFY_LANES": "8", "JUDGE_S": "5"}
        home = LiveGateway(demo_catalog(), env)
        try:
            home.manage("verify", SIMULATED, "--set", str(asked), *_only(home))
            found = _figures(home)
        finally:
            home.discard()

    for provider, faults in FAULTS.items():
        [tag] = [tag for tag in found if tag.partition("/")[0] == provider]
        low, high = found[tag]["tool_call_error_rate"]
        assert low <= _expected(faults) <= high, (tag, low, high)
        for fault, rate in faults.items():
            low, high = found[tag][FIGURES.get(fault, f"{fault}_rate")]
            truth = 1 - rate if fault == "http_503" else rate / (1 - faults.get("http_503", 0))
            assert low <= truth <= high, (tag, fault, low, high)


def _expected(faults: dict[str, float]) -> float:
    """Return the share of replies that a fault spoils; one that is no reply is none of them."""
    unanswered = faults.get("http_503", 0.0)
    return (sum(faults.values()) - unanswered) / (1 - unanswered)


def _only(home: LiveGateway) -> list[str]:
    rows = home.rows(
        "SELECT e.tag FROM providers_endpoint e JOIN providers_model m ON m.id = e.model_id "
        "WHERE m.slug = %s",
        SIMULATED,
    )
    tags = [row["tag"] for row in rows if row["tag"].partition("/")[0] in FAULTS]
    assert len(tags) == len(FAULTS)
    return [part for tag in tags for part in ("--endpoint", tag)]


def _figures(home: LiveGateway) -> dict[str, dict[str, tuple[float, float]]]:
    rows = home.rows(
        "SELECT e.tag, f.metric, f.low, f.high FROM telemetry_benchmarkresult f "
        "JOIN telemetry_benchmarkrun r ON r.id = f.run_id "
        "JOIN providers_endpoint e ON e.id = r.endpoint_id"
    )
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows:
        found.setdefault(row["tag"], {})[row["metric"]] = (row["low"], row["high"])
    return found
