"""The ways of choosing a pool that are compared, behind one shape.

Owns the adapter to the product's scorer, which is given the evidence and nothing else. The rule
others rely on: a method never sees an `Observed`'s truth; the oracle does, and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from bench.curation import baselines
from bench.curation.observed import Observed
from bench.curation.population import Array, Flags
from telemetry.scoring.score import score_pool
from telemetry.scoring.standing import Past, decide

SUBJECT = "assay"


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is in (K,), and what a method says of each endpoint (K,), where it says it.

    `probability` that an endpoint's accuracy is close enough to the best, `rates` of bad calls.
    """

    pool: Flags
    probability: Array | None = None
    rates: Array | None = None


Choose = Callable[[Observed], Choice]


def _plain(rule: Callable[[Observed], Flags]) -> Choose:
    def choose(seen: Observed) -> Choice:
        return Choice(rule(seen), rates=baselines.totals(seen.evidence).rate)

    return choose


def assay(seen: Observed) -> Choice:
    """The product's scorer and its first edition."""
    result = score_pool(seen.evidence)
    newborn = [Past("unlisted", inf)] * len(result.endpoints)
    decision = decide(result, newborn)
    accuracy = [e.accuracy for e in result.endpoints]
    return Choice(
        np.array([d.eligible for d in decision.decisions]),
        np.array([_number(a.probability) for a in accuracy]),
        np.array([_number(a.estimate) for a in accuracy]),
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value


METHODS: dict[str, Choose] = {
    SUBJECT: assay,
    "raw rates": _plain(baselines.raw_rates),
    "Wilson": _plain(baselines.wilson),
    "OpenRouter": _plain(baselines.openrouter),
    "OpenRouter, all data": _plain(baselines.openrouter_long),
}
