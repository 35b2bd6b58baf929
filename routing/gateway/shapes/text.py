"""Text completions over chat: a prompt is the one message of a user, an answer is its text.

Owns the words of POST /completions: what of it chat can say, the text_completion object, and its
events, which are the same object. It reads no provider's answer: both are made of what
`shapes.chat` says. The rules others rely on: `text` is always text; `logprobs` has the columns of
old, or is null; what chat has no words for (several prompts or answers, token ids, a suffix, tools)
is a 400 naming the field. Source: OpenRouter's SDKs of 2025-11 (CompletionCreateParams,
CompletionResponse), the last that have this API; openrouter-contract §5.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from providers.chat import Chunk, Reply
from routing.errors import ApiError, bad_field
from routing.gateway.bill import Bill
from routing.gateway.shapes.chat import DONE, Deltas, usage_object
from routing.gateway.shapes.shape import Head
from routing.limits import Limits

# What is turned into something else, or is done here.
_TURNED = frozenset({"prompt", "logprobs", "best_of", "echo", "suffix"})
# What would be answered by more than text.
_CHATS = ("messages", "tools", "tool_choice")
_MOST_LOGPROBS = 20
_OBJECT = "text_completion"


class TextShape:
    """One request to /completions. It remembers the prompt, where that is asked to be repeated."""

    names: ClassVar[Mapping[str, str]] = {"messages": "prompt"}

    def __init__(self) -> None:
        self._echo = ""

    def chat_body(self, body: dict[str, Any], limits: Limits) -> dict[str, Any]:
        _refuse_unsayable(body)
        prompt = _prompt(body)
        chat = {name: value for name, value in body.items() if name not in _TURNED}
        chat["messages"] = [{"role": "user", "content": prompt}]
        if (count := _logprobs(body)) is not None:
            chat["logprobs"] = True
            if count:
                chat["top_logprobs"] = count
        if body.get("echo"):
            self._echo = prompt
        return chat

    def answer(self, completion: dict[str, Any]) -> dict[str, Any]:
        chat = completion["choices"][0]
        message = chat["message"]
        said = message["content"] or message["refusal"] or ""
        choice = {
            **_choice(self._echo + said, chat["finish_reason"], chat["native_finish_reason"]),
            "logprobs": _columns(chat["logprobs"], 0),
            "reasoning": message["reasoning"],
        }
        if details := message.get("reasoning_details"):
            choice["reasoning_details"] = details
        # Clients of this API take a key without a value for an error.
        named = {name: value for name, value in completion.items() if value is not None}
        return {**named, "object": _OBJECT, "choices": [choice]}

    def writer(self, head: Head, *, hide_reasoning: bool) -> "TextWriter":
        return TextWriter(head, Deltas(hide_reasoning=hide_reasoning), self._echo)

    @staticmethod
    def error_body(error: ApiError) -> dict[str, Any]:
        return error.body()


class TextWriter:
    """Writes the events of one stream; the prompt to repeat, if any, is the beginning of it."""

    def __init__(self, head: Head, deltas: Deltas, echo: str) -> None:
        said = {
            "id": head.generation_id,
            "object": _OBJECT,
            "created": head.created,
            "model": head.model,
            "provider": head.provider,
        }
        # Everything before `choices` is the same in every event: encode it once.
        self._head = b"data: " + orjson.dumps(said)[:-1] + b","
        before, after = _AROUND_TEXT
        self._around_text = self._head + b'"choices":[' + before, after + b"]}\n\n"
        self._deltas = deltas
        self._echo = echo
        self._tokens_chars = 0  # of the tokens whose logprobs were told

    def event(self, chunk: Chunk) -> bytes:
        if not isinstance(chunk, str):
            chat = self._deltas.choice(chunk)
            return b"" if chat is None else self._event(self._shaped(chat))
        if self._echo:
            return self._event(_choice(self._echoed() + chunk))
        before, after = self._around_text
        return before + orjson.dumps(chunk) + after

    def debug(self, upstream_body: bytes) -> bytes:
        shown = b'"choices":[],"debug":{"echo_upstream_body":' + upstream_body
        return self._head + shown + b"}}\n\n"

    def last(
        self,
        bill: Bill,
        reply: Reply,
        metadata: dict[str, Any] | None,
        service_tier: str | None = None,
    ) -> bytes:
        choice = _choice(self._echoed(), *self._deltas.end(reply))
        tail: dict[str, Any] = {"choices": [choice], "usage": usage_object(bill)}
        if service_tier is not None:
            tail["service_tier"] = service_tier
        return self._end(tail, metadata)

    def error(self, error: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        return self._end({"error": error, "choices": [_choice("", "error")]}, metadata)

    def _shaped(self, chat: dict[str, Any]) -> dict[str, Any]:
        delta = chat["delta"]
        said = delta["content"] or delta.get("refusal", "")
        choice = _choice(self._echoed() + said, chat["finish_reason"], chat["native_finish_reason"])
        choice["logprobs"] = logprobs = _columns(chat.get("logprobs"), self._tokens_chars)
        if logprobs is not None:
            self._tokens_chars += sum(map(len, logprobs["tokens"]))
        for name in ("reasoning", "reasoning_details"):
            if name in delta:
                choice[name] = delta[name]
        return choice

    def _echoed(self) -> str:
        echo, self._echo = self._echo, ""
        return echo

    def _event(self, choice: dict[str, Any]) -> bytes:
        return self._head + b'"choices":' + orjson.dumps([choice]) + b"}\n\n"

    def _end(self, tail: dict[str, Any], metadata: dict[str, Any] | None) -> bytes:
        if metadata is not None:
            tail["openrouter_metadata"] = metadata
        return self._head + orjson.dumps(tail)[1:] + b"\n\n" + DONE


# Asking --------------------------------------------------------------------------------------


def _prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt:
        if isinstance(prompt[0], int | list):
            raise bad_field("prompt", "give text: what a token's number means differs by provider")
        if len(prompt) > 1:
            raise bad_field("prompt", f"only 1 prompt per request, not {len(prompt)}")
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise bad_field("prompt", "expected text, or a list of one text")
    return prompt


def _refuse_unsayable(body: dict[str, Any]) -> None:
    for name in _CHATS:
        if body.get(name):
            raise bad_field(name, "this API takes a prompt and answers text: use /chat/completions")
    if body.get("suffix"):
        raise bad_field("suffix", "what follows the answer cannot be told to a chat model")
    if body.get("best_of") not in (None, 1):
        raise bad_field("best_of", "only 1 answer per request")
    if not isinstance(body.get("echo"), bool | None):
        raise bad_field("echo", "expected true or false")
    if body.get("echo") and body.get("logprobs") not in (None, False):
        raise bad_field("echo", "not with logprobs: no provider tells those of a chat's prompt")


def _logprobs(body: dict[str, Any]) -> int | None:
    """Return how many alternatives are asked for beside each token; None: no logprobs at all."""
    asked = body.get("logprobs")
    if asked is None or asked is False:
        return None
    if not isinstance(asked, int) or not 0 <= asked <= _MOST_LOGPROBS:
        raise bad_field("logprobs", f"expected a number from 0 to {_MOST_LOGPROBS}")
    # `true` is chat's word for it: then `top_logprobs` says how many.
    return 0 if asked is True else asked


# Answering -----------------------------------------------------------------------------------


def _choice(text: str, finish: str | None = None, native: str | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "text": text,
        "logprobs": None,
        "finish_reason": finish,
    }
    # As above: this one may be absent but not null.
    return choice if native is None else {**choice, "native_finish_reason": native}


def _columns(logprobs: object, offset: int) -> dict[str, Any] | None:
    """Return chat's logprobs, one object per token, as one list per column.

    offset: where in the answer's text the first of these tokens stands.
    """
    told = logprobs.get("content") if isinstance(logprobs, dict) else None
    tokens = [one for one in told if _is_token(one)] if isinstance(told, list) else []
    if not tokens:
        return None
    offsets = [offset]
    for one in tokens[:-1]:
        offsets.append(offsets[-1] + len(one["token"]))
    return {
        "tokens": [one["token"] for one in tokens],
        "token_logprobs": [one["logprob"] for one in tokens],
        "top_logprobs": [_alternatives(one.get("top_logprobs")) for one in tokens],
        "text_offset": offsets,
    }


def _alternatives(told: object) -> dict[str, float]:
    tokens = filter(_is_token, told) if isinstance(told, list) else ()
    return {one["token"]: one["logprob"] for one in tokens}


def _is_token(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("token"), str)
        and isinstance(one.get("logprob"), int | float)
    )


# A choice that says nothing but some text, in the two parts around that.
_AROUND_TEXT = orjson.dumps(_choice("^")).split(b'"^"')
