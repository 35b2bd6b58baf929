"""What a result file says of one endpoint, whatever tool wrote it.

Owns the frozen form that every reader returns, and the interval of a rate. It reads nothing and
stores nothing. The rules others rely on: what was not the provider's doing is in `excluded` and in
no other count; `failures <= tool_calls <= replies`; a reading with no replies does not exist.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import NormalDist

METRIC_CHARS = 60
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a run, a mean over `sample`; `low` and `high` are its 95 % interval."""

    metric: str
    value: float
    sample: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of a suite, as its files tell it.

    suite, suite_version, judge, request_set: two runs are comparable only if all four are equal.
    `judge` names every model that took part in scoring (grader, user simulator), `request_set` is
    a SHA-256 of what was asked. subject: who answered, in the file's own words. pinned_to: the
    providers the run was restricted to, if the file says so. replies, tool_calls, failures: model
    replies, those of them that are tool calls or should have been, and those with a bad one.
    excluded: how many of what unit were left out of every figure, by reason. identity: a SHA-256
    that is the same for two files of the same results.
    """

    format: str
    suite: str
    suite_version: str
    judge: str
    request_set: str
    subject: str
    measured_at: datetime | None
    replies: int
    tool_calls: int
    failures: int
    figures: tuple[Figure, ...]
    identity: str
    excluded: Mapping[str, int] = field(default_factory=dict)
    pinned_to: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def wilson_interval(hits: float, sample: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval (low, high) of the rate `hits / sample`.

    hits may be fractional, as a sum of task means is; 0 <= hits <= sample, sample > 0. It stays
    inside [0, 1] and keeps its coverage at the small samples benchmarks have.

    Source: Wilson (1927), JASA 22:209-212; formula as in Newcombe (1998), Statistics in
    Medicine 17:857-872, method 3.

    >>> low, high = wilson_interval(15, 148)
    >>> f"{low:.4f} {high:.4f}"
    '0.0624 0.1605'
    """
    if not 0 <= hits <= sample or sample == 0:
        raise ValueError(f"need 0 <= hits <= sample, got {hits}/{sample}")
    rate = hits / sample
    centre = rate + _Z**2 / (2 * sample)
    margin = _Z * math.sqrt(rate * (1 - rate) / sample + _Z**2 / (4 * sample**2))
    scale = 1 + _Z**2 / sample
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def rate(metric: str, hits: float, sample: int) -> tuple[Figure, ...]:
    """Return the figure of a rate with its interval, or nothing without a sample."""
    if not sample:
        return ()
    hits = min(max(hits, 0.0), float(sample))  # sums of floats may miss by a rounding
    low, high = wilson_interval(hits, sample)
    return (Figure(metric, hits / sample, sample, low, high),)


def call_figures(tool_calls: int, failures: int, kinds: Mapping[str, int]) -> tuple[Figure, ...]:
    """Return OpenRouter's tool-call error rate, and the share of each kind of failure."""
    figures = rate("tool_call_error_rate", failures, tool_calls)
    for kind, number in sorted(kinds.items()):
        figures += rate(f"{kind}_rate", number, tool_calls)
    return figures
