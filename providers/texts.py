"""Recognises stream events that repeat an earlier one in all but their text.

Nearly every event of a stream is such: the same keys and values, and a few new characters of
content. Owns the proof that this is so, on bytes; it parses no event and keeps no text. The rule
others rely on: what `match` returns is exactly the content that parsing the whole event would
give, and everything else of that event is as in the one that `learn` was given. Sound because the
bytes before end inside a JSON string and the text holds nothing that ends it: only a quote, a
backslash or a control character could.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_ENDS_PLAIN_TEXT = re.compile(rb'["\\\x00-\x1f]')
_KEYS = (b'"content":', b'"content": ')
_MARK = "~another text~"
# A provider whose events all differ is not asked again and again.
_MOST_LESSONS = 4


class _Frame:
    """Two ends between which a plain text stands."""

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before, self._after = before, after
        self._text = slice(len(before), -len(after))
        self._least = len(before) + 1 + len(after)

    def match(self, data: bytes) -> str | None:
        """Return the text if data is these two with a plain text between them, else None."""
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        text = data[self._text]
        # Shorter than both together, the two would overlap; without text it is another matter.
        if len(data) < self._least or _ENDS_PLAIN_TEXT.search(text):
            return None
        try:
            return text.decode()
        except UnicodeDecodeError:
            return None


_NOTHING = _Frame(b"\n", b"\n")  # no event's data is framed so


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
        if not self._lessons or (content := _only_content(chunk)) is None:
            return
        self._lessons -= 1
        text = orjson.dumps(content)
        for key in _KEYS:
            at = data.find(key + text)
            if at >= 0:
                before = data[: at + len(key) + 1]
                after = data[at + len(key) + len(text) - 1 :]
                if _is_where_it_stands(before, after, chunk):
                    self._know(before, after)
                return

    def _know(self, before: bytes, after: bytes) -> None:
        self.event = _Frame(before, after)
        # Data of several lines, which JSON allows, is spelt otherwise.
        one_line = b"\n" not in before + after
        self.block = _Frame(b"data: " + before, after + b"\n\n") if one_line else _NOTHING


def _only_content(chunk: dict[str, Any]) -> str | None:
    """Return the content if it is all that the chunk says, apart from what stays the same."""
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(delta, dict) or chunk.get("usage"):
        return None
    content = delta.get("content")
    said = {name for name, value in delta.items() if value} - {"role"}
    if not isinstance(content, str) or said != {"content"}:
        return None
    return None if choice.get("finish_reason") or choice.get("logprobs") else content


def _is_where_it_stands(before: bytes, after: bytes, chunk: dict[str, Any]) -> bool:
    """Tell whether another text between the two changes the content and nothing else."""
    choice = chunk["choices"][0]
    marked = {**choice, "delta": {**choice["delta"], "content": _MARK}}
    try:
        found = orjson.loads(before + _MARK.encode() + after)
    except orjson.JSONDecodeError:
        return False
    return bool(found == {**chunk, "choices": [marked]})
