"""Real published tables as evidence: who must be out, for which reason, and who must not."""

import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from telemetry.scoring.score import score_pool
from telemetry.scoring.standing import Decision, Past, decide
from tests.telemetry.scoring.pools import Traffic, pool

REFERENCE = "MoonshotAI"


def judged(traffic: list[Traffic], reference: int) -> tuple[Decision, ...]:
    result = score_pool(pool(traffic, reference=reference))
    return decide(result, [Past("unlisted")] * len(traffic)).decisions


def vendor_table(shared_data: Path, date: str) -> list[dict[str, str]]:
    with (shared_data / "k2vv" / "published.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["test_date"] == date]
    assert rows[0]["vendor"] == REFERENCE
    return rows


def traffic_of(row: dict[str, str]) -> Traffic:
    calls = int(row["finish_tool_calls"])
    return Traffic(
        int(row["finish_stop"]) + calls, calls, calls - int(row["successful_tool_calls"])
    )


@pytest.mark.parametrize(
    ("date", "asserted_out", "asserted_in"), [("2025-09-22", 3, 2), ("2025-10-10", 9, 1)]
)
def test_published_vendor_tables_say_who_is_out_and_why(
    shared_data: Path, date: str, asserted_out: int, asserted_in: int
) -> None:
    rows = vendor_table(shared_data, date)
    traffic = [traffic_of(row) for row in rows]

    decisions = judged(traffic, reference=0)

    assert decisions[0].eligible
    assert decisions[0].standing == "verified"
    out = stays = 0
    for row, seen, decision in list(zip(rows, traffic, decisions, strict=True))[1:]:
        volume, accuracy = seen.calls / traffic[0].calls, 1 - seen.failures / seen.calls
        words = []
        if accuracy <= 0.90:
            words.append("tool-call error")
        if volume < 0.60:
            words.append("calls tools less often than normal")
        if volume > 1.5:
            words.append("calls tools more often than normal")
        if words:
            out += 1
            assert not decision.eligible, row["vendor"]
            assert decision.standing == "below_par", row["vendor"]
            assert any(decision.reasons[0].startswith(f"out: {word}") for word in words), decision
        elif accuracy >= 0.995 and 0.85 <= volume <= 1.15:
            stays += 1
            assert decision.eligible, (row["vendor"], decision)
    assert (out, stays) == (asserted_out, asserted_in)


OFFICIAL = {"minimax", "minimax-m2.1", "minimax-m2.5"}
# The tables give percentages without their sample; the set has a few hundred to a few thousand.
QUERIES = (300, 1000, 5000)


def deployment_tables(shared_data: Path) -> Iterator[list[dict[str, str]]]:
    with (shared_data / "minimax" / "minimax_tables.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["Finish-ToolCalls-Rate"]]
    for _, table in groupby(rows, key=lambda row: row["table"]):
        complete = [row for row in table if row["ToolCalls-Accuracy"]]
        if complete:
            yield complete


def share(text: str) -> float:
    return float(text.strip("%")) / 100


@pytest.mark.parametrize("queries", QUERIES)
def test_the_official_deployment_is_never_flagged_against_itself(
    shared_data: Path, queries: int
) -> None:
    tables = list(deployment_tables(shared_data))
    assert len(tables) == 3

    for table in tables:
        traffic = []
        for row in table:
            answered = queries * share(row["Query-Success-Rate"])
            calls = queries * share(row["Finish-ToolCalls-Rate"])
            failures = calls * (1 - share(row["ToolCalls-Accuracy"]))
            traffic.append(Traffic(answered, calls, failures))
        official = next(k for k, row in enumerate(table) if row["deployment"] in OFFICIAL)

        decisions = judged(traffic, reference=official)

        assert decisions[official].eligible, decisions[official]
        assert decisions[official].standing != "below_par", decisions[official]
