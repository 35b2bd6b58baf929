"""BFCL: which entries were answered, and which wrong answers are bad calls."""

import pytest

from telemetry.benchmarks.bundle import Bundle, open_bundle
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.formats import read
from tests.telemetry.benchmarks.made_up import (
    bfcl_answer,
    bfcl_failure,
    bfcl_score,
    figure,
    jsonl,
)

DEAD = "Error during inference: Connection error."
DECODER = "ast_decoder:decoder_failed"


def files(**contents: bytes) -> Bundle:
    """Files by their names without BFCL_v4_ and .json."""
    return open_bundle([(f"BFCL_v4_{name}.json", content) for name, content in contents.items()])


def test_entries_that_were_never_answered_leave_the_sample() -> None:
    failed = [
        bfcl_failure("simple_python_0", DECODER, DEAD),
        bfcl_failure("simple_python_1", DECODER, "I do not know."),
    ]
    reading = read(files(simple_python_score=bfcl_score(4, *failed)))

    accuracy = figure(reading, "simple_python accuracy")
    assert (accuracy.value, accuracy.sample) == (2 / 3, 3)
    assert reading.excluded == {"no answer": 1}
    assert (reading.replies, reading.tool_calls, reading.failures) == (3, 2, 0)


def test_silence_scored_as_right_leaves_the_sample_too() -> None:
    answers = [
        bfcl_answer("irrelevance_0", DEAD),
        bfcl_answer("irrelevance_1", "No tool fits."),
        bfcl_answer("irrelevance_2", [{"f": "{}"}]),
    ]
    wrong = bfcl_failure("irrelevance_2", "irrelevance_error:decoder_success", None, "irrelevance")
    reading = read(files(irrelevance_score=bfcl_score(3, wrong), irrelevance_result=jsonl(answers)))

    accuracy = figure(reading, "irrelevance accuracy")
    assert (accuracy.value, accuracy.sample) == (0.5, 2)
    assert reading.excluded == {"no answer": 1}


def test_a_dead_endpoint_that_scores_100_percent_on_irrelevance_is_refused() -> None:
    perfect = bfcl_score(2)
    dead = jsonl([bfcl_answer(f"irrelevance_{number}", DEAD) for number in range(2)])

    with pytest.raises(NoEvidence, match="scores silence as right, also that of a dead endpoint"):
        read(files(irrelevance_score=perfect))
    with pytest.raises(NoEvidence, match="none of 2 entries was answered"):
        read(files(irrelevance_score=perfect, irrelevance_result=dead))


@pytest.mark.parametrize(
    ("kind", "raw", "bad"),
    [
        pytest.param(DECODER, [{"math_sqrt": '{"x": 1'}], "invalid_json", id="bad JSON"),
        pytest.param("checker:wrong_func_name", [{"nope": "{}"}], "unknown_name", id="unknown"),
        pytest.param(
            "checker:missing_required", [{"math_sqrt": "{}"}], "schema_mismatch", id="mis"
        ),
        pytest.param("type_error:simple", [{"math_sqrt": "{}"}], "schema_mismatch", id="type"),
        pytest.param("value_error:string", [{"math_sqrt": "{}"}], "", id="a wrong value"),
        pytest.param("checker:wrong_count", [{"math_sqrt": "{}"}], "", id="too few calls"),
        pytest.param(DECODER, "The root is 2.", "", id="text"),
    ],
)
def test_only_broken_calls_are_bad_calls(kind: str, raw: object, bad: str) -> None:
    reading = read(files(simple_score=bfcl_score(2, bfcl_failure("simple_0", kind, raw))))

    assert reading.failures == bool(bad)
    if bad:
        assert figure(reading, f"{bad}_rate").value == 0.5


def test_perfect_scores_say_their_category_only_by_name() -> None:
    assert figure(read(files(parallel_score=bfcl_score(5))), "parallel accuracy").sample == 5

    with pytest.raises(Unreadable, match="says its category only in its name"):
        read(open_bundle([("score.json", bfcl_score(5))]))


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ({"a_result": jsonl([bfcl_answer("a_0", "x")])}, "answers without scores"),
        ({"a_score": bfcl_score(2), "a_result": jsonl([bfcl_answer("a_0", "x")])}, "1 answers are"),
        ({"a_score": bfcl_score(3).replace(b"3}", b"4}")}, "1 entries are wrong, 0 are listed"),
        (
            {"a_result": jsonl([bfcl_answer("a_0", "x"), {"b": 1}]), "a_score": bfcl_score(2)},
            "line 2: |id: expected",
        ),
        (
            {
                "a_score": bfcl_score(1, bfcl_failure("a_0", "x", "y", "a")),
                "b_score": bfcl_score(1, {**bfcl_failure("b_0", "x", "y", "b"), "model_name": "o"}),
            },
            "files of more than one run",
        ),
        ({"a_score": jsonl([{"accuracy": 1, "correct_count": "x", "total_count": 1}])}, "correct_"),
    ],
)
def test_files_that_do_not_fit_are_refused(contents: dict[str, bytes], told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        read(files(**contents))


def test_it_writes_no_date() -> None:
    assert read(files(simple_score=bfcl_score(5))).measured_at is None
