"""Newton steps for models with one effect per endpoint and one per slot.

Owns the linear algebra that accuracy and propensity share. It knows no model: callers bring
scores and information. The rule others rely on: no step or variance is infinite as long as every
diagonal is positive, which the callers' priors see to.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def newton_steps(
    information: Array, rows: Array, columns: Array, row_scores: Array, column_scores: Array
) -> tuple[Array, Array]:
    """Return the joint Newton steps of row and column effects.

    The information matrix is [[diag(rows), C], [C', diag(columns)]] with C = `information`,
    shape (K, B); `rows` (K,) and `columns` (B,) hold C's sums plus the priors' curvature, so they
    are positive; scores are gradients of the same shapes. Columns are eliminated first (Schur
    complement), which leaves a K x K system. Raises numpy.linalg.LinAlgError if it is singular.

    >>> steps = newton_steps(np.zeros((1, 1)), np.ones(1), np.ones(1), np.ones(1), np.zeros(1))
    >>> [float(step[0]) for step in steps]
    [1.0, 0.0]
    """
    shares = information / columns
    core = np.diag(rows) - shares @ information.T
    row_steps = np.linalg.solve(core, row_scores - shares @ column_scores)
    return np.asarray(row_steps), np.asarray((column_scores - information.T @ row_steps) / columns)


def row_covariance(information: Array, rows: Array, columns: Array) -> Array:
    """Return the posterior covariance (K, K) of row effects relative to their weighted mean.

    Arguments as for `newton_steps`. The information-weighted mean is projected out: what all
    endpoints share (a hard mix of requests) cancels in every comparison between them.
    """
    shares = information / columns
    covariance = np.linalg.inv(np.diag(rows) - shares @ information.T)
    total = information.sum()
    if total <= 0.0:
        return np.asarray(covariance)
    weights = information.sum(axis=1) / total
    projection = np.eye(len(rows)) - weights
    return np.asarray(projection @ covariance @ projection.T)
