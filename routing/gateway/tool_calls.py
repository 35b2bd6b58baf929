"""Tool calls as clients read them, whole or in pieces.

Owns their shape: an id, an index, a name and arguments that are text, and no null; what a provider
sent otherwise is mended as little as possible. It does not judge: the judge has seen what was
really sent. The rule others rely on: nothing a provider sends raises here.
"""

import os
from typing import Any

import orjson


def whole_calls(calls: object) -> list[dict[str, Any]]:
    """Return the calls of a whole message; empty if there is none to show."""
    if not isinstance(calls, list):
        return []
    return [_whole(call) for call in calls if isinstance(call, dict)]


def _whole(call: dict[str, Any]) -> dict[str, Any]:
    shaped = _without_nulls(call)
    shaped["type"] = "function"
    shaped["id"] = str(shaped.get("id") or f"call_{os.urandom(9).hex()}")
    shaped["function"] = {"name": "", "arguments": "", **shaped.get("function", {})}
    return shaped


class CallPieces:
    """Shapes the pieces of one stream's tool calls, and numbers those that have no index."""

    def __init__(self) -> None:
        self._index_of: dict[str, int] = {}
        self._latest = -1
        self._highest = -1

    def shape(self, pieces: object) -> list[dict[str, Any]]:
        """Return the `tool_calls` of one delta; empty if there is none to show."""
        if not isinstance(pieces, list):
            return []
        return [self._shape_one(piece) for piece in pieces if isinstance(piece, dict)]

    def _shape_one(self, piece: dict[str, Any]) -> dict[str, Any]:
        shaped = _without_nulls(piece)
        call_id = shaped.get("id")
        index = shaped.get("index")
        if not isinstance(index, int):
            index = self._number(call_id, index)
        self._latest = index
        self._highest = max(self._highest, index)
        if isinstance(call_id, str):
            self._index_of[call_id] = index
        return {**shaped, "index": index}

    def _number(self, call_id: object, index: object) -> int:
        """Return the index of a piece without one: a new id is a new call."""
        if isinstance(index, str) and index.isdecimal() and len(index) <= 3:
            return int(index)
        if isinstance(call_id, str):
            return self._index_of.get(call_id, self._highest + 1)
        return max(0, self._latest)


def _without_nulls(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call or a piece of one, its arguments as text."""
    shaped = {name: value for name, value in call.items() if value is not None}
    function = shaped.pop("function", None)
    if isinstance(function, dict):
        shaped["function"] = {n: v for n, v in function.items() if v is not None}
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            shaped["function"]["arguments"] = orjson.dumps(arguments).decode()
    return shaped
