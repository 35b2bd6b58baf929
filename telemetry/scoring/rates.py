"""How much more often each endpoint fails than others, on the same requests and owners.

Owns the two-way model behind accuracy: failures y_kb of endpoint k in slot b have mean
mu_kb = R_k g_b sum_s(n_ksb m_s) and variance mu + sigma_b^2 mu^2 (negative binomial), with
Gamma(1, 1) priors on the endpoint's ratio R and the slot's difficulty g, and m the rate of each
stratum. It decides nothing. The rules others rely on: no slot tells more than 1/sigma^2
effective failures about an endpoint; the fit is finite for any counters, none included.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.intervals import TINY, mantel_haenszel_ratios
from telemetry.scoring.method import Method
from telemetry.scoring.two_way import newton_steps, row_covariance
from telemetry.scoring.voters import BENCHMARK, base_votes, exclusive_votes, weighted_median

Array = NDArray[np.float64]

STEPS: Final = 17
ROBUST_FROM: Final = 4  # outliers are drawn in once the fit has found its place
SHARPEST: Final = 0.3  # expected failures a cell needs to say anything of the spread


@dataclass(frozen=True, slots=True)
class RateFit:
    """The fitted model. Ratios are to the median endpoint, difficulties to the median slot."""

    ratios: Array  # (K,): R
    difficulties: Array  # (COLUMNS,): g
    strata: Array  # (S,): m, failures per attempt
    variances: Array  # (K,): of log R
    votes: Array  # (K, COLUMNS): 0 to 1
    spread: float  # sigma^2 of owners' slots

    def cell_rates(self) -> Array:
        """Return failures per attempt expected in every cell, shape (K, S, COLUMNS), at most 1."""
        slots = self.ratios[:, np.newaxis] * self.difficulties
        rates = self.strata[np.newaxis, :, np.newaxis] * slots[:, np.newaxis, :]
        return np.minimum(rates, 1.0)


def fit_rates(attempts: Array, failures: Array, method: Method) -> RateFit:
    """Fit the model to `attempts` and `failures`, both (S, K, COLUMNS), the last column benchmarks.

    Joint Newton steps on (log R, log g) from Mantel-Haenszel ratios, with the strata's rates and
    the spread sigma^2 (moments, shrunk) updated in between, and Huber weights on cells more than
    `method.outlier` standard deviations off. Quasi-likelihood: McCullagh and Nelder 1989, ch. 9.
    """
    climb = _Climb(attempts, failures, method)
    for step in range(STEPS):
        climb.advance(robust=step >= ROBUST_FROM)
    return climb.result()


class _Climb:
    """The state of one fit between steps."""

    def __init__(self, attempts: Array, failures: Array, method: Method) -> None:
        self.method = method
        self.attempts, self.failures = attempts, failures
        self.observed = failures.sum(axis=0)  # (K, COLUMNS)
        self.volume = attempts.sum(axis=0)
        self.base = base_votes(self.volume.sum(axis=0)[:BENCHMARK], method)
        self.votes = np.repeat(self.base[np.newaxis], len(self.volume), axis=0)
        self.spread = method.spread
        rate = self._pooled_rate(np.ones_like(self.volume), np.ones_like(self.volume))
        self.strata = np.full(len(attempts), rate)
        self.ratios, self.difficulties = self._start()

    def _start(self) -> tuple[Array, Array]:
        exposure = self._at_ratio_one() * self.base
        ratios = mantel_haenszel_ratios(self.observed * self.base, exposure)
        ratios = np.where(exposure.sum(axis=1) > 0.0, np.clip(ratios, 1e-3, 1e3), 1.0)
        expected = (ratios[:, np.newaxis] * exposure).sum(axis=0)
        return ratios, (1.0 + (self.observed * self.base).sum(axis=0)) / (1.0 + expected)

    def _at_ratio_one(self) -> Array:
        return np.asarray(np.tensordot(self.strata, self.attempts, axes=1))

    def _pooled_rate(self, weights: Array, exposures: Array) -> float:
        method = self.method
        failures = float((weights * self.observed).sum()) + method.prior_failures
        return failures / (float((weights * self.volume * exposures).sum()) + method.prior_attempts)

    def _spreads(self) -> Array:
        lone = np.count_nonzero((self.volume * self.base)[:, :BENCHMARK].sum(axis=0)) <= 1
        floor = self.method.lone_spread if lone else 0.0
        spreads = np.full(self.volume.shape[1], max(self.spread, floor))
        spreads[BENCHMARK] = max(self.method.lone_spread, self.spread)
        return spreads

    def advance(self, robust: bool) -> None:
        means = self.ratios[:, np.newaxis] * self.difficulties * self._at_ratio_one()
        pull = self._outlier_weights(means) if robust else np.ones_like(means)
        information = self._information(means)
        self._step(means, pull, information)
        self._normalise()
        weights = self.votes / (1.0 + self._spreads() * means) * pull
        self._update_strata(weights)
        self._update_spread()

    def _outlier_weights(self, means: Array) -> Array:
        deviations = np.sqrt(means + self._spreads() * means * means + 0.25)
        distance = np.maximum(np.abs(self.observed - means), TINY)
        return np.asarray(np.minimum(1.0, self.method.outlier * deviations / distance))

    def _information(self, means: Array) -> Array:
        full = means / (1.0 + self._spreads() * means)
        enough = self.method.exclusive_failures
        self.votes = exclusive_votes(self.base, full * self.base, 1.0, enough)
        return full * self.votes

    def _step(self, means: Array, pull: Array, information: Array) -> None:
        weights = self.votes / (1.0 + self._spreads() * means) * pull
        scores = weights * (self.observed - means)
        row_steps, column_steps = newton_steps(
            information,
            information.sum(axis=1) + self.ratios,
            information.sum(axis=0) + self.difficulties,
            scores.sum(axis=1) + 1.0 - self.ratios,
            scores.sum(axis=0) + 1.0 - self.difficulties,
        )
        self.ratios = self.ratios * np.exp(np.clip(row_steps, -1.0, 1.0))
        self.difficulties = self.difficulties * np.exp(np.clip(column_steps, -1.5, 1.5))

    def _normalise(self) -> None:
        """Make the median slot and the median endpoint 1, and move both into the strata."""
        slots = (self.volume * self.base).sum(axis=0)
        shares = np.minimum(slots / max(slots.sum(), TINY), self.method.slot_share)
        slot = weighted_median(self.difficulties, shares)
        seen = self.ratios[(self.volume * self.base).sum(axis=1) > 0.0]
        endpoint = float(np.median(seen)) if seen.size else 1.0
        self.difficulties = self.difficulties / slot
        self.ratios = self.ratios / endpoint
        self.strata = self.strata * slot * endpoint

    def _update_strata(self, weights: Array) -> None:
        exposures = self.ratios[:, np.newaxis] * self.difficulties
        prior = self.method.prior_failures
        pooled = self._pooled_rate(weights, exposures)
        failures = np.tensordot(self.failures, weights, axes=2) + prior
        self.strata = failures / (
            np.tensordot(self.attempts, weights * exposures, axes=2) + prior / pooled
        )

    def _update_spread(self) -> None:
        """Estimate sigma^2 by moments of cells that expect enough, shrunk to its prior."""
        method = self.method
        means = self.ratios[:, np.newaxis] * self.difficulties * self._at_ratio_one()
        told = (means > SHARPEST) * self.votes
        told[:, BENCHMARK] = 0.0
        deviations = np.sqrt(means + self.spread * means * means + 0.25)
        off = np.minimum(np.abs(self.observed - means), method.outlier * deviations)
        sample = (off * off - means) / np.maximum(means * means, TINY)
        weights = told * (self.spread * means / (1.0 + self.spread * means)) ** 2
        weights *= _freedom(told)
        estimate = method.spread * method.spread_df + float((weights * sample).sum())
        spread = estimate / (method.spread_df + float(weights.sum()))
        self.spread = float(np.clip(spread, method.spread_low, method.spread_high))

    def result(self) -> RateFit:
        means = self.ratios[:, np.newaxis] * self.difficulties * self._at_ratio_one()
        information = self._information(means)
        rows = information.sum(axis=1) + self.ratios
        columns = information.sum(axis=0) + self.difficulties
        compared = np.diag(row_covariance(information, rows, columns))
        # An endpoint that holds most of the traffic is not known better than its own counts.
        variances = np.maximum(compared, 1.0 / rows)
        spread = float(self._spreads()[0])
        return RateFit(self.ratios, self.difficulties, self.strata, variances, self.votes, spread)


def _freedom(told: Array) -> float:
    """Return the share of cells left to tell of the spread once effects are fitted, 0 to 1."""
    cells = np.count_nonzero(told)
    fitted = np.count_nonzero(told.any(axis=1)) + np.count_nonzero(told.any(axis=0)) - 1
    return max(0.0, (cells - fitted) / cells) if cells else 0.0
