"""One static world, one seed, every method: what each kept, and what that would cost users.

Owns the row that the report is made of. The rule others rely on: gray endpoints are in neither
count; a method that keeps nobody is charged the failures of default routing.
"""

from dataclasses import dataclass

import numpy as np

from bench.curation.methods import METHODS
from bench.curation.observed import BAD_GAP, GOOD_GAP, Observed, failure_of, label, observe
from bench.curation.population import Flags
from bench.curation.worlds import World


@dataclass(frozen=True, slots=True)
class Row:
    """`method` "oracle" keeps exactly the good ones. Failures are shares of tool calls."""

    world: str
    seed: int
    method: str
    good: int
    bad: int
    kept_good: int
    kept_bad: int
    kept: int
    failure: float
    default: float
    oracle: float

    @property
    def precision(self) -> float:
        kept = self.kept_good + self.kept_bad
        return self.kept_good / kept if kept else 1.0

    @property
    def recall(self) -> float:
        return self.kept_good / self.good if self.good else 1.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A probability that an endpoint's accuracy is top-tier, and whether that is so."""

    world: str
    probability: float
    true: bool


def try_methods(world: World, seed: int) -> tuple[list[Row], list[Claim]]:
    """Return a row per method, and what the scorer claimed of each endpoint."""
    seen = observe(world, seed)
    rows, claims = [], []
    for name, choose in METHODS.items():
        choice = choose(seen)
        rows.append(judge(seen, seed, name, choice.pool))
        if choice.probability is not None:
            claims += _claims(seen, choice.probability)
    return rows, claims


def judge(seen: Observed, seed: int, method: str, pool: Flags) -> Row:
    good, bad = seen.labels.good, seen.labels.bad
    every = np.ones_like(good)
    return Row(
        seen.people.world.name,
        seed,
        method,
        int(good.sum()),
        int(bad.sum()),
        int((pool & good).sum()),
        int((pool & bad).sum()),
        int(pool.sum()),
        failure_of(seen.people, pool if pool.any() else every),
        failure_of(seen.people, every),
        failure_of(seen.people, good if good.any() else every),
    )


def _claims(seen: Observed, probability: np.ndarray) -> list[Claim]:
    """Pairs of claim and truth, for endpoints outside the gray zone of accuracy."""
    gap = seen.people.truth - best_rate(seen)
    clear = (gap <= GOOD_GAP) | (gap >= BAD_GAP)
    name = seen.people.world.name
    return [
        Claim(name, float(p), bool(g <= GOOD_GAP))
        for p, g, sure in zip(probability, gap, clear, strict=True)
        if sure and np.isfinite(p)
    ]


def best_rate(seen: Observed) -> float:
    """Return the lowest failure rate among endpoints that call tools normally and are liked."""
    return float(seen.people.truth[label(seen.people).good].min())
