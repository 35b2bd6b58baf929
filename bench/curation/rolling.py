"""Lists that follow a plain rule hour by hour, to compare with: raw rates, OpenRouter's rule.

Owns these policies; `baselines` owns the rules' thresholds. The rule others rely on: they read
the same ledger as the product's policy, and have no memory of their own.
"""

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
from bench.curation.policy import FIRST_EDITION, Probe
from bench.curation.population import Flags
from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, FORCED, REQUESTS


class Raw:
    """Members are within a point of the best raw rate of the last `hours`."""

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self.quarantined: list[tuple[int, int]] = []

    def step(self, ledger: Ledger, present: Flags, probe: Probe) -> Flags:
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

    def __init__(self) -> None:
        self.quarantined: list[tuple[int, int]] = []

    def step(self, ledger: Ledger, present: Flags, probe: Probe) -> Flags:
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
