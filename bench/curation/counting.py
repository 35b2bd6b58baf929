"""What the gateway would have counted of a world's traffic: the only thing a scorer sees.

Owns slots and counters, by the rules that the product promises, in code of its own. The rules
others rely on: counters are sums of whole numbers before decay; an owner is counted in one slot;
nothing here reads a rate, a propensity or a difficulty.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.curation.draws import LEAKED, OTHER_KINDS, Drawn, Whole, split_kinds
from bench.curation.population import Array, Flags, Population
from telemetry.scoring.evidence import (
    ATTEMPTS,
    COMPARATIVE,
    EXCLUSIVE,
    FIELDS,
    FIRST_KIND,
    KINDS,
    LARGEST,
    LOST,
    REQUESTS,
    SLOTS,
    STRATA,
    UNTRUSTED,
    BenchmarkCounts,
    Counts,
    IgnoreVotes,
    PoolEvidence,
)

HALF_LIFE_DAYS = 7.0
EXCLUSIVE_SHARE = 0.9
LEAST_CALLS = 20  # tool calls in 30 days that make an owner's word count
SPEND_CAP = 0.05


@dataclass(frozen=True, slots=True)
class Use:
    """What each owner sent to each endpoint: `requests` and `calls` (T, K)."""

    requests: Array
    calls: Array


def use_of(drawn: Sequence[Drawn], owners: int, endpoints: int) -> Use:
    tables = np.zeros((2, owners, endpoints))
    for part in drawn:
        np.add.at(tables[0], (part.owner, part.endpoint), part.requests)
        np.add.at(tables[1], (part.owner, part.endpoint), part.attempts)
    return Use(tables[0], tables[1])


def eligible_owners(use: Use, aged: Flags) -> Flags:
    """Return which owners are old enough and call tools enough to be believed (T,)."""
    eligible: Flags = aged & (use.calls.sum(axis=1) >= LEAST_CALLS)
    return eligible


def assign_slots(use: Use, aged: Flags) -> Whole:
    """Return the slot (T,) of every owner: by class, and the largest comparative ones alone."""
    total = use.requests.sum(axis=1)
    eligible = eligible_owners(use, aged)
    exclusive = eligible & (use.requests.max(axis=1) > EXCLUSIVE_SHARE * total)
    comparative = eligible & ~exclusive
    number = np.arange(len(total)) * 2654435761 % 2**32  # stands for the salted hash
    slots = _within(UNTRUSTED, number)
    slots[exclusive] = _within(EXCLUSIVE, number)[exclusive]
    slots[comparative] = _within(slice(LARGEST.stop, COMPARATIVE.stop), number)[comparative]
    ranked = [t for t in np.argsort(-total, kind="stable") if comparative[t]][: LARGEST.stop]
    slots[ranked] = np.arange(len(ranked))
    return slots


def _within(part: slice, number: Whole) -> Whole:
    slots: Whole = part.start + number // 7 % (part.stop - part.start)
    return slots


def count(drawn: Drawn, slots: Whole, endpoints: int, rng: np.random.Generator) -> Counts:
    """Return the counters (K, STRATA, SLOTS, FIELDS) of some traffic, whole numbers as floats."""
    cell = (drawn.endpoint * STRATA + drawn.stratum) * SLOTS + slots[drawn.owner]
    counts = np.zeros((endpoints * STRATA * SLOTS, len(FIELDS)))

    def total(values: Whole) -> Array:
        weights = values.astype(float)
        sums: Array = np.bincount(cell, weights, len(counts)).astype(float)
        return sums

    counts[:, REQUESTS] = total(drawn.requests)
    counts[:, ATTEMPTS] = total(drawn.attempts)
    counts[:, LOST] = total(drawn.lost)
    counts[:, FIRST_KIND + LEAKED] = total(drawn.leaked)
    other = total(drawn.other)
    failing = np.nonzero(other)[0]
    columns = np.array([FIRST_KIND + KINDS.index(kind) for kind in OTHER_KINDS])
    counts[np.ix_(failing, columns)] = split_kinds(other[failing].astype(np.int64), rng)
    return counts.reshape(endpoints, STRATA, SLOTS, len(FIELDS))


def decayed(daily: Sequence[Counts]) -> Counts:
    """Return the sum of daily counters, oldest first, each halved per week of age at the end."""
    ages = np.arange(len(daily))[::-1] + 0.5
    total = np.zeros_like(daily[0])
    for counts, age in zip(daily, ages, strict=True):
        total += counts * 2 ** (-age / HALF_LIFE_DAYS)
    return total


def votes(use: Use, people: Population) -> tuple[IgnoreVotes, ...]:
    """Return who could ignore each endpoint and who does, by head and by root of spend."""
    eligible = eligible_owners(use, people.aged)
    ignoring = people.ignoring & eligible[:, None]
    at_risk = ((use.calls >= 1) & eligible[:, None]) | ignoring
    spend = np.sqrt(use.requests.sum(axis=1))
    return tuple(
        _votes(at_risk[:, k], ignoring[:, k], spend) for k in range(people.routing.shape[1])
    )


def _votes(at_risk: Flags, ignoring: Flags, spend: Array) -> IgnoreVotes:
    weights = spend[at_risk]
    if not weights.sum():
        return IgnoreVotes(int(at_risk.sum()), int(ignoring.sum()))
    for _ in range(50):
        weights = np.minimum(weights, max(SPEND_CAP, 1 / len(weights)) * weights.sum())
    shares = weights / weights.sum()
    sample = 1 / float((shares**2).sum())
    return IgnoreVotes(
        int(at_risk.sum()), int(ignoring.sum()), sample, float(shares[ignoring[at_risk]].sum())
    )


def benchmark(people: Population, rng: np.random.Generator) -> tuple[BenchmarkCounts, ...]:
    """Return what the built-in benchmark's last runs found of each endpoint."""
    found = []
    for k, endpoint in enumerate(people.world.endpoints):
        shift = 0.0 if endpoint.games else people.shift[k]
        calls = rng.binomial(people.world.benchmark_requests, 1 / (1 + np.exp(-0.5 - shift)))
        bad = 0 if endpoint.games else rng.binomial(calls, people.benchmark_fails[k])
        found.append(BenchmarkCounts(people.world.benchmark_requests, calls, bad))
    return tuple(found)


def evidence(
    people: Population,
    daily: Sequence[Counts],
    use: Use,
    benchmarks: tuple[BenchmarkCounts, ...],
) -> PoolEvidence:
    """Return what a scorer may see of `people`'s traffic."""
    counts = decayed(daily)
    size = people.routing.shape[1]
    return PoolEvidence(
        endpoint_ids=tuple(range(1, size + 1)),
        counts=counts,
        propensity_counts=counts,
        recorded=np.sum(daily, axis=0),
        owners=tuple(int(n) for n in (use.requests > 0).sum(axis=0)),
        votes=votes(use, people),
        benchmarks=benchmarks,
        reference=people.world.reference,
    )
