"""A routing decision as it is kept with its generation: seed, order, probabilities, reasons.

Owns the compact form, ids and codes only, of at most MOST_ENDPOINTS endpoints. It decides nothing
and reads no clock. The rule others rely on: what moved an endpoint (its standing, the words of its
health) stands beside it, so the record explains itself when snapshot and health have gone on.
"""

from typing import Any

from routing.gateway import selection
from routing.gateway.model_request import ModelRequest
from routing.gateway.plan import Candidate, Plan

MOST_ENDPOINTS = 64
_MOST_NAME = 300


def decision_of(plan: Plan, request: ModelRequest) -> dict[str, Any]:
    """Return the plan as JSON: {seed, snapshot, lists, candidates, excluded, left_out}.

    `lists` are [requested name, allowlist version or null]; a candidate is {id, p, standing,
    state}, and `own` if it was to be asked with the account's credential; an excluded one {id,
    why}; `left_out` counts those beyond MOST_ENDPOINTS. `sticky`, if there is any, are [model,
    id of the endpoint that served the session last].
    """
    candidates = plan.candidates[:MOST_ENDPOINTS]
    excluded = plan.excluded[: MOST_ENDPOINTS - len(candidates)]
    decision = {
        "seed": plan.seed,
        "snapshot": plan.revision,
        "lists": [[a.ref.requested[:_MOST_NAME], a.version] for a in plan.admissions],
        "candidates": [_kept(candidate, plan, request) for candidate in candidates],
        "excluded": [{"id": endpoint.id, "why": reason} for endpoint, reason in excluded],
        "left_out": len(plan.candidates) + len(plan.excluded) - len(candidates) - len(excluded),
    }
    if plan.sticky:
        decision["sticky"] = [[slug, endpoint_id] for slug, endpoint_id in plan.sticky.items()]
    return decision


def _kept(candidate: Candidate, plan: Plan, request: ModelRequest) -> dict[str, Any]:
    endpoint, wishes = candidate.endpoint, request.wishes_for(candidate.admission.ref)
    kept: dict[str, Any] = {
        "id": endpoint.id,
        "p": round(candidate.choice.probability, 6),
        "standing": endpoint.standing,
    }
    if words := selection.state_words(endpoint, wishes, plan.health):
        kept["state"] = words
    if candidate.choice.own:
        kept["own"] = True
    return kept
