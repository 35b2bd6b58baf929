"""Chat-completion JSON in, a finished reply out: content, tool calls, usage, finish reason.

Owns what the OpenAI-compatible dialects of providers mean, for whole bodies and for stream chunks
alike. It does no I/O and forwards nothing: the gateway relays bytes, this module understands them.
Rule: whatever a provider sends, the only exception raised is a ProviderError, and memory stays
bounded. Content is kept only up to CONTENT_CHARS, enough to find tool calls leaked into text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import orjson

from providers.complaints import error_of
from providers.errors import UpstreamFailedGeneration, UpstreamMalformed
from providers.texts import Text
from providers.toolcalls import CallAssembler, CallLimits, ToolCall, calls_of_message, text_of
from providers.usage import Usage, parse_usage

__all__ = [
    "CallLimits",
    "Reply",
    "ReplyAssembler",
    "ToolCall",
    "Usage",
    "ended",
    "error_of",
    "has_content",
    "loads",
    "normalise_finish_reason",
    "parse_usage",
    "refused_reply",
    "reply_of_body",
]

# What a stream event says: all of it, or only its text where the rest is as in one before it.
Chunk = dict[str, Any] | Text

CONTENT_CHARS = 64 * 1024
ID_CHARS = 200

_FINISH_REASONS = {
    "tool_calls": "tool_calls tool_call tool_use function_call function_calls",
    "stop": "stop end_turn eos eos_token stop_sequence end completed complete finished done",
    "length": "length max_tokens max_length max_output_tokens max_completion_tokens model_length"
    " model_context_window_exceeded",
    "content_filter": "content_filter content_filtered safety recitation blocklist spii refusal"
    " prohibited_content image_safety sensitive",
    "error": "error failed abort aborted cancelled network_error malformed_function_call"
    " insufficient_system_resource",
}
_NORMALISED = {
    native: normal for normal, natives in _FINISH_REASONS.items() for native in natives.split()
}


@dataclass(frozen=True, slots=True)
class Reply:
    content: str
    reasoning_chars: int
    refusal: bool
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None  # tool_calls, stop, length, content_filter, error or None
    native_finish_reason: str | None
    usage: Usage | None
    upstream_id: str
    dropped_chars: int = 0  # of the content, beyond what is kept
    vectors: int = 0  # of an answer that is embeddings: it says nothing else

    @property
    def empty(self) -> bool:
        """Nothing said, no reason given and no token counted: not a reply at all."""
        said = self.content or self.reasoning_chars or self.refusal or self.tool_calls
        counted = self.usage is not None and self.usage.completion_tokens > 0
        return not (said or counted or self.finish_reason)


def loads(data: bytes) -> Any:
    """Return the value of JSON text; bad UTF-8 and lone surrogates become U+FFFD.

    Raises UpstreamMalformed if it is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _loads_tolerantly(data)


def _loads_tolerantly(data: bytes) -> Any:
    # Only encoding faults are forgiven, so only text that may hold one is read again.
    if data.isascii() and b"\\u" not in data:
        raise UpstreamMalformed(reason="not JSON")
    try:
        value = json.loads(data.decode("utf-8-sig", "replace"), parse_constant=_refuse_constant)
        text = json.dumps(value, ensure_ascii=False)
        return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        raise UpstreamMalformed(reason="not JSON") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def normalise_finish_reason(native: str | None, has_tool_calls: bool) -> str | None:
    """Return OpenRouter's word for a provider's finish reason; an unknown one means stop.

    vLLM says stop when tool_choice named the tool, although the reply is a tool call.
    """
    if not native:
        return None
    normal = _NORMALISED.get(native.lower(), "stop")
    return "tool_calls" if normal == "stop" and has_tool_calls else normal


def has_content(chunk: object) -> bool:
    """Tell whether a stream chunk commits to this provider: text, reasoning or a tool call."""
    try:
        delta = chunk["choices"][0]["delta"]  # type: ignore[index]
        return bool(
            delta.get("content")
            or delta.get("tool_calls")
            or delta.get("reasoning_content")
            or delta.get("reasoning")
            or delta.get("refusal")
        )
    except (KeyError, IndexError, TypeError, AttributeError):
        return False


class ReplyAssembler:
    """Folds the chunks of a stream into the Reply they spell."""

    def __init__(self, limits: CallLimits | None = None) -> None:
        self.finished = False  # a finish reason was seen
        self._content: list[str] = []
        self._content_room = CONTENT_CHARS
        self._reasoning_chars = 0
        self._refusal = False
        self._calls = CallAssembler(limits or CallLimits())
        self._finish_reason: str | None = None
        self._native_finish_reason: str | None = None
        self._usage: object = None
        self._upstream_id = ""

    def add(self, chunk: object) -> None:
        """Fold one chunk. Raises UpstreamMalformed if it is not an object."""
        if not isinstance(chunk, dict):
            raise UpstreamMalformed(reason="a stream event is not an object")
        if not self._upstream_id:
            self._upstream_id = text_of(chunk.get("id"))[:ID_CHARS]
        usage = chunk.get("usage")
        if usage:
            self._usage = usage
        choices = chunk.get("choices")
        if not choices or not isinstance(choices, list):
            return
        choice = choices[0]
        if not isinstance(choice, dict):
            return
        delta = choice.get("delta")
        if delta and isinstance(delta, dict):
            self._add_delta(delta)
        if choice.get("finish_reason") and not self.finished:
            self._finish(choice, chunk)

    def add_text(self, text: Text) -> None:
        """Fold a chunk that differs from an earlier one in its text only."""
        if not isinstance(text, str):
            self._calls.add_arguments(text)
            return
        if self._content_room > 0:
            self._content.append(text[: self._content_room])
        self._content_room -= len(text)

    def finish(self) -> Reply:
        return Reply(
            content="".join(self._content),
            reasoning_chars=self._reasoning_chars,
            refusal=self._refusal,
            tool_calls=self._calls.finish(),
            finish_reason=normalise_finish_reason(self._finish_reason, len(self._calls) > 0),
            native_finish_reason=self._native_finish_reason,
            usage=parse_usage(self._usage),
            upstream_id=self._upstream_id,
            dropped_chars=max(0, -self._content_room),
        )

    def _add_delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        if content:
            self.add_text(_text_of_content(content))
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning:
            self._reasoning_chars += len(text_of(reasoning))
        fragments = delta.get("tool_calls")
        if fragments:
            self._calls.add(fragments)
        if delta.get("refusal"):
            self._refusal = True

    def _finish(self, choice: dict[str, Any], chunk: dict[str, Any]) -> None:
        self.finished = True
        self._finish_reason, self._native_finish_reason = _finish_reasons(choice)
        extra = chunk.get("x_groq")  # where Groq puts the usage of a stream
        if isinstance(extra, dict) and not self._usage:
            self._usage = extra.get("usage")


def reply_of_body(body: object, limits: CallLimits | None = None) -> Reply:
    """Return the reply a whole (non-stream) body holds.

    Raises UpstreamErrorInside200 if it holds an error, and UpstreamMalformed if it holds no
    message, or one in which nothing is said, counted or explained (see Reply.empty).
    """
    if not isinstance(body, dict):
        raise UpstreamMalformed(reason="the body is not an object")
    error = error_of(body)
    if error is not None:
        raise error
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise UpstreamMalformed(reason="the body holds no message")
    calls = calls_of_message(message.get("tool_calls"), limits or CallLimits())
    finish_reason, native = _finish_reasons(choice)
    content = _text_of_content(message.get("content"))
    reply = Reply(
        content=content[:CONTENT_CHARS],
        reasoning_chars=len(text_of(message.get("reasoning_content") or message.get("reasoning"))),
        refusal=bool(message.get("refusal")),
        tool_calls=calls,
        finish_reason=normalise_finish_reason(finish_reason, bool(calls)),
        native_finish_reason=native,
        usage=parse_usage(body.get("usage")),
        upstream_id=text_of(body.get("id"))[:ID_CHARS],
        dropped_chars=len(content[CONTENT_CHARS:]),
    )
    if reply.empty:
        raise UpstreamMalformed(reason="the reply is empty")
    return ended(reply)


def ended(reply: Reply) -> Reply:
    """Return a reply that is known to be whole: one with calls ended in them, said or not."""
    if reply.finish_reason is None and reply.tool_calls:
        return replace(reply, finish_reason="tool_calls")
    return reply


def refused_reply(error: UpstreamFailedGeneration) -> Reply:
    """Return what the model wrote and the provider refused, for the judge: nobody gets it.

    Groq shows a call that its own check refused as an object with a name and arguments. Whatever
    else it shows of a call is one that could not be read.
    """
    generated = error.generated
    calls: tuple[ToolCall, ...] = ()
    if error.refused == "call":
        calls = (_shown_call(generated) or ToolCall("", "", generated),)
    return Reply(
        content="" if calls else generated[:CONTENT_CHARS],
        reasoning_chars=0,
        refusal=False,
        tool_calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        native_finish_reason=None,
        usage=None,
        upstream_id="",
    )


def _shown_call(generated: str) -> ToolCall | None:
    try:
        shown = orjson.loads(generated)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(shown, dict) or not isinstance(shown.get("name"), str):
        return None
    arguments = shown.get("arguments", shown.get("parameters"))
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return ToolCall("", shown["name"], text)


def _finish_reasons(choice: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the finish reason to normalise and the one to show as native."""
    reason = text_of(choice.get("finish_reason")) or None
    native = text_of(choice.get("native_finish_reason")) or reason
    return reason, native[:64] if native else None


def _text_of_content(content: object) -> str:
    """Return the text of a content field, which may be a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(map(text_of, parts))
    return text_of(content)
