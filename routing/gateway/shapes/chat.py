"""The chat.completion and chat.completion.chunk objects, exactly as OpenRouter's clients need.

Owns the shape that every client of the contract's matrix parses: which keys are always there,
which are never null. It reads upstream objects and sends nothing. The other shapes are made of
these objects, so that none of them reads what a provider sent. The rules others rely on:
`finish_reason` is one of the five words or null; `tool_calls` is never null or empty and its
arguments are always text; usage with cost appears once, in the last chunk before [DONE].
Source: openrouter-contract §3.3, §3.4, §7.3.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from providers.chat import Chunk, Reply, normalise_finish_reason
from providers.texts import Arguments
from routing.errors import ApiError
from routing.gateway.bill import Bill
from routing.gateway.shapes.shape import Head
from routing.gateway.tool_calls import CallPieces, whole_calls
from routing.limits import Limits

# Of a message or a delta, what is not passed on as it is.
_SHAPED = frozenset("role content refusal reasoning reasoning_content tool_calls".split())
_REASONING = ("reasoning", "reasoning_content", "reasoning_details")
DONE = b"data: [DONE]\n\n"
KEEPALIVE = b": OPENROUTER PROCESSING\n\n"


def usage_object(bill: Bill) -> dict[str, Any]:
    """Return the `usage` object. Costs are numbers in USD, exact to the picodollar."""
    usage = bill.usage
    shown: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "cost": bill.total_pico / 1e12,
        "is_byok": bill.own,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": bill.upstream_pico / 1e12,
            "upstream_inference_prompt_cost": bill.prompt_pico / 1e12,
            "upstream_inference_completions_cost": bill.completion_pico / 1e12,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "image_tokens": 0,
            "audio_tokens": 0,
        },
    }
    if bill.estimated:
        shown["estimated"] = True
    return shown


def completion(
    body: dict[str, Any],
    reply: Reply,
    bill: Bill,
    head: Head,
    service_tier: str | None = None,
) -> dict[str, Any]:
    """Return the chat.completion for an upstream body that `reply_of_body` has accepted."""
    choice = body["choices"][0]
    return {
        "id": head.generation_id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "provider": head.provider,
        "system_fingerprint": None,
        "service_tier": service_tier,
        "choices": [
            {
                "index": 0,
                "logprobs": choice.get("logprobs"),
                "finish_reason": reply.finish_reason,
                "native_finish_reason": reply.native_finish_reason,
                "message": _message(choice["message"]),
            }
        ],
        "usage": usage_object(bill),
    }


def _message(message: dict[str, Any]) -> dict[str, Any]:
    shaped: dict[str, Any] = {
        "role": "assistant",
        "content": _text(message.get("content")),
        "refusal": _text(message.get("refusal")),
        "reasoning": _text(message.get("reasoning") or message.get("reasoning_content")),
    }
    if calls := whole_calls(message.get("tool_calls")):
        shaped["tool_calls"] = calls
    return shaped | {n: v for n, v in message.items() if n not in _SHAPED and v}


def without_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message or delta less what it says of the model's reasoning."""
    return {name: value for name, value in message.items() if name not in _REASONING}


def _text(value: object) -> str | None:
    """Return text as text, also where a provider sends a list of parts."""
    if isinstance(value, list):
        texts = (part.get("text") for part in value if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else None


def _choice(
    delta: dict[str, Any], finish: str | None = None, native: str | None = None
) -> dict[str, Any]:
    """Return the one choice of a chunk."""
    return {
        "index": 0,
        "delta": delta,
        "finish_reason": finish,
        "native_finish_reason": native,
    }


# A choice that says nothing but some text, in the two parts around that; and one that says nothing
# but some arguments, in the three around index and arguments.
_SAYING: dict[str, Any] = {"role": "assistant", "content": "^"}
_CALLING = {
    **_SAYING,
    "content": "",
    "tool_calls": [{"index": "^", "function": {"arguments": "^"}}],
}
_AROUND_TEXT = orjson.dumps(_choice(_SAYING)).split(b'"^"')
_AROUND_ARGUMENTS = orjson.dumps(_choice(_CALLING)).split(b'"^"')


class Deltas:
    """Reads the chunks of one upstream stream into choices that clients parse.

    `finish` is the reason and the provider's own word for it, once the stream has told them.
    """

    def __init__(self, *, hide_reasoning: bool) -> None:
        self._pieces = CallPieces()
        self._called = False
        self._hide_reasoning = hide_reasoning
        self.finish: tuple[str | None, str | None] = (None, None)

    def choice(self, chunk: dict[str, Any] | Arguments) -> dict[str, Any] | None:
        """Return the one choice of a chunk; None if it has nothing to say (usage only)."""
        if isinstance(chunk, Arguments):
            chunk = chunk.whole()
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return None
        choice = choices[0]
        delta = choice.get("delta")
        if self._hide_reasoning and isinstance(delta, dict):
            delta = without_reasoning(delta)
            said = any(value for name, value in delta.items() if name != "role")
            if not (said or choice.get("finish_reason")):
                return None
        shaped = self._delta(delta if isinstance(delta, dict) else {})
        out = _choice(shaped, *self._finish(choice))
        if logprobs := choice.get("logprobs"):
            out["logprobs"] = logprobs
        return out

    def index_of(self, told: int) -> int | None:
        """Return the index by which clients know the call that arguments go on with, if any."""
        return self._pieces.index_of(told)

    def end(self, reply: Reply) -> tuple[str, str | None]:
        """Return why the stream ended, also where it ended with [DONE] and no reason."""
        finish, native = self.finish
        return (
            finish or reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop"),
            native,
        )

    def _finish(self, choice: dict[str, Any]) -> tuple[str | None, str | None]:
        native = choice.get("finish_reason")
        if not isinstance(native, str) or not native:
            return None, None
        finish = normalise_finish_reason(native, self._called)
        told = choice.get("native_finish_reason")
        self.finish = (finish, told if isinstance(told, str) else native)
        return self.finish

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        shaped: dict[str, Any] = {"role": "assistant", "content": _text(delta.get("content")) or ""}
        if reasoning := _text(delta.get("reasoning") or delta.get("reasoning_content")):
            shaped["reasoning"] = reasoning
        if refusal := _text(delta.get("refusal")):
            shaped["refusal"] = refusal
        if calls := self._pieces.shape(delta.get("tool_calls")):
            self._called = True
            shaped["tool_calls"] = calls
        return shaped | {n: v for n, v in delta.items() if n not in _SHAPED and v}


class ChunkWriter:
    """Turns upstream chunks into the events of one stream."""

    def __init__(self, head: Head, *, hide_reasoning: bool = False) -> None:
        said = {
            "id": head.generation_id,
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
            "provider": head.provider,
        }
        # Everything before `choices` is the same in every event: encode it once.
        self._head = b"data: " + orjson.dumps(said)[:-1] + b","
        start = self._head + b'"choices":['
        before, after = _AROUND_TEXT
        self._around_text = start + before, after + b"]}\n\n"
        before, between, after = _AROUND_ARGUMENTS
        self._around_arguments = start + before, between, after + b"]}\n\n"
        self._deltas = Deltas(hide_reasoning=hide_reasoning)

    def event(self, chunk: Chunk) -> bytes:
        """Return the event for one upstream chunk; b"" if it says nothing (usage only)."""
        if isinstance(chunk, str):
            before, after = self._around_text
            return before + orjson.dumps(chunk) + after
        if isinstance(chunk, Arguments):
            index = self._deltas.index_of(chunk.index)
            if index is not None:
                before, between, after = self._around_arguments
                return b"%b%d%b%b%b" % (before, index, between, orjson.dumps(chunk.text), after)
        choice = self._deltas.choice(chunk)
        if choice is None:
            return b""
        return self._head + b'"choices":' + orjson.dumps([choice]) + b"}\n\n"

    def debug(self, upstream_body: bytes) -> bytes:
        """Return the event that shows what JSON one provider was sent."""
        shown = b'"choices":[],"debug":{"echo_upstream_body":' + upstream_body
        return self._head + shown + b"}}\n\n"

    def last(
        self,
        bill: Bill,
        reply: Reply,
        metadata: dict[str, Any] | None,
        service_tier: str | None = None,
    ) -> bytes:
        """Return the usage event and [DONE]."""
        choice = _choice({"role": "assistant", "content": ""}, *self._deltas.end(reply))
        tail: dict[str, Any] = {"choices": [choice], "usage": usage_object(bill)}
        if service_tier is not None:
            tail["service_tier"] = service_tier
        return self._end(tail, metadata)

    def error(self, error: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        """Return the in-band error that ends a broken stream, and [DONE]."""
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        return self._end({"error": error, "choices": [choice]}, metadata)

    def _end(self, tail: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        if metadata is not None:
            tail["openrouter_metadata"] = metadata
        return self._head + orjson.dumps(tail)[1:] + b"\n\n" + DONE


class ChatShape:
    """The API that the gateway itself speaks: nothing is turned into anything."""

    names: ClassVar[Mapping[str, str]] = {}

    def chat_body(self, body: dict[str, Any], limits: Limits) -> dict[str, Any]:
        return body

    def answer(self, completion: dict[str, Any]) -> dict[str, Any]:
        return completion

    def writer(self, head: Head, *, hide_reasoning: bool) -> ChunkWriter:
        return ChunkWriter(head, hide_reasoning=hide_reasoning)

    @staticmethod
    def error_body(error: ApiError) -> dict[str, Any]:
        return error.body()
