"""How a model looks in OpenRouter's JSON.

Owns the shape only: a superset of the keys every generation of the official SDKs requires, with
null where Assay knows nothing. It runs no queries.
Source: OpenRouter's public schema, read in 2026-08 (`Model`).
"""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from providers.models import Endpoint, Model
from routing.api.reachable import Listing


def plain(price: Decimal) -> str:
    """Return a price as a decimal string without exponent or trailing zeros.

    >>> plain(Decimal("0.000000600000")), plain(Decimal("0E-12"))
    ('0.0000006', '0')
    """
    return f"{price.normalize():f}" if price else "0"


def model_row(listing: Listing, *, base: bool = False) -> dict[str, Any]:
    """Return one row of GET /models; the price shown is that of the cheapest endpoint.

    With `base` the row of a variant goes by the name of its model.
    """
    model, cheapest = listing.model, listing.endpoints[0]
    named = {} if base else {"id": listing.id, "name": listing.name}
    return {
        **model_head(model),
        **named,
        "canonical_slug": model.slug,
        "hugging_face_id": model.hugging_face_id or None,
        "context_length": listing.context_length,
        "pricing": pricing(cheapest),
        "top_provider": {
            "context_length": cheapest.context_length,
            "max_completion_tokens": cheapest.max_completion_tokens,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": listing.supported_parameters,
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{listing.id}/endpoints"},
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
