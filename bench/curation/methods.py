"""The ways of choosing a pool that are compared, behind one shape.

Owns the adapter to the product's scorer, which is given the evidence and nothing else. The rule
others rely on: a method never sees an `Observed`'s truth; the oracle does, and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.curation import baselines
from bench.curation.observed import Observed
from bench.curation.population import Array, Flags

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


METHODS: dict[str, Choose] = {
    "raw rates": _plain(baselines.raw_rates),
    "Wilson": _plain(baselines.wilson),
    "OpenRouter": _plain(baselines.openrouter),
    "OpenRouter, all data": _plain(baselines.openrouter_long),
}
