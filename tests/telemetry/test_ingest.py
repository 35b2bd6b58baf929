import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError

from providers.models import Endpoint
from telemetry.counts import LOST_AFTER, compare
from telemetry.ingest import IngestReport, expire_verdicts, ingest_all
from telemetry.judge.rules import Judgement
from telemetry.management.commands import ingest as ingest_command
from telemetry.models import Attempt, Generation, SpoolPosition
from telemetry.recorder import Recorder
from telemetry.spool import segments
from tests.telemetry.counted import counts
from tests.telemetry.spooled import (
    VALID,
    attempt_fact,
    generation_fact,
    leave_segment,
    make_recorder,
    make_writer,
    three_facts,
    verdict_fact,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def files(spool: Path) -> set[str]:
    return {str(path.relative_to(spool)) for path in spool.rglob("*") if path.is_file()}


def test_makes_rows_of_facts(endpoint: Endpoint, spool: Path) -> None:
    recorder = make_recorder(spool)
    recorder.generation(
        generation_fact(
            endpoint_id=endpoint.pk, created_at=NOON.timestamp(), cost_pico=123, user_agent="curl"
        ),
        attempt_fact(
            endpoint_id=endpoint.pk,
            started_at=NOON.timestamp(),
            probability=0.25,
            cost_pico=10**15 - 1,
        ),
    )

    report = ingest_all(spool)

    assert report == IngestReport(generations=1, attempts=1)
    generation = Generation.objects.get()
    assert generation.created_at == NOON
    assert generation.cost == Decimal("0.000000000123")
    assert generation.user_agent == "curl"
    attempt = Attempt.objects.get()
    assert attempt.generation == generation
    assert attempt.started_at == NOON
    assert attempt.probability == 0.25
    assert attempt.cost == Decimal("999.999999999999")
    assert attempt.verdict == "pending"
    assert counts() == {"pending": 1}


@pytest.mark.parametrize(
    ("fields", "verdict", "reason"),
    [
        pytest.param({"tools_offered": 1}, "pending", "", id="with tools"),
        pytest.param({"tools_offered": 0}, "", "", id="without tools"),
        pytest.param(
            {"tools_offered": 1, "verdict_reason": "no_reply"}, "unjudged", "no_reply", id="failed"
        ),
        pytest.param(
            {"tools_offered": 0, "verdict_reason": "no_reply"}, "", "", id="failed without tools"
        ),
    ],
)
def test_an_attempt_starts_with_the_verdict_it_can_have(
    endpoint: Endpoint, spool: Path, fields: dict[str, Any], verdict: str, reason: str
) -> None:
    leave_segment(spool, [attempt_fact(endpoint_id=endpoint.pk, **fields)])

    ingest_all(spool)

    attempt = Attempt.objects.get()
    assert (attempt.verdict, attempt.verdict_reason) == (verdict, reason)
    assert counts() == {verdict: 1}


@pytest.mark.parametrize("together", [True, False])
def test_a_verdict_fills_in_a_pending_attempt_once(
    endpoint: Endpoint, spool: Path, together: bool
) -> None:
    recorder = make_recorder(spool)
    recorder.attempt(attempt_fact(endpoint_id=endpoint.pk))
    recorder.attempt(attempt_fact(endpoint_id=endpoint.pk, ordinal=2))
    if not together:
        ingest_all(spool)

    recorder.verdict("gen-1", 2, VALID)
    recorder.verdict("gen-1", 2, Judgement("invalid_json", calls=1, bad_calls=1))
    ingest_all(spool)

    assert list(Attempt.objects.order_by("ordinal").values_list("verdict", "tool_calls")) == [
        ("pending", 0),
        ("valid", 1),
    ]
    assert counts() == {"pending": 1, "valid": 1}


def test_a_later_verdict_changes_nothing(endpoint: Endpoint, spool: Path) -> None:
    leave_segment(spool, three_facts(endpoint))
    ingest_all(spool)
    leave_segment(
        spool,
        [verdict_fact("gen-1", "invalid_json", bad_calls=1), verdict_fact("gen-unknown")],
        process="1" * 32,
    )

    report = ingest_all(spool)

    assert report.verdicts == 0
    assert Attempt.objects.get().verdict == "valid"
    assert counts() == {"valid": 1}


def test_an_attempt_that_is_not_pending_takes_no_verdict(endpoint: Endpoint, spool: Path) -> None:
    facts = [
        attempt_fact("gen-1", endpoint_id=endpoint.pk, verdict_reason="cancelled"),
        attempt_fact("gen-2", endpoint_id=endpoint.pk, tools_offered=0),
    ]
    leave_segment(spool, [*facts, verdict_fact("gen-1"), verdict_fact("gen-2")])

    assert ingest_all(spool).verdicts == 0

    assert counts() == {"unjudged": 1, "": 1}
    assert compare() == {}


def test_keeps_what_the_judge_found(endpoint: Endpoint, spool: Path) -> None:
    found: dict[str, Any] = {
        "tool_calls": 2,
        "bad_calls": 1,
        "call_errors": (("schema_mismatch", "/city type"),),
        "leaked_tool_text": True,
        "tool_choice_violated": True,
        "truncated_arguments": True,
        "empty_reply": True,
        "duplicate_ids": True,
    }
    facts = three_facts(endpoint)[:2]
    leave_segment(spool, [*facts, verdict_fact("gen-1", "schema_mismatch", **found)])

    ingest_all(spool)

    stored = Attempt.objects.values("verdict", *found).get()
    assert stored == {
        **found, "verdict": "schema_mismatch", "call_errors": [["schema_mismatch", "/city type"]]
    }  # fmt: skip


def test_reads_a_segment_while_it_is_written(endpoint: Endpoint, spool: Path) -> None:
    recorder = make_recorder(spool)
    recorder.attempt(attempt_fact("gen-1", endpoint_id=endpoint.pk))
    first = ingest_all(spool)
    recorder.attempt(attempt_fact("gen-2", endpoint_id=endpoint.pk))
    second = ingest_all(spool)
    third = ingest_all(spool)

    assert (first.attempts, second.attempts, third) == (1, 1, IngestReport())
    assert (first.segments_deleted, second.segments_deleted) == (0, 0)
    assert Attempt.objects.count() == 2


def test_removes_what_is_read_and_closed_but_not_what_may_grow(
    endpoint: Endpoint, spool: Path
) -> None:
    writer = make_writer(spool, segment_bytes=100)
    recorder = Recorder(writer)
    for number in range(3):
        recorder.attempt(attempt_fact(f"gen-{number}", endpoint_id=endpoint.pk))

    report = ingest_all(spool)
    assert report.segments_deleted == 2
    assert [path.name for path in segments(writer.directory)] == ["00000003.seg"]
    assert SpoolPosition.objects.count() == 1

    writer.close()
    assert ingest_all(spool).segments_deleted == 1
    assert files(spool) == {"ingest.lock"}
    assert not writer.directory.exists()
    assert not SpoolPosition.objects.exists()


def test_a_lost_verdict_is_closed_but_not_one_still_in_the_spool(
    endpoint: Endpoint, spool: Path
) -> None:
    now = NOON.timestamp()
    old = now - LOST_AFTER.total_seconds() - 1
    leave_segment(
        spool,
        [
            attempt_fact("gen-lost", endpoint_id=endpoint.pk, started_at=old),
            attempt_fact("gen-late", endpoint_id=endpoint.pk, started_at=old),
            attempt_fact("gen-new", endpoint_id=endpoint.pk, started_at=now),
        ],
    )
    ingest_all(spool)
    leave_segment(spool, [verdict_fact("gen-late")], process="1" * 32)

    assert expire_verdicts(spool, now=now) == 1

    verdicts = Attempt.objects.values_list("generation_id", "verdict", "verdict_reason")
    assert set(verdicts) == {
        ("gen-lost", "unjudged", "lost"),
        ("gen-late", "valid", ""),
        ("gen-new", "pending", ""),
    }
    assert compare() == {}


def test_the_command_says_what_it_did(
    endpoint: Endpoint, spool: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SPOOL_DIR = spool
    leave_segment(spool, three_facts(endpoint))

    call_command("ingest")

    assert "1 generations, 1 attempts, 1 verdicts" in capsys.readouterr().out


def test_the_command_goes_on_watching_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweeps: Iterator[IngestReport | OperationalError] = iter(
        [IngestReport(), OperationalError("password"), IngestReport(attempts=3)]
    )

    def sweep(_: Path) -> IngestReport:
        found = next(sweeps, None)
        if found is None:
            raise KeyboardInterrupt
        if isinstance(found, OperationalError):
            raise found
        return found

    monkeypatch.setattr(ingest_command, "ingest_all", sweep)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(ingest_command, "close_old_connections", lambda: None)

    call_command("ingest", "--watch")

    told = capsys.readouterr()
    assert told.err == "not ingested: OperationalError\n"
    assert [line.split(",")[1] for line in told.out.splitlines()] == [" 3 attempts"]
