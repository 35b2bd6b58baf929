"""Intervals and tail probabilities of rates and shares.

Owns the distribution functions that the criteria read. It knows no endpoint. The rule others
rely on: every result is finite for every sample, zero included.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammainc, gammaincinv, ndtr, ndtri

Array = NDArray[np.float64]

TAIL: Final = 0.05  # of the probability, on either side of every interval
TINY: Final = 1e-12  # a rate below this is this: no division by zero


def wilson(hits: ArrayLike, sample: ArrayLike, tail: float = TAIL) -> tuple[Array, Array]:
    """Return Wilson's score interval of a share, without continuity correction.

    `hits` of `sample` (same shape; 0 <= hits <= sample; fractions are fine) with `tail` of the
    probability on either side; (0, 1) for an empty sample. Score and not Wald, which has no width
    at zero hits. Newcombe, Statistics in Medicine 17 (1998), method 3.

    >>> [round(float(bound), 4) for bound in wilson(81, 263, tail=0.025)]
    [0.2553, 0.3662]
    """
    n = np.asarray(sample, dtype=np.float64)
    safe = np.maximum(n, TINY)
    share = np.clip(np.asarray(hits, dtype=np.float64) / safe, 0.0, 1.0)
    z2 = ndtri(tail) ** 2
    centre = share + z2 / (2 * safe)
    half = np.sqrt(z2 * (share * (1 - share) / safe + z2 / (4 * safe * safe)))
    low = np.clip((centre - half) / (1 + z2 / safe), 0.0, share)
    high = np.clip((centre + half) / (1 + z2 / safe), share, 1.0)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def gamma_interval(mean: ArrayLike, shape: ArrayLike, tail: float = TAIL) -> tuple[Array, Array]:
    """Return the `tail` and 1 - `tail` quantiles of Gamma(`shape`, rate = shape / mean).

    Means and shapes are positive and broadcast; quantiles carry the unit of `mean`.

    >>> [round(float(bound), 3) for bound in gamma_interval(5.0, 5.0)]  # chi-squared, 10 df, halved
    [1.97, 9.154]
    """
    mean, shape = np.asarray(mean, dtype=np.float64), np.asarray(shape, dtype=np.float64)
    scale = mean / shape
    return scale * gammaincinv(shape, tail), scale * gammaincinv(shape, 1 - tail)


def gamma_below(bound: ArrayLike, mean: ArrayLike, shape: ArrayLike) -> Array:
    """Return P(X < bound) for X ~ Gamma(`shape`, rate = shape / mean); all positive, broadcast.

    >>> round(float(gamma_below(9.154, 5.0, 5.0)), 3)
    0.95
    """
    mean = np.maximum(np.asarray(mean, dtype=np.float64), TINY)
    return np.asarray(gammainc(shape, np.asarray(bound) * np.asarray(shape) / mean))


def beta_above(bound: ArrayLike, hits: ArrayLike, misses: ArrayLike) -> Array:
    """Return P(X > bound) for X ~ Beta(`hits`, `misses`), both positive; bound within 0 to 1.

    >>> round(float(beta_above(0.5, 3, 3)), 3)
    0.5
    """
    hits = np.maximum(np.asarray(hits, dtype=np.float64), TINY)
    misses = np.maximum(np.asarray(misses, dtype=np.float64), TINY)
    return np.asarray(1.0 - betainc(hits, misses, bound))


def equivalence_probability(difference: ArrayLike, error: ArrayLike, margin: float) -> Array:
    """Return P(|X| < margin) for X ~ N(`difference`, `error`^2).

    The Bayesian reading of two one-sided tests (Schuirmann 1987): with a flat prior, both tests
    reject at level a only where either tail beyond the margin holds less than a. `error` may be 0.

    >>> round(float(equivalence_probability(0.0, 1.0, 1.959964)), 4)
    0.95
    """
    error = np.maximum(np.asarray(error, dtype=np.float64), TINY)
    difference = np.asarray(difference, dtype=np.float64)
    return np.asarray(ndtr((margin - difference) / error) - ndtr((-margin - difference) / error))


def mantel_haenszel_ratios(events: Array, exposure: Array) -> Array:
    """Return each row's rate against all other rows, pooled over columns (Mantel-Haenszel).

    `events` and `exposure` have shape (K, B), exposure in events expected at rate 1. Half an
    event is added on either side, so no ratio is zero or infinite; a row without exposure has 1.
    Greenland and Robins, Biometrics 41 (1985), for rates.
    """
    total = np.maximum(exposure.sum(axis=0), TINY)
    others, elsewhere = events.sum(axis=0) - events, exposure.sum(axis=0) - exposure
    here = (events * elsewhere / total).sum(axis=1)
    there = (others * exposure / total).sum(axis=1)
    return np.asarray((here + 0.5) / (there + 0.5))
