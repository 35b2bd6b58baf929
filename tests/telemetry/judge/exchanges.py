"""Makes exchanges for the judge's tests."""

from typing import Any

import orjson

from providers.chat import Reply, ToolCall
from telemetry.judge.rules import ToolExchange

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NOTHING = {"type": "object", "properties": {}}


def tool(name: str, schema: Any = None) -> dict[str, Any]:
    function = {"name": name} if schema is None else {"name": name, "parameters": schema}
    return {"type": "function", "function": function}


TOOLS = orjson.dumps([tool("get_weather", CITY), tool("get_time", NOTHING), tool("ping")])


def call(
    name: str = "get_weather", arguments: object = '{"city":"Oslo"}', id: str = ""
) -> ToolCall:
    return ToolCall(id, name, arguments)


def exchange(*calls: ToolCall, **changes: Any) -> ToolExchange:
    fields: dict[str, Any] = {
        "tools": TOOLS,
        "tool_choice": "auto",
        "calls": calls,
        "finish_reason": "tool_calls" if calls else "stop",
        "content": "" if calls else "It is sunny.",
        "completed": True,
    }
    return ToolExchange(**{**fields, **changes})


def exchange_of(request: dict[str, Any], reply: Reply) -> ToolExchange:
    return ToolExchange(
        tools=orjson.dumps(request.get("tools", [])),
        tool_choice="auto",
        calls=reply.tool_calls,
        finish_reason=reply.finish_reason,
        content=reply.content,
        completed=True,
    )


def nested(depth: int) -> dict[str, Any]:
    """A value that a schema of RECURSIVE form needs twice as long for with each level."""
    value: dict[str, Any] = {"wrong": 1}
    for _ in range(depth):
        value = {"c": value}
    return value


RECURSIVE = {
    "properties": {"c": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}},
    "additionalProperties": False,
}
