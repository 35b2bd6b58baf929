"""The Response object: what it repeats of the request, what it says of the answer.

Owns its fields and which of them are there in any case, because clients do not parse it without.
It builds no items. The rule others rely on: `status` is completed or incomplete for an answer a
model ended, and failed, with an `error`, for any other. Source: the schemas of OpenRouter's own
clients and of openai's; openrouter-contract §4 for what a failure is called.
"""

from collections.abc import Mapping
from typing import Any

from routing.gateway.shapes.responses.reading import given
from routing.gateway.shapes.shape import Head

# What an answer repeats, and how where nothing was asked.
_REPEATED: Mapping[str, Any] = {
    "background": False,
    "frequency_penalty": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": None,
    "parallel_tool_calls": True,
    "presence_penalty": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "content_policy_violation": "image_content_policy_violation",
    "permission_denied": "permission_denied",
}
Settings = Mapping[str, Any]


def settings_of(body: Mapping[str, Any]) -> Settings:
    """Return what every answer to this request repeats of it."""
    settings = {
        name: default if body.get(name) is None else body[name]
        for name, default in _REPEATED.items()
    }
    settings["text"] = {**_REPEATED["text"], **given(settings["text"])}
    # A function without them is one thing to providers; to some clients it is no function.
    settings["tools"] = [
        {"parameters": None, **tool} if tool.get("type") == "function" else tool
        for tool in settings["tools"]
    ]
    return settings


def response(head: Head, settings: Settings, status: str, **fields: Any) -> dict[str, Any]:
    """Return a Response; `fields` are those that are told otherwise than as of its beginning."""
    return {
        "id": head.generation_id,
        "object": "response",
        "created_at": head.created,
        "completed_at": None,
        "status": status,
        "model": head.model,
        "provider": head.provider,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "service_tier": None,
        **settings,
        **fields,
    }


def status_of(finish: str | None) -> dict[str, Any]:
    """Return what a finish reason of a chat means: the status and what explains it."""
    if finish in _INCOMPLETE:
        return {"status": "incomplete", "incomplete_details": {"reason": _INCOMPLETE[finish]}}
    if finish == "error":
        message = "The provider ended its answer with an error."
        return failure({"code": 502, "message": message})
    return {"status": "completed"}


def failure(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that tell of a failure; `error` is the contract's error object."""
    metadata = error.get("metadata") or {}
    kind = metadata.get("error_type", "provider_unavailable")
    told: dict[str, Any] = {"code": _code(kind, error["code"]), "message": error["message"]}
    if rest := {name: value for name, value in metadata.items() if name != "error_type"}:
        told["metadata"] = rest
    return {"status": "failed", "error": told, "error_type": kind}


def _code(error_type: str, status: int) -> str:
    """Return one of this API's few codes; `error_type` beside it is exact."""
    return _CODES.get(error_type) or ("server_error" if status >= 500 else "invalid_prompt")


def usage_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat's `usage` object in this API's words."""
    costs, prompt = usage["cost_details"], usage["prompt_tokens_details"]
    shown: dict[str, Any] = {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": prompt["cached_tokens"],
            "cache_write_tokens": prompt["cache_write_tokens"],
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {
            "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]
        },
        "total_tokens": usage["total_tokens"],
        "cost": usage["cost"],
        "is_byok": usage["is_byok"],
        "cost_details": {
            "upstream_inference_cost": costs["upstream_inference_cost"],
            "upstream_inference_input_cost": costs["upstream_inference_prompt_cost"],
            "upstream_inference_output_cost": costs["upstream_inference_completions_cost"],
        },
    }
    if usage.get("estimated"):
        shown["estimated"] = True
    return shown
