"""A reply spelled as OpenAI-compatible JSON: one completion, or the chunks of a stream. Pure.

Owns the field names and the quirks that change them. Knows nothing of time, bytes or faults,
except how a faulty stream spells its tool calls (`Reply.call_style`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from providers.simulator.asked import ChatRequest
from providers.simulator.fleet import SimulatedEndpoint
from providers.simulator.replies import Call, Reply, pieces

ARGUMENT_PIECE = 12  # characters of a tool call's arguments in one delta


@dataclass(frozen=True)
class Chunk:
    payload: dict[str, Any]
    tokens: int  # how much of the model's time it took


@dataclass(frozen=True)
class Speech:
    """All that is needed to spell a reply."""

    request: ChatRequest
    endpoint: SimulatedEndpoint
    reply: Reply
    created: int  # Unix seconds


def error(message: str, kind: str, code: str | int | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def completion(speech: Speech) -> dict[str, Any]:
    """Return the whole answer as one `chat.completion` object."""
    reply, quirks = speech.reply, speech.endpoint.quirks
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if not reply.calls and not reply.text:
        message["content"] = ""
    message |= _reasoning(reply.reasoning, quirks)
    if reply.calls:
        message["tool_calls"] = [_whole_call(call) for call in reply.calls]
    else:
        message |= _no_calls(quirks)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(speech)}
    body = _envelope(speech, "chat.completion") | {"choices": [choice]}
    return body | {"usage": usage(reply)} if speech.endpoint.usage else body


def chunks(speech: Speech) -> Iterator[Chunk]:
    """Yield the stream's `chat.completion.chunk` objects in order, usage included."""
    quirks = speech.endpoint.quirks
    first = "no_role_chunk" not in quirks
    if first:
        yield _chunk(speech, {"role": "assistant", "content": ""}, tokens=0)
    for delta in _deltas(speech.reply, quirks):
        if not first or "role_every_chunk" in quirks:
            delta = {"role": "assistant", **delta}
            first = True
        yield _chunk(speech, delta, tokens=1)
    yield _chunk(speech, _no_calls(quirks), tokens=0, finish_reason=_finish(speech))
    asked = speech.request.include_usage or "usage_always" in quirks
    if speech.endpoint.usage and asked:
        yield _usage_chunk(speech)


def usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }


def text_chunk(speech: Speech, text: str) -> dict[str, Any]:
    return _chunk(speech, {"content": text}, tokens=1).payload


def final_chunk(speech: Speech, finish_reason: str) -> dict[str, Any]:
    return _chunk(speech, {}, tokens=0, finish_reason=finish_reason).payload


def _envelope(speech: Speech, kind: str) -> dict[str, Any]:
    return {
        "id": speech.reply.id,
        "object": kind,
        "created": speech.created,
        "model": speech.request.model,
        "system_fingerprint": None,
    }


def _chunk(
    speech: Speech, delta: dict[str, Any], tokens: int, finish_reason: str | None = None
) -> Chunk:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return Chunk(_envelope(speech, "chat.completion.chunk") | {"choices": [choice]}, tokens)


def _usage_chunk(speech: Speech) -> Chunk:
    if "usage_with_choice" in speech.endpoint.quirks:
        chunk = _chunk(speech, {"content": ""}, 0, _finish(speech))
        return Chunk(chunk.payload | {"usage": usage(speech.reply)}, 0)
    envelope = _envelope(speech, "chat.completion.chunk")
    return Chunk(envelope | {"choices": [], "usage": usage(speech.reply)}, 0)


def _finish(speech: Speech) -> str:
    stops = speech.reply.calls and "finish_stop" in speech.endpoint.quirks
    return "stop" if stops else speech.reply.finish_reason


def _reasoning(text: str, quirks: frozenset[str]) -> dict[str, Any]:
    if not text:
        return {}
    return {"reasoning_content" if "reasoning_content" in quirks else "reasoning": text}


def _no_calls(quirks: frozenset[str]) -> dict[str, Any]:
    if "tool_calls_null" in quirks:
        return {"tool_calls": None}
    return {"tool_calls": []} if "tool_calls_empty" in quirks else {}


def _whole_call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _deltas(reply: Reply, quirks: frozenset[str]) -> Iterator[dict[str, Any]]:
    for piece in pieces(reply.reasoning):
        yield _reasoning(piece, quirks)
    for piece in pieces(reply.text):
        yield {"content": piece} | _no_calls(quirks)
    calls = [
        list(_call_deltas(call, position, reply.call_style, quirks))
        for position, call in enumerate(reply.calls)
    ]
    if reply.call_style == "interleaved_calls":
        ordered = [delta for group in zip_longest(*calls) for delta in group if delta is not None]
    else:
        ordered = list(chain.from_iterable(calls))
    for delta in ordered:
        yield {"tool_calls": [delta]}


def _call_deltas(
    call: Call, position: int, style: str, quirks: frozenset[str]
) -> Iterator[dict[str, Any]]:
    index = (
        {} if style == "missing_index" else {"index": 0 if style == "reused_index" else position}
    )
    middle = len(call.name) // 2 if style == "split_name" else len(call.name)
    head: dict[str, Any] = {"name": call.name[:middle], "arguments": ""}
    if not isinstance(call.arguments, str):
        yield index | _whole_call(call)
        return
    if "whole_arguments" in quirks:
        head["arguments"] = call.arguments
    yield index | {"id": call.id, "type": "function", "function": head}
    if call.name[middle:]:
        yield index | {"function": {"name": call.name[middle:]}}
    if "whole_arguments" in quirks:
        return
    for start in range(0, len(call.arguments), ARGUMENT_PIECE):
        piece = call.arguments[start : start + ARGUMENT_PIECE]
        yield index | {"function": {"arguments": piece}}
