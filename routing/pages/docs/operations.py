"""The addresses of the API as `docs/openapi.json` has them, ready for a page that is only read.

Owns the reading of that document by its tags; what it says is `routing.document`'s. The rules
others rely on: read once per process; a field that the document has not is empty, never an error.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.safestring import SafeString
from django.utils.text import slugify

from routing.api.document import FILE
from routing.pages.docs.shapes import Schema, limits_of, named, reached, type_of

_KEYS = {"key": "Authorization: Bearer sk-assay-…", "x-api-key": "x-api-key: sk-assay-…"}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a key of an object. `where`: in which part of a request, if it is one."""

    name: str
    kind: SafeString
    required: bool
    words: str
    limits: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what comes with it: headers, and (media type, type) pairs."""

    status: str
    words: str
    headers: tuple[Field, ...]
    bodies: tuple[tuple[str, SafeString], ...]

    @property
    def is_error(self) -> bool:
        return self.status >= "4"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    name: str
    method: str
    path: str
    summary: str
    words: str
    keys: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: SafeString
    examples: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema that has a name."""

    name: str
    words: str
    kind: SafeString
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The operations of one tag, with every schema they lead to."""

    slug: str
    title: str
    words: str
    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]


@cache
def parts() -> tuple[Part, ...]:
    """Return the document by its tags, in its order."""
    document = json.loads(FILE.read_bytes())
    return tuple(_part(document, tag) for tag in document["tags"])


def _part(document: Mapping[str, Any], tag: Mapping[str, str]) -> Part:
    found = list(_described(document, tag["name"]))
    schemas = document["components"]["schemas"]
    resolved = [_resolved(document, described) for _, _, described in found]
    names = reached(named(resolved), schemas)
    return Part(
        slug=slugify(tag["name"]),
        title=tag["name"],
        words=tag.get("description", ""),
        operations=tuple(
            _operation(method, path, one)
            for (method, path, _), one in zip(found, resolved, strict=True)
        ),
        shapes=tuple(_shape(name, schemas[name]) for name in names),
    )


def _described(document: Mapping[str, Any], tag: str) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            if tag in described.get("tags", ()):
                yield method, path, described


def _resolved(document: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation with its answers in place of their names."""
    shared = document["components"]["responses"]
    answers = {
        status: shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for status, one in described["responses"].items()
    }
    return {**described, "responses": answers}


def _operation(method: str, path: str, one: Mapping[str, Any]) -> Operation:
    media = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = media.get("examples", {})
    return Operation(
        name=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        words=one.get("description", ""),
        keys=tuple(_KEYS[name] for way in one.get("security", ()) for name in way),
        parameters=tuple(_parameter(each) for each in one.get("parameters", ())),
        body=type_of(media["schema"]) if media else SafeString(),
        examples=tuple(
            (name, json.dumps(example["value"], indent=2, ensure_ascii=False))
            for name, example in examples.items()
        ),
        answers=tuple(_answer(status, each) for status, each in sorted(one["responses"].items())),
    )


def _parameter(one: Mapping[str, Any]) -> Field:
    schema = one.get("schema", {})
    return Field(
        name=one["name"],
        kind=type_of(schema),
        required=bool(one.get("required")),
        words=one.get("description", ""),
        limits=limits_of(schema),
        where=one["in"],
    )


def _answer(status: str, one: Mapping[str, Any]) -> Answer:
    bodies = one.get("content", {}).items()
    headers = one.get("headers", {}).items()
    return Answer(
        status=status,
        words=one.get("description", ""),
        headers=tuple(_parameter({"in": "", "name": name, **each}) for name, each in headers),
        bodies=tuple(
            (media, type_of(body["schema"])) for media, body in bodies if "schema" in body
        ),
    )


def _shape(name: str, schema: Schema) -> Shape:
    required = schema.get("required", ())
    fields = tuple(
        Field(
            name=key,
            kind=type_of(one),
            required=key in required,
            words=one.get("description", ""),
            limits=limits_of(one),
        )
        for key, one in schema.get("properties", {}).items()
    )
    return Shape(name, schema.get("description", ""), type_of(schema), fields)
