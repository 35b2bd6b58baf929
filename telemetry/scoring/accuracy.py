"""Which endpoints are near enough to the best in tool-call accuracy, and how surely.

Owns the standardised error rate, its interval, who defines "best" and the margin around it. It
does not decide who is listed. The rules others rely on: rates are for the same mix of requests
and owners on every endpoint; "best" is taken among endpoints that pass the other criteria.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, SLOTS, PoolEvidence
from telemetry.scoring.intervals import TINY, gamma_below, gamma_interval
from telemetry.scoring.method import Method
from telemetry.scoring.rates import RateFit, fit_rates
from telemetry.scoring.voters import mix_of, with_benchmark

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Tool-call error rates of K endpoints, shares of 1, for the pool's mix of requests."""

    rates: Array  # (K,)
    low: Array  # (K,): 90 % interval
    high: Array
    shapes: Array  # (K,): of the Gamma posterior; about the effective failures
    attempts: Array  # (K,): effective, that is decayed and as far as they have a vote
    fit: RateFit


def estimate_accuracy(evidence: PoolEvidence, method: Method) -> Accuracy:
    """Estimate every endpoint's error rate as if all served the same requests of the same owners.

    The rate is direct standardisation of the two-way fit (`rates`): ratio x sum over strata and
    slots of the mix x stratum rate x difficulty, the difficulty within `method.slot_factor`. Its
    posterior is a Gamma with the variance of the log ratio, never sharper than `method.least_cv`.
    """
    attempts, failures = _cells(evidence)
    fit = fit_rates(attempts, failures, method)
    mix = mix_of(attempts.sum(axis=1), fit.votes.max(axis=0) > 0.0, method)
    factor = method.slot_factor
    slots = np.clip(fit.difficulties, 1 / factor, factor)
    rates = np.clip(fit.ratios * float(fit.strata @ mix @ slots), TINY, 1.0)
    shapes = 1.0 / (fit.variances + method.least_cv**2)
    low, high = gamma_interval(rates, shapes)
    effective = (attempts.sum(axis=0) * fit.votes).sum(axis=1)
    return Accuracy(rates, low, np.clip(high, 0.0, 1.0), shapes, effective, fit)


def _cells(evidence: PoolEvidence) -> tuple[Array, Array]:
    counts = np.moveaxis(evidence.counts, 0, 1)  # (S, K, SLOTS, FIELDS)
    benchmark = np.array([(run.attempts, run.failures) for run in evidence.benchmarks])
    benchmark = benchmark.reshape(len(evidence.benchmarks), 2)
    attempts = with_benchmark(counts[..., ATTEMPTS], benchmark[:, 0])
    failed = counts[..., FIRST_KIND:].sum(axis=-1)
    # Failures of a suite spread like its attempts, or a stratum's rate would exceed 1.
    tried = attempts[..., SLOTS]
    share = benchmark[:, 1] / np.maximum(benchmark[:, 0], TINY)
    spread = np.where(tried > 0.0, tried * share, 0.0)
    return attempts, np.concatenate([failed, spread[..., np.newaxis]], axis=2)


def best_rate(accuracy: Accuracy, candidates: NDArray[np.bool_], method: Method) -> float:
    """Return the best error rate among `candidates` (K,), or among all if there are none.

    An endpoint known well counts by its rate. One with few failures to go by counts by the upper
    bound of its interval: neither luck nor calling tools seldom makes it the best.
    """
    chosen = candidates if candidates.any() else np.ones_like(candidates)
    proven = np.where(accuracy.shapes >= method.best_shape, accuracy.rates, accuracy.high)
    return float(proven[chosen].min())


def margin(best: float, method: Method) -> float:
    """Return how far above the `best` error rate is still near enough (shares of 1).

    >>> [margin(rate, Method()) for rate in (0.001, 0.04, 0.5)]
    [0.01, 0.02, 0.03]
    """
    return float(np.clip(method.margin_share * best, method.margin_low, method.margin_high))


def near_best(accuracy: Accuracy, best: float, reference: int | None, method: Method) -> Array:
    """Return P(error rate < best + margin) for every endpoint, shape (K,).

    The author's own endpoint (`reference`) always has the widest margin: it shows what the model
    itself does, which a deployment that constrains its output may surpass.
    """
    bounds = np.full(len(accuracy.rates), best + margin(best, method))
    if reference is not None:
        bounds[reference] = best + method.margin_high
    return gamma_below(bounds, accuracy.rates, accuracy.shapes)
