"""Which endpoints are near enough to the best in tool-call accuracy, and how surely.

Owns the standardised error rate, its interval, who defines "best" and the margin around it. It
does not decide who is listed. The rules others rely on: rates are for the same mix of requests
and owners on every endpoint; "best" is taken among endpoints that pass the other criteria.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, PoolEvidence
from telemetry.scoring.intervals import TINY, gamma_below, gamma_interval
from telemetry.scoring.method import Method
from telemetry.scoring.rates import RateFit, fit_rates
from telemetry.scoring.voters import mix_of, with_benchmark

Array = NDArray[np.float64]

BISECTIONS: Final = 40


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
    attempts, failures = _cells(evidence, method)
    fit = fit_rates(attempts, failures, method)
    mix = mix_of(attempts.sum(axis=1), fit.votes.max(axis=0) > 0.0, method)
    factor = method.slot_factor
    slots = np.clip(fit.difficulties, 1 / factor, factor)
    rates = np.clip(fit.ratios * float(fit.strata @ mix @ slots), TINY, 1.0)
    shapes = 1.0 / (fit.variances + method.least_cv**2)
    low, high = gamma_interval(rates, shapes)
    # Rounded, so that 150 spread over cells is still 150.
    effective = np.round((attempts.sum(axis=0) * fit.votes).sum(axis=1), 6)
    return Accuracy(rates, low, np.clip(high, 0.0, 1.0), shapes, effective, fit)


def _cells(evidence: PoolEvidence, method: Method) -> list[Array]:
    """Return attempts and failures, both (S, K, COLUMNS)."""
    counts = np.moveaxis(evidence.counts, 0, 1)  # (S, K, SLOTS, FIELDS)
    attempts, failures = counts[..., ATTEMPTS], counts[..., FIRST_KIND:].sum(axis=-1)
    tried = np.array([run.attempts for run in evidence.benchmarks], dtype=np.float64)
    failed = np.array([run.failures for run in evidence.benchmarks], dtype=np.float64)
    failed = np.minimum(failed, tried)
    return with_benchmark(attempts, attempts, tried, failures, failed, method=method)


def best_known(
    accuracy: Accuracy, candidates: NDArray[np.bool_], method: Method
) -> NDArray[np.bool_]:
    """Return which endpoints (K,) define "best": `candidates` with enough data.

    Without any such, all candidates; without any candidate, all endpoints.
    """
    enough = (accuracy.attempts >= method.enter_calls) | (accuracy.shapes >= method.best_shape)
    chosen = candidates if candidates.any() else np.ones_like(candidates)
    return chosen & enough if (chosen & enough).any() else chosen


def best_rate(rates: Array, shapes: Array, certainty: float) -> float:
    """Return the rate that the best of some endpoints is below with probability `certainty`.

    Their posteriors are Gamma with means `rates` and `shapes`, both (N,), N > 0. Solves
    1 - prod(1 - P(F_k < x)) = `certainty` for x by bisection: many endpoints that may be good
    make a good best likely where each alone is uncertain; the smallest mean knows nothing of that.

    >>> one, two = np.array([0.02]), np.array([0.02, 0.02])
    >>> shape = np.array([1.0])  # exponential: the median is mean x ln 2
    >>> round(best_rate(one, shape, 0.5), 5), round(best_rate(two, shape, 0.5), 5)
    (0.01386, 0.00693)
    """
    low, high = float(np.log(TINY)), 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = np.prod(1.0 - gamma_below(np.exp(middle), rates, shapes))
        low, high = (middle, high) if above > 1.0 - certainty else (low, middle)
    return float(np.exp(high))


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
