"""GET /generation/explain?id=: why a request went where it went, told to its owner.

Reads the decision kept with the generation, its attempts and their verdicts; no content is there to
be told. The rule others rely on: it explains from what was stored at the time, so a later edition,
score or quarantine changes nothing in it; endpoints since renamed are shown by their names of now.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.models import Endpoint
from routing.api.generation import own_generation
from routing.api.permissions import MayRead
from telemetry.models import Attempt, Generation

_SIGNS = (
    "leaked_tool_text", "tool_choice_violated", "truncated_arguments", "empty_reply",
    "duplicate_ids",
)  # fmt: skip


class GenerationExplainView(APIView):
    permission_classes = [MayRead]

    def get(self, request: Request) -> Response:
        generation = own_generation(request)
        tries = generation.tries.select_related("endpoint__provider", "endpoint__model")
        return Response({"data": explained(generation, tries.order_by("ordinal"))})


def explained(generation: Generation, tries: Iterable[Attempt]) -> dict[str, Any]:
    """Return the whole explanation; without a decision (an old row) what is known besides."""
    decision = generation.decision or {}
    candidates, excluded = decision.get("candidates", []), decision.get("excluded", [])
    sticky = decision.get("sticky", [])
    ids = [*(one["id"] for one in (*candidates, *excluded)), *(pk for _, pk in sticky)]
    names = _names(ids)
    return {
        "id": generation.pk,
        "created_at": generation.created_at.isoformat(),
        "requested_model": generation.requested_model,
        "status": generation.status,
        "allowlist_version": generation.allowlist_version,
        "allowlists": dict(decision.get("lists", [])),
        "snapshot": decision.get("snapshot"),
        # As text: JavaScript has no integers of 63 bits.
        "seed": str(decision["seed"]) if "seed" in decision else None,
        "auto_exacto": generation.auto_exacto or None,
        "quality_gate": generation.quality_gate or None,
        "candidates": [
            {
                **names[one["id"]],
                "probability": one["p"],
                "standing": one["standing"],
                "is_byok": one.get("own", False),
                "health": one.get("state", []),
            }
            for one in candidates
        ],
        "not_used": [{**names[one["id"]], "reason": one["why"]} for one in excluded],
        "left_out": decision.get("left_out", 0),
        "preset": generation.preset or None,
        "sticky": {model: names[pk]["endpoint"] for model, pk in sticky} if sticky else None,
        "attempts": [_tried(attempt) for attempt in tries],
    }


def _tried(attempt: Attempt) -> dict[str, Any]:
    return {
        **_name(attempt.endpoint),
        "outcome": attempt.outcome,
        "status": attempt.http_status,
        "latency_ms": attempt.latency_ms,
        "duration_ms": attempt.duration_ms,
        "probability": attempt.probability,
        "verdict": attempt.verdict or None,
        "verdict_reason": attempt.verdict_reason or None,
        "signs": [sign for sign in _SIGNS if getattr(attempt, sign)],
        "call_errors": attempt.call_errors,
        "withheld": attempt.withheld,
        "is_byok": attempt.own_credential,
        "cost": float(attempt.cost) if attempt.cost is not None else None,
    }


def _names(ids: Iterable[int]) -> Mapping[int, dict[str, str | None]]:
    wanted = set(ids)
    rows = Endpoint.objects.filter(pk__in=wanted).select_related("provider", "model")
    gone: dict[str, str | None] = {"provider": None, "endpoint": None, "model": None}
    return dict.fromkeys(wanted, gone) | {row.pk: _name(row) for row in rows}


def _name(endpoint: Endpoint) -> dict[str, str | None]:
    return {
        "provider": endpoint.provider.name,
        "endpoint": endpoint.tag,
        "model": endpoint.model.slug,
    }
