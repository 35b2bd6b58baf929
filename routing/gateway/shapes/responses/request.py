"""The body of a /responses request, as the body of the chat completion that asks for the same.

Owns what each field is called there. What both APIs call alike, and what neither knows, goes along
unread, to be checked where chat is. It keeps nothing of any request: what would need that is
refused by name. Source: OpenRouter's reference of /responses, which is stateless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routing.errors import bad_field
from routing.gateway.shapes.responses.conversation import messages_of
from routing.gateway.shapes.responses.reading import given, object_at, text_of, text_or_none
from routing.gateway.shapes.responses.tools import Tools, choice_at, tools_at

# What is turned into something else, or means nothing where nothing is kept.
_READ = frozenset(
    """input instructions max_output_tokens text tools tool_choice reasoning include top_logprobs
    truncation store background conversation previous_response_id prompt max_tool_calls
    stream_options context_management client_metadata""".split()
)
_NEED_A_STORE = {
    "previous_response_id": "send the whole conversation as input",
    "conversation": "send the whole conversation as input",
    "prompt": "send the prompt itself, or name a preset",
}
# Chat does not check these, or not where they are empty; an answer repeats them.
_TYPES: Mapping[str, tuple[type, str]] = {
    "text": (dict, "an object"),
    "reasoning": (dict, "an object"),
    "store": (bool, "true or false"),
    "background": (bool, "true or false"),
    "top_logprobs": (int, "a number"),
    "max_tool_calls": (int, "a number"),
    "safety_identifier": (str, "text"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """`chat` is the chat's body; `tools` is what was read of the tools."""

    chat: dict[str, Any]
    tools: Tools


def read(body: Mapping[str, Any]) -> Reading:
    """Return the chat that asks for the same. Raises ApiError 400."""
    _check_types(body)
    _refuse_state(body)
    tools = tools_at(body.get("tools"), "tools")
    choice = choice_at(body.get("tool_choice"), tools, "tool_choice")
    chat = given({name: value for name, value in body.items() if name not in _READ})
    chat["messages"] = messages_of(body.get("input"), text_or_none(body, "instructions"))
    if tools.chat:
        chat["tools"] = tools.chat
    if choice is not None and (tools.chat or not tools.left_out):
        chat["tool_choice"] = choice
    chat |= given({"max_tokens": body.get("max_output_tokens")})
    chat |= _text(body) | _reasoning(body) | _logprobs(body) | _truncation(body, chat)
    return Reading(_telling(chat, tools.left_out), tools)


def _check_types(body: Mapping[str, Any]) -> None:
    for name, (kind, words) in _TYPES.items():
        # A bool is an int to Python, and none to clients.
        if body.get(name) is not None and type(body[name]) is not kind:
            raise bad_field(name, f"expected {words}")


def _refuse_state(body: Mapping[str, Any]) -> None:
    for name, cure in _NEED_A_STORE.items():
        if body.get(name) is not None:
            raise bad_field(name, f"no responses are kept here; {cure}")
    for name in ("store", "background"):
        if body.get(name):
            raise bad_field(name, "no responses are kept here; leave it out, or say false")


def _text(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `text` asks for."""
    text = object_at(body.get("text") or {}, "text")
    asked = given({"verbosity": text.get("verbosity")})
    if text.get("format") is None:
        return asked
    wish = object_at(text["format"], "text.format")
    kind = text_of(wish, "type", "text.format")
    if kind == "json_schema":
        schema = given({n: wish.get(n) for n in ("name", "description", "schema", "strict")})
        text_of(wish, "name", "text.format")
        object_at(wish.get("schema"), "text.format.schema")
        return asked | {"response_format": {"type": kind, "json_schema": schema}}
    if kind == "json_object":
        return asked | {"response_format": {"type": kind}}
    if kind != "text":
        raise bad_field("text.format.type", "one of text, json_object, json_schema")
    return asked


def _reasoning(body: Mapping[str, Any]) -> dict[str, Any]:
    wish = body.get("reasoning")
    return {"reasoning": given(wish) if isinstance(wish, dict) else wish} if wish else {}


def _logprobs(body: Mapping[str, Any]) -> dict[str, Any]:
    include = body.get("include") or []
    if not isinstance(include, list):
        raise bad_field("include", "expected a list of names")
    most = body.get("top_logprobs")
    asked = {"top_logprobs": most} if most else {}
    if asked or "message.output_text.logprobs" in include:
        return {"logprobs": True} | asked
    return {}


def _truncation(body: Mapping[str, Any], chat: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the middle of a conversation too long may be left out, if that is said."""
    wish = text_or_none(body, "truncation")
    if wish not in (None, "auto", "disabled"):
        raise bad_field("truncation", "auto or disabled")
    if wish is None or "transforms" in chat:
        return {}
    return {"transforms": ["middle-out"] if wish == "auto" else []}


def _telling(chat: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """Return the chat with the tools that nobody runs here named among the unknown plugins.

    Those are told to a caller that asks for openrouter_metadata.
    """
    if left_out and isinstance(chat.get("plugins", []), list):
        unknown = [{"id": f"tool:{kind}"} for kind in left_out]
        return chat | {"plugins": [*chat.get("plugins", []), *unknown]}
    return chat
