"""From files to rows: all of a run or nothing of it, and once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from providers.models import Endpoint
from telemetry.benchmarks.bundle import Bundle, open_bundle
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.importing import Imported, Order, import_run
from telemetry.models import BenchmarkResult, BenchmarkRun
from tests.catalog_rows import make_endpoint
from tests.telemetry.benchmarks.made_up import (
    archive_of,
    bfcl_failure,
    bfcl_score,
    broken,
    failed_row,
    inspect_log,
    jsonl,
    row,
    sample,
    simulation,
    tau2_run,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LOG = inspect_log(sample("a"), sample("b", "I"), accuracy=0.5)


def files(value: Any) -> Bundle:
    return open_bundle([("run.json", json.dumps(value).encode())])


def bfcl() -> Bundle:
    failed = bfcl_failure("simple_0", "value_error", [{"f": "{}"}], "simple")
    return open_bundle([("BFCL_v4_simple_score.json", bfcl_score(4, failed))])


def imported(endpoint: Endpoint, bundle: Bundle, **more: Any) -> Imported:
    return import_run(Order(endpoint=endpoint, files=bundle, now=NOW, **more))


def stored() -> tuple[int, int]:
    return BenchmarkRun.objects.count(), BenchmarkResult.objects.count()


def test_a_run_is_stored_with_what_makes_it_comparable(endpoint: Endpoint) -> None:
    done = imported(endpoint, files(LOG), origin="nightly, by Carl")

    run = BenchmarkRun.objects.get()
    assert done.created
    assert (run.suite, run.suite_version) == ("weather", "task 0, inspect_ai 0.3.285")
    assert (run.judge, len(run.request_set), len(run.content_hash)) == ("openai/judge-1", 64, 64)
    assert run.origin == (
        "nightly, by Carl; inspect log: openrouter/acme/falcon-1 pinned to cobalt; run.json"
    )
    assert run.measured_at == datetime(2026, 11, 1, 10, 5, tzinfo=UTC)
    assert (run.requests, run.tool_calls, run.failures) == (2, 2, 0)
    accuracy = run.results.get(metric="accuracy")
    assert (accuracy.value, accuracy.sample) == (0.5, 2)
    assert accuracy.low == pytest.approx(0.0945, abs=1e-4)
    assert accuracy.high == pytest.approx(0.9055, abs=1e-4)


def test_the_same_results_are_stored_once_however_packed(endpoint: Endpoint) -> None:
    imported(endpoint, files(LOG))
    before = stored()

    again = imported(endpoint, open_bundle([("other.eval", archive_of(LOG))]))

    assert not again.created
    assert stored() == before


def test_for_another_endpoint_they_are_stored_with_a_warning(endpoint: Endpoint) -> None:
    imported(endpoint, files(LOG))

    other = imported(make_endpoint("zinc", "acme/other"), files(LOG))

    assert other.created
    assert any("The same results are stored for" in warning for warning in other.warnings)


def test_a_pin_to_somebody_else_is_a_warning(endpoint: Endpoint) -> None:
    zinc = make_endpoint("zinc")

    assert imported(endpoint, files(LOG)).warnings == ()
    warning = imported(zinc, files(LOG)).warnings[0]
    assert warning.startswith("The run was pinned to cobalt, not to zinc")


def test_what_is_left_out_is_stored_apart(endpoint: Endpoint) -> None:
    run = tau2_run(simulation("0", 0), broken("0", 1, "X", "a/evaluator/b.py:f"), trials=2)

    done = imported(endpoint, files(run))

    assert BenchmarkRun.objects.get().excluded == {"judge failed": 1}
    assert "Left out of every figure: 1 x judge failed." in done.warnings


def test_remarks_are_stored_too(endpoint: Endpoint) -> None:
    imported(endpoint, open_bundle([("r.jsonl", jsonl([failed_row(1), row(1)]))]))

    assert "older tries" in BenchmarkRun.objects.get().remarks[0]


def test_no_key_of_the_file_is_stored(endpoint: Endpoint) -> None:
    run = imported(endpoint, files(tau2_run(simulation("0", 0)))).run

    assert "sk-secret" not in repr(BenchmarkRun.objects.filter(pk=run.pk).values())


def test_a_rehearsal_writes_nothing(endpoint: Endpoint) -> None:
    assert imported(endpoint, files(LOG), rehearse=True).created
    assert stored() == (0, 0)

    imported(endpoint, files(LOG))
    assert not imported(endpoint, files(LOG), rehearse=True).created


def test_a_tool_that_writes_no_date_needs_one(endpoint: Endpoint) -> None:
    with pytest.raises(
        Unreadable, match=r"read as BFCL scores\. Give the day it ran: --measured-at"
    ):
        imported(endpoint, bfcl())

    run = imported(endpoint, bfcl(), measured_at=datetime(2026, 11, 20, tzinfo=UTC)).run
    assert run.measured_at.day == 20


def test_a_date_that_contradicts_the_file_or_is_to_come_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(Unreadable, match="measured at 2026-11-01, it says itself"):
        imported(endpoint, files(LOG), measured_at=NOW)
    with pytest.raises(Unreadable, match="2026-11-27 is to come"):
        imported(endpoint, bfcl(), measured_at=NOW + timedelta(days=2))
    assert stored() == (0, 0)


def test_what_is_refused_leaves_nothing(endpoint: Endpoint) -> None:
    with pytest.raises(NoEvidence):
        imported(endpoint, open_bundle([("r.jsonl", jsonl([failed_row(1)]))]))

    assert stored() == (0, 0)


def test_a_database_that_fails_half_way_leaves_nothing(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(BenchmarkResult.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        imported(endpoint, files(LOG))

    assert stored() == (0, 0)


def test_extreme_counts_fit_the_columns(endpoint: Endpoint) -> None:
    most = 1_000_000_000
    counts = {"success_count": most, "failure_count": most, "finish_stop": 0, "finish_others": 0}
    counts |= {"finish_tool_calls": most, "schema_validation_error_count": 0}
    summary = {"model": "m" * 900, **counts, "successful_tool_call_count": most}

    run = imported(endpoint, files(summary), measured_at=NOW, origin="o" * 500).run

    run.refresh_from_db()
    assert run.requests == most
    assert len(run.origin) == 300


def test_only_runs_alike_in_all_four_are_comparable(endpoint: Endpoint) -> None:
    zinc = make_endpoint("zinc")
    other_judge, other_set = (json.loads(json.dumps(LOG)) for _ in range(2))
    other_judge["eval"] |= {"task_args": {"grader_model": "openai/judge-2"}, "eval_id": "e2"}
    other_set["samples"][0]["input"] = "Another question"
    mine = imported(endpoint, files(LOG)).run
    theirs = imported(zinc, files(LOG)).run
    apart = [imported(zinc, files(log)).run for log in (other_judge, other_set)]

    assert set(mine.comparable_with()) == {mine, theirs}
    assert [set(run.comparable_with()) for run in apart] == [{apart[0]}, {apart[1]}]


def test_without_a_request_set_a_run_is_comparable_with_none(endpoint: Endpoint) -> None:
    run = imported(endpoint, files(LOG)).run
    BenchmarkRun.objects.update(request_set="")
    run.refresh_from_db()

    assert set(run.comparable_with()) == {run}
