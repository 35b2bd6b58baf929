"""Looks at a tool's schema before any validator does: may it be compiled, and in which form?

Schemas are written by strangers and a kilobyte of doubled references can cost a validator hours,
so the limits are structural and are counted without evaluating anything. A schema beyond them is
refused with a reason; one that cannot mean anything (a reference to nowhere, or to another
document) is "no schema". What passes is rewritten to the dialect of the published rule.
Nothing is ever fetched: the only references that survive point into the same schema.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from operator import add
from typing import Any
from urllib.parse import unquote

import orjson

from telemetry.judge.limits import JudgeLimits

# Where a keyword's subschemas stand: (as a list, as a map, as one value), and whether they look at
# the same value as their parent (in place) or at something inside it. Only the latter may recurse.
_IN_PLACE = frozenset(
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"]
)
_MAPS = frozenset(
    ["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]
)
_LISTS = frozenset(["allOf", "anyOf", "oneOf", "items", "prefixItems"])
_INSIDE = frozenset(
    [
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"),
        *(
            "propertyNames",
            "items",
            "prefixItems",
            "additionalItems",
            "unevaluatedItems",
            "contains",
        ),
    ]
)
# Values that are data, whatever they look like.
_DATA = frozenset(["enum", "const", "required", "type", "dependentRequired"])
# Keywords that never decide a verdict. Dropping them keeps a schema usable when one of them is
# malformed (`"title": null`), and fixes the dialect whatever `$schema` says.
_DROPPED = frozenset(
    [
        *("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$recursiveRef"),
        *("$dynamicRef", "$vocabulary", "$comment", "title", "description", "default", "examples"),
        *("example", "deprecated", "readOnly", "writeOnly", "nullable", "contentMediaType"),
        *("contentEncoding", "contentSchema"),
    ]
)
# The patterns JavaScript accepts in Unicode mode, as far as tokens go: there an escape that means
# nothing, a lone brace or a foreign group is an error, elsewhere it is tolerated.
_JS_ESCAPE = (
    r"\\(?:[\^$\\.*+?()\[\]{}|/dDwWsSbfnrtv0-9]|c[A-Za-z]|x[0-9A-Fa-f]{2}"
    r"|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]+\}|[pP]\{[^{}]+\})"
)
_JS_PATTERN = re.compile(
    rf"(?:{_JS_ESCAPE}|\\B|\\k<\w+>|\[\^?(?:{_JS_ESCAPE}|\\-|[^\]\\])*\]|\{{\d+(?:,\d*)?\}}"
    r"|\((?!\?)|\(\?(?::|=|!|<=|<!|<\w+>)|[^\\(\[\]{}])*"
)


@dataclass(frozen=True, slots=True)
class Screened:
    """A schema that may be compiled (`schema`), or None and, if it was refused, the `problem`.

    `names` are the property names the schema itself speaks of: the only ones fit for a report.
    """

    schema: dict[str, Any] | bool | None
    names: frozenset[str] = frozenset()
    problem: str = ""


class _RefusedError(Exception):
    """The schema is beyond a limit; the argument is the reason."""


class _MeaninglessError(Exception):
    """The schema could never be compiled, so there is none."""


@dataclass(slots=True)
class _Walk:
    """What one walk over a schema collects, and how far it may go."""

    limits: JudgeLimits
    at: dict[tuple[str, ...], int] = field(default_factory=dict)  # position → node
    in_place: list[list[int]] = field(default_factory=list)  # node → nodes, same value
    inside: list[list[int]] = field(default_factory=list)  # node → nodes, deeper value
    references: list[tuple[int, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def screen(raw: bytes, limits: JudgeLimits) -> Screened:
    """Screen the exact bytes of one tool's `parameters`.

    >>> screen(b'{"type": "object", "title": null}', JudgeLimits())
    Screened(schema={'type': 'object'}, names=frozenset(), problem='')
    >>> screen(b'{"$ref": "https://example.org/x.json"}', JudgeLimits()).schema is None
    True
    """
    if len(raw) > limits.schema_bytes:
        return Screened(None, problem="schema_too_large")
    try:
        schema = orjson.loads(raw)
        if _nests_deeper(schema, limits.schema_depth):
            raise _RefusedError("schema_too_deep")
        walk = _Walk(limits)
        rewritten = _rewrite(schema, (), walk)
        _check_references(walk)
    except _RefusedError as refusal:
        return Screened(None, problem=str(refusal))
    except (_MeaninglessError, ValueError):
        return Screened(None)
    return Screened(rewritten, frozenset(walk.names))


def _nests_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [item for value in level for item in _items(value)]
    return bool(level)


def _items(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _rewrite(schema: Any, path: tuple[str, ...], walk: _Walk) -> Any:
    """Note a schema's place and edges, and return it in the dialect the validator is run with.

    The published rule is a Draft 7 validator that also enforces later keywords. The nearest engine
    is Draft 2019-09, provided that siblings of `$ref` are dropped and `prefixItems` becomes the
    list form of `items`.
    """
    node = walk.at[path] = len(walk.in_place)
    walk.in_place.append([])
    walk.inside.append([])
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise _MeaninglessError
    if (reference := schema.get("$ref")) is not None:
        walk.references.append((node, _local(reference)))
        schema = {key: schema[key] for key in ("$ref", "$defs", "definitions") if key in schema}
    rewritten = {}
    for key, value in schema.items():
        if key not in _DROPPED:
            rewritten[key] = _keyword(node, key, value, path, walk)
    if isinstance(prefix := rewritten.pop("prefixItems", None), list):
        if "items" in rewritten:
            rewritten["additionalItems"] = rewritten["items"]
        rewritten["items"] = prefix
    return rewritten


def _keyword(node: int, key: str, value: Any, path: tuple[str, ...], walk: _Walk) -> Any:
    """Rewrite one keyword's value and note the edges from its schema to its subschemas."""
    if key == "pattern":
        return _checked_pattern(value, walk.limits)
    if key in _DATA or not isinstance(value, dict | list | bool):
        return value
    here = (*path, key)
    edges = walk.in_place if key in _IN_PLACE else walk.inside if key in _INSIDE else None

    def child(part: Any, at: tuple[str, ...]) -> Any:
        if edges is not None:
            edges[node].append(len(walk.in_place))
        return _rewrite(part, at, walk)

    if isinstance(value, dict) and key in _MAPS:
        return {name: _entry(key, name, part, here, walk, child) for name, part in value.items()}
    if isinstance(value, list):
        if key not in _LISTS:
            return value
        return [child(part, (*here, str(index))) for index, part in enumerate(value)]
    return child(value, here) if isinstance(value, dict) or edges is not None else value


def _entry(
    key: str,
    name: str,
    part: Any,
    here: tuple[str, ...],
    walk: _Walk,
    child: Callable[[Any, tuple[str, ...]], Any],
) -> Any:
    """Rewrite one entry of a keyword whose value maps names to subschemas."""
    if key == "properties":
        walk.names.add(name)
    elif key == "patternProperties":
        _checked_pattern(name, walk.limits)
    elif key == "dependencies" and isinstance(part, list):
        return part
    return child(part, (*here, name))


def _checked_pattern(pattern: Any, limits: JudgeLimits) -> Any:
    if not isinstance(pattern, str):
        raise _MeaninglessError
    if len(pattern) > limits.pattern_chars:
        raise _RefusedError("pattern_too_long")
    if not _JS_PATTERN.fullmatch(pattern):
        raise _MeaninglessError
    return pattern


def _local(reference: Any) -> str:
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        return reference
    raise _MeaninglessError


def _check_references(walk: _Walk) -> None:
    """Resolve the references into edges and count what following them all would cost."""
    if len(walk.references) > walk.limits.schema_references:
        raise _RefusedError("too_many_references")
    for node, reference in walk.references:
        steps = [unquote(step) for step in reference.split("/")[1:]]
        path = tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
        if path not in walk.at:
            raise _MeaninglessError
        walk.in_place[node].append(walk.at[path])
    try:
        TopologicalSorter(dict(enumerate(walk.in_place))).prepare()
    except CycleError:
        raise _RefusedError("schema_loops") from None
    if _expanded([*map(add, walk.in_place, walk.inside)]) > walk.limits.schema_nodes:
        raise _RefusedError("schema_expands")


def _expanded(edges: list[list[int]]) -> int:
    """Count the nodes of the root's schema with every reference written out.

    Each node is counted once and remembered, so 2**28 is seen as fast as 28. A way back into a node
    still being counted ends there: it goes through a container, and the value judged is finite.
    """
    sizes: dict[int, int] = {}
    counting = {0: 1}
    trail = [(0, iter(edges[0]))]
    while trail:
        node, rest = trail[-1]
        for child in rest:
            if child not in sizes and child not in counting:
                counting[child] = 1
                trail.append((child, iter(edges[child])))
                break
            counting[node] += sizes.get(child, 1)
        else:
            trail.pop()
            sizes[node] = counting.pop(node)
            if trail:
                counting[trail[-1][0]] += sizes[node]
    return sizes[0]
