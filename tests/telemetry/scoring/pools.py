"""Evidence made in tests: pools of endpoints from a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIELDS,
    LOST,
    REQUESTS,
    SLOTS,
    STRATA,
    BenchmarkCounts,
    IgnoreVotes,
    PoolEvidence,
)

MISMATCH = FIELDS.index("schema_mismatch")


@dataclass(frozen=True)
class Traffic:
    """One endpoint's counters, spread evenly over `slots` and the strata with free choice."""

    requests: float = 0.0
    calls: float = 0.0
    failures: float = 0.0
    lost: float = 0.0
    slots: Sequence[int] = (0,)

    def counts(self) -> NDArray[np.float64]:
        counts = np.zeros((STRATA, SLOTS, len(FIELDS)))
        cells = 6 * len(self.slots)
        for slot in self.slots:
            counts[:6, slot, REQUESTS] += self.requests / cells
            counts[:6, slot, ATTEMPTS] += self.calls / cells
            counts[:6, slot, MISMATCH] += self.failures / cells
            counts[:6, slot, LOST] += self.lost / cells
        return counts


def pool_of(counts: NDArray[np.float64], **changes: Any) -> PoolEvidence:
    """Return evidence in which nothing but `counts` (K, STRATA, SLOTS, FIELDS) speaks."""
    size = len(counts)
    facts: dict[str, Any] = {
        "endpoint_ids": tuple(range(100, 100 + size)),
        "counts": counts,
        "propensity_counts": counts,
        "recorded": counts,
        "owners": (1,) * size,
        "votes": (IgnoreVotes(),) * size,
        "benchmarks": (BenchmarkCounts(),) * size,
    }
    return PoolEvidence(**(facts | changes))


def pool(traffic: Sequence[Traffic], **changes: Any) -> PoolEvidence:
    return pool_of(np.stack([one.counts() for one in traffic]), **changes)
