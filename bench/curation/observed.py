"""One static world lived through: the truth, and what the gateway counted of it.

Owns the pairing of the two, and the judgement of a pool against the truth. The rule others rely
on: `Observed.evidence` and `.recent` are all that a method is given.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.curation.counting import Use, assign_slots, benchmark, count, evidence, use_of
from bench.curation.draws import Drawn, Streams, draw_period
from bench.curation.population import Array, Flags, Population, endpoint_field, populate
from bench.curation.worlds import World
from telemetry.scoring.evidence import PoolEvidence

GOOD_GAP, BAD_GAP = 0.01, 0.02  # above the best failure rate
NORMAL_SHIFT, ABNORMAL_SHIFT = 0.2, 0.45  # logits
LIKED, DISLIKED = 0.08, 0.25  # share of those who met it
LOSS_CEILING = 0.05
RECENT_DAYS = 2 / 24


@dataclass(frozen=True, slots=True)
class Labels:
    """Which endpoints (K,) belong in the pool, and which do not; the gray ones are in neither."""

    good: Flags
    bad: Flags


@dataclass(frozen=True, slots=True)
class Observed:
    """`accounts_ignoring` (K,) counts every account, believed or not: what a naive rule reads."""

    people: Population
    labels: Labels
    evidence: PoolEvidence
    recent: PoolEvidence
    accounts_ignoring: Array
    traffic: Drawn


def label(people: Population) -> Labels:
    """Say which endpoints are good or bad; the best is the best of those that call normally."""
    world = people.world
    shift = np.abs(people.shift)
    disliked, loss = endpoint_field(world, "disliked"), endpoint_field(world, "loss")
    normal = (shift < NORMAL_SHIFT) & (disliked < LIKED) & (loss < LOSS_CEILING)
    gap = people.truth - people.truth[normal].min()
    good = normal & (gap <= GOOD_GAP)
    bad = (gap >= BAD_GAP) | (shift > ABNORMAL_SHIFT) | (disliked > DISLIKED)
    return Labels(good, bad | (loss >= LOSS_CEILING))


def observe(world: World, seed: int) -> Observed:
    """Return one run of `world`: the same for the same seed."""
    people, streams = populate(world, seed), Streams(seed)
    days = [draw_period(people, 1.0, streams) for _ in range(world.days)]
    size = people.routing.shape
    use = use_of(days, *size)
    slots = assign_slots(use, people.aged)
    daily = [count(day, slots, size[1], streams.kinds) for day in days]
    seen = evidence(people, daily, use, benchmark(people, streams.benchmark))
    lately = draw_period(people, RECENT_DAYS, streams)
    last = count(lately, slots, size[1], streams.kinds)
    recent = replace(seen, counts=last, propensity_counts=last, recorded=last)
    ignoring = people.ignoring & ((use.requests >= 1) | ~people.honest[:, None])
    return Observed(people, label(people), seen, recent, ignoring.sum(axis=0) / _met(use), days[-1])


def _met(use: Use) -> Array:
    met: Array = np.maximum(1.0, (use.requests > 0).sum(axis=0))
    return met


def failure_of(people: Population, pool: Flags) -> float:
    """Return the share of tool calls that fail if everybody is balanced over `pool` (K,).

    By honest owners' volumes; an empty pool fails every call.
    """
    if not pool.any():
        return 1.0
    # Hidden by no cap: the failure that users meet.
    shares = people.balanced * pool
    shares = shares / shares.sum(axis=1, keepdims=True)
    volume = np.where(people.honest, np.maximum(people.volume, 1e-9), 0.0)
    calls = np.einsum("t,tk,ts,tks->tks", volume, shares, people.mix, people.calls)
    return float((calls * people.fails).sum() / calls.sum())
