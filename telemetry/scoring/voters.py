"""Who has a vote on a model's endpoints: slots by class, and benchmarks as one more slot.

Owns which slots count and how much of the mix each may be. The rules others rely on: untrusted
slots have no vote once the others hold enough traffic; a slot's part of the mix is capped.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import COMPARATIVE, EXCLUSIVE, SLOTS, UNTRUSTED
from telemetry.scoring.method import Method

Array = NDArray[np.float64]

BENCHMARK: Final = SLOTS  # the column after the owners' slots
COLUMNS: Final = SLOTS + 1


def base_votes(traffic: Array, method: Method) -> Array:
    """Return the vote of each column, 0 or 1, shape (COLUMNS,), before exclusive owners' rule.

    `traffic` holds the pool's requests (or attempts) per slot, shape (SLOTS,). A young
    installation has hardly any trusted owner: there untrusted slots vote like all others.
    """
    votes = np.ones(COLUMNS)
    total = traffic.sum()
    trusted = total - traffic[UNTRUSTED].sum()
    if total > 0.0 and trusted >= method.trusted_share * total:
        votes[UNTRUSTED] = 0.0
    return votes


def exclusive_votes(votes: Array, information: Array, prior: float, enough: float) -> Array:
    """Return the vote of every cell, shape (K, COLUMNS): exclusive ones fade as others speak.

    Owners who use one endpoint only say little of it against others: their own difficulty is
    mixed up with it. `information` (K, COLUMNS) is what each cell with a full vote tells, `prior`
    the curvature of a slot's own effect; what remains of comparative cells once that effect is
    estimated is summed per endpoint, and exclusive slots lose their vote as it nears `enough`.
    """
    compared = information[:, COMPARATIVE]
    left = compared * (1.0 - compared / (prior + compared.sum(axis=0)))
    cells = np.repeat(votes[np.newaxis], len(information), axis=0)
    cells[:, EXCLUSIVE] = np.clip(1.0 - left.sum(axis=1) / enough, 0.0, 1.0)[:, np.newaxis]
    return cells


def mix_of(volumes: Array, voting: NDArray[np.bool_], method: Method) -> Array:
    """Return the mix of requests that rates are standardised to, shape (S, COLUMNS), sum 1.

    `volumes` (S, COLUMNS) are the pool's attempts; each voting slot is at most
    `method.slot_share` of the mix. Benchmarks enter only where there is no traffic at all; with
    neither, strata count alike.
    """
    allowed = volumes * voting
    if allowed[:, :SLOTS].sum() > 0.0:
        allowed[:, BENCHMARK] = 0.0
    slots = allowed.sum(axis=0)
    if slots.sum() <= 0.0:
        return np.full_like(volumes, 1.0 / volumes.size)
    capped = np.minimum(slots / slots.sum(), method.slot_share)
    within = np.divide(allowed, slots, out=np.zeros_like(allowed), where=slots > 0.0)
    return np.asarray(within * capped / capped.sum())


def with_benchmark(cells: Array, benchmark: Array) -> Array:
    """Return `cells` (S, K, SLOTS) with a column for `benchmark` (K,), spread over the strata.

    Benchmark counters carry no stratum; they are spread as the pool's own traffic is, so that the
    slot's effect takes up how hard the suite is.
    """
    strata = cells.sum(axis=(1, 2))
    shares = strata / strata.sum() if strata.sum() > 0.0 else np.full(len(cells), 1 / len(cells))
    column = shares[:, np.newaxis, np.newaxis] * benchmark[np.newaxis, :, np.newaxis]
    return np.concatenate([cells, column], axis=2)


def weighted_median(values: Array, weights: Array) -> float:
    """Return the smallest value with at least half the weight at or below it; 1.0 without weight.

    >>> weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    2.0
    """
    if weights.sum() <= 0.0:
        return 1.0
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])
