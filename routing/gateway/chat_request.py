"""A chat-completions body: checked, and turned into what routing needs and what goes upstream.

Owns the request's types and limits (reliability: error contract and limits). It routes nothing,
and what goes upstream is `routing.gateway.upstream_body`'s. The rules others rely on: a bad field
is an `ApiError` 400 naming its path; unknown fields pass through unread; a preset is merged before
anything is checked, so that what comes from it is checked alike.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from providers.chat import CallLimits, Reply, loads, reply_of_body
from providers.thinking import sorted_body
from routing.errors import bad_field
from routing.gateway import presets, upstream_body
from routing.gateway.extras import MOST_SESSION, read_extras
from routing.gateway.filters import Needs
from routing.gateway.model_request import (
    ModelRequest,
    Turn,
    convert,
    load_body,
    read_refs,
    read_wishes,
)
from routing.gateway.preferences import ProviderWishes
from routing.gateway.presets import NO_PRESETS, PresetError, Presets
from routing.gateway.upstream_body import OPTIONAL, dumps
from routing.limits import Limits

if TYPE_CHECKING:
    from providers.answers import UpstreamResponse

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


_Effort = Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class Reasoning(msgspec.Struct):
    effort: _Effort | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class ChatBody(msgspec.Struct):
    """The fields that are known, with the ranges that OpenRouter's own clients document.

    Where they give none (`top_k`, `repetition_penalty`, `stop`'s length, …), what a provider makes
    of a value is the provider's affair. Fields that are not here pass through unread.
    """

    messages: list[dict[str, Any]]
    model: str | None = None
    models: list[str] | None = None
    stream: bool | None = None
    provider: ProviderWishes | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: float | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    repetition_penalty: float | None = None
    min_p: float | None = None
    top_a: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, Any] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    route: str | None = None
    stream_options: dict[str, Any] | None = None
    session_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: _Effort | None = None
    include_reasoning: bool | None = None
    modalities: list[str] | None = None
    plugins: list[dict[str, Any]] | None = None
    transforms: list[str] | None = None
    prediction: dict[str, Any] | None = None
    trace: dict[str, Any] | None = None
    debug: dict[str, Any] | None = None
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest(ModelRequest):
    """One checked chat."""

    async def read_answer(
        self, response: "UpstreamResponse", limits: Limits, call_limits: CallLimits
    ) -> tuple[dict[str, Any], Reply]:
        body = sorted_body(loads(await response.read()))
        return body, reply_of_body(body, call_limits)


def parse_chat(
    body: bytes, limits: Limits, presets: Presets = NO_PRESETS, session_header: str = ""
) -> ChatRequest:
    """Check a body and read it; `load_body` and `read_chat` in one."""
    return read_chat(load_body(body, limits), len(body), limits, presets, session_header)


def read_chat(
    body: dict[str, Any],
    size: int,
    limits: Limits,
    presets: Presets = NO_PRESETS,
    session_header: str = "",
) -> ChatRequest:
    """Check the body of a chat completion, and read it. Raises ApiError 400 naming the place.

    size: of what the caller sent, in bytes. presets: those of the caller's account.
    session_header: what `x-session-id` says.
    """
    raw, preset = _with_preset(body, presets)
    envelope = convert(raw, ChatBody)
    _check_messages(envelope.messages, limits)
    _check_counts(envelope)
    if len(session_header) > MOST_SESSION:
        raise bad_field("x-session-id", f"at most {MOST_SESSION} characters")
    refs = read_refs(envelope.model, envelope.models, limits)
    tool_choice = _tool_choice(envelope)
    tools = _check_tools(envelope.tools, limits)
    wishes = read_wishes(envelope.provider, limits)
    extras = read_extras(raw, session_header)
    if extras.tier:
        wishes = replace(wishes, tier=extras.tier)
    size = len(dumps(raw)) if preset else size
    return ChatRequest(
        refs=refs,
        stream=envelope.stream is True,
        wishes=wishes,
        needs=Needs(
            parameters=_parameters(raw),
            tools=bool(envelope.tools) and tool_choice != "none",
            tool_choice=_kind_of_choice(tool_choice) if envelope.tools else "",
            prompt_tokens=_estimate_tokens(raw, size),
            # Of both, the larger: which of them binds, a provider decides.
            completion_tokens=max(envelope.max_completion_tokens or 0, envelope.max_tokens or 0)
            or None,
            compress=extras.compress,
        ),
        tools=tools,
        tool_count=len(envelope.tools or ()),
        tool_choice=tool_choice if envelope.tools else "",
        tool_set=hashlib.sha256(tools).hexdigest()[:16] if tools else "",
        turn=_turn(envelope.messages, tool_choice),
        body=raw,
        size=size,
        extras=extras,
        preset=preset,
    )


def _with_preset(raw: dict[str, Any], known: Presets) -> tuple[dict[str, Any], str]:
    model = raw.get("model")
    if raw.get("preset") is None and not (isinstance(model, str) and presets.MARK in model):
        return raw, ""
    try:
        return presets.with_preset(raw, known)
    except PresetError as error:
        raise bad_field(error.path, str(error)) from None


def _parameters(raw: dict[str, Any]) -> frozenset[str]:
    """Return the parameters that are asked for; a schema asks for more than any JSON does."""
    names = {name for name, value in raw.items() if name in OPTIONAL and value is not None}
    if "response_format" in names:
        wish = raw["response_format"]
        if upstream_body.wants_schema(wish):
            names = names - {"response_format"} | {"structured_outputs"}
        elif wish.get("type") == "text":
            names.discard("response_format")
    return frozenset(names)


def _check_messages(messages: list[dict[str, Any]], limits: Limits) -> None:
    if not messages:
        raise bad_field("messages", "at least one message is needed")
    if len(messages) > limits.max_messages:
        raise bad_field("messages", f"at most {limits.max_messages} messages, not {len(messages)}")
    for at, message in enumerate(messages):
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise bad_field(f"messages[{at}].role", f"one of {', '.join(sorted(_ROLES))}")
        content = message.get("content")
        if isinstance(content, list):
            _check_parts(f"messages[{at}].content", content)
        elif not (content is None or isinstance(content, str)):
            raise bad_field(f"messages[{at}].content", "expected text, a list of parts or null")
        calls = message.get("tool_calls")
        if not (calls is None or isinstance(calls, list)):
            raise bad_field(f"messages[{at}].tool_calls", "expected a list")


def _check_parts(path: str, parts: list[Any]) -> None:
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            raise bad_field(f"{path}[{at}]", "expected an object")


def _check_counts(envelope: ChatBody) -> None:
    if envelope.n not in (None, 1):
        raise bad_field("n", "only 1 answer per request")
    for name in ("max_tokens", "max_completion_tokens"):
        value = getattr(envelope, name)
        if value is not None and not 1 <= value <= 2**31:
            raise bad_field(name, "expected a number of 1 or more")
    if envelope.session_id is not None and len(envelope.session_id) > MOST_SESSION:
        raise bad_field("session_id", f"at most {MOST_SESSION} characters")
    schema = (envelope.response_format or {}).get("json_schema")
    if upstream_body.wants_schema(envelope.response_format) and not isinstance(schema, dict):
        raise bad_field("response_format.json_schema", "expected an object with the schema")


def _check_tools(tools: list[dict[str, Any]] | None, limits: Limits) -> bytes:
    """Check names and sizes; return the tools' JSON, b"" for none."""
    if not tools:
        return b""
    if len(tools) > limits.max_tools:
        raise bad_field("tools", f"at most {limits.max_tools} tools, not {len(tools)}")
    for at, tool in enumerate(tools):
        _check_tool(f"tools[{at}]", tool)
    encoded = dumps(tools)
    if len(encoded) > limits.tool_schema_bytes:
        _check_schema_sizes(tools, limits.tool_schema_bytes)
    if len(encoded) > limits.tool_schemas_bytes:
        raise bad_field("tools", f"at most {limits.tool_schemas_bytes} bytes in all")
    return encoded


def _check_schema_sizes(tools: list[dict[str, Any]], limit: int) -> None:
    for at, tool in enumerate(tools):
        size = len(dumps(tool["function"].get("parameters")))
        if size > limit:
            raise bad_field(
                f"tools[{at}].function.parameters", f"at most {limit} bytes, not {size}"
            )


def _check_tool(path: str, tool: dict[str, Any]) -> None:
    # Two tools of one name are allowed: real callers send them, and providers answer them.
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise bad_field(path, 'expected {"type": "function", "function": {…}}')
    name = function.get("name")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise bad_field(f"{path}.function.name", "1 to 64 letters, digits, _ or -")
    parameters = function.get("parameters")
    if not (parameters is None or isinstance(parameters, (dict, bool))):
        raise bad_field(f"{path}.function.parameters", "expected a JSON Schema object")


def _tool_choice(envelope: ChatBody) -> str:
    choice = envelope.tool_choice
    if choice is None:
        return "auto"
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise bad_field("tool_choice", "auto, none, required or a function")
        return choice
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if choice.get("type") != "function" or not isinstance(name, str):
        raise bad_field("tool_choice", 'expected {"type": "function", "function": {"name": …}}')
    return f"named:{name}"


def _turn(messages: list[dict[str, Any]], tool_choice: str) -> Turn:
    if tool_choice not in ("auto", "none"):
        return "forced"
    return "after_tool" if messages[-1]["role"] == "tool" else "fresh"


def _kind_of_choice(choice: str) -> Literal["none", "auto", "required", "function"]:
    return "function" if choice.startswith("named:") else choice  # type: ignore[return-value]


def _estimate_tokens(raw: dict[str, Any], size: int) -> int:
    """Estimate the prompt at four bytes a token, not counting embedded images and files."""
    if size < 16_384:
        return size // 4
    embedded = sum(
        len(dumps(part))
        for message in raw["messages"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") != "text"
    )
    return max(0, size - embedded) // 4
