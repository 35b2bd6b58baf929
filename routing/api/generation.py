"""GET /generation?id=: what was done for one request, told to its owner.

Reads the ingested rows, so a generation is found a moment after its answer ended (clients wait
and ask again). The rule others rely on: another owner's generation and an unknown one are the
same 404.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.permissions import MayRead
from routing.errors import ApiError
from routing.gateway.keys import Caller
from telemetry.models import Attempt, Generation

# Keys that clients require and that nothing in Assay can fill.
_NEVER_KNOWN = dict.fromkeys(
    [
        "app_id", "cache_discount", "external_user", "moderation_latency",
        "native_tokens_completion_images", "num_fetches", "num_input_audio_prompt",
        "num_media_completion", "num_media_prompt", "num_search_results", "request_id",
        "response_cache_source_id", "router", "web_search_engine", "workspace_id",
    ]
)  # fmt: skip
_ID = re.compile(r"gen-[A-Za-z0-9_-]{1,60}")


def own_generation(request: Request) -> Generation:
    """Return the generation that `id` names, if it is the caller's. Raises ApiError 400, 404."""
    asked = request.query_params.get("id", "")
    if not asked:
        message = "id: name the generation, for example ?id=gen-…"
        raise ApiError(400, message, metadata={"path": "id"})
    return generation_of(caller_of(request), asked)


def generation_of(caller: Caller, asked: str) -> Generation:
    """Return the generation of this id, if it is the caller's. Raises ApiError 404."""
    generation = (
        Generation.objects.select_related("endpoint__provider", "endpoint__model")
        .filter(pk=asked, account_id=caller.account_id)
        .first()
        if _ID.fullmatch(asked)
        else None
    )
    if generation is None:
        raise ApiError(404, _no_generation())
    return generation


def _no_generation() -> str:
    removed = f", and is removed after {settings.FACT_DAYS} days" if settings.FACT_DAYS else ""
    return f"No such generation (yet: it appears a moment after its answer{removed})."


class GenerationView(APIView):
    permission_classes = [MayRead]

    def get(self, request: Request) -> Response:
        generation = own_generation(request)
        tries = generation.tries.select_related("endpoint__provider", "endpoint__model")
        return Response({"data": generation_row(generation, list(tries.order_by("ordinal")))})


def generation_row(generation: Generation, tries: Sequence[Attempt]) -> dict[str, Any]:
    """Return a generation in OpenRouter's shape, with Assay's own keys at the end."""
    endpoint = generation.endpoint
    cost = float(generation.cost or 0)
    return {
        **_NEVER_KNOWN,
        "id": generation.pk,
        "upstream_id": generation.upstream_id or None,
        "api_type": _api_type(generation, tries),
        "created_at": generation.created_at.isoformat(),
        "model": generation.model_slug or generation.requested_model,
        "provider_name": endpoint.provider.name if endpoint else None,
        "provider_responses": [_try_row(attempt) for attempt in tries],
        "total_cost": cost,
        "usage": cost,
        "is_byok": generation.own_credential,
        # Of a call that the caller was not asked the provider's price for.
        "upstream_inference_cost": _number(generation.upstream_cost),
        "session_id": generation.session_id or None,
        "preset_id": generation.preset or None,
        "service_tier": generation.service_tier or None,
        "streamed": generation.streamed,
        "cancelled": generation.cancelled,
        "finish_reason": generation.finish_reason or None,
        "native_finish_reason": generation.native_finish_reason or None,
        "latency": generation.latency_ms,
        "generation_time": generation.duration_ms,
        "tokens_prompt": generation.prompt_tokens,
        "tokens_completion": generation.completion_tokens,
        "native_tokens_prompt": generation.prompt_tokens,
        "native_tokens_completion": generation.completion_tokens,
        "native_tokens_cached": generation.cached_tokens,
        "native_tokens_reasoning": generation.reasoning_tokens,
        "origin": generation.http_referer,
        "http_referer": generation.http_referer or None,
        "user_agent": generation.user_agent or None,
        "app_title": generation.app_title or None,
        "app_categories": _words(generation.app_categories),
        "data_region": "global",
        "requested_model": generation.requested_model,
        "variant": generation.variant or None,
        "allowlist_version": generation.allowlist_version,
        "auto_exacto": generation.auto_exacto or None,
        "quality_gate": generation.quality_gate or None,
    }


def _api_type(generation: Generation, tries: Sequence[Attempt]) -> str:
    """Return what was asked for; of what reached no endpoint, chat is what it mostly was."""
    asked = [generation.endpoint, *(attempt.endpoint for attempt in tries)]
    embeds = any(endpoint is not None and endpoint.model.embeds for endpoint in asked)
    return "embeddings" if embeds else "completions"


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _try_row(attempt: Attempt) -> dict[str, Any]:
    endpoint = attempt.endpoint
    row: dict[str, Any] = {
        "provider_name": endpoint.provider.name,
        "endpoint_id": endpoint.tag,
        "model_permaslug": endpoint.model.slug,
        "status": attempt.http_status,
        "is_byok": attempt.own_credential,
        "outcome": attempt.outcome,
        "verdict": attempt.verdict or None,
        "withheld": attempt.withheld,
    }
    if attempt.latency_ms is not None:
        row["latency"] = attempt.latency_ms
    return row
