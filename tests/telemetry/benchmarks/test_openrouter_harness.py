"""OpenRouter's harness, from its source: what it prints, and its rows in JSON and Parquet."""

import io
import sys
from datetime import UTC, datetime
from typing import Any

import pyarrow
import pyarrow.parquet
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

MOMENT = datetime(2026, 11, 1, 10, tzinfo=UTC)


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


def parquet(rows: list[dict[str, Any]], **how: Any) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink, **how)
    return sink.getvalue()


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_rows_in_parquet_are_read_as_the_same_rows_in_json(compression: str) -> None:
    rows = [
        result_row("a", "C"), result_row("b", "I", explanation="Model error: gone"),
        result_row("c", "S"),
    ]  # fmt: skip
    content = parquet([row | {"created_at": MOMENT, "request_body": {"a": 1}} for row in rows],
                      compression=compression)  # fmt: skip

    reading = read(open_bundle([("r.parquet", content)]))

    assert reading == read(open_bundle([("r.jsonl", jsonl(rows))]))
    assert reading.measured_at == MOMENT
    assert reading.excluded == {"no answer": 1, "skipped by the harness": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PAR1\x00\x01PAR1", r"the file: damaged or cut short \(ArrowInvalid\)"),
        (parquet([result_row("a", "C")])[:-20] + b"PAR1", "the file: damaged or cut short"),
        (parquet([{"score": 1.0}]), "the columns: .*no column format_version"),
        (parquet([result_row("a", "C", format_version=2)]), "row 1: not a row of format_version 1"),
        (
            parquet([result_row("a", "C", explanation="x" * 1000 * 1000)] * 140, use_dictionary=[]),
            "larger than 128 MiB when unpacked",
        ),
        (parquet([result_row("a", "C")] * 350_000), "more than 3000000 values"),
    ],
)
def test_parquet_that_does_not_fit_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=rf"r\.parquet: .*{told}"):
        read(open_bundle([("r.parquet", content)]))


def test_without_the_extra_its_name_and_another_way_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(Unreadable, match=r"r\.parquet: .*needs pyarrow.*assay\[parquet\].*duckdb"):
        read(open_bundle([("r.parquet", b"PAR1\x00\x01PAR1")]))
