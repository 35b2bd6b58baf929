"""K2 Vendor Verifier: whose fault a schema error is, and F1 against a reference."""

import json
import socket
from typing import Any

import pytest

from telemetry.benchmarks.bundle import Bundle, open_bundle
from telemetry.benchmarks.errors import NoEvidence, Unreadable
from telemetry.benchmarks.formats import read
from tests.telemetry.benchmarks.made_up import failed_row, figure, jsonl, one, row

SUMMARY = {
    "model": "acme/falcon-1",
    "success_count": 2,
    "failure_count": 1,
    "finish_stop": 1,
    "finish_tool_calls": 1,
    "finish_others": 0,
    "finish_others_detail": {},
    "schema_validation_error_count": 0,
    "successful_tool_call_count": 1,
    "eval_finished_at": "2026-11-01T10:00:00",
}
ROWS = [row(1), row(2, None), failed_row(3)]


def results(*rows: dict[str, Any], name: str = "results.jsonl") -> Bundle:
    return open_bundle([(name, jsonl(list(rows)))])


def with_summary(**changes: Any) -> Bundle:
    told = json.dumps({**SUMMARY, **changes}).encode()
    return open_bundle([("results.jsonl", jsonl(ROWS)), ("summary.json", told)])


def with_tool(parameters: Any, *, arguments: str = "{}", name: str = "get_weather") -> Any:
    """A row whose call the verifier finds wrong, of a tool with these parameters."""
    found = row(1, False)
    found["request"]["tools"][0]["function"] = {"name": "get_weather", "parameters": parameters}
    called = found["response"]["choices"][0]["message"]["tool_calls"][0]["function"]
    called |= {"name": name, "arguments": arguments}
    return found


def test_rows_are_counted_as_the_verifier_does_and_failed_ones_left_out() -> None:
    reading = read(results(*ROWS, row(4, False)))

    assert (reading.replies, reading.tool_calls, reading.failures) == (3, 2, 1)
    assert reading.excluded == {"request failed": 1}
    assert figure(reading, "schema_accuracy").value == 0.5
    assert (figure(reading, "success").value, figure(reading, "success").sample) == (0.75, 4)
    assert (reading.subject, reading.pinned_to) == ("acme/falcon-1", ("cobalt",))


def test_the_order_of_rows_means_nothing() -> None:
    assert read(results(*ROWS)) == read(results(*reversed(ROWS)))


def test_an_endpoint_that_never_answered_has_no_score() -> None:
    with pytest.raises(NoEvidence, match="none of 2 requests was answered"):
        read(results(failed_row(1), failed_row(2)))
    empty = dict.fromkeys((name for name in SUMMARY if name.endswith("count")), 0)
    dead = {**SUMMARY, **empty, "failure_count": 3, "finish_stop": 0, "finish_tool_calls": 0}
    with pytest.raises(NoEvidence, match="none of 3 requests was answered"):
        read(one(dead))


def test_the_last_try_of_a_request_counts() -> None:
    reading = read(results(failed_row(1), row(1)))

    assert (reading.replies, reading.excluded) == (1, {})
    assert "1 rows are older tries" in reading.remarks[0]


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="empty"),
        pytest.param(None, id="none"),
        pytest.param({"type": "object", "required": {"a": []}}, id="does not compile"),
        pytest.param({"type": "dict"}, id="no type"),
    ],
)
def test_a_tool_without_a_usable_schema_is_the_caller_s_fault(parameters: Any) -> None:
    reading = read(results(with_tool(parameters)))

    assert (reading.tool_calls, reading.failures) == (1, 0)
    assert figure(reading, "schema_accuracy").value == 0.0  # as the verifier itself has it
    assert figure(reading, "tool_call_error_rate").value == 0.0
    assert "1 replies that the verifier calls schema errors" in reading.remarks[0]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(with_tool({}, arguments='{"a"'), id="bad JSON"),
        pytest.param(with_tool({}, arguments="[1]"), id="no object"),
        pytest.param(with_tool({}, name="get_wether"), id="unknown tool"),
        pytest.param(with_tool({"type": "object", "required": ["city"]}), id="a real schema"),
        pytest.param({**row(1, False), "response": {"choices": []}}, id="no calls at all"),
        pytest.param({**row(1, None), "finish_reason": "tool_calls"}, id="promised calls"),
    ],
)
def test_everything_else_stays_the_provider_s(found: Any) -> None:
    assert read(results(found)).failures == 1


def test_no_schema_s_address_is_ever_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        for schema in ({"$schema": address, "type": "object"}, {"$ref": address}):
            read(results(with_tool(schema)))

        with pytest.raises(BlockingIOError):  # nobody came
            server.accept()


def test_a_summary_beside_its_rows_must_agree() -> None:
    assert read(with_summary()).replies == 2

    with pytest.raises(Unreadable, match=r"success_count: the summary says 3, the rows give 2"):
        read(with_summary(success_count=3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"finish_stop": 9}, "counts contradict each other"),
        ({"successful_tool_call_count": 0}, "counts contradict each other"),
        ({"success_count": -1}, "success_count: expected a number from 0"),
        ({"success_count": 10**20}, "success_count: expected a number from 0"),
        ({"success_count": 1.5}, "success_count: expected a whole number"),
    ],
)
def test_a_summary_that_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        read(one({**SUMMARY, **change}))


def test_f1_pairs_rows_and_skips_those_that_failed_on_either_side() -> None:
    ours = results(row(1), row(2), row(3, None), failed_row(4), row(5))
    reference = results(row(1), row(2, None), row(3), row(4), failed_row(5))

    reading = read(ours, reference)

    assert figure(reading, "trigger_precision").value == 0.5
    assert figure(reading, "trigger_recall").value == 0.5
    assert (figure(reading, "tool_call_f1").value, figure(reading, "tool_call_f1").sample) == (
        0.5,
        3,
    )
    assert reading.judge.startswith("reference ")
    assert reading.identity == read(ours).identity


def test_a_reference_of_other_requests_is_refused() -> None:
    other = row(1)
    other["request"]["messages"][0]["content"] = "Something else"

    for reference in (results(other), results(row(7))):
        with pytest.raises(Unreadable, match="does not answer the same requests"):
            read(results(row(1)), reference)


def test_a_reference_is_refused_where_it_means_nothing() -> None:
    with pytest.raises(Unreadable, match="is not compared with a reference"):
        read(one(SUMMARY), results(row(1)))


def test_two_runs_at_once_are_refused() -> None:
    two = open_bundle([("a.jsonl", jsonl([row(1)])), ("b.jsonl", jsonl([row(2)]))])

    with pytest.raises(Unreadable, match="2 results files"):
        read(two)


def test_a_foreign_row_is_named_with_its_line() -> None:
    with pytest.raises(Unreadable, match=r"results\.jsonl: line 2: not a row of results\.jsonl"):
        read(results(row(1), {"a": 1}))
