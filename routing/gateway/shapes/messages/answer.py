"""A chat completion as the message object that Anthropic's clients parse.

Owns its blocks, its stop reason and its usage; the stream is `shapes.messages.stream`'s. The rules
others rely on: a `tool_use` block's input is always an object, and what a provider sent instead of
one stays readable under `INVALID_JSON`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from routing.errors import ApiError
from routing.gateway.shapes.shape import Head

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
# Where Anthropic's documentation puts arguments that are no JSON, to hand them back to a model.
_UNREADABLE = "INVALID_JSON"

Block = dict[str, Any]


def message(completion: Mapping[str, Any], stops: Sequence[str]) -> dict[str, Any]:
    """Return the message object for a `chat.completion`. Raises ApiError 502 if it failed.

    stops: the stop sequences that were asked for.
    """
    [choice] = completion["choices"]
    said = choice["message"]
    finish = choice["finish_reason"] or ("tool_calls" if said.get("tool_calls") else "stop")
    if finish == "error":
        raise ended_in_error()
    refused = bool(said.get("refusal"))
    return {
        **_envelope(completion["id"], completion["model"], completion["provider"]),
        "content": _blocks(said),
        **stop_of(finish, choice["native_finish_reason"], stops, refused=refused),
        "usage": usage_of(completion["usage"], completion["service_tier"]),
    }


def opening(head: Head) -> dict[str, Any]:
    """Return the message object a stream begins with: nothing is said or counted yet."""
    return {
        **_envelope(head.generation_id, head.model, head.provider),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    }


def _envelope(generation_id: str, model: str, provider: str) -> dict[str, Any]:
    return {
        "id": generation_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "provider": provider,
    }


def stop_of(
    finish: str, native: str | None, stops: Sequence[str], *, refused: bool
) -> dict[str, str | None]:
    """Return `stop_reason` and `stop_sequence`.

    Few providers tell a stop sequence from an end: where one does, and only one was asked for, it
    is known which it was.
    """
    if native == "stop_sequence":
        [only] = stops if len(stops) == 1 else [None]
        return {"stop_reason": "stop_sequence", "stop_sequence": only}
    if native == "model_context_window_exceeded":
        return {"stop_reason": native, "stop_sequence": None}
    reason = "refusal" if refused and finish == "stop" else _STOP_REASONS.get(finish, "end_turn")
    return {"stop_reason": reason, "stop_sequence": None}


def usage_of(usage: Mapping[str, Any], service_tier: str | None) -> dict[str, Any]:
    """Return the usage for that of a chat completion: Anthropic counts what is cached apart."""
    of_prompt = usage["prompt_tokens_details"]
    read, written = of_prompt["cached_tokens"], of_prompt["cache_write_tokens"]
    own = ("cost", "is_byok", "cost_details", "estimated")
    return {
        "input_tokens": max(0, usage["prompt_tokens"] - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {
            "thinking_tokens": usage["completion_tokens_details"]["reasoning_tokens"]
        },
        "service_tier": service_tier or "standard",
        **{name: usage[name] for name in own if name in usage},
    }


def _blocks(said: Mapping[str, Any]) -> list[Block]:
    blocks = _thoughts(said)
    texts = (said.get("content"), said.get("refusal"))
    blocks += [{"type": "text", "text": text} for text in texts if text]
    return blocks + [_call(call) for call in said.get("tool_calls") or ()]


def _call(call: Mapping[str, Any]) -> Block:
    function = call["function"]
    name = function["name"]
    return {
        "type": "tool_use",
        "id": call["id"],
        "name": name if isinstance(name, str) else "",
        "input": input_of(function["arguments"]),
    }


def _thoughts(said: Mapping[str, Any]) -> list[Block]:
    """Return the thinking blocks; with what a provider signed or sealed, where it did."""
    details = details_of(said)
    blocks = [_thought(detail) for detail in details]
    thinking = [block for block in blocks if block["type"] == "thinking"]
    reasoning = said.get("reasoning")
    if reasoning and not thinking:
        blocks.insert(0, _thought({"text": reasoning, "signature": ""}))
    elif reasoning and not any(block["thinking"] for block in thinking):
        thinking[0]["thinking"] = reasoning
    return blocks


def _thought(detail: Mapping[str, Any]) -> Block:
    if "data" in detail:
        return {"type": "redacted_thinking", "data": detail["data"]}
    return {"type": "thinking", "thinking": detail["text"], "signature": detail["signature"]}


def details_of(said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return of the `reasoning_details` what a provider wants back to the letter.

    Each is either {"data"} or {"text", "signature"}.
    """
    details = said.get("reasoning_details")
    found: list[dict[str, str]] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        data, signature, text = (detail.get(name) for name in ("data", "signature", "text"))
        if isinstance(data, str) and data:
            found.append({"data": data})
        elif isinstance(signature, str) and signature:
            found.append({"text": text if isinstance(text, str) else "", "signature": signature})
    return found


def input_of(arguments: str) -> dict[str, Any]:
    """Return the arguments of a call; a call without any has none."""
    if not arguments.strip():
        return {}
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {_UNREADABLE: arguments}


def ended_in_error() -> ApiError:
    """Return the error for an answer whose finish reason is one: a message has no such reason."""
    return ApiError(502, "The provider ended its answer with an error.")
