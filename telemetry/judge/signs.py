"""Signs of broken tool calling that the published rule does not see, each a plain boolean.

Owns the heuristics. They lean towards silence, because a sign is held against a provider: prose
that names a tool, quotes a marker or shows an example in a code fence must not trip them. Pure.
"""

import re
from collections.abc import Collection

import orjson

# Tokens of chat templates. They have no business in an answer, unless it quotes them.
_TEMPLATE_TOKENS = re.compile(
    r"<\|tool_calls?_(?:section_)?begin\|>"
    r"|<\uff5ctool\u2581calls?\u2581begin\uff5c>|<\uff5cDSML\uff5c(?:function_calls|invoke)"
    r"|<\|python_tag\|>|<\|channel\|>commentary to=functions\.|<\|tool_call\|?>|<\|action_start\|>"
)
# Markup that people may write as well: it counts at a line's start, before an offered name.
_MARKUP = re.compile(
    r"^[ \t]*(?:<tool_calls?>|<function=|<function_calls?>|<invoke name=|\[TOOL_CALLS\]"
    r"|<minimax:tool_call>|functools\[|<toolcall>)",
    re.M,
)
_NAME_REACH = 300  # characters after such markup in which the name must follow
_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)
_WHOLE_FENCE = re.compile(r"```[a-z_]*\n(.*)\n```", re.S)
_JSON_START = re.compile(r"^[ \t]*[\[{]", re.M)
_ARGUMENT_KEYS = frozenset(["arguments", "parameters", "args", "input", "tool_input"])
_NAME_KEYS = ("name", "tool", "tool_name", "function", "recipient_name")


def leaks_tool_text(content: str, names: Collection[str]) -> bool:
    """Tell whether a reply's text holds a tool call that should have been a structured one.

    >>> leaks_tool_text('<tool_call>{"name": "get_weather", "arguments": {}}', ["get_weather"])
    True
    >>> leaks_tool_text("I would use get_weather for that.", ["get_weather"])
    False
    """
    if not names or not content:
        return False
    if not any(mark in content for mark in "<[{"):
        return False
    plain = _FENCED.sub("``", content)
    return (
        _TEMPLATE_TOKENS.search(plain) is not None
        or _has_markup(plain, names)
        or _ends_in_call(content.strip(), names)
    )


def _has_markup(text: str, names: Collection[str]) -> bool:
    return any(
        any(_names_tool(text[found.end() : found.end() + _NAME_REACH], name) for name in names)
        for found in _MARKUP.finditer(text)
    )


def _names_tool(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _ends_in_call(text: str, names: Collection[str]) -> bool:
    """Tell whether text is, or closes with, JSON that spells a call of an offered tool."""
    if fenced := _WHOLE_FENCE.fullmatch(text):
        text = fenced[1].strip()
    if not text.endswith(("}", "]")):
        return False
    start = _JSON_START.search(text)
    if start is None:
        return False
    try:
        value = orjson.loads(text[start.start() :])
    except orjson.JSONDecodeError:
        return False
    return _spells_call(value, names)


def _spells_call(value: object, names: Collection[str]) -> bool:
    if isinstance(value, list):
        return bool(value) and _spells_call(value[0], names)
    if not isinstance(value, dict):
        return False
    inner = value.get("tool_calls", value.get("function"))
    if isinstance(inner, dict | list):
        return _spells_call(inner, names)
    named = any(isinstance(value.get(key), str) and value[key] in names for key in _NAME_KEYS)
    return named and not _ARGUMENT_KEYS.isdisjoint(value)


def violates_choice(choice: str, called: list[str], finish_reason: str | None) -> bool:
    """Tell whether a finished reply ignored `tool_choice`.

    A reply cut by its length or by a filter may not have come to the call that was asked for.
    """
    if choice == "none":
        return bool(called)
    if choice == "required" or choice.startswith("named:"):
        if not called:
            return finish_reason not in ("length", "content_filter", "error")
        wanted = choice.removeprefix("named:")
        return choice != "required" and any(name != wanted for name in called)
    return False
