"""The content blocks of one stream, one after the other, whatever order their pieces come in.

Owns the queue: blocks of a message may not overlap, while providers weave the pieces of parallel
calls into each other, and text between them. The first block of the queue is sent as it comes,
and the others wait. The rules others rely on: every block has one start and one stop, and numbers
have no gap; the pieces of a block, joined, are what the provider sent for it, but for what comes
after a call's arguments were a whole object. What waits is bounded by ANSWER_BYTES.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

_WHOLE_CHARS = 256 * 1024  # of arguments that are looked at
_LOOKS = 16  # at one call: each reads all of its arguments


def event(name: str, **fields: Any) -> bytes:
    """Return one event of the stream."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))


class _Block:
    """One block: how it starts, and what of it is not sent yet."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.kind = start["type"]
        self.waiting: list[dict[str, str]] = []
        self.started = False
        self.sealed = False  # nothing may be added to it

    @property
    def ready(self) -> bool:
        """Whether it is known how it starts."""
        return True

    def is_whole(self) -> bool:
        """Whether it ends where another block begins."""
        return True


class _Call(_Block):
    """A `tool_use` block. Its name is known when its arguments begin."""

    def __init__(self, call_id: str) -> None:
        super().__init__({"type": "tool_use", "id": call_id, "name": "", "input": {}})
        self.given_id = ""
        self._arguments: list[str] = []
        self._chars = 0
        self._looks = _LOOKS

    @property
    def ready(self) -> bool:
        return bool(self.waiting)

    def add(self, call_id: str, name: str, arguments: str) -> None:
        if call_id and not self.given_id:
            self.given_id = self.start["id"] = call_id
        # Some providers repeat the whole name with each piece.
        if name and name != self.start["name"] and not self._chars:
            self.start["name"] += name
        if arguments:
            self.waiting.append({"type": "input_json_delta", "partial_json": arguments})
            self._chars += len(arguments)
            if self._chars <= _WHOLE_CHARS:
                self._arguments.append(arguments)

    def is_whole(self) -> bool:
        """Whether its arguments are an object, so that nothing may follow."""
        if self._looks == 0 or self._chars > _WHOLE_CHARS or not self._arguments:
            return False
        if not self._arguments[-1].rstrip().endswith("}"):
            return False
        self._looks -= 1
        try:
            return isinstance(orjson.loads("".join(self._arguments)), dict)
        except orjson.JSONDecodeError:
            return False


class Blocks:
    """Takes pieces as they come; each method returns the events that may be sent by now."""

    def __init__(self, generation_id: str) -> None:
        self._id = generation_id
        self._queue: deque[_Block] = deque()
        self._calls: dict[object, _Call] = {}
        self._begun = 0  # calls
        self._number = 0  # of the first block in the queue
        self._before_text = b""

    def text(self, text: str) -> bytes:
        return self._add_prose({"type": "text", "text": ""}, "text_delta", text)

    def more_text(self, text: str) -> bytes:
        """The same, sooner done where it goes on with a text."""
        first = self._queue[0] if len(self._queue) == 1 else None
        if first is None or first.kind != "text" or not first.started:
            return self.text(text)
        return b"%s%s%s" % (self._before_text, orjson.dumps(text), b"}}\n\n")

    def thinking(self, text: str) -> bytes:
        start = {"type": "thinking", "thinking": "", "signature": ""}
        return self._add_prose(start, "thinking_delta", text)

    def signature(self, signature: str) -> bytes:
        """End the thinking block with what its provider signed it with."""
        last = self._queue[-1] if self._queue else None
        if last is None or last.kind != "thinking" or last.sealed:
            last = self._append(_Block({"type": "thinking", "thinking": "", "signature": ""}))
        last.waiting.append({"type": "signature_delta", "signature": signature})
        last.sealed = True
        return self._advance()

    def redacted(self, data: str) -> bytes:
        block = self._append(_Block({"type": "redacted_thinking", "data": data}))
        block.sealed = True
        return self._advance()

    def call(self, piece: Mapping[str, Any]) -> bytes:
        """Take one piece of a chat stream's `tool_calls`."""
        function = piece.get("function")
        said = function if isinstance(function, dict) else {}
        call_id, name, arguments = (
            value if isinstance(value, str) else ""
            for value in (piece.get("id"), said.get("name"), said.get("arguments"))
        )
        call = self._call_of(piece.get("index"), call_id, name)
        if call.sealed:
            return b""
        call.add(call_id, name, arguments)
        return self._advance()

    def end(self) -> bytes:
        """Return all that waits, and the end of the last block."""
        return self._advance(ended=True)

    def _add_prose(self, start: dict[str, Any], delta: str, text: str) -> bytes:
        last = self._queue[-1] if self._queue else None
        if last is None or last.kind != start["type"] or last.sealed:
            last = self._append(_Block(start))
        last.waiting.append({"type": delta, delta.removesuffix("_delta"): text})
        return self._advance()

    def _call_of(self, index: object, call_id: str, name: str) -> _Call:
        call = self._calls.get(index)
        # A new id with a new name is a new call, though the index is used already.
        if call is None or (name and call_id and call.given_id and call_id != call.given_id):
            call = _Call(f"call_{self._id}_{self._begun}")
            self._begun += 1
            self._calls[index] = call
            self._append(call)
        return call

    def _append(self, block: _Block) -> _Block:
        self._queue.append(block)
        return block

    def _advance(self, *, ended: bool = False) -> bytes:
        """Return what can be sent of the first block, and of those after it once it is over."""
        sent: list[bytes] = []
        while self._queue:
            block = self._queue[0]
            over = ended or (len(self._queue) > 1 and block.is_whole())
            if over or block.ready:
                sent += self._unsent(block)
            if not over:
                break
            block.sealed = True
            sent.append(event("content_block_stop", index=self._number))
            self._queue.popleft()
            self._number += 1
        return b"".join(sent)

    def _unsent(self, block: _Block) -> list[bytes]:
        events = [
            event("content_block_delta", index=self._number, delta=delta) for delta in block.waiting
        ]
        block.waiting.clear()
        if not block.started:
            block.started = True
            start = event("content_block_start", index=self._number, content_block=block.start)
            events.insert(0, start)
            if block.kind == "text":
                delta = {"type": "text_delta", "text": ""}
                whole = event("content_block_delta", index=self._number, delta=delta)
                self._before_text = whole.removesuffix(b'""}}\n\n')
        return events
