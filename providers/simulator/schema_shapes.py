"""One plain shape out of a JSON Schema: references followed, alternatives chosen, parts merged.

Owns what `$ref`, `allOf`, `anyOf`, `oneOf`, `if` and type lists mean for someone who must make a
value. The shape it returns has none of these left. It never recurses for ever: references that go
in circles end, and with `terse` the smallest alternative is taken. Pure.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import unquote

# What tool authors write where JSON Schema has a type.
ALIASES = {
    "dict": "object",
    "map": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "str": "string",
    "text": "string",
    "date": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "none": "null",
    "any": "string",
}
TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}

_HINTS = {  # keywords that give away the type where none is named
    "object": "properties required additionalProperties patternProperties minProperties "
    "maxProperties propertyNames dependentRequired dependencies",
    "array": "items prefixItems minItems maxItems uniqueItems contains",
    "string": "pattern format minLength maxLength",
    "number": "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
_LARGER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_SMALLER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_WEIGHT = {"null": 0, "boolean": 1, "integer": 1, "number": 1, "string": 1, "array": 2, "object": 3}
_REFERENCES_LIMIT = 32
_NESTING_LIMIT = 8  # of allOf in allOf; keeps circular ones short


@dataclass(frozen=True)
class Shape:
    keywords: Mapping[str, Any]
    type: str | None
    options: list[Any] | None  # the values of enum or const

    @property
    def properties(self) -> Mapping[str, Any]:
        return _mapping(self.keywords.get("properties"))

    @property
    def required(self) -> list[str]:
        return _names(self.keywords.get("required"))

    def count(self, keyword: str, otherwise: int) -> int:
        value = self.keywords.get(keyword)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return otherwise
        return int(value) if 0 <= value < math.inf else otherwise

    def schema_of(self, name: str) -> Any:
        if name in self.properties:
            return self.properties[name]
        return next(iter(_mapping(self.keywords.get("patternProperties")).values()), self.others)

    @property
    def others(self) -> Any:
        return self.keywords.get("additionalProperties", True)

    def name_rule(self) -> Mapping[str, Any]:
        """Return the schema that made-up property names follow."""
        if self.others is False:
            patterns = list(_mapping(self.keywords.get("patternProperties")))
            return {"pattern": patterns[0]} if patterns else {}
        return _mapping(self.keywords.get("propertyNames"))

    def with_dependents(self, names: Mapping[str, None]) -> list[str]:
        rules = _mapping(self.keywords.get("dependencies"))
        rules = {**rules, **_mapping(self.keywords.get("dependentRequired"))}
        closed = dict(names)
        waiting = list(names)
        while waiting:
            new = [name for name in _names(rules.get(waiting.pop())) if name not in closed]
            closed.update(dict.fromkeys(new))
            waiting.extend(new)
        return list(closed)

    def item_schema(self, position: int) -> Any:
        items = self.keywords.get("items", True)
        first = items if isinstance(items, list) else self.keywords.get("prefixItems")
        if isinstance(first, list) and position < len(first):
            return first[position]
        return self.keywords.get("additionalItems", True) if isinstance(items, list) else items


def shape_of(schema: Any, root: Any, rng: Random, *, terse: bool = False) -> Shape:
    """Return what a value of this schema looks like, with every choice made.

    root: the whole document, for local references.
    terse: choose what needs the least; used far down, so that recursive schemas end.
    """
    keywords = _flat(schema, root, rng, terse, 0)
    kind = _type_of(keywords, rng, terse)
    return Shape(keywords, kind, _options(keywords, kind))


def _flat(schema: Any, root: Any, rng: Random, terse: bool, depth: int) -> dict[str, Any]:
    schema = resolved(schema, root)
    if not isinstance(schema, dict) or depth > _NESTING_LIMIT:
        return {}
    flat = dict(schema)
    parts = list(_schemas(flat.pop("allOf", None)))
    choices = [list(_schemas(flat.pop(keyword, None))) for keyword in ("anyOf", "oneOf")]
    parts += [_branch(branches, root, rng, terse) for branches in choices if branches]
    if "if" in flat:
        parts += _condition(flat.pop("if"), flat.pop("then", {}), flat.pop("else", {}), rng)
    for part in parts:
        flat = merged(flat, _flat(part, root, rng, terse, depth + 1))
    return flat


def _condition(condition: Any, then: Any, otherwise: Any, rng: Random) -> list[Any]:
    """Either meet the condition and its consequence, or hope for the other one."""
    return [condition, then] if rng.random() < 0.5 else [otherwise]


def _branch(branches: list[Any], root: Any, rng: Random, terse: bool) -> Any:
    if not terse:
        return rng.choice(branches)
    return min(branches, key=lambda branch: _burden(resolved(branch, root)))


def _burden(schema: Any) -> int:
    """Estimate how much a value of this schema drags along."""
    if not isinstance(schema, dict) or "enum" in schema or "const" in schema:
        return 0
    nested = sum(keyword in schema for keyword in ("anyOf", "oneOf", "allOf", "$ref"))
    kinds = schema.get("type") if isinstance(schema.get("type"), list) else [schema.get("type")]
    weights = [_WEIGHT.get(ALIASES.get(str(kind), str(kind)), 3) for kind in kinds or [None]]
    return min(weights) * 10 + len(_names(schema.get("required"))) + nested


def resolved(schema: Any, root: Any) -> Any:
    """Follow local references; an unknown, remote or circular one means "anything"."""
    for _ in range(_REFERENCES_LIMIT):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema
        schema = _pointed_at(schema["$ref"], root)
    return {}


def _pointed_at(reference: str, root: Any) -> Any:
    if not reference.startswith("#"):
        return {}
    found = root
    for step in unquote(reference[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return {}
    return found


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords that both sides accept, as far as a simple merge can tell."""
    result = dict(one)
    for keyword, value in other.items():
        result[keyword] = _both(keyword, result[keyword], value) if keyword in result else value
    return result


def _both(keyword: str, one: Any, other: Any) -> Any:
    if keyword in _LARGER or keyword in _SMALLER:
        numbers = [value for value in (one, other) if isinstance(value, (int, float))]
        pick = max if keyword in _LARGER else min
        return pick(numbers) if numbers else other
    match keyword:
        case "required":
            return list(dict.fromkeys([*_names(one), *_names(other)]))
        case "enum" if isinstance(one, list) and isinstance(other, list):
            return [value for value in one if value in other] or other
        case "type":
            return [kind for kind in _kinds(one) if kind in _kinds(other)] or other
        case "properties":
            return _both_properties(_mapping(one), _mapping(other))
        case "additionalProperties" | "uniqueItems":
            return one if one is False or other is True else other
        case "items" if isinstance(one, dict) and isinstance(other, dict):
            return {"allOf": [one, other]}
        case _:
            return other


def _both_properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: {"allOf": [one[name], other[name]]} for name in one if name in other}
    return {**one, **other, **both}


def _type_of(keywords: Mapping[str, Any], rng: Random, terse: bool) -> str | None:
    kinds = _kinds(keywords.get("type"))
    if kinds and terse:
        return min(kinds, key=lambda kind: _WEIGHT[kind])
    if kinds:
        solid = [kind for kind in kinds if kind != "null"]
        return rng.choice(solid) if solid and rng.random() < 0.9 else rng.choice(kinds)
    return next(
        (kind for kind, hints in _HINTS.items() if keywords.keys() & set(hints.split())), None
    )


def _kinds(value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    lowered = [name.lower() for name in names if isinstance(name, str)]
    kinds = [ALIASES.get(name, name) for name in lowered]
    return [kind for kind in kinds if kind in TYPES]


def _options(keywords: Mapping[str, Any], kind: str | None) -> list[Any] | None:
    if "const" in keywords:
        return [keywords["const"]]
    options = keywords.get("enum")
    if not isinstance(options, list) or not options:
        return None
    fitting = [option for option in options if kind is None or _is_a(option, kind)]
    return fitting or options


def _is_a(value: Any, kind: str) -> bool:
    match value:
        case None:
            return kind == "null"
        case bool():
            return kind == "boolean"
        case str():
            return kind == "string"
        case int():
            return kind in ("integer", "number")
        case float():
            return kind == "number" or (kind == "integer" and value.is_integer())
        case list():
            return kind == "array"
        case _:
            return kind == "object"


def _schemas(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
