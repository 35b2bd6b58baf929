"""Values of a /responses body, read as the type they must have.

Owns the errors for a value that has another one. It knows no fields. The rule others rely on:
every error is an ApiError 400 that names the place as the caller wrote it, as in input[2].call_id.
"""

from collections.abc import Mapping
from typing import Any

from routing.errors import bad_field


def text_of(item: Mapping[str, Any], name: str, path: str = "") -> str:
    """Return a field that is text; `path` is where `item` stands, "" for the body itself."""
    value = item.get(name)
    if not isinstance(value, str):
        raise bad_field(f"{path}.{name}" if path else name, "expected text")
    return value


def text_or_none(item: Mapping[str, Any], name: str, path: str = "") -> str | None:
    return None if item.get(name) is None else text_of(item, name, path)


def object_at(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_field(path, "expected an object")
    return value


def objects_at(value: object, path: str) -> list[dict[str, Any]]:
    """Return a list of objects; of null, an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_field(path, "expected a list")
    return [object_at(one, f"{path}[{at}]") for at, one in enumerate(value)]


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields less those that are null: null is no field."""
    return {name: value for name, value in fields.items() if value is not None}
