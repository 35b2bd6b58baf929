"""Tool-call deltas in, whole tool calls out.

Owns how fragments are matched to calls, for every way providers are known to break the rules:
no index, one index for several calls, the id only once, the name in pieces or repeated, arguments
as an object. It does not judge: what a provider sent is kept as it was, wrong or not. Memory is
bounded: a call too long is marked, one too many is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.texts import Arguments

NAME_CHARS = 1024


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How much of one reply's tool calls is kept."""

    argument_chars: int = 256 * 1024  # of each call
    calls: int = 128


_DEFAULT = CallLimits()


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: object  # a string, unless the provider sent something else
    oversized: bool = False  # arguments were cut at their limit and cannot be judged


class _Call:
    __slots__ = ("chars", "id", "limit", "name", "other", "oversized", "pieces")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.chars = 0
        self.other: object = None  # arguments that are not text
        self.oversized = False

    def add_name(self, name: str) -> None:
        # Some providers repeat the whole name with each fragment.
        if name != self.name and len(self.name) + len(name) <= NAME_CHARS:
            self.name += name

    def add_arguments(self, arguments: object) -> None:
        if not isinstance(arguments, str):
            if arguments is not None and self.other is None:
                self.other = arguments
        elif self.chars + len(arguments) > self.limit:
            self.oversized = True
        elif not self.oversized:  # never join what came before a gap to what came after
            self.pieces.append(arguments)
            self.chars += len(arguments)

    def finish(self) -> ToolCall:
        text = "".join(self.pieces)
        arguments = text if text or self.other is None else self.other
        return ToolCall(self.id, self.name, arguments, self.oversized)


class _Place:
    """What was seen of one call, as far as it tells which fragments continue it."""

    __slots__ = ("argued", "id")

    def __init__(self) -> None:
        self.id = ""
        self.argued = False


class CallMatcher:
    """Says which call each fragment of a stream belongs to, as a number from 0.

    The judge and the client must see the same calls: both go by this.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: list[_Place] = []
        self._by_index: dict[object, int] = {}

    def place(self, fragment: dict[str, object]) -> int | None:
        """Return the number of the call that a fragment continues or begins.

        None if it would begin one beyond the limit.
        """
        function = _function_of(fragment)
        call_id, name = text_of(fragment.get("id")), text_of(function.get("name"))
        number = self._find(fragment.get("index"), call_id, name)
        if number is not None:
            place = self._places[number]
            place.id = place.id or call_id
            arguments = function.get("arguments")
            place.argued = place.argued or not (arguments is None or arguments == "")
        return number

    def continued(self, index: int) -> int | None:
        """Return the number of the call that arguments with this index alone go on with.

        None where `place` has to look, or where it would take note of something.
        """
        number = self._by_index.get(index)
        return number if number is not None and self._places[number].argued else None

    def _find(self, index: object, call_id: str, name: str) -> int | None:
        if isinstance(index, int | str):
            number = self._by_index.get(index)
            # A new id with a new name is a new call, though the index is used already. A new id
            # alone is a provider that makes up an id for each fragment.
            known = "" if number is None else self._places[number].id
            if number is None or (name and call_id and known and call_id != known):
                number = self._start()
                if number is not None:
                    self._by_index[index] = number
            return number
        last = len(self._places) - 1
        if call_id:
            known_at = (at for at in range(last, -1, -1) if self._places[at].id == call_id)
            found = next(known_at, None)
            return self._start() if found is None else found
        if last < 0 or (name and self._places[last].argued):
            return self._start()
        return last

    def _start(self) -> int | None:
        if len(self._places) >= self._limit:
            return None
        self._places.append(_Place())
        return len(self._places) - 1


class CallAssembler:
    def __init__(self, limits: CallLimits = _DEFAULT) -> None:
        self._limits = limits
        self._calls: list[_Call] = []
        self._matcher = CallMatcher(limits.calls)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, fragments: object) -> None:
        """Fold the `tool_calls` list of one delta."""
        if not isinstance(fragments, list):
            return
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._add_one(fragment)

    def add_arguments(self, more: Arguments) -> None:
        """Fold a delta that holds nothing but more of one call's arguments."""
        number = self._matcher.continued(more.index)
        if number is None:
            self._add_one({"index": more.index, "function": {"arguments": more.text}})
        else:
            self._calls[number].add_arguments(more.text)

    def finish(self) -> tuple[ToolCall, ...]:
        return tuple(call.finish() for call in self._calls)

    def _add_one(self, fragment: dict[str, object]) -> None:
        number = self._matcher.place(fragment)
        if number is None:
            return
        if number == len(self._calls):
            self._calls.append(_Call(self._limits.argument_chars))
        call, function = self._calls[number], _function_of(fragment)
        call.id = call.id or text_of(fragment.get("id"))
        if name := text_of(function.get("name")):
            call.add_name(name)
        call.add_arguments(function.get("arguments"))


def _function_of(fragment: dict[str, object]) -> dict[str, object]:
    function = fragment.get("function")
    return function if isinstance(function, dict) else {}


def calls_of_message(entries: object, limits: CallLimits = _DEFAULT) -> tuple[ToolCall, ...]:
    """Return the tool calls of a whole message, each entry one call, up to the limit."""
    if not isinstance(entries, list):
        return ()
    return tuple(_call_of_entry(entry, limits) for entry in entries[: limits.calls])


def _call_of_entry(entry: object, limits: CallLimits) -> ToolCall:
    if not isinstance(entry, dict):
        return ToolCall("", "", entry)
    call = _Call(limits.argument_chars)
    call.id = text_of(entry.get("id"))
    function = entry.get("function")
    if isinstance(function, dict):
        call.add_name(text_of(function.get("name")))
        call.add_arguments(function.get("arguments"))
    return call.finish()


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""
