"""Where an edition differs from the evidence, and what a curator still owes for it.

Owns the evidence that an edition keeps (its JSON shape) and the rule that whoever lists an
endpoint against it, or leaves one out against it, writes why and when to look again. It computes
no score: rows of `EndpointScore` are what it reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils.timezone import localdate, now

from providers.models import Model
from routing.curation.pasts import Pasts
from routing.models import Allowlist, ModelPolicy
from telemetry.models import EndpointScore
from telemetry.scoring.method import DEFAULT


def evidence_now(edition: Allowlist) -> dict[str, Any] | None:
    """Return what the evidence says now of an edition's model, to be kept with it; None if nothing.

    {"computed_at", "method", "thresholds", "inputs_hash", "live": edition number or null,
    "endpoints": {id: {"tag", "previous": state, "eligible", "standing", "sentence", "criteria",
    "failures", "disputed"}}}, the criteria as `EndpointScore` has them.
    """
    scores = EndpointScore.objects.filter(endpoint__model=edition.model)
    rows = list(scores.select_related("endpoint").order_by("endpoint__tag"))
    if not rows:
        return None
    newest = max(rows, key=lambda row: row.computed_at)
    pasts = Pasts.read(edition.model, edition.variant, now())
    return {
        "computed_at": newest.computed_at.isoformat(),
        "method": newest.method,
        "thresholds": thresholds_in_force(edition.model, edition.variant, newest.method),
        "inputs_hash": newest.inputs_hash,
        "live": pasts.live.version if pasts.live else None,
        "endpoints": {str(row.endpoint_id): _said(row, pasts) for row in rows},
    }


def thresholds_in_force(model: Model, variant: str, method: str) -> dict[str, Any]:
    """Return every number that decides, the policy's and the settings' included; of the assay
    method only, since the other has its own."""
    if method != DEFAULT.name:
        return {}
    own = {
        "minimum_pool": ModelPolicy.of(model, variant).min_pool,
        "benchmark_required": settings.BENCHMARK_REQUIRED,
    }
    return {**asdict(DEFAULT), **own}


def _said(row: EndpointScore, pasts: Pasts) -> dict[str, Any]:
    return {
        "tag": row.endpoint.tag,
        "previous": pasts.of(row.endpoint_id).state,
        "eligible": row.eligible,
        "standing": row.standing,
        "sentence": row.sentence,
        "criteria": row.criteria,
        "failures": row.failures,
        "disputed": row.disputed,
    }


def evidence_of(edition: Allowlist) -> Mapping[str, Any] | None:
    """Return the evidence an edition rests on: the one kept with it, or today's."""
    return edition.evidence or evidence_now(edition)


def has_evidence(edition: Allowlist) -> bool:
    """Return whether there is any."""
    if edition.evidence:
        return True
    return EndpointScore.objects.filter(endpoint__model=edition.model).exists()


def verdicts(evidence: Mapping[str, Any] | None) -> dict[int, bool]:
    """Return {endpoint id: whether the evidence would list it}."""
    endpoints = evidence["endpoints"] if evidence else {}
    return {int(pk): bool(one["eligible"]) for pk, one in endpoints.items()}


def open_points(edition: Allowlist, evidence: Mapping[str, Any] | None) -> list[str]:
    """Return, in words, what must still be written before this edition can be published."""
    return list(_unexplained(edition, verdicts(evidence)))


def _unexplained(edition: Allowlist, eligible: Mapping[int, bool]) -> Iterator[str]:
    entries = {entry.endpoint_id: entry for entry in edition.entries.select_related("endpoint")}
    for pk, entry in entries.items():
        if eligible.get(pk) is False and not _explained(entry):
            yield (
                f"{entry.endpoint.tag} is on the list against the evidence: "
                "write why, and when to look at it again."
            )
    left_out = {one.endpoint_id: one for one in edition.left_out.all()}
    missing = [pk for pk, good in eligible.items() if good and pk not in entries]
    for endpoint in edition.model.endpoints.filter(pk__in=missing):
        if endpoint.pk not in left_out or not _explained(left_out[endpoint.pk]):
            yield (
                f"{endpoint.tag} is left out against the evidence: "
                "write why, and when to look at it again."
            )


def _explained(decision: Any) -> bool:
    day = decision.review_by
    return bool(decision.reason.strip()) and day is not None and day > localdate()
