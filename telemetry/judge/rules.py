"""The published rules for a reply's tool calls: one verdict per request, as a pure function.

Owns what makes a call invalid_json, unknown_name, schema_mismatch or valid. Does no I/O, and puts
no word of the arguments into a judgement: only keywords and property names of the tool's own
schema. Never raises for anything a provider sent; whoever runs it must be ready to kill it.

The rule is OpenRouter's: JSON.parse, then the name, then @cfworker/json-schema in Draft 7 mode,
with a schema that cannot be compiled or run counting as none. Known differences from it:
- An unknown `type` ("dict") or any malformed keyword removes the whole schema, even where cfworker
  would fail the value or not reach the keyword: a caller's mistake is not the provider's.
- A pattern that JavaScript refuses, or a reference to nowhere, removes the whole schema; there it
  does so only for values that reach it. A dot also matches a carriage return here.
- `$anchor`, `$recursiveRef` and references through `$id` are not followed: no schema.
- `format` is a remark unless the cache asserts it (decision 6). Asserted, `url` still is one; the
  other formats follow their RFCs, which cfworker's expressions
  approximate (it takes `01.2.3.4` as an address).
- Numbers beyond a double are taken as the largest double, and a lone surrogate as U+FFFD.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
import orjson
from jsonschema_rs import (
    Draft201909Validator,
    ReferencingError,
    ValidationError,
    ValidationErrorKind,
)

from providers.chat import ToolCall
from telemetry.judge.signs import leaks_tool_text, violates_choice
from telemetry.judge.validators import Compiled, ValidatorCache

MAX_ARGUMENT_DEPTH = 1024
MAX_ERRORS = 8
_MAX_PATH_CHARS = 120
_WORST_FIRST = ("invalid_json", "unknown_name", "schema_mismatch", "unjudged", "valid")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.S)


@dataclass(frozen=True, slots=True)
class ToolExchange:
    """What was offered and what came back, as far as the judge needs it."""

    tools: bytes  # the JSON array as the client sent it
    tool_choice: str  # auto, none, required or named:<function>
    calls: tuple[ToolCall, ...]
    finish_reason: str | None  # normalised
    native_finish_reason: str | None
    content: str  # the reply's text, at most 64 KiB of it
    completed: bool  # the reply ended by itself


@dataclass(frozen=True, slots=True)
class Judgement:
    """A request's verdict and the signs beside it.

    `reason` says why `unjudged`; on `valid` it is `empty_arguments` if only leniency made it so
    (the published rule: invalid_json); on `no_tool_calls` it is `calls_missing` if the finish
    reason promised some.
    """

    verdict: str
    reason: str = ""
    calls: int = 0
    bad_calls: int = 0
    errors: tuple[tuple[str, str], ...] = ()  # (verdict of the call, where and which keyword)
    leaked_tool_text: bool = False
    tool_choice_violated: bool = False
    truncated_arguments: bool = False
    empty_reply: bool = False
    duplicate_ids: bool = False


@dataclass(frozen=True, slots=True)
class _CallVerdict:
    verdict: str
    detail: str = ""


class _TooLargeError(Exception):
    """Arguments beyond what is judged."""


class _Function(msgspec.Struct):
    name: str
    parameters: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Tool(msgspec.Struct):
    function: _Function


def judge(
    exchange: ToolExchange,
    validators: ValidatorCache,
    *,
    owner: int = 0,
    lenient: bool = True,
) -> Judgement:
    """Judge one reply to a request that offered tools.

    `lenient` counts empty arguments as `{}` where the tool's schema accepts that, and says so in
    `reason`; the published rule is `lenient=False`. `owner` is whose share of the cache it uses.
    What is beyond the limits of `validators` is unjudged.
    """
    offered, problem = _offered(exchange.tools, validators.limits.tools_bytes)
    lenient = lenient and not _is_cut(exchange)
    verdicts = [
        _CallVerdict("unjudged", problem)
        if problem
        else _judge_call(call, offered, validators, owner, lenient)
        for call in exchange.calls
    ]
    bad = [one for one in verdicts if one.verdict not in ("valid", "unjudged")]
    worst = min(verdicts, key=lambda one: _WORST_FIRST.index(one.verdict), default=None)
    return Judgement(
        verdict=worst.verdict if worst else "no_tool_calls",
        reason=_reason(exchange, worst, verdicts),
        calls=len(verdicts),
        bad_calls=len(bad),
        errors=tuple((one.verdict, one.detail) for one in bad[:MAX_ERRORS]),
        **_signs(exchange, offered, [one.verdict for one in verdicts]),
    )


def _signs(
    exchange: ToolExchange, offered: dict[str, bytes], verdicts: list[str]
) -> dict[str, bool]:
    calls, finish = exchange.calls, exchange.finish_reason
    ids = [call.id for call in calls if call.id]
    is_cut = _is_cut(exchange)
    is_silent = not calls and not exchange.content.strip()
    return {
        "leaked_tool_text": not calls and leaks_tool_text(exchange.content, offered),
        "tool_choice_violated": exchange.completed
        and violates_choice(exchange.tool_choice, [call.name for call in calls], finish),
        "truncated_arguments": is_cut and "invalid_json" in verdicts,
        "empty_reply": is_silent
        and exchange.completed
        and not is_cut
        and finish != "content_filter",
        "duplicate_ids": len(set(ids)) < len(ids),
    }


def _is_cut(exchange: ToolExchange) -> bool:
    return exchange.finish_reason == "length" or not exchange.completed


def _offered(tools: bytes, limit: int) -> tuple[dict[str, bytes], str]:
    """Return each offered function's schema text (empty if it has none), or why they are unknown.

    Of two functions with one name the first counts. Tools that are not functions have no name.
    """
    if len(tools) > limit:
        return {}, "tools_too_large"
    offered: dict[str, bytes] = {}
    try:
        entries = msgspec.json.decode(tools or b"[]", type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return {}, "tools_unreadable"
    for entry in entries:
        try:
            function = msgspec.json.decode(entry, type=_Tool).function
        except (msgspec.MsgspecError, RecursionError):
            continue
        schema = b"" if function.parameters is msgspec.UNSET else bytes(function.parameters)
        offered.setdefault(function.name, b"" if schema == b"null" else schema)
    return offered, ""


def _judge_call(
    call: ToolCall, offered: dict[str, bytes], validators: ValidatorCache, owner: int, lenient: bool
) -> _CallVerdict:
    if call.oversized:
        return _CallVerdict("unjudged", "arguments_too_large")
    if not isinstance(call.arguments, str):
        return _CallVerdict("invalid_json", "not_text")
    is_excused = lenient and not call.arguments.strip()
    try:
        arguments = (
            {} if is_excused else parse_arguments(call.arguments, validators.limits.argument_bytes)
        )
    except _TooLargeError:
        return _CallVerdict("unjudged", "arguments_too_large")
    except ValueError:
        return _CallVerdict("invalid_json", "syntax" if call.arguments else "empty")
    if call.name not in offered:
        return _CallVerdict("invalid_json", "empty") if is_excused else _CallVerdict("unknown_name")
    schema = offered[call.name]
    compiled = validators.lookup(schema, owner) if schema else None
    verdict = _check(compiled, arguments)
    if is_excused and verdict.verdict != "unjudged":
        accepted = verdict.verdict == "valid"
        return _CallVerdict(
            "valid" if accepted else "invalid_json", "empty_arguments" if accepted else "empty"
        )
    return verdict


def parse_arguments(text: str, limit: int) -> Any:
    """Return the value JSON.parse would, or raise ValueError where it would throw.

    Text beyond `limit` bytes is another error: it is not judged.

    >>> parse_arguments('{"a": 1, "a": 2}', 1024)
    {'a': 2}
    """
    if len(text) > limit or _nests_too_deep(text):
        raise _TooLargeError
    if not text.isascii() and len(text.encode("utf-8", "replace")) > limit:
        raise _TooLargeError
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    # What JSON.parse takes and orjson does not: lone surrogates and numbers beyond a double.
    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_int=_number, parse_float=_number
        )
        return orjson.loads(without_surrogates(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise _TooLargeError from None


def without_surrogates(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _nests_too_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= MAX_ARGUMENT_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_ARGUMENT_DEPTH:
            return True
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else math.copysign(1.7976931348623157e308, value)


def _check(compiled: Compiled | None, arguments: object) -> _CallVerdict:
    """Say whether arguments fit a schema; none at all, or one that cannot be run, fits anything."""
    if compiled is None:
        return _CallVerdict("valid")
    if compiled.problem:
        return _CallVerdict("unjudged", compiled.problem)
    validator = compiled.validator
    try:
        if validator is None or validator.is_valid(arguments):
            return _CallVerdict("valid")
        return _explain(validator, arguments, compiled.names)
    except (ValueError, ReferencingError):
        return _CallVerdict("valid")


def _explain(
    validator: Draft201909Validator, arguments: object, names: frozenset[str]
) -> _CallVerdict:
    first = next(validator.iter_errors(arguments))
    if type(first.kind).__name__ in ("BacktrackLimitExceeded", "RegexEngineFailure"):
        return _CallVerdict("unjudged", "pattern")
    return _CallVerdict("schema_mismatch", _place(first, names))


def _place(error: ValidationError, names: frozenset[str]) -> str:
    """Return where an error is and the keyword it broke, such as `/city type`.

    A name the schema does not use came from the model and is part of the contents: it reads `*`.
    """
    steps = [
        str(step)
        if isinstance(step, int)
        else step.replace("~", "~0").replace("/", "~1")
        if step in names
        else "*"
        for step in error.instance_path
    ]
    path = "".join(f"/{step}" for step in steps)
    if isinstance(error.kind, ValidationErrorKind.Required) and error.kind.property in names:
        path += "/" + error.kind.property
    return f"{path[:_MAX_PATH_CHARS]} {error.kind.name}"


def _reason(
    exchange: ToolExchange, worst: _CallVerdict | None, verdicts: list[_CallVerdict]
) -> str:
    if worst is None:
        return "calls_missing" if exchange.finish_reason == "tool_calls" else ""
    if worst.verdict not in ("unjudged", "valid"):
        return ""
    return next((one.detail for one in verdicts if one.verdict == worst.verdict and one.detail), "")
