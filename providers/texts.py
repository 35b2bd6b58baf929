"""Recognises stream events that repeat an earlier one in all but their text.

Nearly every event of a stream is such: the same keys and values, and a few new characters of
content or of a tool call's arguments. Owns the proof that this is so, on bytes; it parses no event
and keeps no text. The rule others rely on: what `match` returns is exactly the text that parsing
the whole event would give, and everything else of that event is as in the one that `learn` was
given. Sound because the bytes before end at the beginning of a JSON string, and what stands
between them and the bytes after is, in quotes, one JSON string and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

_CONTENT = (b'"content":', b'"content": ')
_ARGUMENTS = (b'"arguments":', b'"arguments": ')
_MARK = "~another text~"
# A provider whose events all differ is not asked again and again; each call may need a lesson.
_MOST_LESSONS = 16


@dataclass(slots=True)
class Arguments:
    """More of the arguments of the tool call that has this index upstream, and nothing else."""

    index: int
    text: str

    def whole(self) -> dict[str, Any]:
        """Return a chunk that says so."""
        piece = {"index": self.index, "function": {"arguments": self.text}}
        return {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}


# What an event says that is known but for its text: content, or arguments.
Text = str | Arguments


class _Frame:
    """Two ends between which a text stands, of content or of the call that has this index."""

    def __init__(self, before: bytes, after: bytes, index: int | None) -> None:
        self._before, self._after, self._index = before, after, index
        self._text = slice(len(before), -len(after))
        self._least = len(before) + 1 + len(after)

    def match(self, data: bytes) -> Text | None:
        """Return the text if data is these two with a text between them, else None."""
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        # Shorter than both together, the two would overlap; without text it is another matter.
        if len(data) < self._least:
            return None
        text = _read(data[self._text])
        return text if self._index is None or text is None else Arguments(self._index, text)


def _read(text: bytes) -> str | None:
    """Return what these bytes spell inside the quotes of a JSON string; None if they do not."""
    try:
        read: str = orjson.loads(b'"' + text + b'"')
    except orjson.JSONDecodeError:
        return None
    return read


# No event's data is framed so.
_NOTHING = _Frame(b"\n", b"\n", None)


class TextEvents:
    """The events of one stream. `event` matches the data of one, `block` all its bytes.

    A block is an event in its usual spelling, from "data: " to the blank line. As a text holds no
    line end, nothing but one such event can match; the bytes before it must have been whole events.
    """

    def __init__(self) -> None:
        self.event = self.block = _NOTHING
        self._lessons = _MOST_LESSONS

    def learn(self, data: bytes, chunk: dict[str, Any]) -> None:
        """Take note of an event and what it was parsed to, if it says nothing but some text."""
        if not self._lessons or (said := _only_text(chunk)) is None:
            return
        self._lessons -= 1
        keys, index = (_CONTENT, None) if isinstance(said, str) else (_ARGUMENTS, said.index)
        text = orjson.dumps(said if isinstance(said, str) else said.text)
        for key in keys:
            at = data.find(key + text)
            if at >= 0:
                before = data[: at + len(key) + 1]
                after = data[at + len(key) + len(text) - 1 :]
                if _is_where_it_stands(before, after, chunk, index):
                    self._know(before, after, index)
                return

    def _know(self, before: bytes, after: bytes, index: int | None) -> None:
        self.event = _Frame(before, after, index)
        # Data of several lines, which JSON allows, is spelt otherwise.
        one_line = b"\n" not in before + after
        self.block = _Frame(b"data: " + before, after + b"\n\n", index) if one_line else _NOTHING


def _only_text(chunk: dict[str, Any]) -> Text | None:
    """Return the text if it is all that the chunk says, apart from what stays the same."""
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(delta, dict) or chunk.get("usage"):
        return None
    if choice.get("finish_reason") or choice.get("logprobs"):
        return None
    said = {name for name, value in delta.items() if value} - {"role"}
    content, calls = delta.get("content"), delta.get("tool_calls")
    if said == {"tool_calls"} and isinstance(calls, list) and len(calls) == 1:
        return _only_arguments(calls[0])
    return content if said == {"content"} and isinstance(content, str) else None


def _only_arguments(piece: object) -> Arguments | None:
    """Return the arguments if a piece of a call, which began before it, says nothing else."""
    function = piece.get("function") if isinstance(piece, dict) else None
    if not isinstance(piece, dict) or not isinstance(function, dict):
        return None
    index, text = piece.get("index"), function.get("arguments")
    said = {name for name, value in {**piece, **function}.items() if value not in (None, "")}
    # That it is a function was said at its beginning. An empty name may be the first that it has.
    if type(index) is not int or not said <= {"index", "function", "arguments", "type"}:
        return None
    if function.get("name") is not None:
        return None
    return Arguments(index, text) if isinstance(text, str) and text else None


def _is_where_it_stands(
    before: bytes, after: bytes, chunk: dict[str, Any], index: int | None
) -> bool:
    """Tell whether another text between the two changes the text and nothing else."""
    choice = chunk["choices"][0]
    said: dict[str, Any] = {"content": _MARK}
    if index is not None:
        [piece] = choice["delta"]["tool_calls"]
        said = {"tool_calls": [{**piece, "function": {**piece["function"], "arguments": _MARK}}]}
    marked = {**choice, "delta": {**choice["delta"], **said}}
    try:
        found = orjson.loads(before + _MARK.encode() + after)
    except orjson.JSONDecodeError:
        return False
    return bool(found == {**chunk, "choices": [marked]})
