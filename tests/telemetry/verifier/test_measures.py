"""What probes say of an endpoint, and whose fault is whose."""

import doctest
from collections.abc import Iterable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.models import Outcome
from telemetry.scoring.evidence import KINDS
from telemetry.verifier import measures
from telemetry.verifier.measures import (
    NOT_THE_PROVIDERS,
    NothingMeasured,
    Observed,
    clustered_interval,
    mean_interval,
    measure,
    median_interval,
    why_left_out,
)

PROVIDERS_OWN = {
    "http_5xx", "timeout_ttft", "timeout_idle", "timeout_total", "disconnected", "truncated",
    "malformed",
}  # fmt: skip
GOOD = Observed(
    1, False, "auto", True, "ok", "tool_calls", "valid", called=True,
    duration_ms=900, prompt_tokens=100, completion_tokens=20, cost_pico=10**8,
)  # fmt: skip


def many(number: int, probe: Observed = GOOD, **fields: Any) -> list[Observed]:
    """Return so many probes of different requests."""
    return [replace(probe, request=at, **fields) for at in range(number)]


def values(probes: Iterable[Observed]) -> dict[str, float]:
    return {figure.metric: figure.value for figure in measure(list(probes)).figures}


def bad(kind: str) -> dict[str, Any]:
    verdict = kind if kind in KINDS[:3] else "valid"
    return {"fault": kind, "verdict": verdict, "leaked": kind == "leaked_tool_text"}


probes = st.builds(
    Observed,
    request=st.integers(1, 12),
    streamed=st.booleans(),
    choice=st.sampled_from(["auto", "none", "required", "named"]),
    expected=st.sampled_from([True, False, None]),
    outcome=st.sampled_from(["ok", "ok", "ok", "", *Outcome.values]),
    finish_reason=st.sampled_from(["tool_calls", "stop", "length", ""]),
    verdict=st.sampled_from(["valid", "invalid_json", "no_tool_calls", "unjudged", ""]),
    called=st.booleans(),
    fault=st.sampled_from([None, None, *KINDS]),
    leaked=st.booleans(),
    violated=st.booleans(),
    latency_ms=st.none() | st.integers(0, 10_000),
    duration_ms=st.none() | st.integers(0, 10_000),
    prompt_tokens=st.none() | st.integers(0, 5_000),
    completion_tokens=st.none() | st.integers(0, 5_000),
    cost_pico=st.none() | st.integers(0, 10**12),
)


def test_every_outcome_is_somebodys() -> None:
    assert {"ok", "failed_generation", *PROVIDERS_OWN, *NOT_THE_PROVIDERS} == set(Outcome.values)
    assert not PROVIDERS_OWN & NOT_THE_PROVIDERS.keys()


def test_a_call_that_its_provider_refused_is_a_bad_call_and_no_success() -> None:
    refused = replace(GOOD, outcome="failed_generation", verdict="schema_mismatch")
    found = measure([*many(9), replace(refused, request=9, fault="schema_mismatch")])

    figures = {figure.metric: figure.value for figure in found.figures}
    assert (found.replies, found.tool_calls, found.failures) == (10, 10, 1)
    assert figures["tool_call_error_rate"] == pytest.approx(0.1)
    assert figures["schema_accuracy"] == figures["success"] == pytest.approx(0.9)


def test_a_refusal_without_a_fault_that_is_known_is_no_success() -> None:
    found = measure([*many(9), replace(GOOD, request=9, outcome="failed_generation")])

    figures = {figure.metric: figure.value for figure in found.figures}
    assert (found.replies, found.failures) == (9, 0)
    assert figures["success"] == pytest.approx(0.9)


@given(st.lists(probes, max_size=60))
def test_counts_nest_and_every_figure_is_inside_its_interval(seen: list[Observed]) -> None:
    try:
        found = measure(seen)
    except NothingMeasured:
        return
    assert 0 <= found.failures <= found.tool_calls <= found.replies
    assert sum(found.excluded.values()) == sum(bool(why_left_out(one)) for one in seen)
    assert len({figure.metric for figure in found.figures}) == len(found.figures)
    for figure in found.figures:
        assert figure.sample > 0
        if figure.low is not None and figure.high is not None:
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9


@given(st.lists(probes, max_size=40), st.sampled_from(sorted(NOT_THE_PROVIDERS)), st.integers(0, 9))
def test_what_is_not_the_providers_moves_no_figure(
    seen: list[Observed], outcome: str, number: int
) -> None:
    try:
        before = measure(seen)
        after = measure([*seen, *many(number, outcome=outcome)])
    except NothingMeasured:
        return
    assert (after.figures, after.replies) == (before.figures, before.replies)


@given(st.lists(probes, max_size=40))
def test_the_order_of_probes_says_nothing(seen: list[Observed]) -> None:
    try:
        found = measure(seen)
    except NothingMeasured:
        with pytest.raises(NothingMeasured, match="No evidence"):
            measure(seen[::-1])
        return
    again = measure(seen[::-1])
    assert [one.metric for one in again.figures] == [one.metric for one in found.figures]
    for one, other in zip(found.figures, again.figures, strict=True):
        assert one.value == pytest.approx(other.value)


@pytest.mark.parametrize("outcome", sorted(NOT_THE_PROVIDERS))
def test_an_endpoint_that_was_never_heard_has_no_figure(outcome: str) -> None:
    with pytest.raises(NothingMeasured, match=f"of 20 requests 20 x {NOT_THE_PROVIDERS[outcome]}"):
        measure(many(20, outcome=outcome))


def test_an_endpoint_that_was_hardly_heard_has_none_either() -> None:
    with pytest.raises(NothingMeasured, match="11 x unreachable"):
        measure(many(9) + many(11, outcome="connect_error"))

    assert values(many(10) + many(10, outcome="connect_error"))["schema_accuracy"] == 1


def test_replies_that_nobody_judged_are_no_perfect_score() -> None:
    with pytest.raises(NothingMeasured, match="20 x not judged"):
        measure(many(20, verdict="unjudged"))


def test_an_endpoint_that_only_fails_is_measured() -> None:
    found = measure(many(20, outcome="http_5xx"))

    assert (found.replies, found.tool_calls, found.failures) == (0, 0, 0)
    assert {one.metric: one.value for one in found.figures}["success"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_counts_as_in_live_scores(kind: str) -> None:
    found = measure(many(15) + many(5, **bad(kind), called=kind in KINDS[:3]))

    assert (found.tool_calls, found.failures) == (20, 5)
    rates = {one.metric: one.value for one in found.figures}
    assert rates["tool_call_error_rate"] == rates[f"{kind}_rate"] == 0.25


def test_schema_accuracy_is_of_the_calls_made() -> None:
    silent = many(50, called=False, verdict="no_tool_calls", finish_reason="stop")
    broken = many(3, **bad("schema_mismatch"))

    assert values(many(7) + broken + silent)["schema_accuracy"] == 0.7


def test_triggers_are_compared_where_the_model_was_free() -> None:
    hits, missed = many(6), many(2, called=False, verdict="no_tool_calls")
    false, unsaid = many(1, expected=False), many(4, expected=None)
    forced = many(30, choice="required", called=False, verdict="no_tool_calls")

    found = values(hits + missed + false + unsaid + forced)

    assert found["trigger_precision"] == pytest.approx(6 / 7)
    assert found["trigger_recall"] == pytest.approx(6 / 8)
    assert found["tool_call_f1"] == pytest.approx(12 / 15)


def test_money_is_told_per_reply_and_per_valid_call() -> None:
    found = values(many(3) + many(1, **bad("invalid_json")))

    assert found["cost_usd_mean"] == pytest.approx(1e-4)
    assert found["cost_usd_per_valid_call"] == pytest.approx(4e-4 / 3)


# Intervals ---------------------------------------------------------------------------------

clusters = st.lists(
    st.integers(1, 4).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size))),
    min_size=1,
    max_size=40,
)


@given(clusters)
def test_clusters_never_narrow_an_interval(drawn: list[tuple[int, int]]) -> None:
    hits, draws = sum(hit for hit, _ in drawn), sum(size for _, size in drawn)
    low, high = clustered_interval(drawn)
    alone = clustered_interval([(1, 1)] * hits + [(0, 1)] * (draws - hits))

    assert 0 <= low <= hits / draws <= high <= 1
    assert low <= alone[0] + 1e-9
    assert high >= alone[1] - 1e-9


def test_two_modes_that_always_agree_are_one_draw() -> None:
    paired = clustered_interval([(2, 2)] * 60 + [(0, 2)] * 20)
    single = clustered_interval([(1, 1)] * 60 + [(0, 1)] * 20)

    assert paired == pytest.approx(single, abs=0.002)


@pytest.mark.parametrize(("rate", "alike"), [(0.05, 0.0), (0.25, 0.0), (0.25, 0.9), (0.6, 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(rate: float, alike: float) -> None:
    rng = np.random.default_rng(7)
    held, trials = 0, 400
    for _ in range(trials):
        first = rng.random(54) < rate
        second = np.where(rng.random(54) < alike, first, rng.random(54) < rate)
        low, high = clustered_interval(
            [(int(a) + int(b), 2) for a, b in zip(first, second, strict=True)]
        )
        held += low <= rate <= high

    assert held / trials >= 0.92


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=200))
@settings(max_examples=50)
def test_a_median_lies_between_its_bounds(drawn: list[int]) -> None:
    low, high = median_interval(drawn)

    assert min(drawn) <= low <= median(drawn) <= high <= max(drawn)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1e6)), min_size=1, max_size=60))
def test_a_mean_lies_between_its_bounds(drawn: list[tuple[int, float]]) -> None:
    mean, low, high = mean_interval(drawn)

    assert low - 1e-6 <= mean <= high + 1e-6
    assert mean == pytest.approx(sum(amount for _, amount in drawn) / len(drawn))


def test_examples_in_the_text_are_true() -> None:
    assert doctest.testmod(measures).failed == 0
