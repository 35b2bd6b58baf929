"""The policies that are compared live, and the plain ones: raw rates, OpenRouter's rule.

Owns these policies; `baselines` owns the rules' thresholds. The rule others rely on: they read
the same ledger as the product's policy, and have no memory of their own.
"""

from collections.abc import Callable

import numpy as np

from bench.curation import baselines
from bench.curation.baselines import (
    CALL_BAND,
    CLOSE,
    LEAST_ATTEMPTS,
    ROUTER_REQUESTS,
    Totals,
    far_below,
    robust_deviation,
)
from bench.curation.ledger import Ledger
from bench.curation.methods import SUBJECT
from bench.curation.policy import FIRST_EDITION, Assay, Policy
from bench.curation.population import Flags
from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, FORCED, REQUESTS


class Raw:
    """Members are within a point of the best raw rate of the last `hours`."""

    reads_cells = False

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self.quarantined: list[tuple[int, int]] = []

    def step(self, ledger: Ledger, present: Flags) -> Flags:
        if ledger.hour < FIRST_EDITION:
            return present
        found = _totals(ledger, self.hours)
        enough = present & (found.attempts >= LEAST_ATTEMPTS)
        if not enough.any():
            return present
        calls = found.called / np.maximum(found.free, 1.0)
        middle, spread = np.median(calls[enough]), robust_deviation(calls[enough])
        normal = np.abs(calls - middle) <= CALL_BAND * max(spread, 1e-9)
        pool: Flags = enough & normal & (found.rate <= found.rate[enough].min() + CLOSE)
        return pool


class Router:
    """OpenRouter's published rule on its published window."""

    HOURS = 2
    reads_cells = False

    def __init__(self) -> None:
        self.quarantined: list[tuple[int, int]] = []

    def step(self, ledger: Ledger, present: Flags) -> Flags:
        if ledger.hour < FIRST_EDITION:
            return present
        found = _totals(ledger, self.HOURS)
        enough = present & (found.requests >= ROUTER_REQUESTS)
        poor = far_below(1 - found.rate, enough)
        return baselines.first_tier(enough & ~poor, present & ~enough, present)


def _totals(ledger: Ledger, hours: int) -> Totals:
    by_stratum = np.sum(ledger.totals[-hours:], axis=0)
    every = by_stratum.sum(axis=1)
    free = np.delete(by_stratum, FORCED, axis=1).sum(axis=1)
    return Totals(
        every[:, REQUESTS], every[:, ATTEMPTS], every[:, FIRST_KIND:].sum(axis=1),
        free[:, REQUESTS], free[:, ATTEMPTS],
    )  # fmt: skip


POLICIES: dict[str, Callable[[int], Policy]] = {
    SUBJECT: Assay,
    "raw rates, 24 h": lambda _: Raw(24),
    "OpenRouter": lambda _: Router(),
}
