"""OpenRouter's published rule: its cut-offs, its minima, and the guard where all are alike."""

from dataclasses import replace

import pytest

from telemetry.scoring.openrouter_rule import LiveSignals, score_by_openrouter_rule
from telemetry.scoring.openrouter_thresholds import DEFAULT_RULE
from telemetry.scoring.standing import Past, decide
from tests.telemetry.scoring.pools import Traffic, pool


def endpoints(*rates: float, requests: float = 1_000.0) -> list[Traffic]:
    return [Traffic(requests, requests / 2, requests / 2 * rate, slots=range(9)) for rate in rates]


def verdicts(
    traffic: list[Traffic], signals: LiveSignals | None = None, **changes: bool
) -> list[str]:
    rule = replace(DEFAULT_RULE, **changes)
    result = score_by_openrouter_rule(pool(traffic), signals, rule)
    return [one.accuracy.verdict for one in result.endpoints]


def test_success_far_below_the_median_fails() -> None:
    result = score_by_openrouter_rule(pool(endpoints(0.01, 0.02, 0.03, 0.04, 0.40)))

    assert [one.accuracy.verdict for one in result.endpoints] == ["pass"] * 4 + ["fail"]
    assert result.endpoints[4].accuracy.sentence.startswith(
        "tool-call success 60.0 %, below 94.0 %"
    )
    assert result.best_error_rate == pytest.approx(0.01)


def test_peers_that_are_alike_do_not_make_a_trifle_an_outlier() -> None:
    assert verdicts(endpoints(0.0, 0.0, 0.0, 0.0, 0.004)) == ["pass"] * 5


def test_with_fewer_than_four_peers_a_signal_deprioritises_nobody() -> None:
    assert verdicts(endpoints(0.01, 0.02, 0.9)) == ["pass"] * 3


def test_too_few_requests_are_insufficient_and_no_peers() -> None:
    traffic = endpoints(0.01, 0.01, 0.9) + endpoints(0.01, requests=199)

    assert verdicts(traffic) == ["pass"] * 3 + ["insufficient"]


def test_throughput_and_general_minima() -> None:
    signals = LiveSignals(
        (100, 100, 100, 100, 99), (50.0, 52.0, 48.0, 20.0, None), (None,) * 5, (None,) * 5
    )

    assert verdicts(endpoints(*[0.01] * 5), signals) == [
        "pass", "pass", "pass", "fail", "insufficient",
    ]  # fmt: skip


@pytest.mark.parametrize(("missing_fails", "last"), [(False, "pass"), (True, "fail")])
def test_benchmarks_are_held_against_the_fixed_baseline(missing_fails: bool, last: str) -> None:
    signals = LiveSignals(
        (None,) * 5, (None,) * 5, (0.80, 0.79, 0.60, 0.81, None), (0.80, 0.79, 0.82, 0.81, None)
    )

    found = verdicts(endpoints(*[0.01] * 5), signals, missing_benchmark_fails=missing_fails)

    assert found == ["pass", "pass", "fail", "pass", last]


def test_its_results_can_be_decided_upon() -> None:
    result = score_by_openrouter_rule(pool(endpoints(0.01, 0.02, 0.03, 0.04, 0.40)))

    decision = decide(result, [Past("unlisted")] * 5)

    assert [one.eligible for one in decision.decisions] == [True] * 4 + [False]
    assert decision.decisions[4].reasons[0].startswith("out: tool-call success")


def test_no_traffic_at_all_is_no_error() -> None:
    result = score_by_openrouter_rule(pool([Traffic(), Traffic()]))

    assert result.best_error_rate is None
    assert [one.accuracy.verdict for one in result.endpoints] == ["insufficient"] * 2
