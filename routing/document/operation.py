"""What is said of one method of one address.

Owns the words in which the files beside it describe, and short ways to write them. It knows
neither OpenAPI's layout nor any address.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiParameter
from rest_framework.views import APIView

from routing.errors import ApiError

JSON = "application/json"
EVENTS = "text/event-stream"
Words = Mapping[type[msgspec.Struct], Mapping[str, str]]
# Where a key may be: the names of security schemes.
KEY, X_API_KEY = "key", "x-api-key"


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How one API says that something is wrong: the body's type, and what makes one.

    `prefix` goes before the names of its answers, which are those of the contract without one.
    """

    prefix: str
    kind: type[msgspec.Struct]
    made: Callable[[ApiError], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: its content as a type, what it is about, and headers it has.

    With `data` the content stands under that key, as it does in most of the API. Of EVENTS it is
    the JSON of each event's data, but of the last one, where the stream `ends_with` a word.
    `headers` maps a name to what it says; those in `at_times` may be missing. `leads_to` maps an
    operation's id to its parameters, each a place in this answer.
    """

    kind: Any
    what: str
    data: bool = False
    status: int = 200
    media: str = JSON
    ends_with: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    at_times: Mapping[str, str] = field(default_factory=dict)
    leads_to: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one view.

    `errors` are the statuses beyond those that any such address may answer; an address that is
    not `guarded` has only these. What is `cacheable` has an ETag and may be answered with 304.
    `ids` are those of other addresses of the same view. `words` say of a body's fields what their
    types do not, by struct and field. `error_shape` is None for the contract's own. A key is looked
    for in `key_places`, where one is needed.
    """

    view: type[APIView]
    method: str
    id: str
    tag: str
    summary: str
    answers: tuple[Answer, ...]
    errors: tuple[int, ...] = ()
    error_shape: ErrorShape | None = None
    key_places: tuple[str, ...] = (KEY,)
    description: str = ""
    parameters: tuple[OpenApiParameter, ...] = ()
    body: type[msgspec.Struct] | None = None
    body_required: bool = True
    # By name, each a whole body.
    examples: Mapping[str, Any] = field(default_factory=dict)
    words: Words = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    cacheable: bool = False
    guarded: bool = True


def query(name: str, kind: Any, what: str, *, required: bool = False) -> OpenApiParameter:
    """Return a parameter of the query; `kind` is a type, or a schema."""
    return OpenApiParameter(
        name, _schema(kind), OpenApiParameter.QUERY, required=required, description=what
    )


def in_path(name: str, what: str, example: str) -> OpenApiParameter:
    """Return a part of the path; Django's pattern takes anything but a slash."""
    schema = {"type": "string", "minLength": 1, "pattern": "^[^/]+$", "examples": [example]}
    return OpenApiParameter(name, schema, OpenApiParameter.PATH, required=True, description=what)


def header(name: str, kind: Any, what: str) -> OpenApiParameter:
    """Return a header that a request may have."""
    return OpenApiParameter(name, _schema(kind), OpenApiParameter.HEADER, description=what)


def _schema(kind: Any) -> dict[str, Any]:
    return kind if isinstance(kind, dict) else msgspec.json.schema(kind)
