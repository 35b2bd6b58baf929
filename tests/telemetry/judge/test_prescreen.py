from typing import Any

import orjson
import pytest

from telemetry.judge.limits import JudgeLimits
from telemetry.judge.prescreen import Screened
from telemetry.judge.prescreen import screen as screen_within


def screen(raw: bytes, **limits: int) -> Screened:
    return screen_within(raw, JudgeLimits(**limits))


def problem(schema: Any) -> str:
    return screen(orjson.dumps(schema)).problem


def doubled(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, levels + 1):
        reference = {"$ref": f"#/definitions/d{level - 1}"}
        definitions[f"d{level}"] = {"allOf": [reference, reference]}
    return {"definitions": definitions, "$ref": f"#/definitions/d{levels}"}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"type": "object", "properties": {"a": {}}}, "", id="ordinary"),
        pytest.param({"description": "x" * 70_000}, "schema_too_large", id="bytes"),
        pytest.param(deep(32), "", id="depth at the limit"),
        pytest.param(deep(33), "schema_too_deep", id="depth"),
        pytest.param({"enum": [[[[]]] * 3, deep(40)]}, "schema_too_deep", id="depth in data"),
        pytest.param(doubled(11), "", id="2^11 nodes"),
        pytest.param(doubled(28), "schema_expands", id="2^28 nodes"),
        pytest.param(doubled(120), "schema_expands", id="2^120 nodes"),
        pytest.param({"$ref": "#"}, "schema_loops", id="refers to itself"),
        pytest.param({"allOf": [{"not": {"$ref": "#"}}]}, "schema_loops", id="loop in place"),
        pytest.param({"properties": {"next": {"$ref": "#"}}}, "", id="list"),
        pytest.param(
            {"properties": {"a": {"$ref": "#"}, "b": {"items": {"$ref": "#"}}}}, "", id="tree"
        ),
        pytest.param(
            {"$defs": {"a": {}}, "allOf": [{"$ref": "#/$defs/a"}] * 257},
            "too_many_references",
            id="references",
        ),
        pytest.param({"pattern": "a" * 512}, "", id="pattern at the limit"),
        pytest.param({"pattern": "a" * 513}, "pattern_too_long", id="pattern"),
        pytest.param(
            {"patternProperties": {"a" * 513: {}}}, "pattern_too_long", id="pattern as a key"
        ),
    ],
)
def test_limits(schema: Any, expected: str) -> None:
    assert problem(schema) == expected


@pytest.mark.parametrize(
    ("schema", "limits", "expected"),
    [
        pytest.param(deep(5), {"schema_depth": 4}, "schema_too_deep", id="depth"),
        pytest.param(deep(5), {"schema_depth": 5}, "", id="depth at the limit"),
        pytest.param(doubled(4), {"schema_nodes": 10}, "schema_expands", id="nodes"),
        pytest.param(doubled(4), {"schema_references": 1}, "too_many_references", id="references"),
        pytest.param({"pattern": "aa"}, {"pattern_chars": 1}, "pattern_too_long", id="pattern"),
        pytest.param({"type": "object"}, {"schema_bytes": 9}, "schema_too_large", id="bytes"),
    ],
)
def test_limits_can_be_set(schema: Any, limits: dict[str, int], expected: str) -> None:
    assert screen(orjson.dumps(schema), **limits).problem == expected


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"$ref": "http://127.0.0.1/x.json"}, id="remote"),
        pytest.param({"$ref": "file:///etc/passwd"}, id="file"),
        pytest.param({"items": {"$ref": "other.json#/a"}}, id="relative"),
        pytest.param({"items": {"$ref": "#/nowhere"}}, id="dangling"),
        pytest.param({"$ref": 5}, id="not text"),
        pytest.param({"not": "x", "items": [[]]}, id="not a schema"),
        pytest.param({"pattern": "(?i)abc"}, id="a pattern JavaScript refuses"),
        pytest.param({"pattern": r"^\d{3}\-\d$"}, id="an escape it refuses"),
        pytest.param([], id="a list"),
        pytest.param("x", id="text"),
    ],
)
def test_what_can_mean_nothing_is_no_schema(schema: Any) -> None:
    screened = screen(orjson.dumps(schema))

    assert (screened.schema, screened.problem) == (None, "")


def test_bytes_that_are_not_json_are_no_schema() -> None:
    assert screen(b"{").schema is None
    assert screen(b"[" * 5000).schema is None


def test_strips_what_would_choose_another_dialect_or_place() -> None:
    schema = {"$schema": "http://127.0.0.1/s", "$id": "http://127.0.0.1/i", "title": 5, "type": "a"}

    assert screen(orjson.dumps(schema)).schema == {"type": "a"}


def test_keeps_properties_that_are_called_like_keywords() -> None:
    schema = {
        "properties": {"$ref": {"type": "string"}, "title": {}, "$id": {}},
        "enum": [{"$id": 1}],
    }

    screened = screen(orjson.dumps(schema))

    assert screened.schema == schema
    assert screened.names == {"$ref", "title", "$id"}


def test_drops_the_siblings_of_a_reference() -> None:
    schema = {"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {}}}

    assert screen(orjson.dumps(schema)).schema == {"$ref": "#/$defs/a", "$defs": {"a": {}}}


def test_resolves_escaped_pointers() -> None:
    schema = {"$defs": {"a/b %": {}}, "items": {"$ref": "#/$defs/a~1b%20%25"}}

    assert screen(orjson.dumps(schema)).schema == schema
