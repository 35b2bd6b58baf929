"""JSON of a request body, read strictly: one meaning or an error that says where.

Owns what plain JSON parsers let pass: duplicate keys, NaN and Infinity, numbers without end,
nesting without end, text that is not UTF-8. It knows no fields. The rule others rely on: what
`loads` returns can be encoded again, and reading it took time linear in its size.
"""

import json
import re
from functools import lru_cache, partial
from typing import Any, NoReturn

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """The body is not the JSON we accept; the message is for the caller."""


def loads(body: bytes, *, depth: int, tokens: int, digits: int) -> Any:
    """Return the value of `body`.

    depth: how deep arrays and objects may nest. tokens: how many commas and brackets there may
    be, which bounds the time to parse. digits: how many a whole number may have. Raises JsonError.
    """
    brackets = body.count(b"[") + body.count(b"{")
    if brackets + body.count(b",") > tokens:
        raise JsonError(f"too many values: at most {tokens} commas and brackets")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        value = _decoder(digits).decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise JsonError(f"nested too deep: at most {depth} levels") from None
    # Brackets enough to nest so deep may all stand in text.
    if brackets > depth and isinstance(value, dict | list) and _nests_deeper(value, depth):
        raise JsonError(f"nested too deep: at most {depth} levels")
    if _SURROGATE_ESCAPE.search(body):
        _refuse_lone_surrogates(value)
    return value


def _nests_deeper(value: Any, depth: int) -> bool:
    """Tell whether the array or object `value` nests deeper than `depth`, level by level."""
    level = [value]
    for _ in range(depth):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise JsonError(f"the key {name[:100]!r} stands twice in one object")
            seen.add(name)
    return found


def _integer(most: int, digits: str) -> int:
    if len(digits.lstrip("-")) > most:
        raise JsonError(f"a number has more than {most} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonError(f"the number {digits[:30]} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON")


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise JsonError("a \\u escape is half of a surrogate pair") from None


@lru_cache
def _decoder(digits: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=partial(_integer, digits),
        parse_float=_real,
        parse_constant=_refuse_constant,
    )
