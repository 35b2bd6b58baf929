"""What scoring reads of one model: its endpoints' counters as arrays, and the layout of a cell.

Owns the words of the counters (strata, slots, fields) and the frozen arrays handed to the
estimators. It computes no estimate and knows no database. The rules others rely on: axes are
endpoint x stratum x slot x field, in the order of the tuples here; counters are sums, so adding
two pieces of evidence cell by cell is the evidence of both; no slot names its owner.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# One failure per request, however many calls it makes: the first of these that applies.
KINDS: Final = (
    "invalid_json",
    "unknown_name",
    "schema_mismatch",
    "leaked_tool_text",
    "empty_reply",
    "tool_choice_violated",
    "truncated_arguments",
    "duplicate_ids",
)
# requests: replies to requests with tools; attempts: those that are tool calls or should have
# been; lost: requests whose reply broke off or timed out (not among `requests`).
FIELDS: Final = ("requests", "attempts", "lost", *KINDS)
REQUESTS, ATTEMPTS, LOST, FIRST_KIND = 0, 1, 2, 3

TURNS: Final = ("fresh", "after_tool", "forced")
TOOL_BANDS: Final = (3, 15)  # the largest number of tools in the first and second band
STRATA: Final = len(TURNS) * (len(TOOL_BANDS) + 1)
FORCED: Final = slice(6, 9)  # the strata in which propensity says nothing

SLOTS: Final = 64
LARGEST: Final = slice(0, 16)  # one comparative owner each: the largest of the model
COMPARATIVE: Final = slice(0, 48)  # owners who use several endpoints; beyond 16 they share slots
EXCLUSIVE: Final = slice(48, 56)  # owners who send nearly all to one endpoint
UNTRUSTED: Final = slice(56, 64)  # owners too young, too small or not vouched for

Counts = NDArray[np.float64]  # (..., STRATA, SLOTS, FIELDS)


def stratum_of(turn: str, tools: int) -> int:
    """Return the stratum of a request: 0 to 8, by `turn` (one of TURNS) and number of tools.

    >>> stratum_of("fresh", 2), stratum_of("after_tool", 4), stratum_of("forced", 16)
    (0, 4, 8)
    """
    band = sum(tools > largest for largest in TOOL_BANDS)
    return TURNS.index(turn) * (len(TOOL_BANDS) + 1) + band


@dataclass(frozen=True, slots=True)
class IgnoreVotes:
    """Who could have ignored an endpoint, and who does: by head, and weighted by root of spend.

    `at_risk` and `ignoring` count eligible owners. `spend_sample` is the effective number of the
    weighted ones (1 / sum of squared shares), `spend_share` the ignoring part of their weight.
    """

    at_risk: int = 0
    ignoring: int = 0
    spend_sample: float = 0.0
    spend_share: float = 0.0


@dataclass(frozen=True, slots=True)
class BenchmarkCounts:
    """Probe and benchmark replies of an endpoint, summed over the runs that still count.

    Aged and weighted by suite where they are evidence, as they were where people read them.
    """

    requests: float = 0.0
    attempts: float = 0.0
    failures: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolEvidence:
    """All that is known of one model's K endpoints, decayed to one moment.

    `counts` and `propensity_counts` have shape (K, STRATA, SLOTS, len(FIELDS)); they differ where
    a change of an endpoint set older counters aside for one purpose only. `recorded` is the same
    without decay, for the samples that people read, and `measured` that of `benchmarks`, if it is
    known. `reference` is the index of the author's own
    endpoint, if any. `owners` stand behind all scored requests; `calling` are those of them who
    saw a tool call, `asking` those of `propensity_counts`: all, where nothing else is known.
    """

    endpoint_ids: tuple[int, ...]
    counts: Counts
    propensity_counts: Counts
    recorded: Counts
    owners: tuple[int, ...]
    votes: tuple[IgnoreVotes, ...]
    benchmarks: tuple[BenchmarkCounts, ...]
    reference: int | None = None
    measured: tuple[BenchmarkCounts, ...] = ()
    calling: tuple[int, ...] = ()
    asking: tuple[int, ...] = ()

    def told(self, k: int) -> BenchmarkCounts:
        """Return the benchmark replies that people are told of."""
        return self.measured[k] if self.measured else self.benchmarks[k]


def active_slots(counts: Counts, field: int) -> int:
    """Return in how many slots one endpoint's counters (STRATA, SLOTS, FIELDS) have any of a field.

    At least so many owners stand behind them: each has one slot, and may share it.
    """
    return int(np.count_nonzero(counts[..., field].sum(axis=0)))
