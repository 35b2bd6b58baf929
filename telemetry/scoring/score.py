"""From a model's evidence to a result per endpoint: three criteria and the losses, with sentences.

Owns the shape of a result and the verdicts. It knows no list and no past: `standing` decides.
The rules others rely on: a pure function of the evidence; no endpoint is failed for lack of data;
verdicts follow the rule for a first list, so they do not depend on who is listed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring import sentences
from telemetry.scoring.accuracy import (
    Accuracy,
    best_known,
    best_rate,
    estimate_accuracy,
    margin,
    near_best,
)
from telemetry.scoring.detection import Expected
from telemetry.scoring.divergence import counting
from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIELDS,
    FIRST_KIND,
    FORCED,
    KINDS,
    LOST,
    REQUESTS,
    SLOTS,
    STRATA,
    PoolEvidence,
)
from telemetry.scoring.ignores import Ignores, estimate_ignores
from telemetry.scoring.losses import Losses, estimate_losses
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.propensity import Propensity, estimate_propensity
from telemetry.scoring.sentences import Estimate, Verdict

Array = NDArray[np.float64]

DISPUTED_SHARE: Final = 0.5  # of the failures ...
DISPUTED_SLOTS: Final = 0.05  # ... from this share of the active slots (at least one)
DISPUTED_FAILURES: Final = 10  # fewer are no dispute


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of one endpoint, as it is stored and shown.

    `estimate`, `low` and `high` (90 % interval) are shares of 1, for propensity odds ratios; None
    where nothing was seen. `probability` is that the criterion holds, for ignores that the
    endpoint *is* frequently ignored. `requests` and `owners` are the sample as people count it;
    `benchmark_requests` of the requests are no owner's.
    """

    verdict: Verdict
    estimate: float | None
    low: float | None
    high: float | None
    probability: float | None
    requests: int
    owners: int
    sentence: str
    benchmark_requests: int = 0


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """What the evidence says of one endpoint. `failures` are by kind and undecayed."""

    endpoint_id: int
    accuracy: Criterion
    propensity: Criterion
    ignores: Criterion
    losses: Criterion
    failures: dict[str, int]
    effective_attempts: float
    disputed: bool
    benchmarked: bool = False  # a benchmark that counts says something of it


@dataclass(frozen=True, slots=True)
class PoolResult:
    """What the evidence says of one model's endpoints, in the order of the evidence."""

    endpoints: tuple[EndpointResult, ...]
    best_error_rate: float | None
    expected: Expected


def score_pool(evidence: PoolEvidence, method: Method = DEFAULT) -> PoolResult:
    """Return every criterion of every endpoint; the algorithm is told in docs/scoring.md.

    Any counters are fine, none included. Raises ValueError where shapes disagree or a counter is
    negative or not finite.
    """
    check_evidence(evidence)
    evidence = counting(evidence, method)
    if not evidence.endpoint_ids:
        nothing = np.zeros((0, STRATA, SLOTS))
        return PoolResult((), None, Expected((), nothing, nothing, nothing[:, 0]))
    accuracy = estimate_accuracy(evidence, method)
    propensity = estimate_propensity(evidence, method)
    ignores = estimate_ignores(evidence.votes, method)
    losses = estimate_losses(evidence, method)
    candidates = (
        (propensity.normal >= method.first_propensity)
        & (ignores.frequent < method.leave_ignores)
        & ~losses.above
    )
    known = best_known(accuracy, candidates, method)
    best = best_rate(accuracy.rates[known], accuracy.shapes[known], method.best_certainty)
    # Who is bad is known first. Beside some whom nobody has much of but who are surely better,
    # it does not set the standard.
    best = min(best, float(accuracy.high[candidates if candidates.any() else known].min()))
    near = near_best(accuracy, best, evidence.reference, method)
    lowest = min(best, float(accuracy.rates[known].min()))
    pool = _Pool(evidence, method, accuracy, propensity, ignores, losses, best, lowest, near)
    seen = bool((accuracy.attempts > 0.0).any())
    return PoolResult(
        tuple(pool.endpoint(k) for k in range(len(evidence.endpoint_ids))),
        lowest if seen else None,
        _expected(evidence, accuracy, propensity),
    )


def check_evidence(evidence: PoolEvidence) -> None:
    """Raise ValueError where shapes disagree or a counter is negative or not finite."""
    size = len(evidence.endpoint_ids)
    shape = (size, STRATA, SLOTS, len(FIELDS))
    for name in ("counts", "propensity_counts", "recorded"):
        counts = getattr(evidence, name)
        if counts.shape != shape:
            raise ValueError(f"{name} of shape {counts.shape}: {size} endpoints need {shape}")
        if not np.isfinite(counts).all() or (counts < 0.0).any():
            raise ValueError(f"{name} holds a negative or infinite counter: rebuild the counters")
    for name in ("owners", "votes", "benchmarks"):
        if len(getattr(evidence, name)) != size:
            raise ValueError(f"{name} needs one entry for each of {size} endpoints")
    if evidence.reference is not None and not 0 <= evidence.reference < size:
        raise ValueError(f"reference {evidence.reference} is not the index of an endpoint")


def _expected(evidence: PoolEvidence, accuracy: Accuracy, propensity: Propensity) -> Expected:
    return Expected(
        evidence.endpoint_ids,
        accuracy.fit.cell_rates()[..., :SLOTS],
        propensity.calls[..., :SLOTS],
        accuracy.fit.votes[:, :SLOTS],
    )


@dataclass(frozen=True, slots=True)
class _Pool:
    """All estimates of a pool, from which endpoints' criteria are written."""

    evidence: PoolEvidence
    method: Method
    accuracy: Accuracy
    propensity: Propensity
    ignores: Ignores
    losses: Losses
    best: float  # what the margin is added to
    lowest: float  # the best endpoint's estimate, which people read
    near: Array

    def endpoint(self, k: int) -> EndpointResult:
        recorded = self.evidence.recorded[k]
        kinds = recorded[..., FIRST_KIND:].sum(axis=(0, 1))
        failures = {kind: round(number) for kind, number in zip(KINDS, kinds, strict=True)}
        return EndpointResult(
            self.evidence.endpoint_ids[k],
            self._accuracy(k, recorded, failures),
            self._propensity(k, recorded),
            self._ignores(k),
            self._losses(k, recorded),
            failures,
            float(self.accuracy.attempts[k]),
            _disputed(recorded),
            self.evidence.benchmarks[k].requests > 0.0,
        )

    def _accuracy(self, k: int, recorded: Array, failures: dict[str, int]) -> Criterion:
        accuracy, method = self.accuracy, self.method
        calls = round(float(recorded[..., ATTEMPTS].sum()))
        owners = (self.evidence.calling or self.evidence.owners)[k]
        benchmark = self.evidence.told(k)
        # A little data can be enough to tell that it is bad, never that it is good.
        failed = float(accuracy.rates[k] * accuracy.attempts[k])
        surely_bad = self.near[k] < method.leave_bar(failed)
        enough = accuracy.attempts[k] >= method.enter_calls or surely_bad
        bar = method.first_bar(failed)
        verdict = _verdict(enough, self.near[k] >= bar)
        rate = Estimate(*_floats(k, accuracy.rates, accuracy.low, accuracy.high))
        seen = f"{sentences.failures(failures)} {sentences.sample(calls, owners)}"
        if benchmark.attempts:
            tried = sentences.count(benchmark.attempts, "call", "calls")
            seen = sentences.and_benchmarks(
                seen, calls, f"{benchmark.failures:,.0f} of {tried} bad"
            )
        near = margin(self.best, method)
        sentence = sentences.accuracy(verdict, rate, self.lowest, near, seen)
        found = (rate, float(self.near[k])) if accuracy.attempts[k] > 0.0 else None
        asked = round(benchmark.attempts)
        return _criterion(verdict, found, (calls + asked, owners), sentence, asked)

    def _propensity(self, k: int, recorded: Array) -> Criterion:
        propensity, method = self.propensity, self.method
        free, benchmark = recorded[: FORCED.start], self.evidence.told(k)
        requests = round(float(free[..., REQUESTS].sum()))
        owners = (self.evidence.asking or self.evidence.owners)[k]
        enough = propensity.requests[k] >= method.enter_calls
        verdict = _verdict(enough, propensity.normal[k] >= method.first_propensity)
        logits = _floats(k, propensity.differences, propensity.low, propensity.high)
        odds = Estimate(*(float(np.exp(logit)) for logit in logits))
        called = sentences.count(float(free[..., ATTEMPTS].sum()), "call", "calls")
        seen = f"{called} {sentences.sample(requests, owners)}"
        if benchmark.requests:
            called = sentences.count(benchmark.attempts, "call", "calls")
            asked = sentences.count(benchmark.requests, "request", "requests")
            seen = sentences.and_benchmarks(seen, requests, f"{called} for {asked}")
        sentence = sentences.propensity(verdict, odds, seen)
        found = (odds, float(propensity.normal[k])) if propensity.requests[k] > 0.0 else None
        probed = round(benchmark.requests)
        return _criterion(verdict, found, (requests + probed, owners), sentence, probed)

    def _ignores(self, k: int) -> Criterion:
        ignores, vote = self.ignores, self.evidence.votes[k]
        enough = vote.at_risk >= self.method.ignore_sample
        verdict = _verdict(enough, ignores.frequent[k] < self.method.leave_ignores)
        share = Estimate(*_floats(k, ignores.shares, ignores.low, ignores.high))
        votes = (vote.ignoring, vote.at_risk)
        sentence = sentences.ignores(verdict, share, votes, ignores.ceiling)
        found = (share, float(ignores.frequent[k])) if vote.at_risk > 0 else None
        return _criterion(verdict, found, (vote.at_risk, vote.at_risk), sentence)

    def _losses(self, k: int, recorded: Array) -> Criterion:
        losses, owners = self.losses, self.evidence.owners[k]
        lost = round(float(recorded[..., LOST].sum()))
        replies = round(float(recorded[..., REQUESTS].sum())) + lost
        enough = losses.samples[k] >= self.method.loss_sample
        verdict = _verdict(enough, not losses.above[k])
        share = Estimate(*_floats(k, losses.shares, losses.low, losses.high))
        seen = f"{lost:,} lost {sentences.sample(replies, owners)}"
        sentence = sentences.losses(verdict, share, losses.ceiling, seen)
        found = (share, float(not losses.above[k])) if losses.samples[k] > 0.0 else None
        return _criterion(verdict, found, (replies, owners), sentence)


def _verdict(enough: bool | np.bool_, holds: bool | np.bool_) -> Verdict:
    if not enough:
        return "insufficient"
    return "pass" if holds else "fail"


def _floats(k: int, *columns: Array) -> tuple[float, float, float]:
    value, low, high = (float(column[k]) for column in columns)
    return value, low, high


def _criterion(
    verdict: Verdict,
    found: tuple[Estimate, float] | None,
    sample: tuple[int, int],
    sentence: str,
    benchmarks: int = 0,
) -> Criterion:
    """Return a criterion; `found` is its estimate and probability, `sample` requests and owners."""
    if found is None:
        return Criterion(verdict, None, None, None, None, *sample, sentence, benchmarks)
    of, probability = found
    return Criterion(verdict, of.value, of.low, of.high, probability, *sample, sentence, benchmarks)


def _disputed(recorded: Array) -> bool:
    """Return whether most failures come from very few slots, so that a curator should look."""
    failures = recorded[..., FIRST_KIND:].sum(axis=(0, 2))
    active = np.count_nonzero(recorded[..., REQUESTS].sum(axis=0))
    few = max(1, int(DISPUTED_SLOTS * active))
    total = failures.sum()
    if total < DISPUTED_FAILURES or active <= few:
        return False
    return bool(np.sort(failures)[-few:].sum() > DISPUTED_SHARE * total)
