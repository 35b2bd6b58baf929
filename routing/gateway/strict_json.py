"""JSON of a request body, read strictly: one meaning or an error that says where.

Owns what plain JSON parsers let pass: duplicate keys, NaN and Infinity, numbers without end,
nesting without end, text that is not UTF-8. It knows no fields. The rules others rely on: what
`loads` returns can be encoded again; reading it took time linear in its size; the place of a
fault is looked for only once there is one; a body without blanks, as SDKs write it, is read by
a fast parser, and no other body is read any differently.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NoReturn

import orjson

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.S)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_CHARS = 300
# Of whole numbers, orjson reads those of 64 bits as they are.
_WORD_DIGITS = 20
_BLANKS_SHOW = 100  # in so many bytes there is a key with its value, in nearly any body


class JsonError(ValueError):
    """The body is not the JSON we accept; the message is for the caller.

    `place` says where, as data: {"path": …}, {"line": …, "column": …} or {"byte": …}.
    """

    def __init__(self, message: str, place: dict[str, Any]) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class _Fault:
    """What stands in a decoded value where something is that we refuse."""

    message: str
    key: str | None = None  # in an object that is at fault itself


class _FaultError(ValueError):
    """There is a fault somewhere."""


def loads(body: bytes, *, depth: int, tokens: int, digits: int) -> Any:
    """Return the value of `body`.

    depth: how deep arrays and objects may nest. tokens: how many commas and brackets there may
    be, which bounds the time to parse. digits: how many a whole number may have. Raises JsonError.
    """
    # A body has no more of them than bytes.
    if len(body) > tokens and sum(map(body.count, (b"[", b"{", b","))) > tokens:
        raise JsonError(f"too many values: at most {tokens} commas and brackets", {"path": "body"})
    canonical = _canonical(body) if digits >= _WORD_DIGITS else None
    value = _decode(_text(body), depth, digits) if canonical is None else canonical
    if type(value) in (dict, list) and _nests_deeper(value, depth):
        raise _too_deep(body.decode(), depth)
    if canonical is None and _SURROGATE_ESCAPE.search(body):
        _refuse_lone_surrogates(value)
    return value


def _canonical(body: bytes) -> Any:
    """Return the value of a body that is just what encoding its value gives; None for any other.

    Such a body has nothing to refuse but depth: a key that stands twice, or a number that is not
    what it says, would come out otherwise.
    """
    if b'": ' in body[:_BLANKS_SHOW]:
        return None
    try:
        value = orjson.loads(body)
        return value if orjson.dumps(value) == body else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}", {"byte": error.start}) from None


def _decode(text: str, depth: int, digits: int) -> Any:
    try:
        try:
            return _decoder(digits, raising=True).decode(text)
        except _FaultError:
            marked = _decoder(digits, raising=False).decode(text)
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno}
        raise JsonError(f"not JSON at line {error.lineno} column {error.colno}", place) from None
    except RecursionError:
        raise _too_deep(text, depth) from None
    raise _first_fault(marked)


# Where ------------------------------------------------------------------------------------


def _first_fault(marked: Any) -> JsonError:
    """Return the error for the first fault that a decoded value holds."""
    steps, fault = _find({"": marked}, lambda value: type(value) is _Fault)
    path = _path(steps if fault.key is None else [*steps, fault.key])
    return JsonError(f"{fault.message} at {path}", {"path": path})


def _find(root: dict[str, Any], is_it: Callable[[Any], bool]) -> tuple[list[Any], Any]:
    """Return the first value or key inside that is it, and the keys and indexes that lead there.

    A value that cannot be read must not cost more than one that can, so nothing is made of the
    many values passed by. The key that `root` holds everything under is not among the steps.
    """
    steps: list[Any] = []
    trail = [_entries(root)]
    while trail:
        for step, child in trail[-1]:
            kind = type(child)
            if type(step) is str and is_it(step):
                return [*steps, step][1:], step
            if kind is dict or kind is list:
                steps.append(step)
                trail.append(_entries(child))
                break
            if kind is not int and is_it(child):
                return [*steps, step][1:], child
        else:
            trail.pop()
            del steps[len(trail) - 1 :]
    raise LookupError


def _entries(node: Any) -> Iterator[tuple[Any, Any]]:
    return iter(node.items()) if type(node) is dict else enumerate(node)


def _path(steps: list[Any]) -> str:
    """Return `messages[0].content`, or `body` for the whole; odd keys are quoted."""
    path = "".join(
        f"[{step}]"
        if isinstance(step, int)
        else f".{step}"
        if _PLAIN_KEY.fullmatch(step)
        else f"[{json.dumps(step)}]"
        for step in steps
    ).removeprefix(".")
    return path[:_PATH_CHARS] or "body"


def _too_deep(text: str, most: int) -> JsonError:
    """Return the error for the first bracket that opens one level too many."""
    depth, at = 0, 0
    for token in _STRING_OR_BRACKET.finditer(text):
        at = token.start()
        depth += (text[at] in "[{") - (text[at] in "]}")
        if depth > most:
            break
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    message = f"nested too deep: at most {most} levels, at line {line} column {column}"
    return JsonError(message, {"line": line, "column": column})


def _nests_deeper(value: Any, depth: int) -> bool:
    """Tell whether the array or object `value` nests deeper than `depth`, level by level."""
    level = [value]
    for _ in range(depth):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)


def _refuse_lone_surrogates(value: Any) -> None:
    if _is_broken(json.dumps(value, ensure_ascii=False)):
        steps, _ = _find({"": value}, _is_broken)
        path = _path(steps)
        raise JsonError(f"a \\u escape is half of a surrogate pair at {path}", {"path": path})


def _is_broken(text: Any) -> bool:
    if type(text) is not str or text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


# What -------------------------------------------------------------------------------------


@lru_cache
def _decoder(digits: int, *, raising: bool) -> json.JSONDecoder:
    """Return a decoder that raises _FaultError at a fault, or leaves a _Fault in its place."""
    at_fault = _raise if raising else _Fault
    return json.JSONDecoder(
        object_pairs_hook=partial(_object, at_fault),
        parse_int=partial(_integer, at_fault, digits),
        parse_float=partial(_real, at_fault),
        parse_constant=partial(_constant, at_fault),
    )


def _raise(message: str, key: str | None = None) -> NoReturn:
    raise _FaultError


def _object(at_fault: Any, pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return at_fault("a key stands twice in one object", name)
        seen.add(name)
    return found


def _integer(at_fault: Any, most: int, digits: str) -> Any:
    if len(digits.lstrip("-")) > most:
        return at_fault(f"a number has more than {most} digits")
    return int(digits)


def _real(at_fault: Any, digits: str) -> Any:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        return at_fault("a number is too large")
    return value


def _constant(at_fault: Any, name: str) -> Any:
    return at_fault(f"{name} is not JSON")
