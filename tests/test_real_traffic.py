"""512 real requests with tools through a live gateway: each attempt ends with the right verdict."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clients.fleet import FleetProcess, adjust, calm, demo_catalog
from tests.live import LiveGateway, eventually

CALM, FAULTY = "moonshotai/kimi-k2-0905", "deepseek/deepseek-v3.1-terminus"
POOL = {"cobalt/fp8", "larkspur/fp8", "meridian/bf16"}
# Its caller wrote `required` as an object: no answer to it can be the provider's fault.
BAD_SCHEMA = 343
FAULTS = {
    "cobalt": {"schema_mismatch": 0.2},
    "larkspur": {"invalid_json": 0.1, "unknown_name": 0.1},
    "meridian": {"leaked_tool_text": 0.1, "http_503": 0.05},
}
VERDICTS = ("schema_mismatch", "invalid_json", "unknown_name")
# The worker processes of the gateway and of the providers have two cores to share with us.
AT_ONCE = 12


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetProcess]:
    with FleetProcess(fleet_file()) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(fleet: FleetProcess) -> Iterator[LiveGateway]:
    # Requests come as fast as they can: no endpoint may be refused for that.
    limits = {"RETRY_MIN": "1000", "EJECT_FAILURES": "1000"}
    with LiveGateway(demo_catalog(), fleet.env | limits) as live:
        yield live


@pytest.fixture(scope="module")
def requests(shared_data: Path) -> list[dict[str, Any]]:
    lines = (shared_data / "llm-vendor-verifier" / "requests.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 512
    return found


def fleet_file() -> dict[str, Any]:
    """Return a fleet whose pool is flawless for CALM and, as FAULTS says, not for FAULTY."""
    fleet = calm(tokens_per_second=0)
    for provider, faults in FAULTS.items():
        adjust(fleet, provider, upstream(FAULTY), faults=faults)
    return fleet


def upstream(model: str) -> str:
    return model.partition("/")[2]


def replay(gateway: LiveGateway, bodies: list[dict[str, Any]]) -> list[str]:
    """Send all, a few at once; return the ids of what was answered."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda body: send(gateway, body), bodies))


def send(gateway: LiveGateway, body: dict[str, Any]) -> str:
    if not body["stream"]:
        answer = gateway.chat(body)
        assert answer.status == 200, answer.body
        return str(answer.json["id"])
    with gateway.stream(body) as stream:
        chunks = stream.chunks()
        assert "error" not in chunks[-1]
        return str(chunks[-1]["id"])


def bodies(requests: list[dict[str, Any]], model: str, **fields: Any) -> list[dict[str, Any]]:
    return [{**request, "model": f"{model}:exacto", **fields} for request in requests]


def attempts(gateway: LiveGateway, model: str) -> list[dict[str, Any]]:
    """Return all attempts at a model's endpoints, once each has been judged."""
    query = """SELECT attempt.*, endpoint.tag, provider.slug AS provider
        FROM telemetry_attempt AS attempt
        JOIN providers_endpoint AS endpoint ON endpoint.id = attempt.endpoint_id
        JOIN providers_provider AS provider ON provider.id = endpoint.provider_id
        JOIN providers_model AS model ON model.id = endpoint.model_id
        WHERE model.slug = %s"""

    def judged() -> list[dict[str, Any]]:
        gateway.ingest()
        rows = gateway.rows(query, model)
        return [] if any(row["verdict"] == "pending" for row in rows) else rows

    rows: list[dict[str, Any]] = eventually(judged, 60)
    return rows


@pytest.fixture(scope="module")
def flawless(gateway: LiveGateway, requests: list[dict[str, Any]]) -> list[str]:
    both_ways = bodies(requests, CALM, stream=False) + bodies(requests, CALM, stream=True)
    return replay(gateway, both_ways)


def test_every_answer_of_flawless_providers_is_judged_valid(
    gateway: LiveGateway, flawless: list[str]
) -> None:
    rows = attempts(gateway, CALM)

    assert sorted(row["generation_id"] for row in rows) == sorted(flawless)
    assert Counter((row["verdict"], row["outcome"]) for row in rows) == {("valid", "ok"): 1024}
    assert Counter(row["streamed"] for row in rows) == {0: 512, 1: 512}
    assert all(row["tool_calls"] and not row["bad_calls"] for row in rows)
    assert {row["tag"] for row in rows} == POOL
    by_id = {row["generation_id"]: row for row in rows}
    for bad_schema in (flawless[BAD_SCHEMA], flawless[512 + BAD_SCHEMA]):
        assert by_id[bad_schema]["call_errors"] in ("[]", [])


def test_the_found_faults_are_exactly_those_the_providers_made(
    gateway: LiveGateway, fleet: FleetProcess, requests: list[dict[str, Any]]
) -> None:
    # A fault in an answer to a schema that says nothing is none.
    sound = requests[:BAD_SCHEMA] + requests[BAD_SCHEMA + 1 :]
    replay(gateway, bodies(sound[::2], FAULTY, stream=True) + bodies(sound[1::2], FAULTY))

    rows = attempts(gateway, FAULTY)

    made: Counter[tuple[str, str]] = Counter()
    log = [entry for entry in fleet.log() if entry["model"] == upstream(FAULTY)]
    for entry in log:
        made.update((entry["provider"], fault.partition(":")[0]) for fault in entry["faults"])
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        names = [row["verdict"]] if row["verdict"] in VERDICTS else []
        names += ["leaked_tool_text"] if row["leaked_tool_text"] else []
        names += ["http_503"] if row["http_status"] == 503 else []
        found.update((row["provider"], name) for name in names)
    assert found == made
    assert set(found) == {(slug, fault) for slug, faults in FAULTS.items() for fault in faults}
    assert len(rows) == len(log)
    assert Counter(row["provider"] for row in rows) == Counter(e["provider"] for e in log)
    assert {row["verdict"] for row in rows if row["outcome"] == "ok"} == {
        "valid",
        "no_tool_calls",
        *VERDICTS,
    }


def test_counts_equal_the_rows(gateway: LiveGateway, flawless: list[str]) -> None:
    attempts(gateway, CALM)

    [kept] = gateway.rows("SELECT SUM(attempts) AS attempts FROM telemetry_verdictcount")
    [rows] = gateway.rows("SELECT COUNT(*) AS attempts FROM telemetry_attempt")

    assert kept == rows
    gateway.manage("check_counts")
