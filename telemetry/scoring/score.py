"""From a model's evidence to a result per endpoint: three criteria and the losses, with sentences.

Owns the shape of a result and the verdicts. It knows no list and no past: `standing` decides.
The rules others rely on: a pure function of the evidence; no endpoint is failed for lack of data;
verdicts follow the rule for a first list, so they do not depend on who is listed.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring import sentences
from telemetry.scoring.accuracy import Accuracy, best_rate, estimate_accuracy, margin, near_best
from telemetry.scoring.detection import Expected
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

Array = NDArray[np.float64]
Verdict = Literal["pass", "fail", "insufficient"]

DISPUTED_SHARE: Final = 0.5  # of the failures ...
DISPUTED_SLOTS: Final = 0.05  # ... from this share of the active slots (at least one)
DISPUTED_FAILURES: Final = 10  # fewer are no dispute


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of one endpoint, as it is stored and shown.

    `estimate`, `low` and `high` (90 % interval) are shares of 1, for propensity odds ratios; None
    where nothing was seen. `probability` is that the criterion holds, for ignores that the
    endpoint *is* frequently ignored. `requests` and `owners` are the sample as people count it.
    """

    verdict: Verdict
    estimate: float | None
    low: float | None
    high: float | None
    probability: float | None
    requests: int
    owners: int
    sentence: str


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
    best = best_rate(accuracy, candidates, method)
    near = near_best(accuracy, best, evidence.reference, method)
    pool = _Pool(evidence, method, accuracy, propensity, ignores, losses, best, near)
    seen = bool((accuracy.attempts > 0.0).any())
    return PoolResult(
        tuple(pool.endpoint(k) for k in range(len(evidence.endpoint_ids))),
        best if seen else None,
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
    best: float
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
        )

    def _accuracy(self, k: int, recorded: Array, failures: dict[str, int]) -> Criterion:
        accuracy, owners = self.accuracy, self.evidence.owners[k]
        requests = self._sample(k, recorded[..., ATTEMPTS], "attempts")
        verdict = _verdict(
            accuracy.attempts[k] >= self.method.enter_calls,
            self.near[k] >= self.method.first_accuracy,
        )
        rate, low, high = (float(of[k]) for of in (accuracy.rates, accuracy.low, accuracy.high))
        bounds = f"{sentences.percent(rate)} {sentences.interval(low, high)}"
        seen = f"{sentences.failures(failures)} {sentences.sample(requests, owners)}"
        best = sentences.percent(self.best)
        points = 100.0 * margin(self.best, self.method)
        sentence = {
            "pass": f"tool-call error {bounds}, within {points:.1f} points of the best ({best}); "
            f"{seen}",
            "fail": f"tool-call error {bounds} against {best} for the best; {seen}",
            "insufficient": f"too few tool calls to tell: {seen}",
        }[verdict]
        if accuracy.attempts[k] <= 0.0:
            return Criterion(verdict, None, None, None, None, requests, owners, sentence)
        probability = float(self.near[k])
        return Criterion(verdict, rate, low, high, probability, requests, owners, sentence)

    def _propensity(self, k: int, recorded: Array) -> Criterion:
        propensity, owners = self.propensity, self.evidence.owners[k]
        free = recorded[: FORCED.start]
        requests = self._sample(k, free[..., REQUESTS], "requests")
        calls = self._sample(k, free[..., ATTEMPTS], "attempts")
        verdict = _verdict(
            propensity.requests[k] >= self.method.enter_calls,
            propensity.normal[k] >= self.method.first_propensity,
        )
        difference = float(propensity.differences[k])
        odds, low, high = np.exp([difference, propensity.low[k], propensity.high[k]]).tolist()
        ratio = f"odds \u00d7{odds:.2f} ({low:.2f}\u2013{high:.2f})"
        seen = f"{sentences.count(calls, 'call', 'calls')} {sentences.sample(requests, owners)}"
        word = "more" if difference > 0 else "less"
        sentence = {
            "pass": f"calls tools as often as normal: {ratio}; {seen}",
            "fail": f"calls tools {word} often than normal: {ratio}; {seen}",
            "insufficient": f"too few requests to tell how often it calls tools: {seen}",
        }[verdict]
        if propensity.requests[k] <= 0.0:
            return Criterion(verdict, None, None, None, None, requests, owners, sentence)
        probability = float(propensity.normal[k])
        return Criterion(verdict, odds, low, high, probability, requests, owners, sentence)

    def _ignores(self, k: int) -> Criterion:
        ignores, vote = self.ignores, self.evidence.votes[k]
        verdict = _verdict(
            vote.at_risk >= self.method.ignore_sample,
            ignores.frequent[k] < self.method.leave_ignores,
        )
        share, low, high = (float(of[k]) for of in (ignores.shares, ignores.low, ignores.high))
        seen = f"ignored by {vote.ignoring:,} of {sentences.count(vote.at_risk, 'owner', 'owners')}"
        ceiling = f"frequent is above {sentences.percent(ignores.ceiling)}"
        sentence = {
            "pass": f"{seen} {sentences.interval(low, high)}; {ceiling}",
            "fail": f"{seen} {sentences.interval(low, high)}; {ceiling}",
            "insufficient": f"too few owners to tell: {seen}",
        }[verdict]
        if vote.at_risk <= 0:
            return Criterion(verdict, None, None, None, None, 0, 0, sentence)
        probability = float(ignores.frequent[k])
        return Criterion(
            verdict, share, low, high, probability, vote.at_risk, vote.at_risk, sentence
        )

    def _losses(self, k: int, recorded: Array) -> Criterion:
        losses, owners = self.losses, self.evidence.owners[k]
        lost = round(float(recorded[..., LOST].sum()))
        replies = round(float(recorded[..., REQUESTS].sum())) + lost
        verdict = _verdict(losses.samples[k] >= self.method.loss_sample, not losses.above[k])
        share, low, high = (float(of[k]) for of in (losses.shares, losses.low, losses.high))
        bounds = f"{sentences.percent(share)} {sentences.interval(low, high)}"
        seen = f"{lost:,} {sentences.sample(replies, owners)}"
        sentence = {
            "pass": f"loses {bounds} of its replies; {seen}",
            "fail": f"loses {bounds} of its replies, above the ceiling of "
            f"{sentences.percent(losses.ceiling)}; {seen}",
            "insufficient": f"too few replies to tell how many it loses: {seen}",
        }[verdict]
        if losses.samples[k] <= 0.0:
            return Criterion(verdict, None, None, None, None, replies, owners, sentence)
        probability = 0.0 if losses.above[k] else 1.0
        return Criterion(verdict, share, low, high, probability, replies, owners, sentence)

    def _sample(self, k: int, recorded: Array, field: Literal["requests", "attempts"]) -> int:
        """Return what people count: recorded traffic and benchmark replies."""
        benchmark = self.evidence.benchmarks[k]
        extra = benchmark.requests if field == "requests" else benchmark.attempts
        return round(float(recorded.sum()) + extra)


def _verdict(enough: bool | np.bool_, holds: bool | np.bool_) -> Verdict:
    if not enough:
        return "insufficient"
    return "pass" if holds else "fail"


def _disputed(recorded: Array) -> bool:
    """Return whether most failures come from very few slots, so that a curator should look."""
    failures = recorded[..., FIRST_KIND:].sum(axis=(0, 2))
    active = np.count_nonzero(recorded[..., REQUESTS].sum(axis=0))
    few = max(1, int(DISPUTED_SLOTS * active))
    total = failures.sum()
    if total < DISPUTED_FAILURES or active <= few:
        return False
    return bool(np.sort(failures)[-few:].sum() > DISPUTED_SHARE * total)
