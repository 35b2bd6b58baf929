"""A Messages request as the chat completion that asks for the same.

Owns what each field becomes. The rules others rely on: what chat knows by the same name stays as
it is and is checked there; what is neither Anthropic's, OpenRouter's nor chat's is left out; a
tool that only Anthropic's servers run is refused by name, for nobody here would run it.
"""

import re
from typing import Any

from routing.errors import bad_field
from routing.gateway.shapes.messages import conversation, fields
from routing.gateway.shapes.messages.reading import read
from routing.gateway.upstream_body import OPTIONAL

# What is said alike in both. Chat's own parameters may be sent here as well.
ALIKE = frozenset(
    """model models provider plugins route transforms session_id preset trace user stream
    service_tier prompt_cache_key cache_control""".split()
) | (OPTIONAL - {"tools", "tool_choice"})
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_FALLBACKS = 3


def chat_body(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the chat completion's body. Raises ApiError 400."""
    body = read(raw)
    if body.mcp_servers:
        raise bad_field("mcp_servers", "Assay connects to no MCP server; offer its tools in tools")
    asked = {name: value for name, value in raw.items() if name in ALIKE}
    asked["messages"] = conversation.messages_of(body)
    if body.stop_sequences:
        asked["stop"] = body.stop_sequences
    if body.metadata and body.metadata.user_id:
        asked["user"] = body.metadata.user_id
    if body.fallbacks:
        asked["models"] = _fallbacks(body)
    return asked | _tools(body) | _thinking(body) | _output(body)


def _fallbacks(body: fields.Body) -> list[str]:
    names = [fallback.model for fallback in body.fallbacks or ()]
    if body.models:
        raise bad_field("fallbacks", "send either fallbacks or models")
    if len(names) > MOST_FALLBACKS:
        raise bad_field("fallbacks", f"at most {MOST_FALLBACKS} models")
    return names


def _tools(body: fields.Body) -> dict[str, Any]:
    tools = _offered(body)
    if not tools:
        return {}
    asked: dict[str, Any] = {"tools": tools}
    choice = body.tool_choice
    if choice is not None:
        asked["tool_choice"] = _choice(choice)
        if choice.disable_parallel_tool_use is not None:
            asked["parallel_tool_calls"] = not choice.disable_parallel_tool_use
    return asked


def _offered(body: fields.Body) -> list[dict[str, Any]]:
    """Return the tools, less those that wait to be brought up."""
    tools = body.tools or []
    asked = [_tool(f"tools[{at}]", tool) for at, tool in enumerate(tools)]
    if not any(tool.defer_loading for tool in tools):
        return asked
    due = conversation.tools_named(body)
    return [
        told
        for tool, told in zip(tools, asked, strict=True)
        if not tool.defer_loading or tool.name in due
    ]


def _tool(path: str, tool: fields.Tool) -> dict[str, Any]:
    if tool.type not in (None, "custom"):
        raise bad_field(
            f"{path}.type",
            f"Assay has no tool of the type {tool.type[:100]!r}; offer one with an input_schema",
        )
    if not _TOOL_NAME.fullmatch(tool.name):
        raise bad_field(f"{path}.name", "1 to 64 letters, digits, _ or -")
    if tool.input_schema is None:
        raise bad_field(f"{path}.input_schema", "it is required")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    asked: dict[str, Any] = {"type": "function", "function": function}
    return asked | {"cache_control": tool.cache_control} if tool.cache_control else asked


def _choice(choice: fields.Choice) -> str | dict[str, Any]:
    match choice:
        case fields.OneTool(name=name):
            return {"type": "function", "function": {"name": name}}
        case fields.SomeTool():
            return "required"
        case fields.NoTool():
            return "none"
        case _:
            return "auto"


def _thinking(body: fields.Body) -> dict[str, Any]:
    wish = body.thinking
    if wish is None:
        return {}
    if isinstance(wish, fields.Disabled):
        return {"reasoning": {"enabled": False}}
    effort = body.output_config.effort if body.output_config else None
    asked: dict[str, Any] = {"enabled": True}
    if isinstance(wish, fields.Enabled):
        asked = {"max_tokens": wish.budget_tokens}
    elif effort:
        asked = {"effort": effort}
    return {"reasoning": asked | {"exclude": True} if wish.display == "omitted" else asked}


def _output(body: fields.Body) -> dict[str, Any]:
    config = body.output_config or fields.OutputConfig()
    asked: dict[str, Any] = {"verbosity": config.effort} if config.effort else {}
    wish = config.format or body.output_format
    if wish is not None:
        schema = {"name": "answer", "strict": True, "schema": wish.schema}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked
