import json
import re
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from providers.simulator.pattern_strings import matching
from providers.simulator.schema_arguments import arguments_for, mismatching_json

INVALID_SCHEMA = 344  # the one recorded request whose caller wrote a schema that is none


def is_valid(schema: Any, value: Any) -> bool:
    return bool(jsonschema_rs.Draft7Validator(schema, validate_formats=True).is_valid(value))


def recorded_tools(shared_data: Path) -> list[tuple[int, Any]]:
    lines = (shared_data / "llm-vendor-verifier" / "requests.jsonl").read_text().splitlines()
    return [
        (number, tool["function"]["parameters"])
        for number, line in enumerate(lines, start=1)
        for tool in json.loads(line)["tools"]
    ]


def test_answers_every_recorded_tool(shared_data: Path) -> None:
    tools = recorded_tools(shared_data)

    invalid = [
        number
        for number, schema in tools
        if number != INVALID_SCHEMA and not is_valid(schema, arguments_for(schema, Random(number)))
    ]

    assert len({number for number, _ in tools}) == 512
    assert invalid == []


def test_breaks_every_recorded_tool_on_demand(shared_data: Path) -> None:
    still_valid = [
        number
        for number, schema in recorded_tools(shared_data)
        if number != INVALID_SCHEMA
        and is_valid(schema, json.loads(mismatching_json(schema, Random(number)) or "null"))
    ]

    assert still_valid == []


def test_an_invalid_schema_still_gets_an_object(shared_data: Path) -> None:
    [schema] = [s for number, s in recorded_tools(shared_data) if number == INVALID_SCHEMA]

    assert set(arguments_for(schema, Random(1))) == {"shape", "dimensions"}
    assert mismatching_json(schema, Random(1)) is None


NAMES = st.text("abcdef", min_size=1, max_size=3)
STRINGS = st.one_of(
    st.just({"type": "string"}),
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(
        lambda n: {"type": "string", "minLength": n[0], "maxLength": n[0] + n[1]}
    ),
    st.sampled_from(
        ["date", "date-time", "time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "x-odd"]
    ).map(lambda name: {"type": "string", "format": name}),
    st.sampled_from([r"^[A-Z]{2}-\d{3}$", r"^\+?[1-9]\d{6,14}$", "^(foo|bar)+$", "x"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)
NUMBERS = st.one_of(
    st.sampled_from([{"type": "integer"}, {"type": "number"}]),
    st.tuples(st.sampled_from(["integer", "number"]), st.integers(-1000, 1000)).map(
        lambda n: {"type": n[0], "minimum": n[1]}
    ),
    st.tuples(st.sampled_from(["integer", "number"]), st.integers(-1000, 1000)).map(
        lambda n: {"type": n[0], "exclusiveMaximum": n[1]}
    ),
    st.tuples(st.integers(-9, 9), st.integers(2, 9)).map(
        lambda n: {"type": "integer", "exclusiveMinimum": n[0], "exclusiveMaximum": n[0] + n[1]}
    ),
    st.tuples(st.integers(-99, 99), st.sampled_from([3, 0.5, 0.25, 10])).map(
        lambda n: {"type": "number", "minimum": n[0], "multipleOf": n[1]}
    ),
)
CHOICES = st.one_of(
    st.sampled_from([True, {}, {"type": "boolean"}, {"type": "null"}, {"const": [1, "a"]}]),
    st.lists(st.one_of(st.integers(), st.text(), st.none()), min_size=1).map(
        lambda options: {"enum": options}
    ),
    st.just({"type": ["null", "string"]}),
    st.just({"type": ["string", "integer"], "enum": ["a", 3, 2.5]}),
)


def objects_of(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def build(parts: tuple[dict[str, Any], int, bool, bool]) -> dict[str, Any]:
        properties, required, closed, typed = parts
        schema: dict[str, Any] = {
            "properties": properties,
            "required": sorted(properties)[:required],
            "minProperties": min(required, len(properties)),
        }
        if closed:
            schema["additionalProperties"] = False
        return schema | ({"type": "object"} if typed else {})

    parts = st.tuples(
        st.dictionaries(NAMES, schemas, max_size=4), st.integers(0, 4), st.booleans(), st.booleans()
    )
    return parts.map(build)


def arrays_of(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    counts = st.tuples(schemas, st.integers(0, 4), st.integers(0, 4))
    plain = counts.map(
        lambda p: {"type": "array", "items": p[0], "minItems": p[1], "maxItems": p[1] + p[2]}
    )
    unique = st.integers(0, 5).map(
        lambda n: {
            "type": "array",
            "items": {"enum": ["a", "b", "c", "d", "e"]},
            "minItems": n,
            "uniqueItems": True,
        }
    )
    pairs = st.lists(schemas, min_size=1, max_size=3).map(
        lambda items: {"type": "array", "items": items, "minItems": len(items)}
    )
    return st.one_of(plain, unique, pairs)


def unions_of(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    branches = st.lists(schemas, min_size=1, max_size=3)
    return st.one_of(
        branches.map(lambda b: {"anyOf": b}),
        schemas.map(lambda s: {"oneOf": [s, {"type": "object", "required": ["never such a key"]}]}),
        objects_of(schemas)
        .map(lambda s: {"allOf": [s, {"required": ["extra"]}]})
        .filter(lambda s: "additionalProperties" not in s["allOf"][0]),
    )


SCHEMAS = st.recursive(
    STRINGS | NUMBERS | CHOICES,
    lambda schemas: st.one_of(objects_of(schemas), arrays_of(schemas), unions_of(schemas)),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(objects_of(SCHEMAS), st.integers(0, 2**32))
def test_arguments_are_valid_for_any_satisfiable_schema(schema: Any, seed: int) -> None:
    arguments = arguments_for(schema, Random(seed))

    assert is_valid(schema, arguments), (schema, arguments)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "required",
                    "items",
                    "anyOf",
                    "allOf",
                    "enum",
                    "$ref",
                    "minItems",
                    "maxItems",
                    "pattern",
                    "minimum",
                    "multipleOf",
                    "minProperties",
                    "if",
                    "then",
                    "contains",
                    "dependencies",
                    "additionalProperties",
                    "maxLength",
                ]
            ),
            children,
            max_size=5,
        ),
    ),
    max_leaves=15,
)


@settings(deadline=None, max_examples=200)
@given(JSON, st.integers(0, 2**32))
@example({"minProperties": float("inf")}, 0)
def test_whatever_is_offered_as_a_schema_gets_an_answer(schema: Any, seed: int) -> None:
    json.dumps(arguments_for(schema, Random(seed)))
    mismatching_json(schema, Random(seed))


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/a"}},
                "required": ["a"],
                "$defs": {"a": {"type": "integer"}},
            },
            id="local ref",
        ),
        pytest.param({"type": "object", "properties": {"next": {"$ref": "#"}}}, id="recursive"),
        pytest.param(
            {
                "$ref": "#/definitions/tree",
                "definitions": {
                    "tree": {
                        "type": "object",
                        "required": ["value", "children"],
                        "properties": {
                            "value": {"type": "number"},
                            "children": {"type": "array", "items": {"$ref": "#/definitions/tree"}},
                        },
                    }
                },
            },
            id="tree",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["e"],
                "properties": {"e": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
            },
            id="recursive or null",
        ),
        pytest.param({"type": "object", "minProperties": 3}, id="made-up names"),
        pytest.param(
            {
                "type": "object",
                "minProperties": 2,
                "additionalProperties": False,
                "patternProperties": {"^x-[a-z]{3}$": {"type": "integer"}},
            },
            id="names by pattern",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["a"],
                "properties": {"b": {"const": 1}},
                "dependencies": {"a": ["b"]},
            },
            id="dependencies",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"enum": ["a", "b"]}},
                "if": {"properties": {"kind": {"const": "a"}}},
                "then": {"required": ["x"]},
                "else": {"required": ["y"]},
            },
            id="if then else",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["l"],
                "properties": {"l": {"type": "array", "contains": {"const": 7}}},
            },
            id="contains",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["n"],
                "properties": {"n": {"not": {"type": "string"}, "type": ["string", "integer"]}},
            },
            id="not",
        ),
    ],
)
def test_handles_the_less_common_keywords(schema: Any) -> None:
    for seed in range(20):
        arguments = arguments_for(schema, Random(seed))
        assert is_valid(schema, arguments), arguments


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(
            {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}},
            id="needs itself",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["l", "r"],
                "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}},
            },
            id="needs itself twice",
        ),
        pytest.param({"$ref": "#"}, id="is itself"),
        pytest.param({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, id="all of itself"),
        pytest.param({"not": {}}, id="nothing"),
        pytest.param({"type": "object", "minProperties": 10**9}, id="huge object"),
        pytest.param(
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "array", "minItems": 10**9}},
            },
            id="huge array",
        ),
        pytest.param(
            {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "string", "minLength": 10**9}},
            },
            id="huge string",
        ),
    ],
)
def test_an_unsatisfiable_or_absurd_schema_ends(schema: Any) -> None:
    assert len(json.dumps(arguments_for(schema, Random(1)))) < 10_000_000


def test_a_remote_reference_is_not_fetched() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "http://x.test/"}}}

    assert set(arguments_for(schema, Random(1))) == {"a"}
    assert mismatching_json(schema, Random(1)) is None


@pytest.mark.parametrize("schema", [None, {}, True, False, [], "object"])
def test_without_a_schema_there_are_no_arguments(schema: Any) -> None:
    assert arguments_for(schema, Random(1)) == {}


def test_the_types_of_other_languages_are_understood() -> None:
    schema = {
        "type": "dict",
        "properties": {"a": {"type": "float"}, "b": {"type": "list", "items": {"type": "str"}}},
        "required": ["a", "b"],
    }

    arguments = arguments_for(schema, Random(1))

    assert isinstance(arguments["a"], float)
    assert all(isinstance(item, str) for item in arguments["b"])


def test_the_same_seed_gives_the_same_arguments() -> None:
    schema = {"type": "object", "properties": {"a": {}, "b": {"type": "number"}}}

    assert arguments_for(schema, Random(5)) == arguments_for(schema, Random(5))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}-\d{3}$",
        r"^#[0-9a-fA-F]{6}$",
        r"^[^@\s]+@[^@]+\.[a-z]{2,}$",
        r"^(?:a|b|)c*$",
        r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$",
        r"^[\w.-]+\/v\d+$",
        "a{2",
        "^.{3,5}?$",
        r"\.\*\t",
    ],
)
def test_a_simple_pattern_is_matched(pattern: str) -> None:
    made = [matching(pattern, Random(seed)) for seed in range(20)]

    assert all(text is not None and re.search(pattern, text) for text in made)


@pytest.mark.parametrize(
    "pattern", [r"(?=x)y", r"(a)\1", "[", "(", ")", "*", r"\b", "[^\x20-\x7e]", "a{5000}", "a{3,2}"]
)
def test_a_pattern_beyond_it_is_declined(pattern: str) -> None:
    assert matching(pattern, Random(1)) is None


@given(st.text(st.characters(codec="ascii"), max_size=20), st.integers(0, 99))
def test_any_pattern_is_matched_or_declined(pattern: str, seed: int) -> None:
    made = matching(pattern, Random(seed))

    assert made is None or re.search(pattern, made)
