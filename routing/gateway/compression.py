"""Makes a conversation fit: what stands in its middle is left out ("middle-out").

Owns which messages go and how texts are cut. It decides neither whether nor for whom. The rules
others rely on: order stays; the system's messages at the beginning and the last turn are always
there; a tool's result is never left without the call it answers, nor the other way round; nothing
is cut while leaving out is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from routing.gateway.upstream_body import dumps

Message = dict[str, Any]
# The models read about four bytes of text as one token.
_BYTES_A_TOKEN = 4
_CUT_MARK = " […] "
_LEAST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Compression:
    """What was done: messages left out, and messages whose text was cut."""

    messages: list[Message]
    left_out: int
    cut: int


def middle_out(messages: Sequence[Message], most_tokens: int) -> Compression:
    """Return the messages within `most_tokens`, as far as leaving out and cutting can do it.

    >>> chat = [{"role": "user", "content": word * 100} for word in "abcde"]
    >>> [message["content"][0] for message in middle_out(chat, 100).messages]
    ['a', 'b', 'e']
    """
    most = max(0, most_tokens) * _BYTES_A_TOKEN
    turns = _turns(messages)
    weights = [sum(map(_weight, turn)) for turn in turns]
    first = 1 if turns and turns[0][0].get("role") in ("system", "developer") else 0
    excess = sum(weights) - most
    # From the middle outwards, until what stands first and the last turn are all that is left.
    while excess > 0 and len(turns) - first > 1:
        at = first + (len(turns) - first) // 2
        at = min(at, len(turns) - 2)
        del turns[at]
        excess -= weights.pop(at)
    kept = [message for turn in turns for message in turn]
    cut = 0
    if excess > 0:
        kept, cut = _cut_texts(kept, excess)
    return Compression(kept, len(messages) - len(kept), cut)


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """Group what only makes sense together: a call and its results; the system's beginning."""
    turns: list[list[Message]] = []
    for message in messages:
        joins = turns and (
            message.get("role") in ("tool", "function")
            or (_is_system(message) and all(map(_is_system, turns[-1])) and len(turns) == 1)
        )
        if joins:
            turns[-1].append(message)
        else:
            turns.append([message])
    return turns


def _is_system(message: Message) -> bool:
    return message.get("role") in ("system", "developer")


def _weight(message: Message) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return len(dumps(message))
    # Embedded images and files are not text.
    texts = [part for part in content if part.get("type") == "text"]
    return len(dumps({**message, "content": texts}))


def _cut_texts(messages: list[Message], excess: int) -> tuple[list[Message], int]:
    """Cut the longest texts, one after the other, until `excess` bytes are gone."""
    kept = list(messages)
    cut = 0
    for at in sorted(range(len(kept)), key=lambda at: -_weight(kept[at])):
        if excess <= 0:
            break
        before = _weight(kept[at])
        kept[at] = _shorter(kept[at], excess)
        excess -= before - _weight(kept[at])
        cut += kept[at] is not messages[at]
    return kept, cut


def _shorter(message: Message, by: int) -> Message:
    content = message.get("content")
    if isinstance(content, str):
        text = _without_middle(content, by)
        return message if text == content else {**message, "content": text}
    if not isinstance(content, list):
        return message
    parts = [*content]
    for at, part in enumerate(parts):
        long = part.get("text") if part.get("type") == "text" else None
        if isinstance(long, str) and by > 0:
            short = _without_middle(long, by)
            by -= len(long.encode()) - len(short.encode())
            parts[at] = {**part, "text": short}
    return message if parts == content else {**message, "content": parts}


def _without_middle(text: str, by: int) -> str:
    """Return a text shorter by about `by` bytes, but of _LEAST_TEXT at least."""
    data = text.encode()
    keep = max(_LEAST_TEXT, len(data) - by - len(_CUT_MARK.encode()))
    if keep + len(_CUT_MARK.encode()) >= len(data):
        return text
    head, tail = data[: keep - keep // 2], data[len(data) - keep // 2 :]
    return head.decode(errors="ignore") + _CUT_MARK + tail.decode(errors="ignore")
