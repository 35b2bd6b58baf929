"""Which endpoints users frequently ignore.

Owns the two posteriors, by head and by spend, and the ceiling they are held against. The rule
others rely on: an endpoint is frequently ignored only if it is so both ways, so that neither many
new accounts nor one large owner can vote it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import IgnoreVotes
from telemetry.scoring.intervals import TINY, beta_above, wilson
from telemetry.scoring.method import Method

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ignores:
    """How often K endpoints are ignored by the eligible owners who could have used them."""

    shares: Array  # (K,): by head, 0 to 1
    low: Array  # (K,): 90 % interval
    high: Array
    ceiling: float  # the share that is "frequently"
    frequent: Array  # (K,): P(share above the ceiling), the smaller of both ways


def estimate_ignores(votes: Sequence[IgnoreVotes], method: Method) -> Ignores:
    """Return P(frequently ignored) for every endpoint by a beta-binomial, by head and by spend.

    The prior is worth `method.ignore_prior` owners at the pool's median share; the ceiling is
    `method.ignore_share`, or `method.ignore_factor` medians where a model is widely ignored. The
    weighted votes enter with their effective number (Kish 1965): sum(w)^2 / sum(w^2).
    """
    sample = np.array([vote.at_risk for vote in votes], dtype=np.float64)
    hits = np.minimum([float(vote.ignoring) for vote in votes], sample)
    weighted = np.array([vote.spend_sample for vote in votes], dtype=np.float64)
    share = np.clip([vote.spend_share for vote in votes], 0.0, 1.0)
    usual = float(np.median((hits + 1.0) / (sample + 20.0)))
    ceiling = min(max(method.ignore_share, method.ignore_factor * usual), 1.0)
    by_head = _above(ceiling, usual, hits, sample, method)
    by_spend = _above(ceiling, usual, weighted * share, weighted, method)
    frequent = np.where(hits < method.ignore_owners, 0.0, np.minimum(by_head, by_spend))
    low, high = wilson(hits, sample)
    return Ignores(hits / np.maximum(sample, TINY), low, high, ceiling, frequent)


def _above(ceiling: float, usual: float, hits: Array, sample: Array, method: Method) -> Array:
    prior = method.ignore_prior
    return beta_above(ceiling, prior * usual + hits, prior * (1.0 - usual) + sample - hits)
