"""Real result files of the real tools: our figures are the ones each tool reported itself."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import NoEvidence, ResultError, Unreadable
from telemetry.benchmarks.formats import read
from telemetry.benchmarks.reading import Reading
from tests.telemetry.benchmarks.made_up import figure, shared

BFCL = "results/bfcl"


def values(reading: Reading) -> dict[str, tuple[float, int]]:
    return {figure.metric: (figure.value, figure.sample) for figure in reading.figures}


@pytest.mark.parametrize(
    ("name", "accuracy", "calls", "bad"),
    [("good", 1.0, 20, 0), ("bad", 0.1, 21, 10)],
)
def test_openbench_livemcpbench(
    shared_data: Path, name: str, accuracy: float, calls: int, bad: int
) -> None:
    reading = read(shared(shared_data, f"results/openbench/livemcpbench_{name}.eval"))

    assert figure(reading, "accuracy").value == pytest.approx(accuracy, abs=1e-12)
    assert figure(reading, "accuracy").sample == 10
    assert reading.suite == "openbench/livemcpbench"
    assert reading.judge == "openai/judge"
    assert reading.pinned_to == (name,)
    assert (reading.tool_calls, reading.failures) == (calls, bad)


def test_an_inspect_log_is_the_same_as_a_zip_of_zstd_and_as_json(shared_data: Path) -> None:
    zipped = read(shared(shared_data, "results/inspect/toolcall_local_good.zstd.eval"))
    plain = read(shared(shared_data, "results/inspect/toolcall_local_good.json.gz"))

    assert zipped == plain
    assert values(plain)["accuracy"] == (1.0, 6)
    assert (plain.replies, plain.tool_calls, plain.failures) == (24, 24, 0)
    assert plain.pinned_to == ("good",)


@pytest.mark.parametrize(
    ("file", "passed", "tasks", "simulations"),
    [
        ("results/tau2/v0.2.0_retail_good.json.gz", 1.0, 8, 32),
        ("results/tau2/v0.2.0_retail_bad.json.gz", 3 / 32, 8, 32),
        ("tau2/gpt-4.1_airline_default_gpt-4.1_1trials.json.gz", 10 / 20, 20, 20),
    ],
)
def test_tau2(shared_data: Path, file: str, passed: float, tasks: int, simulations: int) -> None:
    reading = read(shared(shared_data, file))

    assert values(reading)["pass^1"] == (passed, tasks)
    assert values(reading)["avg_reward"] == (passed, simulations)
    assert reading.excluded == {}


def test_a_published_tau2_run_gives_the_leaderboard_s_percentage(shared_data: Path) -> None:
    submission = orjson.loads((shared_data / "tau2/toolorchestra_submission.json").read_bytes())
    reading = read(shared(shared_data, "tau2/toolorchestra_airline_gpt-5_1trial.json.gz"))

    passed = figure(reading, "pass^1")
    assert round(100 * passed.value, 1) == submission["results"]["airline"]["pass_1"] == 56.0
    assert (passed.sample, round(passed.value * passed.sample)) == (50, 28)
    assert reading.judge == "user gpt-4.1-2025-04-14"


def test_a_judge_that_failed_in_tau2_1_x_is_not_the_provider_s_failure(shared_data: Path) -> None:
    reading = read(shared(shared_data, "results/tau2/v1.0.1_retail_weak.results.json.gz"))

    assert reading.excluded == {"judge failed": 6}
    assert values(reading)["avg_reward"] == (0.5, 4)
    assert values(reading)["pass^1"] == (0.5, 2)
    assert reading.judge == "user openai/mock/user-sim; assertions gpt-4.1-2025-04-14"
    assert (reading.tool_calls, reading.failures) == (15, 1)  # one call of an unknown tool


def summary_of(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((folder / name).read_bytes())
    return found


VERIFIED = [
    ("results/k2vv/results_good.jsonl.gz", "results/k2vv/summary_good.json"),
    ("results/k2vv/results_bad.jsonl.gz", "results/k2vv/summary_bad.json"),
    ("results/k2vv/results_ref.jsonl.gz", "results/k2vv/summary_ref.json"),
    *(
        (
            f"llm-vendor-verifier/results-{vendor}-deepseek-v3.2-exp.jsonl.gz",
            f"llm-vendor-verifier/summary-{vendor}-deepseek-v3.2-exp.json",
        )
        for vendor in ("deepseek-official", "ppio")
    ),
]


@pytest.mark.parametrize(("rows", "summary"), VERIFIED)
def test_k2vv_rows_give_the_summary_s_counts(shared_data: Path, rows: str, summary: str) -> None:
    told = summary_of(shared_data, summary)

    alone, both = read(shared(shared_data, rows)), read(shared(shared_data, rows, summary))
    from_summary = read(shared(shared_data, summary))

    calls, good = told["finish_tool_calls"], told["successful_tool_call_count"]
    for reading in (alone, both, from_summary):
        assert reading.replies == told["success_count"]
        assert reading.tool_calls == calls
        assert values(reading)["schema_accuracy"] == (good / calls, calls)
        assert values(reading)["finish_stop"][0] == told["finish_stop"] / told["success_count"]
    assert alone.identity == both.identity


def test_k2vv_does_not_blame_the_vendor_for_the_caller_s_schema(shared_data: Path) -> None:
    official, ppio = (read(shared(shared_data, rows)) for rows, _ in VERIFIED[3:])

    # Request 344: `required` is an object. One vendor refuses it, the other answers it well.
    assert official.excluded == {"request failed": 1}
    assert official.failures == 4
    assert ppio.failures == 0
    assert "no usable schema" in ppio.remarks[0]


@pytest.mark.parametrize("name", ["good", "bad"])
def test_k2vv_f1_against_the_reference(shared_data: Path, name: str) -> None:
    printed = (shared_data / f"results/k2vv/f1_{name}.txt").read_text()

    reading = read(
        shared(shared_data, f"results/k2vv/results_{name}.jsonl.gz"),
        shared(shared_data, "results/k2vv/results_ref.jsonl.gz"),
    )

    assert f"F1:        {figure(reading, 'tool_call_f1').value:.4f}" in printed
    assert f"Precision: {figure(reading, 'trigger_precision').value:.4f}" in printed
    assert f"Recall:    {figure(reading, 'trigger_recall').value:.4f}" in printed
    assert f"Matched requests: {figure(reading, 'tool_call_f1').sample}\n" in printed
    assert reading.judge.startswith("reference ")


def test_kimi_s_report(shared_data: Path) -> None:
    reading = read(shared(shared_data, "results/kvv/tool-call-schema-report_good.json.gz"))

    assert values(reading)["passed"] == (406 / 408, 408)
    assert (reading.tool_calls, reading.failures) == (408, 2)
    assert reading.subject == "mock/kimi-k2@good"


@pytest.mark.parametrize(
    ("run", "correct", "calls", "bad"),
    [
        ("good", {"simple_python": 24, "parallel": 15, "multiple": 15, "irrelevance": 15}, 55, 1),
        ("bad", {"simple_python": 1, "parallel": 3, "multiple": 0, "irrelevance": 5}, 41, 37),
    ],
)
def test_bfcl(shared_data: Path, run: str, correct: dict[str, int], calls: int, bad: int) -> None:
    reading = read(shared(shared_data, f"{BFCL}/{run}"))

    for category, number in correct.items():
        total = 25 if category == "simple_python" else 15
        assert values(reading)[f"{category} accuracy"] == (number / total, total)
    assert (reading.tool_calls, reading.failures) == (calls, bad)
    assert (reading.subject, reading.suite_version) == ("gw-kimi-k2-FC", "v4")


def test_bfcl_s_dead_endpoint_is_refused_whole_and_score_by_score(shared_data: Path) -> None:
    folder = f"{BFCL}/POISONED_connection_error"
    with pytest.raises(NoEvidence, match="none of 70 entries was answered"):
        read(shared(shared_data, folder))
    for score in sorted((shared_data / folder).glob("score/*/*/*.json")):
        with pytest.raises(NoEvidence):  # also the 100 % on irrelevance
            read(open_bundle([(score.name, score.read_bytes())]))


NO_RESULTS = [
    "README.md",
    "bfcl/BFCL_v4_multiple.json",
    "bfcl/possible_answer/BFCL_v4_multiple.json",
    "k2vv/published.csv",
    "livemcpbench/success_rate_judge_deepseek-v3-0324.csv",
    "livemcpbench/tools.json.gz",
    "llm-vendor-verifier/labels.jsonl",
    "llm-vendor-verifier/requests.jsonl",
    "minimax/minimax_tables.csv",
    "tau2/toolorchestra_submission.json",
    "results/bfcl/good/score/data_overall.csv",
    "results/bfcl/good/test_case_ids_to_generate.json",
    "results/k2vv/f1_good.txt",
]


@pytest.mark.parametrize("file", NO_RESULTS)
def test_what_no_tool_wrote_as_its_result_is_refused_by_name(shared_data: Path, file: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(shared(shared_data, file))

    assert file in str(refused.value)


TABLES = ["k2vv/published.csv", "minimax/minimax_tables.csv", NO_RESULTS[4]]


@pytest.mark.parametrize("file", TABLES)
def test_a_table_is_refused_as_one(shared_data: Path, file: str) -> None:
    with pytest.raises(Unreadable, match="a table of figures, without the samples behind them"):
        read(shared(shared_data, file))


def test_every_file_under_results_is_read_or_refused_with_a_reason(shared_data: Path) -> None:
    refused = []
    for path in sorted((shared_data / "results").rglob("*")):
        if path.is_file():
            try:
                read(open_bundle([(path.name, path.read_bytes())]))
            except ResultError:
                refused.append(path.relative_to(shared_data / "results").parts[0])

    assert set(refused) == {"bfcl", "k2vv"}  # companions and halves of a BFCL run; F1 as text
    assert refused.count("k2vv") == 2
