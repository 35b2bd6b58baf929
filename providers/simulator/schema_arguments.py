"""Arguments that satisfy a tool's JSON Schema, made up at random.

Owns the way from a schema to a value: it makes a guess from the structure, has it checked, and
guesses again a few times. Pure: randomness is passed in, a remote `$ref` is never fetched, and
recursive schemas end. Even an invalid or unsatisfiable schema gets a value.
"""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import jsonschema_rs

from providers.simulator import schema_values
from providers.simulator.schema_shapes import Shape, shape_of

GUESSES = 30
PART_GUESSES = 8  # for one part of a schema, before the whole is guessed again


def arguments_for(schema: Any, rng: Random) -> Any:
    """Return a value for the schema; an object unless the schema says otherwise.

    Valid by Draft 7 whenever one of a few guesses is; the last guess otherwise.
    """
    valid = validity(schema)
    guess: Any = {}
    checks = _PartChecks()
    for _ in range(GUESSES):
        attempt = _Guess(schema, rng, checks)
        guess = attempt.arguments()
        if valid is None or valid(guess) or attempt.is_exhausted:
            break
    return guess


def mismatching_json(schema: Any, rng: Random) -> str | None:
    """Return JSON that breaks the schema, as a careless model would; None if nothing does.

    Tried in turn: a property of another type, a required one left out, an unknown one added,
    no object at all.
    """
    valid = validity(schema)
    if valid is None:
        return None
    good = arguments_for(schema, rng)
    candidates: list[Any] = []
    if isinstance(good, dict):
        names = rng.sample(sorted(good), len(good))
        candidates += [good | {name: {"value": good[name]}} for name in names]
        candidates += [{k: v for k, v in good.items() if k != name} for name in names]
        candidates.append(good | {"unexpected_option": True})
    candidates += ["none", [good], 0, None, True, {}]
    broken = (value for value in candidates if not valid(value))
    return next((json.dumps(value, ensure_ascii=False) for value in broken), None)


def validity(schema: Any) -> Callable[[Any], bool] | None:
    """Return the schema's test for values, or None if the schema itself is no use."""
    try:
        validator = jsonschema_rs.Draft7Validator(
            schema, validate_formats=True, retriever=_refuse_remote
        )
    except (ValueError, TypeError, RecursionError):
        return None

    def is_valid(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except ValueError:  # a pattern that runs away, found only now
            return False

    return is_valid


def _refuse_remote(uri: str) -> Any:
    raise ValueError("remote references are not fetched")


class _PartChecks:
    """Tests for those parts of one schema where a guess from the structure may well be wrong."""

    TRICKY = {"oneOf", "anyOf", "not", "if", "contains", "propertyNames", "uniqueItems", "pattern"}

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Callable[[Any], bool] | None]] = {}

    def of(self, part: Any) -> Callable[[Any], bool] | None:
        if not isinstance(part, dict) or not self.TRICKY & part.keys():
            return None
        if id(part) not in self._known:  # kept beside its test, so that no other gets its id
            self._known[id(part)] = (part, validity(part) if _stands_alone(part) else None)
        return self._known[id(part)][1]


def _stands_alone(part: Any) -> bool:
    """Tell whether a part has no reference, which would lead out of it into the whole."""
    try:
        return '"$ref"' not in json.dumps(part)
    except RecursionError:
        return False


class _Guess:
    """One pass over a schema; remembers how deep it is, so that recursion ends."""

    SHALLOW = 4  # below this depth nothing optional is made
    DEEPEST = 40  # below this depth nothing is made at all
    LARGEST = 4000  # values; a schema may branch as well as recurse

    def __init__(self, root: Any, rng: Random, checks: _PartChecks) -> None:
        self.root = root
        self.checks = checks
        self.rng = rng
        self.made = 0

    @property
    def is_exhausted(self) -> bool:
        return self.made > self.LARGEST

    def arguments(self) -> Any:
        if not isinstance(self.root, dict) or not self.root:
            return {}
        return self.value(self.root, 0, unknown_type="object")

    def value(self, schema: Any, depth: int, unknown_type: str = "string") -> Any:
        """Return a value for a part of the schema, guessing again where that part is tricky."""
        fits = self.checks.of(schema)
        if fits is None:
            return self.unchecked(schema, depth, unknown_type)
        made = None
        for _ in range(PART_GUESSES):
            made = self.unchecked(schema, depth, unknown_type)
            if fits(made):
                break
        return made

    def unchecked(self, schema: Any, depth: int, unknown_type: str) -> Any:
        self.made += 1
        if depth > self.DEEPEST or self.is_exhausted:
            return None
        shape = shape_of(schema, self.root, self.rng, terse=depth > self.SHALLOW)
        if shape.options is not None:
            return self.rng.choice(shape.options)
        kind = shape.type or unknown_type
        if kind == "object":
            return self.object(shape, depth)
        if kind == "array":
            return self.array(shape, depth)
        return schema_values.scalar(kind, shape.keywords, self.rng)

    def object(self, shape: Shape, depth: int) -> dict[str, Any]:
        names = self.property_names(shape, depth)
        return {name: self.value(shape.schema_of(name), depth + 1) for name in names}

    def property_names(self, shape: Shape, depth: int) -> list[str]:
        """Required ones first, then optional ones by lot, then made-up ones for minProperties."""
        names = dict.fromkeys(shape.required)
        least, most = shape.count("minProperties", 0), shape.count("maxProperties", 1000)
        optional = [name for name in shape.properties if name not in names]
        for name in self.rng.sample(optional, len(optional)):
            wanted = depth <= self.SHALLOW and self.rng.random() < 0.5
            if len(names) < least or (wanted and len(names) < most):
                names[name] = None
        for extra in self.extra_names(shape):
            if len(names) >= least:
                break
            names.setdefault(extra)
        return shape.with_dependents(names)

    def extra_names(self, shape: Shape) -> list[str]:
        wanted = min(shape.count("minProperties", 0), schema_values.ITEMS_LIMIT)
        if not wanted:
            return []
        rule = shape.name_rule()
        return [
            str(self.value({"type": "string", **rule}, self.SHALLOW)) if rule else f"key_{number}"
            for number in range(wanted * (4 if rule else 1))
        ]

    def array(self, shape: Shape, depth: int) -> list[Any]:
        least = shape.count("minItems", 0)
        most = shape.count("maxItems", max(least, 3))
        room = max(0, min(2, most - least)) if depth <= self.SHALLOW else 0
        wanted = min(least + self.rng.randint(min(room, 1) if least == 0 else 0, room), most)
        wanted = min(wanted, schema_values.ITEMS_LIMIT)
        items: list[Any] = []
        for position in range(wanted):
            schema = shape.item_schema(position)
            if schema is False and position >= least:
                break
            items.append(self.fresh_item(schema, items, shape, depth))
        return self.containing(items, shape, depth)

    def fresh_item(self, schema: Any, items: list[Any], shape: Shape, depth: int) -> Any:
        item = self.value(schema, depth + 1)
        for _ in range(50 if shape.keywords.get("uniqueItems") is True else 0):
            if not any(_same(item, other) for other in items):
                break
            item = self.value(schema, depth + 1)
        return item

    def containing(self, items: list[Any], shape: Shape, depth: int) -> list[Any]:
        wanted = shape.keywords.get("contains")
        if isinstance(wanted, Mapping) and wanted:
            return [*items[:-1], self.value(wanted, depth + 1)]
        return items


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and true differ, 1 and 1.0 do not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
