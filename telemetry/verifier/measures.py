"""What a verifier's probes say of one endpoint: figures with intervals, and what says nothing.

Owns whose fault a probe is, and every figure. Pure; it knows no database. The rules others rely
on: what is not the provider's doing is in `excluded` and in no figure; an endpoint that was not
reached, or whose replies were not judged, has no figures at all (`NothingMeasured`), so silence is
neither a failure nor a perfect score; a reply fails by the same rule as in live scores; the two
modes of one request are one cluster, as they are no independent draws.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from telemetry.benchmarks.reading import Figure
from telemetry.scoring.evidence import KINDS
from telemetry.scoring.intervals import wilson

TAIL: Final = 0.025  # 95 % intervals, as all benchmark results have
PICODOLLARS: Final = 10**12
_BAD: Final = frozenset(KINDS[:3])
_FORCED: Final = ("required", "named", "none")

# Why a probe says nothing of its endpoint, by outcome; others than these and "ok" are failures.
NOT_THE_PROVIDERS: Final[Mapping[str, str]] = {
    "connect_error": "unreachable",
    "timeout_connect": "unreachable",
    "auth": "credential refused",
    "not_found": "model not found there",
    "client_error": "request refused",
    "rate_limited": "rate limited",
    "busy": "our own limit",
    "gateway_error": "our own fault",
    "client_cancelled": "our own fault",
}
_CUT_SHORT: Final = frozenset({"length", "content_filter"})
UNKNOWN: Final = "outcome unknown"  # sent before a kill
_HARMLESS: Final = frozenset({"cut short"})  # left out, but the endpoint was heard


@dataclass(frozen=True, slots=True)
class Observed:
    """One probe that was sent, as it ended.

    choice: auto, none, required or named. expected: whether the reference calls a tool here, None
    if it does not say. outcome: as attempts have it; "" if nobody knows it. called: whether the
    reply is a tool call. fault: the first of scoring's KINDS that is wrong with it.
    """

    request: int
    streamed: bool
    choice: str
    expected: bool | None
    outcome: str
    finish_reason: str = ""
    verdict: str = ""
    called: bool = False
    fault: str | None = None
    leaked: bool = False
    violated: bool = False
    latency_ms: int | None = None
    duration_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_pico: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one endpoint. `failures <= tool_calls <= replies`, as everywhere."""

    replies: int
    tool_calls: int
    failures: int
    figures: tuple[Figure, ...]
    excluded: Mapping[str, int]


class NothingMeasured(Exception):
    """The probes say too little of the endpoint; the message says what happened instead."""


def measure(probes: Sequence[Observed]) -> Measured:
    """Return what probes of one endpoint say. Raises NothingMeasured."""
    reasons = [why_left_out(probe) for probe in probes]
    excluded = Counter(reason for reason in reasons if reason)
    heard = [p for p, reason in zip(probes, reasons, strict=True) if not reason]
    mute = sum(number for reason, number in excluded.items() if reason not in _HARMLESS)
    if not heard or 2 * mute > len(probes):
        raise NothingMeasured(_what_happened(excluded, len(probes)))
    replies = [probe for probe in heard if _replied(probe)]
    calls = [probe for probe in replies if probe.called or probe.fault]
    failed = [probe for probe in calls if probe.fault]
    return Measured(
        replies=len(replies),
        tool_calls=len(calls),
        failures=len(failed),
        figures=tuple(_figures(heard, replies, calls)),
        excluded=dict(excluded.most_common()),
    )


def why_left_out(probe: Observed) -> str:
    """Return why a probe is in no figure, or "" if it is the endpoint's own doing."""
    if not probe.outcome:
        return UNKNOWN
    if probe.outcome != "ok":
        return NOT_THE_PROVIDERS.get(probe.outcome, "")
    if probe.finish_reason in _CUT_SHORT:
        return "cut short"
    return "not judged" if probe.verdict in ("unjudged", "pending", "") else ""


def _what_happened(excluded: Mapping[str, int], asked: int) -> str:
    told = ", ".join(f"{number} x {reason}" for reason, number in excluded.items())
    return f"No evidence: of {asked} requests {told}." if told else "No evidence: nothing was sent."


# Figures -----------------------------------------------------------------------------------


def _figures(
    heard: Sequence[Observed], replies: Sequence[Observed], calls: Sequence[Observed]
) -> Iterator[Figure]:
    judged = [probe for probe in replies if probe.called]
    yield from _share("schema_accuracy", judged, _is_valid)
    yield from _triggers([p for p in replies if p.choice == "auto" and p.expected is not None])
    forced = [probe for probe in replies if probe.choice in _FORCED]
    yield from _share("tool_choice_compliance", forced, lambda probe: not probe.violated)
    yield from _share("leaked_tool_text", replies, lambda probe: probe.leaked)
    yield from _share("success", heard, _is_ok)
    for mode, streamed in (("stream", True), ("whole", False)):
        own = [probe for probe in judged if probe.streamed is streamed]
        yield from _share(f"schema_accuracy_{mode}", own, _is_valid)
        own = [probe for probe in heard if probe.streamed is streamed]
        yield from _share(f"success_{mode}", own, _is_ok)
    yield from _share("tool_call_error_rate", calls, lambda probe: probe.fault is not None)
    for kind in KINDS:
        if any(probe.fault == kind for probe in calls):
            yield from _share(f"{kind}_rate", calls, _is_fault(kind))
    yield from _amounts(replies, judged)


def _replied(probe: Observed) -> bool:
    """Tell whether there is a reply to judge: also one that its provider refused to hand out."""
    return probe.outcome == "ok" or (probe.outcome == "failed_generation" and bool(probe.fault))


def _is_ok(probe: Observed) -> bool:
    return probe.outcome == "ok"


def _is_valid(probe: Observed) -> bool:
    return probe.verdict not in _BAD


def _is_fault(kind: str) -> Callable[[Observed], bool]:
    return lambda probe: probe.fault == kind


def _share(
    metric: str, probes: Sequence[Observed], holds: Callable[[Observed], bool]
) -> Iterator[Figure]:
    """Yield the share of probes of which something holds; nothing without probes."""
    if not probes:
        return
    clusters = _clusters((probe.request, holds(probe)) for probe in probes)
    hits = sum(cluster_hits for cluster_hits, _ in clusters)
    low, high = clustered_interval(clusters)
    yield Figure(metric, hits / len(probes), len(probes), low, high)


def _triggers(probes: Sequence[Observed]) -> Iterator[Figure]:
    """Yield precision, recall and F1 of deciding to call a tool, the reference being right."""
    called = [probe for probe in probes if probe.called]
    due = [probe for probe in probes if probe.expected]
    yield from _share("trigger_precision", called, lambda probe: probe.expected is True)
    yield from _share("trigger_recall", due, lambda probe: probe.called)
    either = [probe for probe in probes if probe.called or probe.expected]
    if either:
        clusters = _clusters((p.request, p.called and p.expected is True) for p in either)
        share = sum(hits for hits, _ in clusters) / len(either)
        low, high = clustered_interval(clusters)
        # F1 is a rising function of hits / (hits + false + missed), which is a plain share.
        yield Figure("tool_call_f1", _f1(share), len(probes), _f1(low), _f1(high))


def _f1(share: float) -> float:
    return 2 * share / (1 + share)


def _amounts(replies: Sequence[Observed], judged: Sequence[Observed]) -> Iterator[Figure]:
    streamed = [p.latency_ms for p in replies if p.streamed and p.latency_ms is not None]
    yield from _median("first_token_ms_median", streamed)
    durations = [p.duration_ms for p in replies if p.duration_ms is not None]
    yield from _median("duration_ms_median", durations)
    for name in ("prompt_tokens", "completion_tokens"):
        counted = [(p.request, float(getattr(p, name) or 0)) for p in replies]
        yield from _mean(f"{name}_mean", counted)
    costs = [(p.request, (p.cost_pico or 0) / PICODOLLARS) for p in replies]
    yield from _mean("cost_usd_mean", costs)
    valid = sum(_is_valid(probe) for probe in judged)
    if valid:
        spent = sum(cost for _, cost in costs)
        yield Figure("cost_usd_per_valid_call", spent / valid, valid)


def _median(metric: str, values: Sequence[int]) -> Iterator[Figure]:
    if values:
        low, high = median_interval(values)
        yield Figure(metric, float(median(values)), len(values), low, high)


def _mean(metric: str, values: Sequence[tuple[int, float]]) -> Iterator[Figure]:
    if values:
        mean, low, high = mean_interval(values)
        yield Figure(metric, mean, len(values), low, high)


# Intervals ---------------------------------------------------------------------------------


def _clusters(drawn: Iterable[tuple[int, bool]]) -> list[tuple[int, int]]:
    """Return (hits, size) of each request."""
    hits, sizes = Counter[int](), Counter[int]()
    for request, hit in drawn:
        hits[request] += hit
        sizes[request] += 1
    return [(hits[request], size) for request, size in sizes.items()]


def clustered_interval(clusters: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return the 95 % interval of a share whose draws come in clusters of (hits, size).

    Wilson's interval of the effective sample: the number of draws over the design effect, which
    is the variance between clusters over that of independent draws, held between 1 and the mean
    size of a cluster. Korn and Graubard, Survey Methodology 24 (1998), with Wilson for Clopper.
    At a share of 0 or 1 the clusters tell nothing of it, and the draws count as independent.

    >>> low, high = clustered_interval([(2, 2)] * 9 + [(0, 2)])
    >>> f"{low:.3f} {high:.3f}"
    '0.596 0.982'
    """
    hits = np.array([hit for hit, _ in clusters], dtype=np.float64)
    sizes = np.array([size for _, size in clusters], dtype=np.float64)
    draws, share = sizes.sum(), hits.sum() / sizes.sum()
    effect, variance = 1.0, share * (1 - share) / draws
    if len(clusters) > 1 and variance > 0:
        spread = np.square(hits - share * sizes).sum() / draws**2
        effect = spread * len(clusters) / (len(clusters) - 1) / variance
    sample = draws / min(max(effect, 1.0), max(draws / len(clusters), 1.0))
    low, high = wilson(share * sample, sample, tail=TAIL)
    return float(low), float(high)


def median_interval(values: Sequence[int]) -> tuple[float, float]:
    """Return the 95 % interval of the median, by order statistics: no shape is assumed.

    The ranks are n/2 -+ 1.96 sqrt(n)/2, rounded outwards; few values have their whole range.
    Conover, Practical Nonparametric Statistics (1999), section 3.2.

    >>> median_interval(range(1, 101))
    (40.0, 61.0)
    """
    ordered, n = sorted(values), len(values)
    half = -float(ndtri(TAIL)) * n**0.5 / 2
    first, last = int(n / 2 - half), int(np.ceil(n / 2 + half))
    return float(ordered[max(first, 1) - 1]), float(ordered[min(last + 1, n) - 1])


def mean_interval(values: Sequence[tuple[int, float]]) -> tuple[float, float, float]:
    """Return a mean of amounts and its 95 % interval, from (cluster, amount).

    Student's, over what the clusters' sums deviate; of one cluster it is the mean alone.
    """
    sums: defaultdict[int, float] = defaultdict(float)
    sizes = Counter(cluster for cluster, _ in values)
    for cluster, amount in values:
        sums[cluster] += amount
    n, clusters = len(values), len(sizes)
    mean = sum(sums.values()) / n
    if clusters < 2:
        return mean, mean, mean
    spread = sum((sums[one] - mean * size) ** 2 for one, size in sizes.items())
    error = (spread * clusters / (clusters - 1)) ** 0.5 / n
    margin = -float(stdtrit(clusters - 1, TAIL)) * error
    return mean, max(mean - margin, min(0.0, mean)), mean + margin
