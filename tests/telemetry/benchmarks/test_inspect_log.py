"""Inspect logs: which samples say something of the endpoint, and what they say."""

from typing import Any

import pytest

from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.errors import NoEvidence, ResultError, Unreadable
from telemetry.benchmarks.formats import read
from tests.telemetry.benchmarks.made_up import (
    archive_of,
    figure,
    inspect_log,
    read_one,
    refused,
    reply,
    sample,
    zipped,
)

TYPE_ERROR = {
    "message": "unhashable type",
    "traceback": 'Traceback:\n  File "x.py", line 1, in f\nTypeError: unhashable type: dict\n',
}


def graded(text: str, value: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"judge": {"value": value, "metadata": {"grading_response": text, **more}}}


def test_the_archive_and_the_json_log_read_alike() -> None:
    log = inspect_log(sample("a"), sample("b", "I"), accuracy=0.5)

    assert read(open_bundle([("a.eval", archive_of(log))])) == read_one(log)


def test_a_log_gives_its_accuracy_with_an_interval_and_who_judged() -> None:
    reading = read_one(inspect_log(sample("a"), sample("b", "I"), accuracy=0.5))

    accuracy = figure(reading, "accuracy")
    assert (accuracy.value, accuracy.sample) == (0.5, 2)
    assert accuracy.low == pytest.approx(0.0945, abs=1e-4)
    assert accuracy.high == pytest.approx(0.9055, abs=1e-4)
    assert (reading.judge, reading.pinned_to) == ("openai/judge-1", ("cobalt",))
    assert reading.suite_version == "task 0, inspect_ai 0.3.285"
    assert reading.request_set == read_one(inspect_log(sample("b"), sample("a"))).request_set
    assert reading.request_set != read_one(inspect_log(sample("c"), sample("a"))).request_set


def test_epochs_are_averaged_before_samples() -> None:
    both = [sample("a"), sample("a", "I", epoch=2), sample("b"), sample("b", epoch=2)]
    reading = read_one(inspect_log(*both, accuracy=0.75))

    assert (figure(reading, "accuracy").value, figure(reading, "accuracy").sample) == (0.75, 2)


def test_bad_calls_are_mined_by_kind_one_failure_a_reply() -> None:
    two = (
        {"id": "1", "function": "f", "parse_error": "Error parsing the following"},
        {"id": "2", "function": "g"},
    )
    call = {"id": "1", "function": "f"}
    log = inspect_log(
        sample("a", "C", reply(*two), refused("2", "Tool g not found")),
        sample("b", "C", reply(call), refused("1", "Tool f not found")),
        sample("c", "C", reply(call), refused("1", "Found 2 validation errors")),
        sample("d", "C", reply(call), reply(text="done")),
    )
    reading = read_one(log)

    assert (reading.replies, reading.tool_calls, reading.failures) == (5, 4, 3)
    for kind in ["invalid_json", "unknown_name", "schema_mismatch"]:
        assert figure(reading, f"{kind}_rate").value == 0.25
    assert figure(reading, "tool_call_error_rate").value == 0.75
    assert figure(reading, "accuracy").value == 1.0  # a perfect score hides them


def test_a_tool_s_own_error_and_words_put_into_the_mouth_are_no_failures_or_replies() -> None:
    failing = {"role": "tool", "tool_call_id": "1", "error": {"type": "timeout", "message": "slow"}}
    example = {"role": "assistant", "source": "input", "content": "like this", "model": "m"}
    messages = (example, reply({"id": "1", "function": "f"}), failing)

    reading = read_one(inspect_log(sample("a", "C", *messages)))

    assert (reading.replies, reading.tool_calls, reading.failures) == (1, 1, 0)


def test_an_error_kept_among_the_attachments_is_found() -> None:
    said = (reply({"id": "1", "function": "g"}), refused("1", "attachment://abc"))
    log = inspect_log(sample("a", "C", *said, attachments={"abc": "Tool g not found"}))

    assert figure(read_one(log), "unknown_name_rate").value == 1.0


def test_a_success_whose_samples_died_of_a_type_error_is_refused() -> None:
    dead = [sample(id, 0.0, {"role": "system", "content": ""}, error=TYPE_ERROR) for id in "abc"]

    with pytest.raises(NoEvidence, match=r"3 x died of TypeError"):
        read_one(inspect_log(*dead, accuracy=0.0))


def test_so_is_one_whose_scorer_only_notes_the_error() -> None:
    note = graded("Task failed due to execution error", execution_error="TypeError: no such key")
    dead = [sample(id, scores=note) for id in "ab"]

    with pytest.raises(NoEvidence, match="2 x died of TypeError"):
        read_one(inspect_log(*dead, accuracy=0.0))


def test_and_one_that_the_endpoint_never_answered() -> None:
    silent = sample("a", "C", {"role": "system", "content": "hello"})

    with pytest.raises(NoEvidence, match="1 x never answered"):
        read_one(inspect_log(silent))


def test_dead_and_unjudged_samples_leave_the_sample_and_are_counted() -> None:
    log = inspect_log(
        sample("a", scores=graded("Thoughts: fine.\nStatus: success", 1.0)),
        sample("b", scores=graded('Thoughts: fine.\nStatus: "failure"', 0.0)),
        sample("c", scores=graded("Grading failed due to error: 503", 0.0)),
        sample("d", scores=graded("I cannot tell.", 0.0)),
        sample("e", 0.0, error=TYPE_ERROR),
        accuracy=0.2,
    )
    reading = read_one(log)

    assert reading.excluded == {"not judged": 2, "died of TypeError": 1}
    assert (figure(reading, "accuracy").value, figure(reading, "accuracy").sample) == (0.5, 2)
    assert "the log itself reports: judge 0.2" in reading.remarks[0]


@pytest.mark.parametrize(
    ("change", "refusal", "told"),
    [
        ({"status": "error"}, NoEvidence, "status: the run ended as “error”"),
        ({"status": "cancelled"}, NoEvidence, "ended as “cancelled”"),
        ({"invalidated": True}, NoEvidence, "withdrawn"),
        ({"version": 1}, Unreadable, "only version 2"),
        ({"version": "2"}, Unreadable, "version: expected a whole number"),
        ({"samples": []}, NoEvidence, "1 samples are announced, 0 are in the log"),
        ({"samples": [sample("a"), sample("b")]}, NoEvidence, "1 samples are announced, 2"),
        ({"results": None}, Unreadable, "total_samples: expected a whole number"),
        ({"samples": "many"}, Unreadable, "samples: expected an array, found text"),
        ({"samples": [1]}, Unreadable, r"samples\[0\]: expected an object, found a number"),
        ({"samples": [sample("a", "I")]}, Unreadable, "reports 1, its samples give 0"),
        ({"stats": {"completed_at": "yesterday"}}, Unreadable, "completed_at: expected a date"),
    ],
)
def test_what_is_unfinished_or_wrong_is_refused(
    change: dict[str, Any], refusal: type[ResultError], told: str
) -> None:
    with pytest.raises(refusal, match=told):
        read_one({**inspect_log(sample("a")), **change})


def test_a_sample_that_is_there_twice_stands_for_no_other() -> None:
    with pytest.raises(Unreadable, match="sample a, epoch 1 is there twice"):
        read_one(inspect_log(sample("a"), sample("a")))


def test_a_run_that_was_cut_short_has_no_header() -> None:
    with pytest.raises(NoEvidence, match=r"a\.eval: the log: there is no header\.json"):
        read(open_bundle([("a.eval", zipped({"_journal/start.json": b"{}"}))]))


def test_a_scorer_without_an_accuracy_gives_what_it_reports() -> None:
    log = inspect_log(sample("a", {"f1": 1}))
    log["results"]["scores"][0]["metrics"] = {"f1": {"value": 0.9}, "stderr": {"value": 0.1}}
    reading = read_one(log)

    assert figure(reading, "f1").value == 0.9
    assert figure(reading, "f1").low is None
    assert "stderr" not in {one.metric for one in reading.figures}
