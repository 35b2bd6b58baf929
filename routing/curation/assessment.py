"""What the evidence says of one model now: read, scored, decided, and kept as rows.

Owns the way from counters to `EndpointScore` and `ScorePoint`. It changes no list and sets
nobody aside. The rule others rely on: what is stored says which method and inputs it came from,
and the same counters at the same moment give the same rows.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from providers.models import Model
from routing.curation.pasts import Pasts
from routing.models import ModelPolicy
from routing.models.preferences import standing_ignores
from telemetry.evidence import load_evidence, load_hourly
from telemetry.models import EndpointScore, ScorePoint
from telemetry.models.scores import BENCHMARKS
from telemetry.scoring.accuracy import margin
from telemetry.scoring.divergence import Benchmarked, compare_benchmarks, counting
from telemetry.scoring.evidence import ATTEMPTS, PoolEvidence, active_slots
from telemetry.scoring.ignores import estimate_ignores
from telemetry.scoring.losses import estimate_losses
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.openrouter_rule import score_by_openrouter_rule
from telemetry.scoring.openrouter_thresholds import HOURS
from telemetry.scoring.score import EndpointResult, PoolResult, score_pool
from telemetry.scoring.standing import Decision, PoolDecision, decide

OPENROUTER = "openrouter"

Bounds = dict[str, list[float | None]]


@dataclass(frozen=True, slots=True)
class Assessment:
    """One model and variant at one moment."""

    model: Model
    variant: str
    policy: ModelPolicy
    at: datetime
    method: Method
    evidence: PoolEvidence
    result: PoolResult
    pasts: Pasts
    decision: PoolDecision
    benchmarked: tuple[Benchmarked, ...]  # in the order of the evidence

    @property
    def method_name(self) -> str:
        ours = self.policy.method == ModelPolicy.Method.ASSAY
        return self.method.name if ours else OPENROUTER

    @property
    def decisions(self) -> dict[int, Decision]:
        return {one.endpoint_id: one for one in self.decision.decisions}

    @property
    def results(self) -> dict[int, EndpointResult]:
        return {one.endpoint_id: one for one in self.result.endpoints}

    @property
    def told_by_benchmarks(self) -> dict[int, Benchmarked]:
        return dict(zip(self.evidence.endpoint_ids, self.benchmarked, strict=True))

    def still_holds(self) -> bool:
        """Return whether the list, who is set aside and the policy are still what was read."""
        pasts = Pasts.read(self.model, self.variant, self.at)
        return (
            pasts.live == self.pasts.live
            and pasts.open.keys() == self.pasts.open.keys()
            and ModelPolicy.of(self.model, self.variant).decides_as(self.policy)
        )

    def proven(self) -> frozenset[int]:
        """Return who may be listed by their own evidence, not as the least bad."""
        alone = replace(self.method, minimum_pool=0)
        states = [self.pasts.of(pk) for pk in self.evidence.endpoint_ids]
        decided = decide(self.result, states, alone).decisions
        return frozenset(one.endpoint_id for one in decided if one.eligible)

    def inputs_hash(self) -> str:
        """Return the SHA-256, hex, of all that went in: counters, votes, thresholds, pasts."""
        evidence = self.evidence
        digest = hashlib.sha256()
        for counts in (evidence.counts, evidence.propensity_counts, evidence.recorded):
            digest.update(counts.tobytes())
        states = [asdict(self.pasts.of(pk)) for pk in evidence.endpoint_ids]
        rest = [
            evidence.endpoint_ids,
            evidence.owners,
            [asdict(one) for one in evidence.votes],
            [asdict(one) for one in evidence.benchmarks],
            evidence.reference,
            self.method_name,
            asdict(self.method),
            states,
        ]
        digest.update(json.dumps(rest, sort_keys=True).encode())
        return digest.hexdigest()


def assess(model: Model, variant: str, at: datetime) -> Assessment:
    """Read and score one model's counters, and decide each endpoint by its past."""
    policy = ModelPolicy.of(model, variant)
    method = replace(
        DEFAULT,
        minimum_pool=policy.min_pool,
        benchmark_required=settings.BENCHMARK_REQUIRED,
    )
    evidence = load_evidence(model.pk, at, standing_ignores=standing_ignores(model))
    if policy.method == ModelPolicy.Method.ASSAY:
        result = score_pool(evidence, method)
    else:
        result = score_by_openrouter_rule(counting(_recent(evidence, model, at), method))
    pasts = Pasts.read(model, variant, at)
    decision = decide(result, [pasts.of(pk) for pk in evidence.endpoint_ids], method)
    benchmarked = compare_benchmarks(evidence, method)
    return Assessment(
        model, variant, policy, at, method, evidence, result, pasts, decision, benchmarked
    )


def _recent(evidence: PoolEvidence, model: Model, at: datetime) -> PoolEvidence:
    """Return the evidence of the last hours alone."""
    hourly = load_hourly(model.pk, at, HOURS + 1)
    of = dict(zip(hourly.endpoint_ids, hourly.counts.sum(axis=1), strict=True))
    counts = np.zeros_like(evidence.counts)
    for index, endpoint_id in enumerate(evidence.endpoint_ids):
        if endpoint_id in of:
            counts[index] = of[endpoint_id]
    # Owners are known by the day, and these are hours: no more than stand behind them.
    calling = tuple(
        min(number, active_slots(one, ATTEMPTS))
        for number, one in zip(evidence.calling, counts, strict=True)
    )
    return replace(
        evidence, counts=counts, propensity_counts=counts, recorded=counts, calling=calling
    )


def store(assessment: Assessment) -> None:
    """Keep the scores: the current one of each endpoint, and this hour's point of its plot."""
    inputs_hash = assessment.inputs_hash()
    bounds = _bounds(assessment)
    hour = assessment.at.replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        for endpoint in assessment.result.endpoints:
            decision = assessment.decisions[endpoint.endpoint_id]
            _store_score(assessment, endpoint, decision, inputs_hash, bounds)
            ScorePoint.objects.update_or_create(
                endpoint_id=endpoint.endpoint_id,
                hour=hour,
                defaults={
                    "standing": decision.standing,
                    "error_rate": endpoint.accuracy.estimate,
                    "error_low": endpoint.accuracy.low,
                    "error_high": endpoint.accuracy.high,
                    "propensity": endpoint.propensity.estimate,
                    "ignore_rate": endpoint.ignores.estimate,
                },
            )


def _store_score(
    assessment: Assessment,
    endpoint: EndpointResult,
    decision: Decision,
    inputs_hash: str,
    bounds: Bounds,
) -> None:
    values: dict[str, Any] = {
        "computed_at": assessment.at,
        "method": assessment.method_name,
        "inputs_hash": inputs_hash,
        "standing": decision.standing,
        "eligible": decision.eligible,
        "sentence": decision.reasons[0],
        "criteria": {
            **{
                name: {**asdict(getattr(endpoint, name)), "bound": bound}
                for name, bound in bounds.items()
            },
            BENCHMARKS: asdict(assessment.told_by_benchmarks[endpoint.endpoint_id]),
        },
        "failures": endpoint.failures,
        "disputed": endpoint.disputed,
    }
    score = EndpointScore.objects.filter(endpoint=endpoint.endpoint_id).first()
    if score is None:
        EndpointScore.objects.create(
            endpoint_id=endpoint.endpoint_id, standing_since=assessment.at, **values
        )
        return
    if score.standing != decision.standing:
        values["standing_since"] = assessment.at
    EndpointScore.objects.filter(pk=score.pk).update(**values)


def _bounds(assessment: Assessment) -> Bounds:
    """Return between which values each criterion holds, for plots: [low, high], null for none."""
    if assessment.method_name == OPENROUTER:
        return {name: [None, None] for name in ("accuracy", "propensity", "ignores", "losses")}
    method, best = assessment.method, assessment.result.best_error_rate
    odds = 2.718281828459045**method.propensity_margin
    return {
        "accuracy": [None, None if best is None else best + margin(best, method)],
        "propensity": [1 / odds, odds],
        "ignores": [None, estimate_ignores(assessment.evidence.votes, method).ceiling],
        "losses": [None, estimate_losses(assessment.evidence, method).ceiling],
    }
