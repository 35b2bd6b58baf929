"""Who is on the list: a pool's result and each endpoint's past, decided with hysteresis.

Owns the rules by which endpoints enter, stay and leave. It changes no list. The rules others rely
on: a member leaves only on strong evidence and returns only on stronger; who is new or out never
enters for lack of data; a list is never emptied, the least bad are kept and `degraded` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

from telemetry.scoring.method import DEFAULT, Method

if TYPE_CHECKING:
    # Web processes read pasts and thresholds; they must not pay for numpy.
    from telemetry.scoring.score import Criterion, EndpointResult, PoolResult

State = Literal["unlisted", "member", "out", "new", "quarantined"]
Standing = Literal["verified", "insufficient_data", "below_par", "quarantined"]


@dataclass(frozen=True, slots=True)
class Past:
    """What hysteresis needs of one endpoint.

    `state`: "unlisted" while the model has no edition yet; "new" if added since the edition.
    `hours_since` it left the list or was quarantined, infinite if never; `quarantines_30d` counts
    the one in force, if any.
    """

    state: State
    hours_since: float = inf
    quarantines_30d: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the method would list an endpoint, and why: the deciding sentence first."""

    endpoint_id: int
    eligible: bool
    standing: Standing
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PoolDecision:
    """A decision for every endpoint; `degraded` if some are in only because too few qualified."""

    decisions: tuple[Decision, ...]
    degraded: bool


def decide(result: PoolResult, pasts: Sequence[Past], method: Method = DEFAULT) -> PoolDecision:
    """Decide every endpoint of `result`; `pasts` are in its order.

    Raises ValueError if there is not one past for each endpoint.
    """
    if len(pasts) != len(result.endpoints):
        raise ValueError(f"{len(pasts)} pasts for {len(result.endpoints)} endpoints: give one each")
    pairs = list(zip(result.endpoints, pasts, strict=True))
    decisions = [_decide_one(endpoint, past, method) for endpoint, past in pairs]
    missing = min(method.minimum_pool, len(pairs)) - sum(one.eligible for one in decisions)
    kept = _least_bad(pairs, decisions, missing, method) if missing > 0 else []
    for index in kept:
        decisions[index] = _kept(decisions[index], result.endpoints[index])
    return PoolDecision(tuple(decisions), degraded=bool(kept))


@dataclass(frozen=True, slots=True)
class _Bars:
    """The least probabilities one state asks for; `proof` if lack of data keeps it out."""

    accuracy: float
    propensity: float
    liked: float  # not frequently ignored
    proof: bool


def _bars(endpoint: EndpointResult, state: State, method: Method) -> _Bars:
    liked = 1.0 - method.leave_ignores
    failures = (endpoint.accuracy.estimate or 0.0) * endpoint.effective_attempts
    if state == "unlisted":
        return _Bars(method.first_bar(failures), method.first_propensity, liked, proof=False)
    if state == "member":
        return _Bars(method.leave_bar(failures), method.leave_propensity, liked, proof=False)
    liked = 1.0 - method.enter_ignores
    return _Bars(method.enter_accuracy, method.enter_propensity, liked, proof=True)


def _decide_one(endpoint: EndpointResult, past: Past, method: Method) -> Decision:
    failing = _failing(endpoint, _bars(endpoint, past.state, method))
    wait = _wait(endpoint, past, method)
    eligible = not failing and not wait
    reasons = _reasons_in(endpoint) if eligible else _reasons_out(endpoint, failing, wait)
    standing = _standing(endpoint, past, eligible, method)
    return Decision(endpoint.endpoint_id, eligible, standing, reasons)


def _reasons_in(endpoint: EndpointResult) -> tuple[str, ...]:
    ordered = sorted(_criteria(endpoint), key=lambda one: one.verdict != "fail")
    doubt = "stays until it is surer: " if ordered[0].verdict == "fail" else ""
    first, *others = (one.sentence for one in ordered)
    return (f"in: {doubt}{first}", *others)


def _reasons_out(
    endpoint: EndpointResult, failing: Sequence[Criterion], wait: str
) -> tuple[str, ...]:
    ordered = [*failing, *(one for one in _criteria(endpoint) if one not in failing)]
    sentences = [one.sentence for one in ordered]
    if wait and not (failing and failing[0].verdict == "fail"):
        return (f"out: {wait}", *sentences)
    doubt = "not sure enough yet: " if failing[0].verdict == "pass" else ""
    return (f"out: {doubt}{sentences[0]}", *sentences[1:])


def _criteria(endpoint: EndpointResult) -> list[Criterion]:
    return [endpoint.accuracy, endpoint.propensity, endpoint.ignores, endpoint.losses]


def _failing(endpoint: EndpointResult, bars: _Bars) -> list[Criterion]:
    """Return the criteria that keep the endpoint out: verdicts of "fail" first, surest first."""
    unknown = 0.0 if bars.proof else 1.0
    # Each: the probability that the criterion holds, the least one asked for, the criterion.
    checks = [
        (_or(endpoint.accuracy.probability, unknown), bars.accuracy, endpoint.accuracy),
        (_or(endpoint.propensity.probability, unknown), bars.propensity, endpoint.propensity),
        (1.0 - _or(endpoint.ignores.probability, 0.0), bars.liked, endpoint.ignores),
        (float(endpoint.losses.verdict != "fail"), 1.0, endpoint.losses),
    ]
    failing = [(value, one) for value, bar, one in checks if value < bar]
    failing.sort(key=lambda pair: (pair[1].verdict != "fail", pair[0]))
    return [criterion for _, criterion in failing]


def _or(probability: float | None, unknown: float) -> float:
    return unknown if probability is None else probability


def _wait(endpoint: EndpointResult, past: Past, method: Method) -> str:
    """Return what an endpoint that is not listed still waits for, in words; "" for nothing."""
    if past.state in ("unlisted", "member"):
        return ""
    if endpoint.effective_attempts < method.enter_calls:
        seen, needed = endpoint.effective_attempts, method.enter_calls
        return f"too few tool calls yet: {seen:,.0f} of the {needed:,.0f} needed to enter"
    if method.benchmark_required and not endpoint.benchmarked:
        return "no benchmark has measured it yet, which this installation asks for"
    hours = _hours_out(past, method)
    if past.hours_since < hours:
        return f"left {past.hours_since:.0f} hours ago and waits for {hours:.0f}"
    return ""


def _hours_out(past: Past, method: Method) -> float:
    if past.state == "quarantined":
        steps = method.quarantine_hours
        return steps[min(max(past.quarantines_30d, 1), len(steps)) - 1]
    return method.enter_hours if past.state == "out" else 0.0


def _proven(endpoint: EndpointResult, method: Method) -> bool:
    return endpoint.effective_attempts >= method.enter_calls


def _standing(endpoint: EndpointResult, past: Past, eligible: bool, method: Method) -> Standing:
    if past.state == "quarantined" and not eligible:
        return "quarantined"
    if past.state == "new" and not _proven(endpoint, method):
        return "insufficient_data"  # a newcomer has had no chance yet
    failed = any(one.verdict == "fail" for one in _criteria(endpoint))
    if endpoint.accuracy.verdict == "insufficient" and (eligible or not failed):
        return "insufficient_data"
    if eligible:
        return "verified"
    # Out, though nothing fails: it left lately, or what it shows is not proof enough to enter.
    left = past.state == "out" and past.hours_since < inf
    return "below_par" if failed or left else "insufficient_data"


def _least_bad(
    pairs: Sequence[tuple[EndpointResult, Past]],
    decisions: Sequence[Decision],
    missing: int,
    method: Method,
) -> list[int]:
    """Return the `missing` best of those not eligible: normal in propensity first, then by rate."""

    def badness(index: int) -> tuple[bool, bool, float]:
        endpoint, past = pairs[index]
        normal = endpoint.propensity.probability
        rate = endpoint.accuracy.estimate
        return (
            past.state == "quarantined",
            normal is not None and normal < method.first_propensity,
            inf if rate is None else rate,
        )

    outside = [index for index, one in enumerate(decisions) if not one.eligible]
    return sorted(outside, key=badness)[:missing]


def _kept(decision: Decision, endpoint: EndpointResult) -> Decision:
    first = "in: the least bad, for nobody qualifies; " + decision.reasons[0].removeprefix("out: ")
    return Decision(endpoint.endpoint_id, True, decision.standing, (first, *decision.reasons[1:]))
