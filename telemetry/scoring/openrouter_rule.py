"""OpenRouter's published live rule, as an alternative to compare with: median and MAD cut-offs.

Owns that rule only: an endpoint is deprioritised if tool-call success, throughput or benchmark
score lies so many robust standard deviations below its peers, given enough peers and data. It has
no strata, owners or intervals. The rule others rely on: results have the shape of `score`, so
`standing.decide` reads them alike. Source: openrouter.ai/docs, "for providers" and "Auto Exacto",
read 2026.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring import sentences
from telemetry.scoring.detection import Expected
from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIRST_KIND,
    KINDS,
    REQUESTS,
    SLOTS,
    STRATA,
    PoolEvidence,
)
from telemetry.scoring.intervals import wilson
from telemetry.scoring.openrouter_thresholds import DEFAULT_RULE, NORMAL, OpenRouterRule
from telemetry.scoring.score import Criterion, EndpointResult, PoolResult, check_evidence

Array = NDArray[np.float64]
Bounds = tuple[float | None, float | None, float | None]  # share, and its 90 % interval


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
    are insufficient; the rule knows no propensity, ignores or losses, so these surely pass. Raises
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
    counts, recorded = recent.counts[k], recent.recorded[k]
    owners = (recent.calling or recent.owners)[k]
    kinds = recorded[..., FIRST_KIND:].sum(axis=(0, 1))
    failures = {kind: round(number) for kind, number in zip(KINDS, kinds, strict=True)}
    calls, failed = float(counts[..., ATTEMPTS].sum()), float(counts[..., FIRST_KIND:].sum())
    sample = (round(float(recorded[..., ATTEMPTS].sum())), owners)
    seen = f"{sentences.failures(failures)} {sentences.sample(*sample)}"
    accuracy = _accuracy(enough, below, _share(failed, calls), sample, seen)
    holds = Criterion("pass", None, None, None, 1.0, *sample, "not part of this rule")
    unignored = replace(holds, probability=0.0)
    return EndpointResult(
        recent.endpoint_ids[k],
        accuracy,
        holds,
        unignored,
        holds,
        failures,
        calls,
        disputed=False,
        benchmarked=recent.benchmarks[k].requests > 0.0,
    )


def _accuracy(
    enough: bool, below: list[str], share: Bounds, sample: tuple[int, int], seen: str
) -> Criterion:
    if not enough:
        return Criterion("insufficient", *share, None, *sample, f"too few requests to tell: {seen}")
    if below:
        return Criterion("fail", *share, 0.0, *sample, f"{'; '.join(below)}; {seen}")
    sentence = f"no signal below its peers' cut-off; {seen}"
    return Criterion("pass", *share, 1.0, *sample, sentence)


def _share(failed: float, calls: float) -> Bounds:
    if calls <= 0.0:
        return None, None, None
    low, high = (float(bound) for bound in wilson(failed, calls))
    return failed / calls, low, high


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
