"""How a model and an endpoint look in OpenRouter's JSON.

Owns the shape only: a superset of the keys every generation of the official SDKs requires, with
null where Assay measures nothing. It runs no queries: give it models whose endpoints are loaded.
Source: OpenRouter's public schema, read in 2026-08 (`Model`, `PublicEndpoint`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from providers.models import TOOL_CHOICES, Endpoint, Model


def plain(price: Decimal) -> str:
    """Return a price as a decimal string without exponent or trailing zeros.

    >>> plain(Decimal("0.000000600000")), plain(Decimal("0E-12"))
    ('0.0000006', '0')
    """
    return f"{price.normalize():f}" if price else "0"


def cheapest_first(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    return sorted(endpoints, key=lambda e: (e.price_prompt + e.price_completion, e.tag))


def model_row(model: Model, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return one row of GET /models; the price shown is that of the cheapest endpoint."""
    cheapest = cheapest_first(endpoints)[0]
    return {
        **model_head(model),
        "canonical_slug": model.slug,
        "hugging_face_id": model.hugging_face_id or None,
        "context_length": model.context_length,
        "pricing": pricing(cheapest),
        "top_provider": {
            "context_length": cheapest.context_length,
            "max_completion_tokens": cheapest.max_completion_tokens,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": sorted({p for e in endpoints for p in e.supported_parameters}),
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.slug}/endpoints"},
    }


def model_head(model: Model) -> dict[str, Any]:
    """Return what a model's row and its list of endpoints both begin with."""
    released = model.released_at
    inputs = model.input_modalities or ["text"]
    outputs = model.output_modalities or ["text"]
    return {
        "id": model.slug,
        "name": model.name,
        "created": int(datetime.combine(released, time(), UTC).timestamp()) if released else 0,
        "description": model.description,
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            "input_modalities": inputs,
            "output_modalities": outputs,
            "tokenizer": model.tokenizer,
            "instruct_type": None,
        },
    }


def endpoint_row(endpoint: Endpoint, edition: int | None, *, listed: bool) -> dict[str, Any]:
    """Return one endpoint of a model; `edition` is the live `:exacto` allowlist's, if any."""
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
        "service_tier": None,
        "status": 0,
        # Not measured yet; null is the contract's word for that.
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
        "exacto": {"listed": listed, "edition": edition},
    }


def pricing(endpoint: Endpoint) -> dict[str, Any]:
    """Return the prices in USD per token (or per request) as decimal strings."""
    prices: dict[str, Any] = {
        "prompt": plain(endpoint.price_prompt),
        "completion": plain(endpoint.price_completion),
        "request": plain(endpoint.price_request),
        "image": "0",
        "web_search": "0",
        "internal_reasoning": "0",
        "discount": 0,
    }
    if endpoint.price_cache_read is not None:
        prices["input_cache_read"] = plain(endpoint.price_cache_read)
    if endpoint.price_cache_write is not None:
        prices["input_cache_write"] = plain(endpoint.price_cache_write)
    return prices


def _tool_choices(endpoint: Endpoint) -> dict[str, bool]:
    if "tools" not in endpoint.supported_parameters:
        return dict.fromkeys(TOOL_CHOICES, False)
    accepted = endpoint.tool_choices or TOOL_CHOICES
    return {choice: choice in accepted for choice in TOOL_CHOICES}
