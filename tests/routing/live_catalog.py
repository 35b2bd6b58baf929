"""The catalogue that live tests of the gateway run on, and requests to its models.

Owns many alike models, so that each test has endpoints whose health no other test has touched,
and one model whose endpoints differ in everything a preference can ask for.
"""

import itertools
import secrets
from collections.abc import Callable
from typing import Any

PROVIDERS = ("amber", "basalt", "cobalt", "dune")
# Of every model the first two are on the allowlist, the others serve it all the same.
POOL = ("amber", "basalt")
TOOL_PARAMETERS = ["max_tokens", "temperature", "tool_choice", "tools"]
PROMPT_PRICE, COMPLETION_PRICE = "0.000002", "0.000003"
VARIED = "acme/varied"
UNLISTED = "acme/unlisted"
GIFTED = "acme/gifted"
SMALL = "acme/small"
TIERED = "acme/tiered"
# Models that put out embeddings, for a test each.
EMBEDDERS = 60
CREDENTIAL = "upstream-credential-b1946ac92492"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

# What each endpoint of the varied model has that the others lack.
_VARIED: dict[str, dict[str, Any]] = {
    "amber": {"quantization": "fp8", "prices": {"prompt": "0.000001", "completion": "0.000001"}},
    "basalt": {
        "quantization": "bf16",
        "prices": {"prompt": "0.000004", "completion": "0.000009"},
        "zero_data_retention": True,
        "supported_parameters": [*TOOL_PARAMETERS, "seed"],
    },
    "cobalt": {
        "quantization": "mxfp4",
        "prices": {"prompt": "0.000002", "completion": "0.000002"},
        "trains_on_data": True,
        "supported_parameters": ["max_tokens", "temperature"],
        "context_length": 200_000,
    },
    "dune": {"prices": {"prompt": "0", "completion": "0"}, "zero_data_retention": True},
}
# What chat extras need of endpoints: formats, reasoning and cache prices; little room; tiers.
_GIFTED: dict[str, dict[str, Any]] = {
    "amber": {
        "supported_parameters": [*TOOL_PARAMETERS, "response_format", "reasoning"],
        "prices": {
            "prompt": PROMPT_PRICE,
            "completion": COMPLETION_PRICE,
            "cache_read": "0.0000005",
            "cache_write": "0.0000025",
        },
    },
    "basalt": {"supported_parameters": [*TOOL_PARAMETERS, "structured_outputs"]},
    "cobalt": {"supported_parameters": [*TOOL_PARAMETERS, "reasoning_effort"]},
    "dune": {},
}
_SMALL: dict[str, dict[str, Any]] = {
    "amber": {"context_length": 2_000},
    "basalt": {"context_length": 4_000},
    "cobalt": {"context_length": 20_000},
}
_TIERED: dict[str, dict[str, Any]] = {
    "amber": {},
    "amber/priority": {"prices": {"prompt": "0.000004", "completion": "0.000006"}},
    "amber/flex": {"prices": {"prompt": "0.000001", "completion": "0.0000015"}},
    "basalt": {},
    "basalt/flex": {"prices": {"prompt": "0.0000005", "completion": "0.000001"}},
}


def catalog(ports: dict[str, int], models: int, embedders_count: int = EMBEDDERS) -> dict[str, Any]:
    slugs = [model_slug(number) for number in range(models)]
    embedders = [embedder_slug(number) for number in range(embedders_count)]
    plain = [
        endpoint(slug, provider)
        for slug in [*slugs, *embedders, UNLISTED]
        for provider in PROVIDERS
    ]
    varied = [{**endpoint(VARIED, name), **traits} for name, traits in _VARIED.items()]
    varied += _of(GIFTED, _GIFTED) + _of(SMALL, _SMALL) + _of(TIERED, _TIERED)
    pools = dict.fromkeys([*slugs, *embedders], POOL) | {VARIED: ("amber", "basalt", "cobalt")}
    pools |= {GIFTED: ("amber", "basalt"), SMALL: ("amber", "basalt")}
    return {
        "providers": [provider(name, port) for name, port in ports.items()],
        "models": [
            {"slug": slug, "name": slug, "context_length": 100_000}
            for slug in [*slugs, VARIED, UNLISTED, GIFTED, SMALL, TIERED]
        ]
        + [
            {
                "slug": slug,
                "name": slug,
                "context_length": 8_000,
                "output_modalities": ["embeddings"],
            }
            for slug in embedders
        ],
        "endpoints": plain + varied,
        "allowlists": [allowlist(slug, *pool) for slug, pool in pools.items()],
    }


def _of(model: str, traits: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**endpoint(model, tag.partition("/")[0]), "tag": tag, **fields}
        for tag, fields in traits.items()
    ]


def provider(name: str, port: int) -> dict[str, Any]:
    return {
        "slug": name,
        "name": f"{name.title()} AI",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key_env": f"{name.upper()}_API_KEY",
    }


def endpoint(model: str, provider: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": model,
        "provider": provider,
        "tag": provider,
        "upstream_model": f"up-{model.partition('/')[2]}",
        "context_length": 100_000,
        "prices": {"prompt": PROMPT_PRICE, "completion": COMPLETION_PRICE},
        "supported_parameters": TOOL_PARAMETERS,
        **fields,
    }


def allowlist(model: str, *tags: str, reason: str = "For tests.") -> dict[str, Any]:
    return {
        "model": model,
        "variant": "exacto",
        "reason": reason,
        "endpoints": [{"tag": tag} for tag in tags],
    }


def model_slug(number: int) -> str:
    return f"acme/m-{number:03}"


def embedder_slug(number: int) -> str:
    return f"acme/v-{number:02}"


def credentials() -> dict[str, str]:
    return {f"{name.upper()}_API_KEY": f"{CREDENTIAL}-{name}" for name in PROVIDERS}


class FreshModels:
    """Hands out models that no test has used yet."""

    def __init__(self, count: int, name: Callable[[int], str] = model_slug) -> None:
        self._numbers = itertools.count()
        self._count = count
        self._name = name

    def take(self) -> str:
        number = next(self._numbers)
        assert number < self._count, "give the live catalogue more models"
        return self._name(number)


def request(model: str, text: str = "Hello", *, nonce: str = "", **fields: Any) -> dict[str, Any]:
    """Return a body whose last message carries the nonce."""
    content = f"{text} nonce:{nonce} " if nonce else text
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def new_nonce() -> str:
    return secrets.token_hex(6)
