"""Where a model's thoughts are in what it says, in the dialects met so far.

Owns thoughts that come as part of the content: between `<think>` tags at the very beginning (a
server without a reasoning parser), or as parts of a list (Mistral). They become `reasoning`, as
the servers with a parser send it. It keeps no text but what may be half a tag. The rules others
rely on: nothing but the two tags is left out; tags later in a text are text; a chunk or a body
without thoughts comes back as the same object. docs/quirks.md lists the dialects.
"""

from __future__ import annotations

from typing import Any

_OPEN, _CLOSE = "<think>", "</think>"


class Thoughts:
    """Splits the pieces of one text into what is thought and what is said."""

    def __init__(self) -> None:
        self.over = False  # whatever comes now is said
        self._begun = False
        self._held = ""  # may become a tag

    @property
    def some(self) -> bool:
        """Whether thoughts have begun, or may have."""
        return self._begun or bool(self._held)

    def split(self, piece: str) -> tuple[str, str]:
        """Return what of the text so far, less what was returned before, is thought and said."""
        if self.over:
            return "", piece
        text, self._held = self._held + piece, ""
        if self._begun:
            return self._until_close(text)
        start = text.lstrip()
        if start.startswith(_OPEN):
            self._begun = True
            return self._until_close(start.removeprefix(_OPEN))
        if _OPEN.startswith(start):
            self._held = text
            return "", ""
        self.over = True
        return "", text

    def rest(self) -> tuple[str, str]:
        """Return what is still held, when nothing more will come."""
        held, self._held = self._held, ""
        self.over = True
        return (held, "") if self._begun else ("", held)

    def _until_close(self, text: str) -> tuple[str, str]:
        thought, closed, said = text.partition(_CLOSE)
        if closed:
            self.over = True
            return thought, said
        kept = next((n for n in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:n])), 0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept], ""


class ThoughtfulStream:
    """Gives the chunks of one stream with their thoughts in `reasoning`.

    `over` tells that no chunk will differ any more, and need not be given to it.
    """

    def __init__(self) -> None:
        self.over = False
        self._thoughts = Thoughts()

    def sorted(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """Return the chunk, its thoughts apart from what is said."""
        choice, delta = _only(chunk, "delta")
        content = delta.get("content")
        if isinstance(content, list):
            return _with(chunk, choice, "delta", _parted(delta))
        if _reasons(delta) or (delta.get("tool_calls") and not (content or self._thoughts.some)):
            # This server has a parser of its own, or the model did not think.
            self.over = True
            return chunk
        thought, said = self._thoughts.split(content) if isinstance(content, str) else ("", "")
        if choice.get("finish_reason"):
            more_thought, more_said = self._thoughts.rest()
            thought, said = thought + more_thought, said + more_said
        self.over = self._thoughts.over
        if not thought and said == (content or ""):
            return chunk
        return _with(chunk, choice, "delta", {**delta, "content": said, "reasoning": thought})

    def rest(self) -> dict[str, Any] | None:
        """Return a chunk with what is still held at the end of a stream, if anything is."""
        thought, said = self._thoughts.rest()
        if not (thought or said):
            return None
        return {"choices": [{"index": 0, "delta": {"content": said, "reasoning": thought}}]}


def sorted_body(body: Any) -> Any:
    """Return a whole answer, its thoughts apart from what is said. Never raises."""
    if not isinstance(body, dict):
        return body
    choice, message = _only(body, "message")
    content = message.get("content")
    if isinstance(content, list):
        return _with(body, choice, "message", _parted(message))
    if not isinstance(content, str) or _reasons(message):
        return body
    thoughts = Thoughts()
    thought, said = thoughts.split(content)
    more_thought, more_said = thoughts.rest()
    if not thought + more_thought and said + more_said == content:
        return body
    split = {"content": said + more_said, "reasoning": thought + more_thought}
    return _with(body, choice, "message", {**message, **split})


def _only(chunk: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first choice and its message or delta, each empty if there is none."""
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return {}, {}
    inner = choice.get(name)
    return choice, inner if isinstance(inner, dict) else {}


def _with(
    chunk: dict[str, Any], choice: dict[str, Any], name: str, inner: dict[str, Any]
) -> dict[str, Any]:
    return {**chunk, "choices": [{**choice, name: inner}]}


def _reasons(message: dict[str, Any]) -> bool:
    return bool(message.get("reasoning") or message.get("reasoning_content"))


def _parted(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a list of parts, with its texts joined."""
    thought, said = [], []
    for part in message["content"]:
        if not isinstance(part, dict):
            continue
        thought.append(_text(part.get("thinking")))
        said.append(_text(part.get("text")))
    parted = {**message, "content": "".join(said)}
    if any(thought):
        parted["reasoning"] = "".join(thought)
    return parted


def _text(value: object) -> str:
    """Return text, or the texts of a list of parts."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""
