"""The JSON that goes to an endpoint: the caller's own, less what is ours or unknown there.

Owns which fields are the gateway's, which an endpoint may lack, and the two names that a few of
them have. It checks nothing. The rule others rely on: what is sent differs from what the caller
sent only in these fields, in the model's name and in what a `replaced` says.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson

# Fields the gateway answers for itself; they do not go upstream.
OURS = frozenset(
    """model models provider route plugins transforms usage preset session_id debug trace
    stream stream_options service_tier cache_control""".split()
)
# Parameters an endpoint may not support; they are dropped for one that does not say it does.
OPTIONAL = frozenset(
    """temperature top_p top_k top_a min_p frequency_penalty presence_penalty repetition_penalty
    logit_bias logprobs top_logprobs seed stop response_format structured_outputs tools
    tool_choice parallel_tool_calls reasoning reasoning_effort include_reasoning verbosity
    web_search_options prediction max_tokens max_completion_tokens""".split()
)
# The limit of an answer has two names; every server knows the first.
_LIMITS = ("max_tokens", "max_completion_tokens")
# Every OpenAI-compatible server takes these, whatever its catalogue entry forgot.
_UNIVERSAL = frozenset({*_LIMITS, "stop", "temperature", "top_p"})
_REASONING = ("reasoning", "reasoning_effort", "include_reasoning")


def upstream_body(
    asked: Mapping[str, Any],
    upstream_model: str,
    supported: frozenset[str],
    *,
    stream: bool,
    replaced: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the JSON to send to an endpoint that supports these parameters.

    `replaced` are fields that go out as they stand there, whatever was asked.
    """
    body = {
        name: value
        for name, value in asked.items()
        if name not in OURS and (name not in OPTIONAL or name in supported or name in _UNIVERSAL)
    }
    body["model"] = upstream_model
    _name_limit(body, supported)
    if any(name in asked for name in _REASONING):
        _name_reasoning(body, asked, supported)
    if "response_format" in asked and "response_format" not in body:
        _keep_schema(body, asked["response_format"], supported)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if replaced:
        body.update(replaced)
    return dumps(body)


def _name_limit(body: dict[str, Any], supported: frozenset[str]) -> None:
    """Give the answer's limit the name the endpoint knows; by the other it would be ignored."""
    known = next((name for name in _LIMITS if name in supported), _LIMITS[0])
    for name in _LIMITS:
        if name in body and name not in supported:
            limit = body.pop(name)
            # Some clients send both, one of them null.
            if body.get(known) is None:
                body[known] = limit


def _name_reasoning(
    body: dict[str, Any], asked: Mapping[str, Any], supported: frozenset[str]
) -> None:
    """Say the wish for reasoning in the words the endpoint knows, if it knows any."""
    wish, effort = asked.get("reasoning"), asked.get("reasoning_effort")
    if "reasoning" in supported and not wish:
        if effort is not None and "reasoning_effort" not in supported:
            body["reasoning"] = {"effort": effort}
        elif asked.get("include_reasoning") is True and "include_reasoning" not in supported:
            body["reasoning"] = {"enabled": True}
    elif isinstance(wish, dict) and "reasoning" not in supported and effort is None:
        meant = "none" if wish.get("enabled") is False else wish.get("effort")
        if meant is not None and "reasoning_effort" in supported:
            body["reasoning_effort"] = meant


def _keep_schema(body: dict[str, Any], wish: Any, supported: frozenset[str]) -> None:
    """Send a schema to an endpoint whose catalogue entry only says `structured_outputs`."""
    if "structured_outputs" in supported and wants_schema(wish):
        body["response_format"] = wish


def wants_schema(response_format: object) -> bool:
    return isinstance(response_format, dict) and response_format.get("type") == "json_schema"


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # An integer beyond 64 bits: legal JSON, but not for orjson.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
