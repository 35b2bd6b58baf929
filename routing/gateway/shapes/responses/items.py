"""The items of one output while they come about, and the events that tell of it.

Owns what each kind of item holds and how it is shown: a message, reasoning, a call of a tool. It
does not choose which item a piece of an answer belongs to. The rules others rely on: the deltas of
a text join to the text its `done` event and its item show; an item is told of once when it begins
and once when it is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from routing.gateway.shapes.responses.tools import custom_input

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Words:
    """What the API calls the things of one kind of part."""

    events: str  # before .delta and .done
    part_events: str  # before .added and .done
    index: str
    text: str = "text"


_WORDS: Mapping[str, _Words] = {
    "output_text": _Words("output_text", "content_part", "content_index"),
    "refusal": _Words("refusal", "content_part", "content_index", "refusal"),
    "reasoning_text": _Words("reasoning_text", "content_part", "content_index"),
    "summary_text": _Words("reasoning_summary_text", "reasoning_summary_part", "summary_index"),
}


@dataclass(slots=True)
class Part:
    """A run of text of one kind. `block` is the provider's own number for it."""

    kind: str
    at: int
    block: object = None
    texts: list[str] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    annotations: list[Any] = field(default_factory=list)

    @property
    def words(self) -> _Words:
        return _WORDS[self.kind]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def shown(self) -> dict[str, Any]:
        shown = {"type": self.kind, self.words.text: self.text}
        if self.kind == "output_text":
            return shown | {"annotations": [*self.annotations], "logprobs": [*self.logprobs]}
        return shown


class Item:
    """What every item has: an id, its place in the output, and whether it may still grow."""

    prefix: ClassVar[str]

    def __init__(self, item_id: str, at: int) -> None:
        self.id = item_id
        self.at = at
        self.status = "in_progress"

    @property
    def open(self) -> bool:
        return self.status == "in_progress"

    def begun(self) -> list[Event]:
        event = {"type": "response.output_item.added", "output_index": self.at}
        return [event | {"item": self.shown()}]

    def done(self, status: str) -> list[Event]:
        """Return the events that end it; `status` is completed or incomplete."""
        ending = self._ending()
        self.status = status
        event = {"type": "response.output_item.done", "output_index": self.at}
        return [*ending, event | {"item": self.shown()}]

    def shown(self) -> dict[str, Any]:
        raise NotImplementedError

    def _ending(self) -> list[Event]:
        return []

    def _event(self, kind: str, **fields: Any) -> Event:
        about = {"item_id": self.id, "output_index": self.at}
        return {"type": f"response.{kind}", **about, **fields}


class Speech(Item):
    """An item made of texts, one after the other."""

    def __init__(self, item_id: str, at: int) -> None:
        super().__init__(item_id, at)
        self.parts: list[Part] = []
        self._places: dict[str, int] = {}

    def say(
        self, kind: str, text: str, block: object = None, logprobs: list[Any] | None = None
    ) -> list[Event]:
        """Add a piece of text to the part that is open, or to a new one of its kind."""
        events: list[Event] = []
        part = self.parts[-1] if self.parts else None
        if part is None or part.kind != kind or part.block != block:
            events += self._ending()
            part = Part(kind, self._next_place(kind), block)
            events.append(self._part_event(part, "added"))
            self.parts.append(part)
        part.texts.append(text)
        part.logprobs += logprobs or []
        return [*events, self.delta(part, text, logprobs or [])]

    def delta(self, part: Part, text: str, logprobs: list[Any]) -> Event:
        said: dict[str, Any] = {part.words.index: part.at, "delta": text}
        if part.kind == "output_text":
            said["logprobs"] = logprobs
        return self._event(f"{part.words.events}.delta", **said)

    def _ending(self) -> list[Event]:
        if not self.parts:
            return []
        part = self.parts[-1]
        said: dict[str, Any] = {part.words.index: part.at, part.words.text: part.text}
        if part.kind == "output_text":
            said["logprobs"] = [*part.logprobs]
        done = self._event(f"{part.words.events}.done", **said)
        return [done, self._part_event(part, "done")]

    def _part_event(self, part: Part, what: str) -> Event:
        place = {part.words.index: part.at}
        return self._event(f"{part.words.part_events}.{what}", **place, part=part.shown())

    def _next_place(self, kind: str) -> int:
        """Return the place of a new part in the list where those of its kind stand."""
        index = _WORDS[kind].index
        self._places[index] = at = self._places.get(index, -1) + 1
        return at


class Message(Speech):
    prefix = "msg"

    def shown(self) -> dict[str, Any]:
        content = [part.shown() for part in self.parts]
        about = {"type": "message", "id": self.id, "role": "assistant", "status": self.status}
        return about | {"content": content}

    def annotate(self, annotation: dict[str, Any]) -> list[Event]:
        """Add a note to the text said last; a note without a text is none."""
        part = next((one for one in reversed(self.parts) if one.kind == "output_text"), None)
        if part is None:
            return []
        part.annotations.append(annotation)
        at = {"content_index": part.at, "annotation_index": len(part.annotations) - 1}
        return [self._event("output_text.annotation.added", **at, annotation=annotation)]


class Reasoning(Speech):
    """`sealed` are fields that come whole: encrypted_content, signature, format."""

    prefix = "rs"

    def __init__(self, item_id: str, at: int) -> None:
        super().__init__(item_id, at)
        self.sealed: dict[str, str] = {}

    def shown(self) -> dict[str, Any]:
        summary = [part.shown() for part in self.parts if part.kind == "summary_text"]
        content = [part.shown() for part in self.parts if part.kind == "reasoning_text"]
        about = {"type": "reasoning", "id": self.id, "status": self.status, "summary": summary}
        return about | ({"content": content} if content else {}) | self.sealed


class Call(Item):
    """A call of a function. Nothing is told of it before its name is known to be whole."""

    prefix = "fc"

    def __init__(self, call_id: str) -> None:
        super().__init__("", -1)
        self.call_id = call_id
        self.name = ""
        self.pieces: list[str] = []

    @property
    def told(self) -> bool:
        return self.at >= 0

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether the arguments are JSON by now, so that nothing can follow."""
        try:
            orjson.loads(self.arguments)
        except orjson.JSONDecodeError:
            return False
        return True

    def add_name(self, name: str) -> None:
        # Some providers repeat the whole name with each piece.
        if not self.told and name != self.name:
            self.name += name

    def add_arguments(self, arguments: str) -> list[Event]:
        self.pieces.append(arguments)
        return [self._event("function_call_arguments.delta", delta=arguments)]

    def shown(self) -> dict[str, Any]:
        about = {"type": "function_call", "id": self.id, "call_id": self.call_id}
        said = {"name": self.name, "arguments": self.arguments}
        return about | said | {"status": self.status}

    def _ending(self) -> list[Event]:
        said = {"name": self.name, "arguments": self.arguments}
        return [self._event("function_call_arguments.done", **said)]


class CustomCall(Call):
    """A call of a custom tool, whose input is told whole: it came as JSON and is none."""

    prefix = "ctc"

    def add_arguments(self, arguments: str) -> list[Event]:
        self.pieces.append(arguments)
        return []

    def shown(self) -> dict[str, Any]:
        about = {"type": "custom_tool_call", "id": self.id, "call_id": self.call_id}
        said = "" if self.open else custom_input(self.arguments)
        return about | {"name": self.name, "input": said, "status": self.status}

    def _ending(self) -> list[Event]:
        said = custom_input(self.arguments)
        return [
            self._event("custom_tool_call_input.delta", delta=said),
            self._event("custom_tool_call_input.done", input=said),
        ]
