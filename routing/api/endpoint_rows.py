"""How an endpoint looks in OpenRouter's JSON: how it serves now, and what its calls are worth.

Owns the shape and the queries for what stands beside the catalogue's own columns; their number
does not grow with the endpoints. The rule others rely on: a figure that is not known is null, and
so is one from few owners (`few_owners`).
Source: OpenRouter's public schema, read in 2026-08 and 2026-11 (`PublicEndpoint`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from providers.models import TOOL_CHOICES, Endpoint
from routing.api.few_owners import tellable
from routing.api.model_rows import pricing
from routing.api.reachable import NO_POOL, Pool
from routing.limits import Limits
from telemetry.models import EndpointScore, Standing
from telemetry.service_figures import NOTHING_KNOWN, ServiceFigures, service_figures

# OpenRouter's codes without their meanings, which it does not publish: below 0 is not well.
_HEALTHY, _DEGRADED, _DOWN = 0, -1, -2


def endpoint_rows(
    endpoints: Sequence[Endpoint], pools: dict[int, Pool], at: datetime
) -> list[dict[str, Any]]:
    """Return the rows of these endpoints, as of `at`; their models and providers are loaded."""
    ids = [endpoint.pk for endpoint in endpoints]
    limits = settings.LIMITS
    served = service_figures(ids, at, least=limits.uptime_told_requests)
    scores = EndpointScore.objects.in_bulk(ids, field_name="endpoint_id")
    return [
        {
            **_described(one),
            **_service(served.get(one.pk, NOTHING_KNOWN), limits),
            "exacto": _exacto(one, pools.get(one.model_id, NO_POOL), scores.get(one.pk)),
        }
        for one in endpoints
    ]


def _described(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": f"{endpoint.provider.name} | {endpoint.model.slug}",
        "model_id": endpoint.model.slug,
        "model_name": endpoint.model.name,
        "provider_name": endpoint.provider.name,
        "tag": endpoint.tag,
        "quantization": endpoint.quantization,
        "context_length": endpoint.context_length,
        "max_completion_tokens": endpoint.max_completion_tokens,
        "max_prompt_tokens": None,
        "pricing": pricing(endpoint),
        "supported_parameters": endpoint.supported_parameters,
        "supports_tool_choice": _tool_choices(endpoint),
        "supports_implicit_caching": endpoint.price_cache_read is not None,
        "supports_diarization": False,
        "supports_voice_cloning": False,
        "native_tools": {},
        "service_tier": endpoint.tier or None,
    }


def _tool_choices(endpoint: Endpoint) -> dict[str, bool]:
    """Return which values of `tool_choice` the router would send there, as its filters have it."""
    parameters = endpoint.supported_parameters
    if "tools" not in parameters:
        return dict.fromkeys(TOOL_CHOICES, False)
    accepted = set(endpoint.tool_choices or TOOL_CHOICES)
    if "tool_choice" not in parameters:
        accepted -= {"required", "function"}
    return {choice: choice in accepted for choice in TOOL_CHOICES}


def _service(known: ServiceFigures, limits: Limits) -> dict[str, Any]:
    return {
        "status": _status(known.uptime_30m, limits),
        "uptime_last_5m": known.uptime_5m,
        "uptime_last_30m": known.uptime_30m,
        "uptime_last_1d": known.uptime_1d,
        "latency_last_30m": known.latency,
        "throughput_last_30m": known.throughput,
    }


def _status(uptime: float | None, limits: Limits) -> int:
    if uptime is None or uptime >= 100 * limits.uptime_normal:
        return _HEALTHY
    return _DEGRADED if uptime >= 100 * limits.uptime_degraded else _DOWN


def _exacto(endpoint: Endpoint, pool: Pool, score: EndpointScore | None) -> dict[str, Any]:
    """Return what Assay knows of the endpoint's tool calling, and what follows from it."""
    standing = score.standing if score else Standing.INSUFFICIENT_DATA.value
    criteria = score.criteria if score else {}
    return {
        "listed": endpoint.pk in pool.listed,
        "serves": pool.serves(endpoint),
        "edition": pool.edition,
        "standing": Standing.QUARANTINED.value if endpoint.pk in pool.quarantined else standing,
        "error_rate": _interval(tellable(criteria, "accuracy")),
        "propensity": _interval(tellable(criteria, "propensity")),
        "sample": _sample(tellable(criteria, "accuracy")),
    }


def _interval(criterion: Mapping[str, Any]) -> dict[str, Any] | None:
    if criterion.get("estimate") is None:
        return None
    return {name: criterion.get(name) for name in ("estimate", "low", "high")}


def _sample(criterion: Mapping[str, Any]) -> dict[str, int] | None:
    if not criterion.get("requests"):
        return None
    return {"requests": criterion["requests"], "owners": criterion.get("owners", 0)}
