"""Which endpoints lose replies: broken off, or timed out before they were complete.

Owns the share of replies lost and its ceiling. Lost replies are no tool-call failures, and would
leave the error rate of an endpoint untouched that breaks off instead of answering badly; so they
have a ceiling of their own. The rule others rely on: only a loss that is sure fails an endpoint.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import LOST, REQUESTS, SLOTS, PoolEvidence
from telemetry.scoring.intervals import TINY, wilson
from telemetry.scoring.method import Method
from telemetry.scoring.voters import base_votes

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Losses:
    """Shares of replies lost of K endpoints, each slot's part capped."""

    shares: Array  # (K,): 0 to 1
    low: Array  # (K,): 90 % interval
    high: Array
    samples: Array  # (K,): effective replies
    ceiling: float
    above: NDArray[np.bool_]  # (K,): surely above the ceiling


def estimate_losses(evidence: PoolEvidence, method: Method) -> Losses:
    """Return each endpoint's share of lost replies, with Wilson's interval on its effective size.

    Slots are weighted by their traffic, each at most `method.slot_share`; the effective size of a
    weighted mean of shares is 1 / sum(w^2 / n) (Kish 1965). The ceiling follows the pool's best
    by its upper bound, so a pool that loses much everywhere drops nobody for it.
    """
    lost = evidence.counts[..., LOST].sum(axis=1)  # (K, SLOTS)
    replies = evidence.counts[..., REQUESTS].sum(axis=1) + lost
    votes = base_votes(replies.sum(axis=0), method)[:SLOTS]
    lost, replies = lost * votes, replies * votes
    weights = _capped(replies, method.slot_share)
    shares = (weights * lost / np.maximum(replies, TINY)).sum(axis=1)
    uneven = (weights * weights / np.maximum(replies, TINY)).sum(axis=1)
    samples = np.divide(1.0, uneven, out=np.zeros_like(uneven), where=uneven > 0.0)
    low, high = wilson(shares * samples, samples)
    known = samples >= method.loss_sample
    best = float(high[known].min()) if known.any() else 0.0
    ceiling = min(max(method.loss_ceiling, method.loss_factor * best), 1.0)
    return Losses(shares, low, high, samples, ceiling, known & (low > ceiling))


def _capped(volumes: Array, most: float) -> Array:
    totals = np.maximum(volumes.sum(axis=1, keepdims=True), TINY)
    capped = np.minimum(volumes / totals, most)
    return np.asarray(capped / np.maximum(capped.sum(axis=1, keepdims=True), TINY))
