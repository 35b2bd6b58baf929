"""Why a request went where it went: the `openrouter_metadata` object.

Owns the words for it, from the plan and the attempts. It decides nothing. The rule others rely
on: every endpoint of every requested model appears, either tried, or with the reason it was not.
Source: openrouter-contract §3.5; `params` takes extra keys, which is where ours are.
"""

from typing import Any

from providers.errors import ProviderError
from routing.gateway.attempt import Attempt
from routing.gateway.generation import Generation
from routing.gateway.plan import Plan
from routing.gateway.quality_gate import signs_of


def explain(generation: Generation) -> dict[str, Any]:
    """Return the object for a generation that has a plan (or none: all filtered before)."""
    request, plan = generation.request, generation.plan
    tried = {attempt.candidate.endpoint.id for attempt in generation.attempts}
    served = generation.attempt if generation.attempts else None
    params: dict[str, Any] = {}
    available = []
    if plan is not None:
        not_used = [_unused(e, reason) for e, reason in plan.excluded]
        not_used += [
            _unused(endpoint, "not_needed")
            for endpoint in dict.fromkeys(c.endpoint for c in plan.candidates)
            if endpoint.id not in tried
        ]
        params = {
            "snapshot": plan.revision,
            "allowlists": {
                admission.ref.requested: admission.version
                for admission in plan.admissions
                if admission.ref.variant
            },
            "auto_exacto": plan.auto_exacto or None,
            "not_used": not_used,
            **_extras(generation, plan),
        }
        available = [
            {
                "provider": candidate.endpoint.provider_name,
                "model": candidate.endpoint.model_slug,
                "endpoint": candidate.endpoint.tag,
                "standing": candidate.endpoint.standing,
                **({"is_byok": True} if candidate.own else {}),
                "selected": served is not None and candidate is served.candidate,
            }
            for candidate in plan.candidates
        ]
    return {
        "requested": request.refs[0].requested,
        "strategy": "fallback" if len(request.refs) > 1 else "direct",
        "region": None,
        "summary": _summary(generation),
        "attempt": len(generation.attempts),
        "is_byok": served is not None and served.own,
        "allowlist_version": served.candidate.admission.version if served else None,
        "endpoints": {"total": len(available), "available": available},
        "attempts": [_tried(attempt, served) for attempt in generation.attempts],
        "params": params,
        **({"quality_gate": generation.quality_gate} if generation.quality_gate else {}),
        **({"pipeline": steps} if (steps := _pipeline(generation, served)) else {}),
    }


def _extras(generation: Generation, plan: Plan) -> dict[str, Any]:
    """Return what else had a say, each only where it did."""
    request = generation.request
    told: dict[str, Any] = {}
    if request.preset:
        told["preset"] = request.preset
    if request.extras.ignored_plugins:
        told["ignored_plugins"] = list(request.extras.ignored_plugins)
    if request.extras.session:
        tags = {c.endpoint.id: c.endpoint.tag for c in plan.candidates}
        found = {model: tags[pk] for model, pk in plan.sticky.items() if pk in tags}
        told["sticky"] = found or None
    return told


def _pipeline(generation: Generation, served: Attempt | None) -> list[dict[str, Any]]:
    """Return what was done to the prompt before it was sent and to the answer after."""
    steps: list[dict[str, Any]] = []
    compressed = served.compressed if served else None
    if compressed is not None:
        steps.append(
            {
                "type": "context_compression",
                "name": "context-compression",
                "summary": f"{compressed.left_out} messages left out, {compressed.cut} cut",
                "data": {"messages_left_out": compressed.left_out, "messages_cut": compressed.cut},
            }
        )
    if generation.healed is not None:
        steps.append(
            {
                "type": "response_healing",
                "name": "response-healing",
                "summary": "the text was made JSON" if generation.healed else "nothing changed",
                "data": {"healed": generation.healed},
            }
        )
    served_bill = served.bill if served else None
    if served_bill is not None and served_bill.insured:
        steps.append(
            {
                "type": "plugin",
                "name": "zero-completion-insurance",
                "summary": "not billed",
                "data": {"upstream_cost": served_bill.upstream_pico / 1e12},
            }
        )
    return steps


def _tried(attempt: Attempt, served: Attempt | None) -> dict[str, Any]:
    endpoint = attempt.candidate.endpoint
    told: dict[str, Any] = {
        "provider": endpoint.provider_name,
        "model": endpoint.model_slug,
        "endpoint": endpoint.tag,
        "status": _status(attempt.error),
        "outcome": attempt.outcome,
        "probability": attempt.candidate.choice.probability,
        **({"is_byok": True} if attempt.own else {}),
    }
    judgement = attempt.awaited.judgement if attempt.awaited else None
    if judgement is not None:
        told |= {
            "verdict": judgement.verdict,
            "signs": signs_of(judgement),
            "withheld": attempt is not served,
        }
    return told


def _unused(endpoint: Any, reason: str) -> dict[str, str]:
    return {
        "provider": endpoint.provider_name,
        "endpoint": endpoint.tag,
        "model": endpoint.model_slug,
        "reason": reason,
    }


def _status(error: ProviderError | None) -> int:
    """Return the HTTP status of an attempt; 0 where there was no answer to have one."""
    return 200 if error is None else error.status or 0


def _summary(generation: Generation) -> str:
    if not generation.attempts:
        return "no endpoint was tried"
    served = generation.attempt
    version = served.candidate.admission.version
    pool = f", allowlist edition {version}" if version is not None else ""
    return f"{served.candidate.endpoint.tag}, attempt {len(generation.attempts)}{pool}"
