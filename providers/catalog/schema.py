"""The catalogue's JSON Schema, and its complaints in words with a cure.

Owns turning a schema error into `Problem`s. The rule others rely on: no value of the file is ever
repeated in a message, as people paste keys into the wrong field; the line number leads to it.
"""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import jsonschema_rs

from providers.catalog.source import Path, Problem, Source

SCHEMA_FILE = FilePath(__file__).resolve().parent.parent / "catalog.schema.json"

_WANTED = {
    "string": "must be text: put it in quotes",
    "integer": "must be a whole number without quotes",
    "number": "must be a number without quotes",
    "boolean": "must be true or false, without quotes",
    "array": "must be a list",
    "object": "must hold fields (name: value)",
}
_CREDENTIAL_FIELDS = ("api_key", "apikey", "key", "token", "secret", "password", "credential")


def schema_problems(source: Source) -> list[Problem]:
    """Return every way in which the file breaks the schema."""
    errors = _validator().iter_errors(source.value)
    return [problem for error in errors for problem in _explain(source, error)]


@cache
def _schema() -> Any:
    return json.loads(SCHEMA_FILE.read_text())


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(_schema(), offline=True)


def _explain(source: Source, error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    kind: Any = error.kind
    path = tuple(error.instance_path)
    rule = _node(error.schema_path[:-1])
    if kind.name == "additionalProperties":
        for name in kind.unexpected:
            yield source.problem((*path, name), _unknown_field(name, sorted(rule["properties"])))
    elif kind.name == "required":
        about = _description(rule["properties"][kind.property])
        yield source.problem(path, f"{kind.property} is missing. {about}")
    else:
        about = _description(rule)
        yield source.problem(path, f"{_broken_rule(kind, rule, _at(source, path))}. {about}")


def _unknown_field(name: str, known: list[str]) -> str:
    if name.lower() in _CREDENTIAL_FIELDS:
        return (
            "credentials do not belong into this file. Name the environment variable that holds "
            "the key in api_key_env."
        )
    if close := get_close_matches(name, known, n=1):
        return f"there is no such field. Did you mean {close[0]}?"
    return f"there is no such field. Known here: {', '.join(known)}."


def _broken_rule(kind: Any, rule: Any, value: Any) -> str:
    match kind.name:
        case "type" if value is None:
            return "is empty: give a value or leave the field out"
        case "type":
            return _WANTED[rule["type"]]
        case "enum":
            return f"must be one of {', '.join(rule['enum'])}"
        case "minLength" | "minItems":
            return f"is too short: at least {kind.limit}"
        case "maxLength":
            return f"is too long: at most {kind.limit} characters"
        case "minimum" | "exclusiveMinimum" | "maximum":
            return f"is out of range ({kind.name} {kind.limit})"
        case "uniqueItems":
            return "repeats an item"
        case _:
            return "is not written as it must be"


def _node(path: list[str | int]) -> Any:
    node = _schema()
    for part in path:
        node = node[part]
    return node


def _description(rule: Any) -> str:
    while "description" not in rule and "$ref" in rule:
        rule = _node(rule["$ref"].removeprefix("#/").split("/"))
    return str(rule.get("description", ""))


def _at(source: Source, path: Path) -> Any:
    value = source.value
    for part in path:
        value = value[part]
    return value
