"""Tool calls as clients read them, whole or in pieces.

Owns their shape: an id that no other call of the reply has, an index, a name and arguments that
are text, and no null; what a provider sent otherwise is mended as little as possible. It does not
judge: the judge has seen what was really sent. The rules others rely on: nothing a provider sends
raises here; pieces belong to the same calls for the client as for the judge; a client that joins
the texts of all pieces of an index, as OpenAI's does, has the call.
"""

import os
from typing import Any

import orjson

from providers.toolcalls import CallMatcher

# Calls of one stream that are told apart; the others are left as they came.
_MOST_CALLS = 4096
_NAME_CHARS = 1024


def whole_calls(calls: object) -> list[dict[str, Any]]:
    """Return the calls of a whole message; empty if there is none to show."""
    if not isinstance(calls, list):
        return []
    ids: set[str] = set()
    return [_whole(call, ids) for call in calls if isinstance(call, dict)]


def _whole(call: dict[str, Any], ids: set[str]) -> dict[str, Any]:
    shaped = _without_nulls(call)
    shaped["type"] = "function"
    shaped["id"] = _own_id(shaped.get("id"), ids)
    shaped["function"] = {"name": "", "arguments": "", **shaped.get("function", {})}
    return shaped


def _own_id(told: object, ids: set[str]) -> str:
    """Return the id told, or a new one if there is none or another call has it."""
    own = str(told or "")
    if not own or own in ids:
        own = f"call_{os.urandom(9).hex()}"
    ids.add(own)
    return own


class CallPieces:
    """Shapes the pieces of one stream's tool calls: the first has the id, all the call's index."""

    def __init__(self) -> None:
        self._matcher = CallMatcher(_MOST_CALLS)
        self._indexes: list[int] = []  # of each call, by its number
        self._names: list[str] = []
        self._ids: set[str] = set()

    def shape(self, pieces: object) -> list[dict[str, Any]]:
        """Return the `tool_calls` of one delta; empty if there is none to show."""
        if not isinstance(pieces, list):
            return []
        return [self._shape_one(piece) for piece in pieces if isinstance(piece, dict)]

    def index_of(self, told: int) -> int | None:
        """Return the client's index of the call that arguments with this one go on with.

        None where such a piece has to be shaped, as others are.
        """
        number = self._matcher.continued(told)
        return None if number is None else self._indexes[number]

    def _shape_one(self, piece: dict[str, Any]) -> dict[str, Any]:
        number = self._matcher.place(piece)
        shaped = _without_nulls(piece)
        if number is None:
            return {"index": 0, **shaped}
        if number == len(self._indexes):
            self._indexes.append(self._free_index(shaped.get("index")))
            self._names.append("")
            shaped |= {"id": _own_id(shaped.get("id"), self._ids), "type": "function"}
        else:
            # Said once: who joins all texts of a call would join these as well.
            shaped.pop("id", None)
            shaped.pop("type", None)
        self._drop_repeated_name(number, shaped.get("function"))
        return {**shaped, "index": self._indexes[number]}

    def _free_index(self, told: object) -> int:
        """Return the index told, unless another call has it."""
        if isinstance(told, str) and told.isdecimal() and len(told) <= 3:
            told = int(told)
        if isinstance(told, int) and told not in self._indexes:
            return int(told)
        return max(self._indexes, default=-1) + 1

    def _drop_repeated_name(self, number: int, function: dict[str, Any] | None) -> None:
        name = function.get("name") if function else None
        if function is None or not isinstance(name, str):
            return
        known = self._names[number]
        if known and name in ("", known):
            del function["name"]
        elif len(known) + len(name) <= _NAME_CHARS:
            self._names[number] += name


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
