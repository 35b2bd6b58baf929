"""An embeddings body: checked, and turned into what routing needs and what goes upstream.

Owns the fields of POST /embeddings and how an answer to it is read. It routes nothing. The rules
others rely on: a bad field is an `ApiError` 400 naming its path; unknown fields pass through
unread; what an input refers to is never fetched; an answer has one vector per input, in order.
Source: openrouter-fields, createEmbeddings; OpenRouter's SDKs of 2026-08 for the parts of an input.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec

from providers.chat import CallLimits, Reply
from providers.embeddings import Encoding, vectors_of_body
from routing.errors import bad_field
from routing.gateway.filters import Needs
from routing.gateway.model_request import (
    ModelRequest,
    convert,
    read_refs,
    read_wishes,
)
from routing.gateway.preferences import ProviderWishes
from routing.limits import Limits

if TYPE_CHECKING:
    from providers.answers import UpstreamResponse

# What may stand around the vectors of an answer.
_AROUND_BYTES = 64 * 1024
# What an endpoint is only then sure to know when its catalogue entry says so.
_PARAMETERS = ("dimensions", "input_type")


class EmbeddingsBody(msgspec.Struct):
    """The fields that are known, with the ranges that OpenRouter's own clients document."""

    input: str | list[Any]
    model: str | None = None
    models: list[str] | None = None
    provider: ProviderWishes | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=2**16)] | None = None
    user: str | None = None
    input_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsRequest(ModelRequest):
    """One checked request. `tokens` is an estimate over all inputs; `needs` has the longest one."""

    inputs: int
    tokens: int
    encoding: Encoding = "float"
    dimensions: int | None = None

    output: ClassVar[str] = "embeddings"

    async def read_answer(
        self, response: "UpstreamResponse", limits: Limits, call_limits: CallLimits
    ) -> tuple[dict[str, Any], Reply]:
        most = min(limits.embeddings_bytes, _AROUND_BYTES + self.inputs * limits.vector_bytes)
        read = partial(
            vectors_of_body,
            await response.pieces(most),
            count=self.inputs,
            encoding=self.encoding,
            dimensions=self.dimensions,
        )
        # It may take a second, in short steps: beside the event loop.
        vectors = await asyncio.to_thread(read)
        reply = Reply(
            content="",
            reasoning_chars=0,
            refusal=False,
            tool_calls=(),
            finish_reason=None,
            native_finish_reason=None,
            usage=vectors.usage,
            upstream_id=vectors.upstream_id,
            vectors=self.inputs,
        )
        return {"vectors": vectors.texts, "prompt_tokens_details": vectors.details}, reply

    @property
    def prompt_tokens(self) -> int:
        return self.tokens


def read_embeddings(body: dict[str, Any], size: int, limits: Limits) -> EmbeddingsRequest:
    """Check the body of a request for embeddings, and read it. Raises ApiError 400.

    size: of what the caller sent, in bytes.
    """
    envelope = convert(body, EmbeddingsBody)
    if envelope.models:
        raise bad_field(
            "models", "vectors of two models cannot be compared, so there is no fallback to another"
        )
    counts = _counts(envelope.input, limits)
    return EmbeddingsRequest(
        refs=read_refs(envelope.model, None, limits),
        stream=False,
        wishes=read_wishes(envelope.provider, limits),
        needs=Needs(
            parameters=frozenset(name for name in _PARAMETERS if body.get(name) is not None),
            tools=False,
            tool_choice="",
            prompt_tokens=max(counts),
            completion_tokens=0,
            compress=False,
        ),
        body=body,
        size=size,
        inputs=len(counts),
        tokens=sum(counts),
        encoding=envelope.encoding_format or "float",
        dimensions=envelope.dimensions,
    )


def _counts(asked: str | list[Any], limits: Limits) -> list[int]:
    """Return the tokens of each input, estimated where they are not counted by the caller."""
    if isinstance(asked, str):
        return [_of_text(asked)]
    if not asked:
        raise bad_field("input", "give at least one")
    if _is_token(asked[0]):
        return [_of_tokens("input", asked)]
    if len(asked) > limits.max_inputs:
        raise bad_field("input", f"at most {limits.max_inputs} inputs, not {len(asked)}")
    count = _counter(asked[0])
    return [count(f"input[{at}]", one) for at, one in enumerate(asked)]


def _counter(first: object) -> Callable[[str, object], int]:
    """Return what counts one input of the kind that the first is: all must be of one kind."""
    if isinstance(first, str):
        return _of_one_text
    return _of_tokens if isinstance(first, list) else _of_parts


def _of_text(text: str) -> int:
    return len(text.encode()) // 4 + 1


def _of_one_text(path: str, text: object) -> int:
    if not isinstance(text, str):
        raise bad_field(path, "expected text, as the first input is")
    return _of_text(text)


def _of_tokens(path: str, tokens: object) -> int:
    if not isinstance(tokens, list) or not tokens or not all(map(_is_token, tokens)):
        raise bad_field(path, "expected a list of token ids")
    return len(tokens)


def _of_parts(path: str, one: object) -> int:
    """Count a multimodal input by its texts, not counting embedded images and files."""
    parts = one.get("content") if isinstance(one, dict) else None
    if not isinstance(parts, list) or not parts:
        wanted = 'expected text, token ids, or {"content": [{"type": …}, …]}'
        raise bad_field(path, wanted)
    tokens = 0
    for at, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise bad_field(f"{path}.content[{at}]", 'expected {"type": …}')
        if isinstance(text := part.get("text"), str):
            tokens += _of_text(text)
    return tokens


def _is_token(value: object) -> bool:
    return type(value) is int and value >= 0
