"""Endpoints, models and requests in memory, for the pure part of routing."""

import json
from typing import Any

from providers.client import Target
from routing.gateway.admission import Edition, EndpointSpec, ModelSpec, Prices
from routing.gateway.chat_request import ChatRequest, parse_chat
from routing.gateway.filters import Needs
from routing.gateway.snapshot import Snapshot
from routing.limits import Limits

LIMITS = Limits()
NO_NEEDS = Needs(frozenset(), tools=False, tool_choice="", prompt_tokens=1, completion_tokens=None)


def make_endpoint(number: int, *, price: int = 1_000_000, **fields: Any) -> EndpointSpec:
    """Make an endpoint of provider `p<number>` that takes tools."""
    slug = f"p{number}"
    defaults: dict[str, Any] = {
        "id": number,
        "tag": slug,
        "provider_slug": slug,
        "provider_name": f"P {number}",
        "model_slug": "acme/falcon-1",
        "upstream_model": "falcon",
        "target": Target(number, f"https://{slug}.test/v1/chat/completions", None),
        "quantization": "fp8",
        "context_length": 100_000,
        "max_completion_tokens": None,
        "prices": Prices(prompt=price, completion=price),
        "supported_parameters": frozenset({"tools", "tool_choice"}),
        "tool_choices": frozenset({"none", "auto", "required", "function"}),
        "trains_on_data": False,
        "zero_data_retention": False,
    }
    return EndpointSpec(**{**defaults, **fields})


def make_model(
    *endpoints: EndpointSpec, slug: str = "acme/falcon-1", pool: set[int] | None = None
) -> ModelSpec:
    """Make a model; `pool` are the ids of its published `:exacto` list, None for no list."""
    editions = {} if pool is None else {"exacto": Edition(1, frozenset(pool))}
    return ModelSpec(slug, slug, 100_000, endpoints, editions)


def make_snapshot(*models: ModelSpec, revision: int = 1) -> Snapshot:
    enabled = frozenset(e.id for model in models for e in model.endpoints)
    return Snapshot(revision, {model.slug: model for model in models}, enabled)


def make_request(model: str = "acme/falcon-1:exacto", **fields: Any) -> ChatRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return parse_chat(json.dumps(body).encode(), LIMITS)
