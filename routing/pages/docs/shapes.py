"""What a JSON schema says, in words: a type with links to the schemas it names, and its limits.

Owns the words. It reads what `docs/openapi.json` uses and no more. The rules others rely on: texts
are escaped; a schema that is named is linked as `#schema-Name`, and `named` tells which are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

Schema = Mapping[str, Any]

_PLACE = "#/components/schemas/"
# (keyword, what stands before its value)
_LIMITS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "more than"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "less than"),
    ("minLength", "length at least"),
    ("maxLength", "length at most"),
    ("minItems", "items at least"),
    ("maxItems", "items at most"),
    ("pattern", "matching"),
)


def type_of(schema: Schema) -> SafeString:
    """Return a schema's type in one line.

    >>> type_of({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})
    'list of string, or null'
    >>> type_of({"enum": ["low", 1]})
    '<code>&quot;low&quot;</code> or <code>1</code>'
    """
    if "$ref" in schema:
        name = name_of(schema)
        return format_html('<a href="#schema-{}">{}</a>', name, name)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _either(schema[several])
    if "enum" in schema or "const" in schema:
        return _joined(" or ", (_literal(one) for one in schema.get("enum", [schema.get("const")])))
    return _plain(schema)


def _plain(schema: Schema) -> SafeString:
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return _joined(" or ", (format_html("{}", one) for one in kind))
    if kind == "array":
        return format_html("list of {}", type_of(schema.get("items", {})))
    if kind == "object":
        return _object(schema)
    if "contentSchema" in schema:
        return format_html("JSON as text: {}", type_of(schema["contentSchema"]))
    form = schema.get("format")
    return format_html("{} ({})", kind, form) if form else format_html("{}", kind)


def _object(schema: Schema) -> SafeString:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        return format_html("object of {}", type_of(values))
    inside = schema.get("properties", {})
    if not inside:
        return mark_safe("object")
    keys = (format_html("<code>{}</code>: {}", key, type_of(one)) for key, one in inside.items())
    return format_html("object with {}", _joined(", ", keys))


def _either(schemas: Iterable[Schema]) -> SafeString:
    kinds = [type_of(one) for one in schemas]
    if len(kinds) == 2 and kinds[1] == "null":  # by far the most, and easier to read so
        return format_html("{}, or null", kinds[0])
    return _joined(" or ", kinds)


def _literal(value: object) -> SafeString:
    words = {None: "null", True: "true", False: "false"}
    if isinstance(value, str):
        return format_html("<code>{}</code>", f'"{value}"')
    plain = words[value] if value is None or isinstance(value, bool) else str(value)
    return format_html("<code>{}</code>", plain)


def _joined(between: str, parts: Iterable[SafeString]) -> SafeString:
    return format_html_join(between, "{}", ((part,) for part in parts))


def limits_of(schema: Schema) -> str:
    """Return a schema's limits and default in words; those of a choice are its first part's.

    >>> limits_of({"anyOf": [{"type": "number", "maximum": 2}, {"type": "null"}], "default": 1})
    'at most 2; 1 unless given'
    """
    own = schema
    if "anyOf" in schema:
        own = schema["anyOf"][0]
    said = [f"{words} {own[keyword]}" for keyword, words in _LIMITS if keyword in own]
    default = schema.get("default")
    if default is not None and not isinstance(default, (dict, list)):
        said.append(
            f"{str(default).lower() if isinstance(default, bool) else default} unless given"
        )
    return "; ".join(said)


def name_of(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix(_PLACE)


def named(schema: Any) -> Iterator[str]:
    """Yield the names of the schemas that something names, in order, perhaps again."""
    if isinstance(schema, Mapping):
        if str(schema.get("$ref", "")).startswith(_PLACE):
            yield name_of(schema)
        for value in schema.values():
            yield from named(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from named(value)


def reached(names: Iterable[str], schemas: Mapping[str, Schema]) -> list[str]:
    """Return these names and all that they lead to, sorted."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found.add(name)
            waiting += named(schemas[name])
    return sorted(found)
