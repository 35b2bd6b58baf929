"""OpenRouter's harness, from its source: what it prints, and its rows exported as JSON."""

from typing import Any

import pytest

from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.formats import read
from tests.telemetry.benchmarks.made_up import (
    figure,
    harness,
    harness_sample,
    jsonl,
    one,
    read_one,
)


def result_row(id: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "format_version": 1, "task": "gpqa_diamond", "model": "acme/falcon-1", "epochs": 1,
        "created_at": "2026-11-01T10:00:00Z", "accuracy": 0.5, "sample_id": id, "epoch": 0,
        "score_value": value, "explanation": None, **more,
    }  # fmt: skip


def test_accuracy_is_the_mean_over_samples_of_epochs_without_the_skipped() -> None:
    samples = [
        harness_sample("a", "C"), harness_sample("a", "I", 1),
        harness_sample("b", "C"), harness_sample("b", "S", 1), harness_sample("c", "S"),
    ]  # fmt: skip
    reading = read_one(harness(0.75, *samples))

    accuracy = figure(reading, "accuracy")
    assert (accuracy.value, accuracy.sample) == (0.75, 2)
    assert reading.excluded == {"skipped by the harness": 2}
    assert (reading.suite, reading.replies) == ("openrouter tau_bench_verified_airline", 3)


def test_a_model_error_scored_as_wrong_was_never_an_answer() -> None:
    error = harness_sample("b", "I", explanation="Model error: 400 bad request")
    reading = read_one(harness(0.5, harness_sample("a", "C"), error))

    assert figure(reading, "accuracy").value == 1.0
    assert reading.excluded == {"no answer": 1}
    assert "the harness reports 0.5" in reading.remarks[0]


def test_an_endpoint_that_never_answered_has_no_score() -> None:
    error = harness_sample("a", "I", explanation="Model error: gone")

    with pytest.raises(NoEvidence, match="1 x no answer, 1 x skipped"):
        read_one(harness(0.0, error, harness_sample("b", "S")))


def test_figures_that_contradict_the_samples_are_refused() -> None:
    with pytest.raises(Unreadable, match=r"accuracy: it reports 0\.9, its samples give 1"):
        read_one(harness(0.9, harness_sample("a", "C")))
    with pytest.raises(Unreadable, match=r"sampleScores\[0\]\.value: expected C, I or S"):
        read_one(harness(1.0, harness_sample("a", "X")))


def test_exported_rows_are_read_as_lines_and_as_an_array() -> None:
    rows = [result_row("a", "C"), result_row("b", "I")]

    lines, array = read(open_bundle([("r.jsonl", jsonl(rows))])), read(one(rows))

    assert lines == array
    assert figure(lines, "accuracy").value == 0.5
    assert lines.measured_at is not None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([result_row("a", "C"), result_row("b", "I", task="other")], "rows of more than one run"),
        ([result_row("a", "C", format_version=2)], "not a row of format_version 1"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: list[Any], told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        read(open_bundle([("r.jsonl", jsonl(rows))]))


def test_parquet_is_named_and_the_way_out_too() -> None:
    with pytest.raises(Unreadable, match=r"r\.parquet: the file: Parquet is not read\. .*duckdb"):
        read(open_bundle([("r.parquet", b"PAR1\x00\x01PAR1")]))
