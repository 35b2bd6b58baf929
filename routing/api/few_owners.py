"""What may be told of evidence to everybody: no figure from fewer than SCOREBOARD_OWNERS owners.

Owns which figures are withheld, and the words in their place. It makes no answer and no page. The
rules others rely on: figures of a criterion go together with everything said of them (verdict,
sample, sentence, kinds of failure); where one endpoint's figures are withheld, no other of its
model says how it compares, for that would tell them: neither bounds nor stored sentences.
Evidence without any owner is of benchmarks, which are nobody's requests, and tell no losses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from telemetry.models import EndpointScore
from telemetry.scoring.sentences import Estimate, count, sample

_FIGURES = (
    "verdict", "estimate", "low", "high", "probability", "requests", "owners",
    "benchmark_requests",
)  # fmt: skip
TOO_FEW = "too few owners"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What may be told of the criteria of one model's endpoints."""

    least: int
    partial: frozenset[str]  # criteria whose figures are withheld of some endpoint

    @classmethod
    def of(cls, scores: Iterable[EndpointScore]) -> "Disclosure":
        least = settings.SCOREBOARD_OWNERS
        named = ((name, one) for score in scores for name, one in score.criteria.items())
        return cls(least, frozenset(name for name, one in named if _few(name, one, least)))

    def criterion(self, name: str, one: Mapping[str, Any]) -> dict[str, Any]:
        """Return the public keys of a criterion."""
        if _few(name, one, self.least):
            nothing = dict.fromkeys(_FIGURES)
            return {**nothing, "bound": None, "sentence": TOO_FEW, "withheld": True}
        figures = {key: one.get(key) for key in _FIGURES}
        if name in self.partial:
            alone = {"bound": None, "sentence": _alone(name, one)}
        else:
            alone = {"bound": one.get("bound"), "sentence": one.get("sentence")}
        return {**figures, **alone, "withheld": False}

    def sentence(self, score: EndpointScore) -> str:
        """Return why an endpoint is in or out, in words that hold no withheld figure."""
        if not self.partial:
            return score.sentence
        place = "in" if score.eligible else "out"
        if self.withholds(score):
            return f"{place}: {score.get_standing_display()}; {TOO_FEW} to tell figures"
        accuracy = score.criteria.get("accuracy")
        said = _alone("accuracy", accuracy) if accuracy else score.get_standing_display()
        return f"{place}: {said}"

    def failures(self, score: EndpointScore) -> dict[str, int]:
        """Return an endpoint's failures by kind, or none where its figures are withheld."""
        return {} if self.withholds(score) else score.failures

    def withholds(self, score: EndpointScore) -> bool:
        """Whether an endpoint's tool calls are of too few owners."""
        return _few("accuracy", score.criteria.get("accuracy", {}), self.least)


def tellable(criteria: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return a criterion whose own figures may be told, or an empty one."""
    one = criteria.get(name) or {}
    return {} if _few(name, one, settings.SCOREBOARD_OWNERS) else one


def _few(name: str, one: Mapping[str, Any], least: int) -> bool:
    owners = one.get("owners") or 0
    of_traffic = owners > 0 or (name == "losses" and (one.get("requests") or 0) > 0)
    return of_traffic and owners < least


def _alone(name: str, one: Mapping[str, Any]) -> str:
    """Say a criterion's own figures, without what they were compared with."""
    if one.get("estimate") is None:
        return "no figures yet"
    known = Estimate(one["estimate"], one["low"], one["high"])
    if name == "ignores":
        return f"ignored by {known.as_percent()} of {count(one['owners'], 'owner', 'owners')}"
    asked = one.get("benchmark_requests") or 0
    seen = sample(one["requests"] - asked, one["owners"])
    seen += f"; {asked:,} in benchmarks" if asked else ""
    if name == "propensity":
        return f"calls tools at {known.as_odds()} to normal {seen}"
    verb = "loses" if name == "losses" else "tool-call error"
    return f"{verb} {known.as_percent()}{' of its replies' if name == 'losses' else ''} {seen}"
