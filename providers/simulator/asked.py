"""What a client asks of a simulated endpoint, read from the request's JSON body.

Owns the reading of the body and of the directives in its last message; refuses what a strict
OpenAI-compatible server would refuse, with BadRequest. Decides nothing about the answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from providers.simulator import faults
from providers.simulator.faults import Injected

DIRECTIVE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
TOOL_CALLS_MAXIMUM = 32
TOKENS_MAXIMUM = 100_000


class BadRequest(ValueError):
    """The request itself is wrong; the message may be shown to the client."""


@dataclass(frozen=True)
class Tool:
    name: str
    schema: Any  # the JSON Schema of its arguments, unread; None if it has none


@dataclass(frozen=True)
class Directives:
    """What the last message forces; None leaves the choice to the endpoint."""

    faults: tuple[Injected, ...] | None = None
    text: str | None = None
    tool_calls: int | None = None
    tokens: int | None = None
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class ChatRequest:
    model: str
    tools: tuple[Tool, ...]
    tool_choice: str  # none, auto, required, or named
    named_tool: str | None
    parallel: bool
    stream: bool
    include_usage: bool
    max_tokens: int | None
    answer_schema: Any  # of the JSON that response_format wants; None if it wants none
    last_role: str
    last_text: str
    prompt_bytes: int
    directives: Directives


def read(body: Any, provider: str) -> ChatRequest:
    """Return the request; raise BadRequest saying which part is wrong.

    provider: the slug that was addressed; directives for other providers are passed over.
    """
    fields = _object(body, "body")
    model = fields.get("model")
    if not isinstance(model, str):
        raise BadRequest("model: a string is needed")
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: a list with at least one message is needed")
    last = _object(messages[-1], f"messages[{len(messages) - 1}]")
    tools = _tools(fields.get("tools"))
    tool_choice, named_tool = _tool_choice(fields.get("tool_choice"), tools)
    last_text = text_of(last.get("content"))
    return ChatRequest(
        model=model,
        tools=tools,
        tool_choice=tool_choice,
        named_tool=named_tool,
        parallel=fields.get("parallel_tool_calls") is not False,
        stream=fields.get("stream") is True,
        include_usage=_wants_usage(fields.get("stream_options")),
        max_tokens=_max_tokens(fields),
        answer_schema=_answer_schema(fields.get("response_format")),
        last_role=str(last.get("role")),
        last_text=DIRECTIVE.sub("", last_text),
        prompt_bytes=sum(_content_bytes(message) for message in messages),
        directives=read_directives(last_text, provider),
    )


def text_of(content: Any) -> str:
    """Return a message's text: the string, or its text parts joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def read_directives(text: str, provider: str) -> Directives:
    """Return what `[[…]]` in a message's text forces; raise BadRequest for one nobody knows.

    >>> read_directives("hi [[tokens:50]] [[fault:http_429:7]]", "cobalt").tokens
    50
    """
    found = Directives()
    for directive in DIRECTIVE.findall(text):
        word, _, argument = directive.partition(":")
        word, _, only = word.strip().partition("@")
        if not only or only.strip() == provider:
            found = _apply(found, word, argument, directive)
    return found


def _apply(found: Directives, word: str, argument: str, directive: str) -> Directives:
    try:
        match word:
            case "fault":
                return replace(found, faults=_forced(found.faults, argument))
            case "text":
                return replace(found, text=argument, tool_calls=0)
            case "tool":
                calls = _count(argument or "1", TOOL_CALLS_MAXIMUM)
                return replace(found, tool_calls=calls)
            case "no_tool":
                return replace(found, tool_calls=0)
            case "tokens":
                return replace(found, tokens=_count(argument, TOKENS_MAXIMUM), tool_calls=0)
            case "delay_ms":
                return replace(found, delay_seconds=_count(argument, 3_600_000) / 1000)
            case _:
                known = "fault, text, tool, no_tool, tokens, delay_ms"
                raise ValueError(f"unknown directive; known: {known}")
    except ValueError as error:
        raise BadRequest(f"[[{directive[:80]}]]: {error}") from None


def _forced(before: tuple[Injected, ...] | None, argument: str) -> tuple[Injected, ...]:
    """Add a fault; `none` adds nothing, but switches the random ones off."""
    earlier = before or ()
    return earlier if argument.strip() == "none" else (*earlier, faults.parse(argument))


def _count(argument: str, most: int) -> int:
    if not argument.strip().isdecimal() or int(argument) > most:
        raise ValueError(f"a whole number from 0 to {most} is needed")
    return int(argument)


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{path}: an object is needed")
    return value


def _tools(value: Any) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadRequest("tools: a list is needed")
    tools: dict[str, Tool] = {}  # of two with one name the first counts
    for position, entry in enumerate(value):
        path = f"tools[{position}].function"
        function = _object(_object(entry, f"tools[{position}]").get("function"), path)
        name = function.get("name")
        if not isinstance(name, str) or not name:
            raise BadRequest(f"{path}.name: a string is needed")
        tools.setdefault(name, Tool(name, function.get("parameters")))
    return tuple(tools.values())


def _tool_choice(value: Any, tools: Sequence[Tool]) -> tuple[str, str | None]:
    if value is None:
        return "auto", None
    if value in ("none", "auto"):
        return str(value), None
    if value == "required":
        if not tools:
            raise BadRequest("tool_choice: required, but no tools are offered")
        return "required", None
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if name not in [tool.name for tool in tools]:
        raise BadRequest("tool_choice: none, auto, required or an offered function is needed")
    return "named", name


def _answer_schema(value: Any) -> Any:
    """Return the schema of the JSON asked for; formats of other kinds are ignored."""
    if value is None:
        return None
    wanted = _object(value, "response_format")
    if wanted.get("type") == "json_object":
        return {"type": "object"}
    if wanted.get("type") != "json_schema":
        return None
    path = "response_format.json_schema"
    return _object(_object(wanted.get("json_schema"), path).get("schema"), f"{path}.schema")


def _wants_usage(options: Any) -> bool:
    return isinstance(options, dict) and options.get("include_usage") is True


def _max_tokens(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("max_completion_tokens", fields.get("max_tokens"))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest("max_tokens: a whole number above 0 is needed")
    return value


def _content_bytes(message: Any) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    return len(text_of(content).encode(errors="replace"))
