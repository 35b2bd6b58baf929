"""Whether an endpoint calls tools as often as is normal for its model.

Owns the two-way logit model of tool calls on requests with free choice: logit P = alpha_s + u_b +
psi_k for stratum, slot and endpoint. It does not decide who is listed. The rules others rely on:
normal is a fixed margin around the author's own endpoint, or around the median endpoint where
that one is not known well; and the reference is never outside its own range.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from telemetry.scoring.evidence import ATTEMPTS, FORCED, REQUESTS, PoolEvidence
from telemetry.scoring.intervals import TAIL, equivalence_probability
from telemetry.scoring.method import Method
from telemetry.scoring.two_way import newton_steps, row_covariance
from telemetry.scoring.voters import BENCHMARK, base_votes, exclusive_votes, with_benchmark

Array = NDArray[np.float64]

STEPS: Final = 15


@dataclass(frozen=True, slots=True)
class Propensity:
    """How K endpoints differ from the reference in log odds of a tool call."""

    differences: Array  # (K,)
    low: Array  # (K,): 90 % interval
    high: Array
    normal: Array  # (K,): P(within the margin)
    requests: Array  # (K,): effective
    calls: Array  # (K, S, COLUMNS): expected calls per request, the detector's basis


def estimate_propensity(evidence: PoolEvidence, method: Method) -> Propensity:
    """Compare every endpoint's log odds of calling a tool with the reference's.

    Only strata with free choice count. Cells weigh at most 1 / `method.vendor_variance`, so that
    no owner's traffic makes a natural difference look sure.
    """
    requests, calls = _cells(evidence, method)
    climb = _Climb(requests, calls, method)
    for _ in range(STEPS):
        climb.advance()
    covariance = climb.covariance()
    differences, errors = _against_reference(climb.effects, covariance, evidence, method)
    normal = equivalence_probability(differences, errors, method.propensity_margin)
    if evidence.reference is not None:
        normal[evidence.reference] = 1.0
    half = -float(ndtri(TAIL)) * errors
    # Rounded, so that 150 spread over cells is still 150.
    effective = np.round((requests.sum(axis=0) * climb.votes).sum(axis=1), 6)
    return Propensity(
        differences, differences - half, differences + half, normal, effective, climb.all_chances()
    )


def _cells(evidence: PoolEvidence, method: Method) -> list[Array]:
    """Return requests with free choice and those that became calls, both (S, K, COLUMNS)."""
    free = np.moveaxis(evidence.propensity_counts[:, : FORCED.start], 0, 1)
    requests, calls = free[..., REQUESTS], np.minimum(free[..., ATTEMPTS], free[..., REQUESTS])
    asked = np.array([run.requests for run in evidence.benchmarks], dtype=np.float64)
    called = np.array([run.attempts for run in evidence.benchmarks], dtype=np.float64)
    called = np.minimum(called, asked)
    return with_benchmark(requests, requests, asked, calls, called, method=method)


class _Climb:
    """The state of one fit between steps."""

    def __init__(self, requests: Array, calls: Array, method: Method) -> None:
        self.method = method
        self.base = base_votes(requests.sum(axis=0)[:, :BENCHMARK], method)
        self.requests, self.calls = requests * self.base, calls * self.base
        volume = self.requests.sum(axis=0)
        self.votes = np.repeat(self.base[np.newaxis], len(volume), axis=0)
        share = (self.calls.sum() + 1.0) / (self.requests.sum() + 2.0)
        self.strata = np.full(len(requests), np.log(share / (1.0 - share)))
        self.owners = np.zeros(volume.shape[1])
        self.effects = np.zeros(len(volume))
        self.information = np.zeros_like(volume)

    def chances(self) -> Array:
        cells = self.effects[:, np.newaxis] + self.owners
        return np.asarray(
            np.clip(expit(self.strata[:, np.newaxis, np.newaxis] + cells), 1e-9, 1 - 1e-9)
        )

    def all_chances(self) -> Array:
        """Return chances per endpoint first; forced strata, where nothing is free, are 1."""
        free = np.moveaxis(self.chances(), 0, 1)
        endpoints, strata, columns = free.shape
        forced = np.ones((endpoints, FORCED.stop - strata, columns))
        return np.concatenate([free, forced], axis=1)

    def advance(self) -> None:
        chances = self.chances()
        told = self.requests * chances * (1.0 - chances)
        weights = self._weigh(told.sum(axis=0))
        self._move_strata(weights, chances, told)
        chances = self.chances()
        told = self.requests * chances * (1.0 - chances)
        weights = self._weigh(told.sum(axis=0))
        self._move_effects(weights * (self.calls - self.requests * chances).sum(axis=0))

    def _weigh(self, told: Array) -> Array:
        """Set each cell's vote and information; return the weight of its residual."""
        method = self.method
        damped = 1.0 / (1.0 + method.vendor_variance * told)
        prior = method.owner_spread**-2
        full = told * damped * self.base
        self.votes = exclusive_votes(self.base, full, prior, method.exclusive_information)
        self.information = told * damped * self.votes
        return damped * self.votes

    def _move_strata(self, weights: Array, chances: Array, told: Array) -> None:
        score = np.tensordot(self.calls - self.requests * chances, weights, axes=2)
        total = np.tensordot(told, weights, axes=2)
        # One pseudo-request keeps a stratum without any, or with nothing but calls, in place.
        self.strata = self.strata + np.clip(score / (total + 0.25), -1.5, 1.5)

    def _move_effects(self, scores: Array) -> None:
        rows, columns = self._curvatures()
        method = self.method
        row_steps, column_steps = newton_steps(
            self.information,
            rows,
            columns,
            scores.sum(axis=1) - self.effects / method.propensity_spread**2,
            scores.sum(axis=0) - self.owners / method.owner_spread**2,
        )
        self.effects = self.effects + np.clip(row_steps, -1.0, 1.0)
        self.owners = self.owners + np.clip(column_steps, -1.5, 1.5)

    def _curvatures(self) -> tuple[Array, Array]:
        rows = self.information.sum(axis=1) + self.method.propensity_spread**-2
        return rows, self.information.sum(axis=0) + self.method.owner_spread**-2

    def covariance(self) -> Array:
        rows, columns = self._curvatures()
        return row_covariance(self.information, rows, columns)


def _against_reference(
    effects: Array, covariance: Array, evidence: PoolEvidence, method: Method
) -> tuple[Array, Array]:
    """Return each endpoint's difference from the reference and its standard error."""
    variances = np.maximum(np.diag(covariance), 0.0)
    known = np.sqrt(variances) <= method.reference_error
    own = evidence.reference
    if own is not None and known[own]:
        joint = variances + variances[own] - 2.0 * covariance[own]
        return effects - effects[own], np.sqrt(np.maximum(joint, 0.0))
    chosen = effects[known] if known.any() else effects
    return effects - np.median(chosen), np.sqrt(variances + method.median_error**2)
