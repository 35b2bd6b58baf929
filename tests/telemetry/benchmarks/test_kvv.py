"""Kimi Vendor Verifier: what a failed probe says of the endpoint."""

from typing import Any

import pytest

from telemetry.benchmarks.errors import NoEvidence, ResultError, Unreadable
from tests.telemetry.benchmarks.made_up import figure, kvv_report, probe, read_one

BAD = "AssertionError: TestA:1 [stream] (x) arguments validation failed: …"
REFUSED = "AssertionError: TestA:1 [stream] (x) tool schema rejected: Error code: 400 - bad schema"
NO_CALL = "AssertionError: TestA:1 [stream] (x) tool schema rejected: no tool call returned"
AWAY = "openai.APIConnectionError: Connection error."
AWAY_TOO = "AssertionError: TestA:1 tool schema rejected: Error code: 503 - try later"
LIBRARY = "TypeError: unexpected keyword"


def test_bad_calls_count_refusals_are_not_passed_and_the_rest_is_left_out() -> None:
    probes = [
        probe("failed", reason) for reason in (BAD, REFUSED, NO_CALL, AWAY, AWAY_TOO, LIBRARY)
    ]
    reading = read_one(kvv_report(probe(), *probes, probe("skipped")))

    assert reading.excluded == {"no answer": 2, "client library failed": 1, "probe skipped": 1}
    assert (reading.replies, reading.tool_calls, reading.failures) == (4, 2, 1)
    assert (figure(reading, "passed").value, figure(reading, "passed").sample) == (0.25, 4)
    assert "2 probes were refused or got no call" in reading.remarks[0]


def test_an_endpoint_that_was_never_reached_has_no_score() -> None:
    with pytest.raises(NoEvidence, match="2 x no answer"):
        read_one(kvv_report(probe("failed", AWAY), probe("failed", AWAY)))


@pytest.mark.parametrize(
    ("change", "refusal", "told"),
    [
        ({"dry_run": True}, NoEvidence, "dry_run: nothing was sent"),
        ({"results": []}, Unreadable, "by_status.passed: the summary says 1, the results give 0"),
        ({"summary": {}}, Unreadable, "summary.by_status: expected an object, found nothing"),
        ({"generated_at": None}, Unreadable, "generated_at: expected a date"),
        ({"results": [{"status": 5}]}, Unreadable, r"results\[0\]\.status: expected text"),
    ],
)
def test_what_is_wrong_is_named(
    change: dict[str, Any], refusal: type[ResultError], told: str
) -> None:
    with pytest.raises(refusal, match=told):
        read_one({**kvv_report(probe()), **change})
