"""Whether an endpoint does as well for its users as in benchmarks, or may have learnt the tests.

Owns benchmarks' own estimate of tool-call errors, apart from the one that lists are made of, and
the comparison with what traffic alone says. It lists and fails nobody. The rules others rely on:
no benchmark, too small a one, or too little traffic is unknown, never bad; how easy a suite is
cancels out, as peers show the same gap.
"""

from dataclasses import dataclass, replace
from math import log, pi, sqrt
from statistics import NormalDist, median
from typing import Final

from telemetry.scoring import sentences
from telemetry.scoring.accuracy import Accuracy, estimate_accuracy
from telemetry.scoring.evidence import BenchmarkCounts, PoolEvidence
from telemetry.scoring.intervals import gamma_interval
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.sentences import Estimate, Verdict

_MEDIAN_VARIANCE: Final = pi / 2  # of a median, against a mean's


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """What benchmarks say of one endpoint, and whether traffic bears it out.

    `estimate`, `low`, `high` (90 % interval) are benchmarks' own error rate, `live` traffic's; None
    where unknown. `verdict` is "fail" if it does much worse live, "insufficient" if unknown.
    `probability` is that it does no more than `Method.divergence_factor` times worse.
    """

    verdict: Verdict
    estimate: float | None
    low: float | None
    high: float | None
    live: float | None
    probability: float | None
    requests: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _Gap:
    """How much worse an endpoint does live than in benchmarks: log ratio and its variance."""

    log_ratio: float
    variance: float


def compare_benchmarks(evidence: PoolEvidence, method: Method = DEFAULT) -> tuple[Benchmarked, ...]:
    """Return what benchmarks say of each endpoint, in the order of the evidence.

    The rate of y failures in n calls is Gamma(y + 1/2, n). An endpoint diverges if its log ratio of
    live to benchmark rate is above the median of its peers' by more than log(factor), all but
    surely, and its live rate is above its benchmarks' by the least margin. Both rates are of other
    requests, so each gap has the variance that an owner's own luck has; without any peer nothing
    tells how easy the suite is, and only gross gaps are sure.
    """
    if not any(run.attempts for run in evidence.benchmarks):
        return tuple(_unknown(evidence.told(k), method) for k in range(len(evidence.benchmarks)))
    nothing = (BenchmarkCounts(),) * len(evidence.endpoint_ids)
    live = estimate_accuracy(replace(evidence, benchmarks=nothing), method)
    known = [k for k in range(len(nothing)) if _comparable(evidence, live, k, method)]
    gaps = {k: _gap(evidence.benchmarks[k], live, k, method) for k in known}
    return tuple(_benchmarked(evidence, live, k, gaps, method) for k in range(len(nothing)))


def counting(evidence: PoolEvidence, method: Method) -> PoolEvidence:
    """Return the evidence without benchmarks too small to say anything."""
    nothing = BenchmarkCounts()
    enough = [run.requests >= method.benchmark_requests for run in evidence.benchmarks]
    runs = [
        run if is_enough else nothing
        for run, is_enough in zip(evidence.benchmarks, enough, strict=True)
    ]
    told = [evidence.told(k) if is_enough else nothing for k, is_enough in enumerate(enough)]
    return replace(evidence, benchmarks=tuple(runs), measured=tuple(told))


def _comparable(evidence: PoolEvidence, live: Accuracy, k: int, method: Method) -> bool:
    measured = evidence.benchmarks[k].attempts >= method.benchmark_requests
    return measured and float(live.attempts[k]) >= method.enter_calls


def _estimate(run: BenchmarkCounts) -> Estimate:
    shape = run.failures + 0.5
    rate = min(shape / run.attempts, 1.0)
    low, high = gamma_interval(rate, shape)
    return Estimate(rate, float(low), min(float(high), 1.0))


def _gap(run: BenchmarkCounts, live: Accuracy, k: int, method: Method) -> _Gap:
    ratio = log(float(live.rates[k]) / _estimate(run).value)
    sampling = 1.0 / (run.failures + 0.5) + 1.0 / float(live.shapes[k])
    return _Gap(ratio, sampling + method.spread)


def _agreement(gap: _Gap, peers: list[_Gap], method: Method) -> float:
    """Return the probability that a gap is no more than the factor above its peers'."""
    usual, doubt = 0.0, 1.0  # alone: suites differ about as much as owners do
    if peers:
        usual = median(peer.log_ratio for peer in peers)
        mean = sum(peer.variance for peer in peers) / len(peers)
        doubt = _MEDIAN_VARIANCE * mean / len(peers)
    beyond = gap.log_ratio - usual - log(method.divergence_factor)
    return 1.0 - NormalDist().cdf(beyond / sqrt(gap.variance + doubt))


def _benchmarked(
    evidence: PoolEvidence, live: Accuracy, k: int, gaps: dict[int, _Gap], method: Method
) -> Benchmarked:
    run, told = evidence.benchmarks[k], evidence.told(k)
    if run.attempts < method.benchmark_requests:
        return _unknown(told, method)
    own, calls = _estimate(run), sentences.count(told.attempts, "call", "calls")
    seen = f"{own.as_percent()} bad of {calls} in benchmarks"
    figures = (own.value, own.low, own.high)
    if k not in gaps:
        said = f"{seen}; too little traffic to compare it with"
        return Benchmarked("insufficient", *figures, None, None, round(told.requests), said)
    peers = [gap for other, gap in gaps.items() if other != k]
    agrees = _agreement(gaps[k], peers, method)
    rate = float(live.rates[k])
    worse = rate - own.value >= method.margin_low
    verdict: Verdict = "fail" if worse and agrees < method.divergence_doubt else "pass"
    traffic = Estimate(rate, float(live.low[k]), float(live.high[k])).as_percent()
    said = f"{seen}, {traffic} live"
    if verdict == "fail":
        said += ": possible gaming of benchmarks, or a suite unlike its traffic"
    return Benchmarked(verdict, *figures, rate, agrees, round(told.requests), said)


def _unknown(told: BenchmarkCounts, method: Method) -> Benchmarked:
    said = "no benchmark that counts: unknown, which is not bad"
    if told.requests:
        calls = sentences.count(told.attempts, "call", "calls")
        needed = f"{method.benchmark_requests:,.0f} recent ones are needed"
        said = f"too small or too old a benchmark: {calls}, {needed}"
    return Benchmarked("insufficient", None, None, None, None, None, round(told.requests), said)
