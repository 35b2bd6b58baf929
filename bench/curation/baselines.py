"""Ways of choosing a pool that need no model: raw rates, Wilson's interval, OpenRouter's rule.

Owns these rules for comparison, written here so that they owe nothing to the product's code. The
rule others rely on: each takes what was counted and returns who is in, as flags (K,).
"""

from dataclasses import dataclass

import numpy as np

from bench.curation.observed import Observed
from bench.curation.population import Array, Flags
from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, FORCED, REQUESTS, PoolEvidence

CLOSE = 0.01  # of the best rate
LEAST_ATTEMPTS = 100
CALL_BAND = 2.5  # robust deviations
IGNORED = 0.10  # share of accounts
Z95 = 1.959964
MAD_SIGMA = 1.4826

# OpenRouter's published rule: two robust deviations below the median of success rates, over the
# tool requests of two hours, at least 200 of them, among at least four providers; benchmarks
# below two deviations of their baseline.
ROUTER_SIGMAS = 2.0
ROUTER_REQUESTS = 200
ROUTER_PROVIDERS = 4


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over strata and slots, (K,) each; `free` and `called` where the choice was free."""

    requests: Array
    attempts: Array
    failures: Array
    free: Array
    called: Array

    @property
    def rate(self) -> Array:
        return self.failures / np.maximum(self.attempts, 1.0)


def totals(evidence: PoolEvidence) -> Totals:
    counts = evidence.counts.sum(axis=2)
    free = np.delete(counts, FORCED, axis=1).sum(axis=1)
    every = counts.sum(axis=1)
    return Totals(
        every[:, REQUESTS], every[:, ATTEMPTS], every[:, FIRST_KIND:].sum(axis=1),
        free[:, REQUESTS], free[:, ATTEMPTS],
    )  # fmt: skip


def naive_gates(seen: Observed) -> Flags:
    """Normal by the spread of call rates, and ignored by few accounts whoever they are."""
    found = totals(seen.evidence)
    calls = found.called / np.maximum(found.free, 1.0)
    away = np.abs(calls - np.median(calls)) / max(robust_deviation(calls), 1e-9)
    return (away <= CALL_BAND) & (seen.accounts_ignoring <= IGNORED)


def raw_rates(seen: Observed) -> Flags:
    """Within a point of the best raw rate, of those with enough calls."""
    found = totals(seen.evidence)
    enough = found.attempts >= LEAST_ATTEMPTS
    if not enough.any():
        return enough
    close: Flags = enough & (found.rate <= found.rate[enough].min() + CLOSE) & naive_gates(seen)
    return close


def wilson(seen: Observed) -> Flags:
    """Surely within a point of the best: by the upper end of Wilson's 95 % interval."""
    found = totals(seen.evidence)
    enough = found.attempts >= LEAST_ATTEMPTS
    if not enough.any():
        return enough
    _, high = wilson_interval(found.failures, np.maximum(found.attempts, 1.0))
    best = found.rate[enough].min()
    sure: Flags = enough & (high <= np.maximum(best + CLOSE, high[enough].min()))
    return sure & naive_gates(seen)


def wilson_interval(failures: Array, trials: Array) -> tuple[Array, Array]:
    """Return (low, high), each (K,), of the 95 % score interval. Source: Wilson (1927)."""
    rate = failures / trials
    centre = rate + Z95**2 / (2 * trials)
    margin = Z95 * np.sqrt(rate * (1 - rate) / trials + Z95**2 / (4 * trials**2))
    scale = 1 + Z95**2 / trials
    return (centre - margin) / scale, (centre + margin) / scale


def openrouter(seen: Observed) -> Flags:
    """The published rule on its published window: the first tier that has anyone."""
    return router_tier(seen.recent, seen.evidence)


def openrouter_long(seen: Observed) -> Flags:
    """The same rule given all the evidence that the others get."""
    return router_tier(seen.evidence, seen.evidence)


def router_tier(recent: PoolEvidence, evidence: PoolEvidence) -> Flags:
    found = totals(recent)
    enough = found.requests >= ROUTER_REQUESTS
    poor = far_below(1 - found.rate, enough)
    runs = np.array([b.attempts for b in evidence.benchmarks])
    misses = np.array([b.failures for b in evidence.benchmarks])
    poor |= far_below(1 - misses / np.maximum(runs, 1.0), runs > 0)
    return first_tier(enough & ~poor, ~enough & ~poor, np.ones_like(poor))


def first_tier(*tiers: Flags) -> Flags:
    """Return the first tier that has anyone: requests reach no further."""
    return next((tier for tier in tiers if tier.any()), tiers[-1])


def far_below(values: Array, known: Flags) -> Flags:
    if known.sum() < ROUTER_PROVIDERS:
        return np.zeros_like(known)
    deviation = robust_deviation(values[known])
    if deviation == 0:
        return np.zeros_like(known)
    return known & (values < np.median(values[known]) - ROUTER_SIGMAS * deviation)


def robust_deviation(values: Array) -> float:
    return float(MAD_SIGMA * np.median(np.abs(values - np.median(values))))
