"""The input of a /responses request, as the messages of a chat.

Owns which items make up one message: what a model brought forth in a row (reasoning, words, calls
of tools) is one message of the assistant, for that is how chat keeps a call beside the words that
led to it. It checks every field it reads; a field that nothing is made of is passed over.
"""

from collections.abc import Mapping
from typing import Any

from routing.errors import bad_field
from routing.gateway.shapes.responses.ids import is_ours
from routing.gateway.shapes.responses.parts import content_at, said_at
from routing.gateway.shapes.responses.reading import (
    given,
    object_at,
    objects_at,
    text_of,
    text_or_none,
)
from routing.gateway.shapes.responses.tools import custom_arguments

Message = dict[str, Any]
_ROLES = ("user", "assistant", "system", "developer")
# What a server's own tools left behind: nothing a model was told in words.
_PASSED_OVER = frozenset(
    """web_search_call file_search_call code_interpreter_call image_generation_call
    mcp_list_tools tool_search_call tool_search_output""".split()
)


def messages_of(asked: object, instructions: str | None) -> list[Message]:
    """Return the messages for `input` and `instructions`. Raises ApiError 400."""
    messages = [] if instructions is None else [{"role": "system", "content": instructions}]
    if isinstance(asked, str):
        return [*messages, {"role": "user", "content": asked}]
    if not isinstance(asked, list) or not (asked or messages):
        raise bad_field("input", "expected text, or a list of at least one item")
    conversation = _Conversation(messages)
    for at, item in enumerate(asked):
        conversation.add(object_at(item, f"input[{at}]"), f"input[{at}]")
    return conversation.whole()


class _Conversation:
    """Adds items one by one; `_turn` is the assistant's message that may still go on."""

    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages
        self._turn: Message = {}

    def add(self, item: Mapping[str, Any], path: str) -> None:
        kind = text_or_none(item, "type", path) or "message"
        if kind == "message":
            self._add_message(item, path)
        elif kind == "reasoning":
            self._add_reasoning(item, path)
        elif kind in ("function_call", "custom_tool_call"):
            self._add_call(item, path)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._add_result(item, path)
        elif kind == "item_reference":
            raise bad_field(path, "no items are kept here; send the item itself")
        elif kind not in _PASSED_OVER:
            raise bad_field(
                f"{path}.type", "message, reasoning, function_call or function_call_output"
            )

    def whole(self) -> list[Message]:
        self._end_turn()
        return self._messages

    def _end_turn(self) -> None:
        if self._turn:
            self._messages.append({"role": "assistant", "content": None} | self._turn)
            self._turn = {}

    def _add_message(self, item: Mapping[str, Any], path: str) -> None:
        role = item.get("role")
        if role not in _ROLES:
            raise bad_field(f"{path}.role", f"one of {', '.join(_ROLES)}")
        if role == "assistant":
            self._add_words(*said_at(item.get("content"), f"{path}.content"))
            return
        self._end_turn()
        content = content_at(item.get("content"), f"{path}.content")
        self._messages.append({"role": role, "content": content})

    def _add_words(self, said: str, refused: str) -> None:
        # A call must stay next to its result, so words after one join the message before.
        if "content" in self._turn and "tool_calls" not in self._turn:
            self._end_turn()
        before = self._turn.get("content")
        self._turn["content"] = f"{before}\n\n{said}" if before else said
        if refused:
            self._turn["refusal"] = refused

    def _add_reasoning(self, item: Mapping[str, Any], path: str) -> None:
        if "content" in self._turn and "tool_calls" not in self._turn:
            self._end_turn()
        details = _details(item, path)
        if not details:
            return
        self._turn.setdefault("reasoning_details", []).extend(details)
        texts = (detail.get("text") or detail.get("summary") for detail in details)
        if text := "\n\n".join(text for text in texts if text):
            before = self._turn.get("reasoning")
            self._turn["reasoning"] = f"{before}\n\n{text}" if before else text

    def _add_call(self, item: Mapping[str, Any], path: str) -> None:
        if item.get("type") == "custom_tool_call":
            arguments = custom_arguments(text_of(item, "input", path))
        else:
            arguments = text_of(item, "arguments", path)
        function = {"name": text_of(item, "name", path), "arguments": arguments}
        call = {"id": text_of(item, "call_id", path), "type": "function", "function": function}
        self._turn.setdefault("tool_calls", []).append(call)

    def _add_result(self, item: Mapping[str, Any], path: str) -> None:
        self._end_turn()
        call_id = text_of(item, "call_id", path)
        content = content_at(item.get("output"), f"{path}.output")
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


def _details(item: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Return the `reasoning_details` that a reasoning item was made of."""
    item_id = text_or_none(item, "id", path)
    about = given(
        {
            "id": None if item_id is None or is_ours(item_id) else item_id,
            "format": text_or_none(item, "format", path),
        }
    )
    details: list[dict[str, Any]] = [
        {"type": "reasoning.summary", "summary": text, **about}
        for text in _texts(item, "summary", path)
    ]
    details += [
        {"type": "reasoning.text", "text": text, **about} for text in _texts(item, "content", path)
    ]
    signature = text_or_none(item, "signature", path)
    if signature is not None:
        if not details or details[-1]["type"] != "reasoning.text":
            details.append({"type": "reasoning.text", "text": "", **about})
        details[-1]["signature"] = signature
    encrypted = text_or_none(item, "encrypted_content", path)
    if encrypted is not None:
        details.append({"type": "reasoning.encrypted", "data": encrypted, **about})
    return [{**detail, "index": at} for at, detail in enumerate(details)]


def _texts(item: Mapping[str, Any], name: str, path: str) -> list[str]:
    parts = objects_at(item.get(name), f"{path}.{name}")
    return [text_of(part, "text", f"{path}.{name}[{at}]") for at, part in enumerate(parts)]
