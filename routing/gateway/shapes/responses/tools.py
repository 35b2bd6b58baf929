"""The tools of a /responses request, and the choice among them, as chat has them.

Owns the flat form of functions, custom tools (free text in, asked for as a function with one text)
and what becomes of tools that a server runs itself: nobody does so here, so the model is offered
what is left. The rule others rely on: a choice that names a tool which cannot be offered is
refused; a choice of some tools is kept by offering no others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from routing.errors import bad_field
from routing.gateway.shapes.responses.reading import given, object_at, objects_at, text_of

_INPUT = "input"
_MOST_DEFINITION = 20_000
Tool = dict[str, Any]


@dataclass(slots=True)
class Tools:
    """`chat` are the tools to offer and `places` where each was named; `left_out` are kinds."""

    chat: list[Tool] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    custom: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)

    def only(self, names: set[str]) -> None:
        """Keep the tools of these names."""
        kept = [at for at, tool in enumerate(self.chat) if tool["function"]["name"] in names]
        self.chat = [self.chat[at] for at in kept]
        self.places = [self.places[at] for at in kept]


def tools_at(value: object, path: str) -> Tools:
    tools = Tools()
    for at, tool in enumerate(objects_at(value, path)):
        _add(tools, tool, f"{path}[{at}]")
    return tools


def _add(tools: Tools, tool: Mapping[str, Any], path: str) -> None:
    kind = text_of(tool, "type", path)
    if kind == "function":
        function = _function(tool, path)
    elif kind == "custom":
        function = _custom(tool, path)
        tools.custom.add(function["name"])
    else:
        tools.left_out.append(kind)
        return
    tools.chat.append({"type": "function", "function": function})
    tools.places.append(path)


def _function(tool: Mapping[str, Any], path: str) -> Tool:
    name = text_of(tool, "name", path)
    fields = {key: tool.get(key) for key in ("description", "parameters", "strict")}
    return {"name": name} | given(fields)


def _custom(tool: Mapping[str, Any], path: str) -> Tool:
    """Return the function that stands for a custom tool; its grammar can only be described."""
    name, said = text_of(tool, "name", path), tool.get("description")
    grammar = object_at(tool.get("format") or {}, f"{path}.format")
    words = [said] if isinstance(said, str) else []
    if isinstance(definition := grammar.get("definition"), str):
        syntax = grammar.get("syntax")
        words.append(f"The input follows this {syntax} grammar:\n{definition[:_MOST_DEFINITION]}")
    parameters = {
        "type": "object",
        "properties": {_INPUT: {"type": "string"}},
        "required": [_INPUT],
        "additionalProperties": False,
    }
    return {"name": name, "description": "\n\n".join(words), "parameters": parameters}


def custom_arguments(said: str) -> str:
    """Return the arguments of the function that stands for a custom tool."""
    return json.dumps({_INPUT: said}, ensure_ascii=False)


def custom_input(arguments: str) -> str:
    """Return the text in such arguments; all of them if the model did not keep to the form.

    >>> custom_input(custom_arguments("ls"))
    'ls'
    """
    try:
        value: Any = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    said = value.get(_INPUT) if isinstance(value, dict) else None
    return said if isinstance(said, str) else arguments


def choice_at(value: object, tools: Tools, path: str) -> object:
    """Return the `tool_choice` of a chat; None for none."""
    if value is None or isinstance(value, str):
        return value
    choice = object_at(value, path)
    kind = text_of(choice, "type", path)
    if kind in ("function", "custom"):
        return _named(text_of(choice, "name", path))
    if kind != "allowed_tools":
        raise bad_field(
            f"{path}.type", "function, custom or allowed_tools; others are not run here"
        )
    mode = text_of(choice, "mode", path)
    if mode not in ("auto", "required"):
        raise bad_field(f"{path}.mode", "auto or required")
    allowed = objects_at(choice.get("tools"), f"{path}.tools")
    tools.only({tool["name"] for tool in allowed if isinstance(tool.get("name"), str)})
    return mode


def _named(name: str) -> Tool:
    return {"type": "function", "function": {"name": name}}
