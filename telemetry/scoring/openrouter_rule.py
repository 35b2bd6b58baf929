"""OpenRouter's published live rule, as an alternative to compare with: median and MAD cut-offs.

Owns that rule only: an endpoint is deprioritised if tool-call success, throughput or benchmark
score lies so many robust standard deviations below its peers, given enough peers and data. It has
no strata, owners or intervals. The rule others rely on: results have the shape of `score`, so
`standing.decide` reads them alike. Source: openrouter.ai/docs, "for providers" and "Auto Exacto",
read 2026.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring import sentences
from telemetry.scoring.detection import Expected
from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIRST_KIND,
    KINDS,
    LOST,
    REQUESTS,
    SLOTS,
    STRATA,
    PoolEvidence,
)
from telemetry.scoring.intervals import wilson
from telemetry.scoring.score import Criterion, EndpointResult, PoolResult, check_evidence

Array = NDArray[np.float64]

NORMAL: Final = 1.4826  # the standard deviation of a normal distribution, in MADs


@dataclass(frozen=True, slots=True)
class OpenRouterRule:
    """The rule's thresholds, as published unless said otherwise."""

    peers: int = 4  # endpoints with data; with fewer a signal deprioritises nobody
    general_requests: float = 100.0  # in 30 minutes; fewer are insufficient data
    tool_requests: float = 200.0  # in 2 hours
    success_deviations: float = 2.0
    throughput_deviations: float = 1.5
    benchmark_deviations: float = 2.0
    # Ours: where all peers are alike the MAD is 0, and trifles would be outliers.
    least_deviation: float = 0.005  # of success and benchmark scores, shares of 1
    least_spread: float = 0.05  # of throughput, share of the median
    missing_benchmark_fails: bool = False  # published: true; too harsh without a benchmark budget


DEFAULT_RULE: Final = OpenRouterRule()


@dataclass(frozen=True, slots=True)
class LiveSignals:
    """What the rule reads besides tool calls, per endpoint, in the order of the evidence.

    `general_requests`: requests of any kind in the last 30 minutes. `throughputs`: output tokens
    per second. `benchmarks`: scores of the last 32 days (shares of 1), `baselines`: those of each
    endpoint's first 21 days. None stands for unknown.
    """

    general_requests: Sequence[float | None]
    throughputs: Sequence[float | None]
    benchmarks: Sequence[float | None]
    baselines: Sequence[float | None]


def score_by_openrouter_rule(
    recent: PoolEvidence,
    signals: LiveSignals | None = None,
    rule: OpenRouterRule = DEFAULT_RULE,
) -> PoolResult:
    """Return who is below the published cut-offs, from the `recent` 2 hours of counters.

    All signals are told as the criterion "accuracy", with probability 1 or 0, or None where data
    are insufficient; the rule knows no propensity, ignores or losses, so these pass. Raises
    ValueError as `score.score_pool` does.
    """
    check_evidence(recent)
    attempts = recent.counts[..., ATTEMPTS].sum(axis=(1, 2))
    requests = recent.counts[..., REQUESTS].sum(axis=(1, 2))
    failed = recent.counts[..., FIRST_KIND:].sum(axis=(1, 2, 3))
    enough = _enough(requests, signals, rule)
    checks = [_success_check(attempts, failed, enough, rule), *_signal_checks(signals, rule)]
    rates = np.divide(failed, attempts, out=np.zeros_like(failed), where=attempts > 0)
    size = len(recent.endpoint_ids)
    seen = enough & (attempts > 0.0)
    reasons = [[check[k] for check in checks if k in check] for k in range(size)]
    endpoints = tuple(_result(recent, k, bool(enough[k]), reasons[k]) for k in range(size))
    best = float(rates[seen].min()) if seen.any() else None
    return PoolResult(endpoints, best, _expected(recent, rates))


def cutoff(values: Array, deviations: float, least: float) -> float:
    """Return median - `deviations` x 1.4826 MAD of `values` (not empty), the latter >= `least`.

    The MAD of at least half alike values is 0; `least` (in the unit of the values) guards that.

    >>> round(cutoff(np.array([0.99, 0.98, 0.97, 0.96, 0.80]), 2.0, 0.001), 5)
    0.94035
    """
    median = float(np.median(values))
    deviation = max(NORMAL * float(np.median(np.abs(values - median))), least)
    return median - deviations * deviation


def _enough(
    requests: Array, signals: LiveSignals | None, rule: OpenRouterRule
) -> NDArray[np.bool_]:
    enough = requests >= rule.tool_requests
    if signals is not None:
        general = [rule.general_requests if n is None else n for n in signals.general_requests]
        enough &= np.array(general) >= rule.general_requests
    return enough


def _success_check(
    attempts: Array, failed: Array, enough: NDArray[np.bool_], rule: OpenRouterRule
) -> dict[int, str]:
    seen = np.flatnonzero(enough & (attempts > 0.0))
    if len(seen) < rule.peers:
        return {}
    success = 1.0 - failed[seen] / attempts[seen]
    bar = cutoff(success, rule.success_deviations, rule.least_deviation)
    return {
        int(k): f"tool-call success {sentences.percent(value)}, below {sentences.percent(bar)}"
        for k, value in zip(seen, success.tolist(), strict=True)
        if value < bar
    }


def _signal_checks(signals: LiveSignals | None, rule: OpenRouterRule) -> list[dict[int, str]]:
    if signals is None:
        return []
    return [_throughput_check(signals.throughputs, rule), _benchmark_check(signals, rule)]


def _throughput_check(throughputs: Sequence[float | None], rule: OpenRouterRule) -> dict[int, str]:
    known = {k: value for k, value in enumerate(throughputs) if value is not None}
    if len(known) < rule.peers:
        return {}
    values = np.array(list(known.values()))
    least = rule.least_spread * float(np.median(values))
    bar = cutoff(values, rule.throughput_deviations, least)
    return {
        k: f"{value:.0f} tokens a second, below {bar:.0f}"
        for k, value in known.items()
        if value < bar
    }


def _benchmark_check(signals: LiveSignals, rule: OpenRouterRule) -> dict[int, str]:
    baselines = np.array([value for value in signals.baselines if value is not None])
    if len(baselines) < rule.peers:
        return {}
    bar = cutoff(baselines, rule.benchmark_deviations, rule.least_deviation)
    below = {}
    for k, value in enumerate(signals.benchmarks):
        if value is None and rule.missing_benchmark_fails:
            below[k] = "no benchmark score of the last 32 days"
        elif value is not None and value < bar:
            below[k] = f"benchmark score {sentences.percent(value)}, below {sentences.percent(bar)}"
    return below


def _result(recent: PoolEvidence, k: int, enough: bool, below: list[str]) -> EndpointResult:
    counts, owners = recent.recorded[k], recent.owners[k]
    kinds = recent.recorded[k][..., FIRST_KIND:].sum(axis=(0, 1))
    failures = {kind: round(number) for kind, number in zip(KINDS, kinds, strict=True)}
    calls = float(recent.counts[k][..., ATTEMPTS].sum())
    failed = float(recent.counts[k][..., FIRST_KIND:].sum())
    requests = round(float(counts[..., ATTEMPTS].sum()))
    seen = f"{sentences.failures(failures)} {sentences.sample(requests, owners)}"
    verdict = "fail" if enough and below else "pass" if enough else "insufficient"
    words = {
        "fail": f"{'; '.join(below)}; {seen}",
        "pass": f"no signal below its peers' cut-off; {seen}",
        "insufficient": f"too few requests to tell: {seen}",
    }[verdict]
    low, high = (float(bound) for bound in wilson(failed, calls))
    rate = failed / calls if calls > 0.0 else None
    accuracy = Criterion(
        verdict,  # type: ignore[arg-type]  # one of the three above
        rate,
        low if rate is not None else None,
        high if rate is not None else None,
        None if not enough else float(not below),
        requests,
        owners,
        words,
    )
    silent = Criterion("pass", None, None, None, None, requests, owners, "not part of this rule")
    lost = Criterion(
        "pass",
        None,
        None,
        None,
        None,
        round(float(counts[..., LOST].sum())),
        owners,
        "not part of this rule",
    )
    return EndpointResult(
        recent.endpoint_ids[k], accuracy, silent, silent, lost, failures, calls, disputed=False
    )


def _expected(recent: PoolEvidence, rates: Array) -> Expected:
    size = len(recent.endpoint_ids)
    requests = recent.counts[..., REQUESTS].sum(axis=(1, 2))
    attempts = recent.counts[..., ATTEMPTS].sum(axis=(1, 2))
    chances = np.divide(attempts, requests, out=np.zeros_like(attempts), where=requests > 0)
    flat = np.ones((size, STRATA, SLOTS))
    return Expected(
        recent.endpoint_ids,
        rates[:, np.newaxis, np.newaxis] * flat,
        np.minimum(chances, 1.0)[:, np.newaxis, np.newaxis] * flat,
        np.ones((size, SLOTS)),
    )
