"""Who has a vote on a model's endpoints: slots by class, and benchmarks as one more slot.

Owns which slots count and how much of the mix each may be. The rules others rely on: untrusted
slots have no vote once the others hold enough traffic; a slot's part of the mix is capped.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import COMPARATIVE, EXCLUSIVE, SLOTS, UNTRUSTED
from telemetry.scoring.intervals import TINY
from telemetry.scoring.method import Method

Array = NDArray[np.float64]

BENCHMARK: Final = SLOTS  # the column after the owners' slots
COLUMNS: Final = SLOTS + 1


def base_votes(traffic: Array, method: Method) -> Array:
    """Return the vote of each column, 0 or 1, shape (COLUMNS,), before exclusive owners' rule.

    `traffic` holds requests (or attempts) per endpoint and slot, shape (K, SLOTS). A young
    installation has hardly any trusted owner: there untrusted slots vote like all others. Enough
    trusted traffic ends that whatever its share, or a flood of new accounts could bring it back.
    """
    votes = np.ones(COLUMNS)
    slots = traffic.sum(axis=0)
    total = slots.sum()
    trusted = total - slots[UNTRUSTED].sum()
    enough = min(method.trusted_share * total, method.trusted_calls * len(traffic))
    if total > 0.0 and trusted >= enough:
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
    within = np.divide(allowed, slots, out=np.zeros_like(allowed), where=slots > 0.0)
    return np.asarray(within * capped_shares(slots, method.slot_share))


def capped_shares(volumes: Array, most: float) -> Array:
    """Return shares (N,) in proportion to `volumes` (N,), none above `most`, sum 1.

    What the largest lose is spread over the others in proportion. With too few volumes above 0
    for that, all of them count alike; all zeros give zeros.

    >>> capped_shares(np.array([8.0, 1.0, 1.0, 0.0]), 0.5).tolist()
    [0.5, 0.25, 0.25, 0.0]
    """
    active = int(np.count_nonzero(volumes))
    if active * most <= 1.0:
        return np.asarray((volumes > 0.0) / max(active, 1))
    ordered = np.sort(volumes)[::-1]
    capped = np.arange(len(ordered))  # so many of the largest are capped
    rest = ordered[::-1].cumsum()[::-1]
    room = np.maximum(1.0 - most * capped, TINY)
    ceilings = most * rest / room
    ceiling = ceilings[np.argmax(ordered <= ceilings)]
    shares = np.minimum(volumes, ceiling)
    return np.asarray(shares / shares.sum())


def with_benchmark(cells: Array, *fields: Array, method: Method) -> list[Array]:
    """Return per-slot counters with one more column: benchmarks', spread over the strata.

    `cells` (S, K, SLOTS) are the traffic that benchmark counters, which carry no stratum, are
    spread like, as far as it has a vote; so the column's own effect takes up how hard the suite
    is. `fields` alternate: counters (S, K, SLOTS), then the benchmarks' (K,).
    """
    votes = base_votes(cells.sum(axis=0), method)[:SLOTS]
    strata = (cells * votes).sum(axis=(1, 2))
    shares = strata / strata.sum() if strata.sum() > 0.0 else np.full(len(cells), 1 / len(cells))
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [
        np.concatenate([counts, np.multiply.outer(shares, benchmark)[..., np.newaxis]], axis=2)
        for counts, benchmark in pairs
    ]


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
