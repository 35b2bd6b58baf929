"""Embeddings JSON in, one checked vector per input out, as JSON text in the encoding asked for.

Owns what a provider's answer to /embeddings may look like: numbers or base64 (little-endian 32-bit
floats), in any order, counted in `usage` or not. It does no I/O. The rules others rely on: the only
exception raised is a ProviderError; what is returned has the number, the order and the length that
were asked for; a vector already in the right encoding is the provider's own bytes, never rounded;
no step of the work is longer than one vector's, so that a thread doing it holds up nobody.
Source: OpenAI's embeddings API, which every provider here copies.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import sys
from array import array
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import orjson

from providers.chat import ID_CHARS, loads
from providers.complaints import error_of
from providers.errors import UpstreamMalformed
from providers.toolcalls import text_of
from providers.usage import TOKENS_MAX, Usage, parse_usage

Encoding = Literal["float", "base64"]

# The key and a flat list of numbers, or base64. In JSON, this cannot stand inside a string.
_VECTOR = re.compile(rb'"embedding"\s*:\s*(\[[-+0-9.eE,\s]*\]|"[A-Za-z0-9+/]*={0,2}")')
# What may stand around the vectors: in all, and of each.
_AROUND_BYTES, _AROUND_EACH_BYTES = 64 * 1024, 1024
# No vector is longer, nor what a piece of a body leaves for the next.
_VECTOR_BYTES = 4 * 1024 * 1024
_MODALITIES = ("text", "image", "audio", "video", "file")


@dataclass(frozen=True, slots=True)
class Vectors:
    """`texts` are JSON, in the order of the inputs. `details` are tokens by `…_tokens` name."""

    texts: list[bytes]
    usage: Usage | None
    upstream_id: str
    details: dict[str, int] = field(default_factory=dict)


def vectors_of_body(
    pieces: list[bytes], *, count: int, encoding: Encoding, dimensions: int | None = None
) -> Vectors:
    """Return the vectors that a whole body holds.

    pieces: the body, cut anywhere; they are taken out of the list, as they are many megabytes.
    count: how many inputs there were. dimensions: how long each vector must be, None: all alike.
    Raises UpstreamErrorInside200 for an error, and UpstreamMalformed for anything else.
    """
    body, found = _split(pieces, count)
    error = error_of(body)
    if error is not None:
        raise error
    items = _in_order(body.get("data"), count)
    texts, length = [], dimensions
    for item in items:
        text, size = _vector(_raw(item, found), encoding)
        if size == 0 or size != (length or size):
            raise UpstreamMalformed(reason=f"a vector of {size} numbers")
        texts.append(text)
        length = size
    usage = body.get("usage")
    return Vectors(texts, _usage(usage), text_of(body.get("id"))[:ID_CHARS], _details(usage))


def _split(pieces: list[bytes], count: int) -> tuple[dict[str, Any], list[bytes]]:
    """Return the body with `[n]` for its n-th vector, and the vectors as they were written."""
    around: list[bytes] = []
    found: list[bytes] = []
    rest = b""
    pieces.reverse()
    while pieces:
        rest = _take_out(rest + pieces.pop(), around, found)
        if len(found) > count:
            raise UpstreamMalformed(reason=f"more vectors than the {count} inputs")
        if len(rest) > _VECTOR_BYTES:
            raise UpstreamMalformed(reason="too much that is no vector")
    around.append(rest)
    if sum(map(len, around)) > _AROUND_BYTES + count * _AROUND_EACH_BYTES:
        raise UpstreamMalformed(reason="too much that is no vector")
    body = loads(b"".join(around))
    if not isinstance(body, dict):
        raise UpstreamMalformed(reason="the body is not an object")
    return body, found


def _take_out(data: bytes, around: list[bytes], found: list[bytes]) -> bytes:
    """Take out of data what is before and in its whole vectors; return the rest."""
    end = 0
    for match in _VECTOR.finditer(data):
        around += (data[end : match.start(1)], b"[%d]" % len(found))
        found.append(match[1])
        end = match.end()
    return data[end:]


def _in_order(data: object, count: int) -> list[dict[str, Any]]:
    """Return the items as their indexes order them, or, without any index, as they came."""
    items = data if isinstance(data, list) else []
    if len(items) != count or not all(isinstance(item, dict) for item in items):
        raise UpstreamMalformed(reason=f"{len(items)} vectors for {count} inputs")
    indexes = [item.get("index") for item in items]
    if all(index is None for index in indexes):
        return items
    ordered = {index: item for index, item in zip(indexes, items, strict=True) if _is_count(index)}
    if ordered.keys() != set(range(count)):
        raise UpstreamMalformed(reason="indexes that are not those of the inputs")
    return [ordered[index] for index in range(count)]


def _raw(item: dict[str, Any], found: list[bytes]) -> bytes:
    """Return the vector of an item as it was written."""
    told = item.get("embedding")
    if isinstance(told, list) and len(told) == 1 and _is_count(told[0]):
        # All lists of numbers were taken out, so this is where one stood.
        return found[told[0]]
    if isinstance(told, str):
        return orjson.dumps(told)  # base64 whose slashes were escaped
    raise UpstreamMalformed(reason="a vector that is neither numbers nor base64")


def _vector(raw: bytes, encoding: Encoding) -> tuple[bytes, int]:
    """Return one vector as JSON in this encoding, and its length."""
    try:
        if raw[:1] == b"[":
            return _from_numbers(raw, encoding)
        return _from_base64(raw, encoding)
    except (orjson.JSONDecodeError, binascii.Error, ValueError, OverflowError, TypeError):
        raise UpstreamMalformed(reason="a vector that cannot be read") from None


def _from_numbers(raw: bytes, encoding: Encoding) -> tuple[bytes, int]:
    numbers = orjson.loads(raw)
    if encoding == "float":
        return raw, len(numbers)
    packed = _little_endian(array("f", numbers))
    return b'"%s"' % base64.b64encode(packed.tobytes()), len(numbers)


def _from_base64(raw: bytes, encoding: Encoding) -> tuple[bytes, int]:
    packed = base64.b64decode(raw[1:-1], validate=True)
    if encoding == "base64":
        if len(packed) % 4:
            raise ValueError
        return raw, len(packed) // 4
    numbers = array("f")
    numbers.frombytes(packed)
    numbers = _little_endian(numbers)
    if not all(map(math.isfinite, numbers)):
        raise ValueError  # JSON has no word for it
    return orjson.dumps(numbers.tolist()), len(numbers)


def _little_endian(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _usage(told: object) -> Usage | None:
    """Return the count of the prompt; nothing is completed here, whatever a provider says."""
    if not isinstance(told, dict):
        return None
    if told.get("prompt_tokens") is None and told.get("input_tokens") is None:
        told = {**told, "prompt_tokens": told.get("total_tokens")}
    usage = parse_usage(told)
    return None if usage is None else Usage(prompt_tokens=usage.prompt_tokens)


def _details(usage: object) -> dict[str, int]:
    told = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    if not isinstance(told, dict):
        return {}
    counts = {f"{name}_tokens": told.get(f"{name}_tokens") for name in _MODALITIES}
    return {name: n for name, n in counts.items() if _is_count(n) and 0 < n <= TOKENS_MAX}


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int
