"""What a model says, sorted into output items in the order in which it says it.

Owns which item each piece of an answer goes to; the pieces are those of a chat delta, a whole
message being one large piece. The rules others rely on: at most one message or reasoning is open
at a time; a call is closed as soon as something else follows its whole arguments, or at the end,
so that pieces of two calls may come in any order.
"""

from collections.abc import Mapping
from typing import Any

from routing.gateway.shapes.responses.ids import item_id
from routing.gateway.shapes.responses.items import (
    Call,
    CustomCall,
    Event,
    Item,
    Message,
    Reasoning,
    Speech,
)

_SEALED = {"signature": "signature", "data": "encrypted_content", "format": "format"}
_DETAILS = {
    "reasoning.text": ("reasoning_text", "text"),
    "reasoning.summary": ("summary_text", "summary"),
}


class Output:
    """The items of one answer. `custom` are the names of its custom tools."""

    def __init__(self, generation_id: str, custom: frozenset[str] = frozenset()) -> None:
        self.items: list[Item] = []
        self._generation_id = generation_id
        self._custom = custom
        self._ids: set[str] = set()
        self._calls: dict[int, Call] = {}
        self._unsettled: list[Call] = []  # nothing has followed them yet
        self._called = 0
        self._speech: Speech | None = None

    def add(self, delta: Mapping[str, Any], logprobs: object = None) -> list[Event]:
        """Add what a delta says; return the events that tell of it, in order."""
        events = self._think(delta)
        if refusal := delta.get("refusal"):
            events += self._say("refusal", refusal)
        if content := delta.get("content"):
            events += self._say("output_text", content, logprobs=_logprobs(logprobs))
        for annotation in _objects(delta.get("annotations")):
            if isinstance(self._speech, Message):
                events += self._speech.annotate(_flat(annotation))
        for piece in _objects(delta.get("tool_calls")):
            events += self._call(piece)
        return events

    def end(self, status: str) -> list[Event]:
        """End the items that are open; the last of them with `status`, completed or not."""
        events = self._settle(None, at_end=True)
        unfinished = [item for item in self.items if item.open]
        for item in unfinished:
            events += item.done(status if item is unfinished[-1] else "completed")
        return events

    def broken_off(self) -> None:
        """Note that nothing more will come: what is open stays as it is."""
        for item in self.items:
            if item.open:
                item.status = "incomplete"

    def shown(self) -> list[dict[str, Any]]:
        return [item.shown() for item in self.items]

    @property
    def message(self) -> Message | None:
        """The message that is open, if any."""
        return self._speech if isinstance(self._speech, Message) else None

    # Messages and reasoning ----------------------------------------------------------------

    def _say(self, kind: str, text: str, *, logprobs: list[Any] | None = None) -> list[Event]:
        events = self._speak(Message)
        assert self._speech is not None  # noqa: S101  # it was just begun
        return events + self._speech.say(kind, text, logprobs=logprobs)

    def _think(self, delta: Mapping[str, Any]) -> list[Event]:
        """Add reasoning: as its details have it, or else the plain text beside them."""
        details = _objects(delta.get("reasoning_details"))
        events = [event for detail in details for event in self._add_detail(detail)]
        said = any(_spoken(detail) for detail in details)
        if (text := delta.get("reasoning")) and not said:
            events += self._reason("reasoning_text", text, None)
        return events

    def _add_detail(self, detail: Mapping[str, Any]) -> list[Event]:
        sealed = {
            shown: detail[name]
            for name, shown in _SEALED.items()
            if isinstance(detail.get(name), str) and detail[name]
        }
        spoken, events = _spoken(detail), []
        if spoken:
            events = self._reason(*spoken, detail.get("index"), detail.get("id"))
        if sealed.keys() - {"format"} or (spoken and sealed):
            events += self._seal(sealed, detail.get("id"))
        return events

    def _reason(
        self, kind: str, text: str, block: object, provider_id: object = None
    ) -> list[Event]:
        events = self._speak(Reasoning, provider_id)
        assert self._speech is not None  # noqa: S101  # it was just begun
        return events + self._speech.say(kind, text, block)

    def _seal(self, sealed: Mapping[str, str], provider_id: object) -> list[Event]:
        """Add what comes whole; a second seal of its kind belongs to reasoning of its own."""
        events = self._speak(Reasoning, provider_id)
        now = self._speech
        assert isinstance(now, Reasoning)  # noqa: S101  # it was just begun
        if any(name != "format" and name in now.sealed for name in sealed):
            events += now.done("completed")
            self._speech = None
            return events + self._seal(sealed, provider_id)
        now.sealed.update(sealed)
        return events

    def _speak(self, kind: type[Message | Reasoning], provider_id: object = None) -> list[Event]:
        """Go on with the item of this kind that is open, or begin one."""
        if type(self._speech) is kind:
            return []
        events = self._settle(None)
        own = item_id(kind.prefix, self._generation_id, len(self.items))
        known = isinstance(provider_id, str) and provider_id and provider_id not in self._ids
        self._speech = kind(str(provider_id) if known else own, len(self.items))
        self._ids.add(self._speech.id)
        self.items.append(self._speech)
        return events + self._speech.begun()

    # Calls ---------------------------------------------------------------------------------

    def _call(self, piece: Mapping[str, Any]) -> list[Event]:
        function = piece.get("function") or {}
        name, arguments = _text(function.get("name")), _text(function.get("arguments"))
        index = piece.get("index")
        number = index if isinstance(index, int) else len(self._calls)
        call = self._find_call(number, _text(piece.get("id")), name)
        events = self._settle(call)
        call = self._named(number, call, name)
        if not arguments:
            return events
        return events + self._tell(call) + (call.add_arguments(arguments) if call.open else [])

    def _find_call(self, number: int, call_id: str, name: str) -> Call:
        """Return the call that a piece goes on with, or a new one.

        A new id with a new name is a new call, though its number has been used already.
        """
        call = self._calls.get(number)
        if call is not None and not (name and call_id and call_id != call.call_id):
            return call
        own = item_id("call", self._generation_id, self._called)
        self._called += 1
        call = self._calls[number] = Call(call_id or own)
        self._unsettled.append(call)
        return call

    def _named(self, number: int, call: Call, name: str) -> Call:
        """Add to a call's name, which may come in pieces; return the call, of the kind it has now.

        What was told is settled. Before that no call has arguments that could get lost.
        """
        call.add_name(name)
        kind = CustomCall if call.name in self._custom else Call
        if call.told or type(call) is kind:
            return call
        other = kind(call.call_id)
        other.name = call.name
        self._calls[number] = other
        self._unsettled = [other if one is call else one for one in self._unsettled]
        return other

    def _tell(self, call: Call) -> list[Event]:
        """Tell that a call has begun, once its arguments begin or nothing more comes."""
        if call.told:
            return []
        call.at = len(self.items)
        call.id = item_id(call.prefix, self._generation_id, call.at)
        self.items.append(call)
        return call.begun()

    def _settle(self, going_on: Call | None, *, at_end: bool = False) -> list[Event]:
        """Make way for another item: end what can have no more to say."""
        events: list[Event] = []
        if self._speech is not None and not at_end:
            events += self._speech.done("completed")
            self._speech = None
        # Each call is looked at once, however its pieces are mixed with those of others.
        others = [call for call in self._unsettled if call is not going_on]
        self._unsettled = [call for call in self._unsettled if call is going_on]
        for call in others:
            events += self._tell(call)
            if call.whole and not at_end:
                events += call.done("completed")
        return events


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _spoken(detail: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the kind of part that a detail adds to, and its text; None if it has no words."""
    kind, name = _DETAILS.get(_text(detail.get("type")), ("", ""))
    text = _text(detail.get(name))
    return (kind, text) if kind and text else None


def _flat(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return a note as this API has it: its fields stand beside its type, not one level deeper."""
    kind = annotation.get("type")
    inner = annotation.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else annotation


def _logprobs(value: object) -> list[Any]:
    """Return the tokens of a choice's `logprobs` that are whole."""
    tokens = value.get("content") if isinstance(value, dict) else None
    return [
        {"token": one["token"], "logprob": one["logprob"], "bytes": one.get("bytes") or []}
        | {"top_logprobs": _objects(one.get("top_logprobs"))}
        for one in _objects(tokens)
        if isinstance(one.get("token"), str) and isinstance(one.get("logprob"), int | float)
    ]
