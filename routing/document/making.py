"""The making of the document: every address of the project, as its Operation describes it.

Owns the walk over the addresses (drf-spectacular's), the look-up of descriptions, and the file's
bytes. The rule others rely on: the same code makes the same bytes.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.urls import URLPattern, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiRequest,
    OpenApiResponse,
)
from rest_framework.views import APIView

from routing.api.views import AsyncAPIView
from routing.asgi import LEAN
from routing.document import (
    account,
    catalogue,
    chat,
    embeddings,
    errors,
    generations,
    keys,
    messages,
    responses,
    service,
    text,
)
from routing.document.operation import (
    EVENTS,
    JSON,
    KEY,
    X_API_KEY,
    Answer,
    ErrorShape,
    Operation,
    header,
)
from routing.document.schemas import Schemas
from routing.urls import urlpatterns

OPERATIONS: tuple[Operation, ...] = (
    *chat.OPERATIONS,
    *messages.OPERATIONS,
    *responses.OPERATIONS,
    *text.OPERATIONS,
    *embeddings.OPERATIONS,
    *catalogue.OPERATIONS,
    *generations.OPERATIONS,
    *account.OPERATIONS,
    *keys.OPERATIONS,
    *service.OPERATIONS,
)
_DESCRIPTION = (
    "An LLM gateway that speaks OpenRouter's API and routes `author/model:exacto` only to the"
    " endpoints that earned it.\n\n"
    "Send a key that Assay issued as `Authorization: Bearer sk-assay-…`. Every error has the same"
    " shape, and its `code` is the HTTP status. Answers may get more keys."
)
_SCHEMES = {
    KEY: {"type": "http", "scheme": "bearer", "description": "A key that Assay issued."},
    X_API_KEY: {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The same key. It is not read where `Authorization` is sent.",
    },
}
_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Assay",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "The gateway that serves this document."}],
    "TAGS": [
        {"name": chat.TAG, "description": "Ask a model, or ask who would answer."},
        {"name": messages.TAG, "description": "The same in the words of Anthropic's Messages API."},
        {"name": responses.TAG, "description": "The same in the words of OpenAI's Responses API."},
        {"name": text.TAG, "description": "The same for a text: OpenAI's completions of old."},
        {
            "name": embeddings.TAG,
            "description": "Vectors for texts, and the models that make them.",
        },
        {"name": catalogue.TAG, "description": "What can be asked for, and who serves it how."},
        {"name": generations.TAG, "description": "What was done for a request, and why."},
        {"name": account.TAG, "description": "What a key and its account may do and have spent."},
        {"name": keys.TAG, "description": "Keys, made and changed by management keys."},
        {"name": service.TAG, "description": "The process itself."},
    ],
    # In the order of the addresses.
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "POSTPROCESSING_HOOKS": [],
    # No view is asked about a request: all that is said of it is in its Operation.
    "GET_MOCK_REQUEST": lambda method, path, view, original: None,
}
_IF_NONE_MATCH = header("If-None-Match", str, "The `ETag` of the answer you have.")


class Undescribed(LookupError):
    """An address that no Operation describes."""


class Doubtful(ValueError):
    """drf-spectacular has warned of something."""


def document_bytes() -> bytes:
    """Return the file. Raises Undescribed naming the view and what is to be done, or Doubtful."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2) + b"\n"


def document() -> dict[str, Any]:
    words = {struct: said for one in OPERATIONS for struct, said in one.words.items()}
    shapes = list(dict.fromkeys(map(_error_shape, OPERATIONS)))
    schemas = Schemas([*_kinds(OPERATIONS), *(shape.kind for shape in shapes)], words)
    components = {
        "schemas": schemas.components,
        "responses": errors.responses((shape, schemas[shape.kind]) for shape in shapes),
        "securitySchemes": _SCHEMES,
    }
    with patched_settings({**_SETTINGS, "APPEND_COMPONENTS": components}):
        made: dict[str, Any] = _Generator(schemas).get_schema(public=True)  # type: ignore[no-untyped-call]
    if GENERATOR_STATS:
        raise Doubtful("drf-spectacular has warned: see above.")
    return made


def _error_shape(operation: Operation) -> ErrorShape:
    return operation.error_shape or errors.CONTRACT


def _kinds(operations: Iterable[Operation]) -> Iterable[Any]:
    for operation in operations:
        if operation.body is not None:
            yield operation.body
        yield from (answer.kind for answer in operation.answers)


def _patterns() -> list[URLPattern]:
    """Return all addresses: those past Django's views, and the API's own among Django's."""
    return [
        *(path(place.lstrip("/"), view.as_view()) for place, view in LEAN.items()),
        *(one for one in urlpatterns if isinstance(one, URLPattern)),
        *(path(place, view.as_view()) for place, view in service.ADDRESSES.items()),
    ]


class _Generator(SchemaGenerator):
    """Gives each view the schema made of its Operation."""

    def __init__(self, schemas: Schemas) -> None:
        super().__init__(patterns=_patterns())  # type: ignore[no-untyped-call]
        self._schemas = schemas
        self._described: Mapping[tuple[type, str], Operation] = {
            (one.view, one.method): one for one in OPERATIONS
        }

    def create_view(self, callback: Any, method: str, request: Any = None) -> APIView:
        view: APIView = super().create_view(callback, method, request)  # type: ignore[no-untyped-call]
        operation = self._described.get((callback.cls, method))
        if operation is None:
            raise Undescribed(
                f"Nothing describes {method} of {callback.cls.__name__}: add an Operation to a"
                " file of routing/document (CONTRIBUTING, Adding an address)."
            )
        view.schema = _Inspector(operation, self._schemas)
        return view


class _Inspector(AutoSchema):
    """Answers what drf-spectacular asks about a view from its Operation."""

    def __init__(self, operation: Operation, schemas: Schemas) -> None:
        super().__init__()
        self._operation = operation
        self._schemas = schemas

    def get_operation_id(self) -> str:
        return self._operation.ids.get(self.path, self._operation.id)

    def get_tags(self) -> list[str]:
        return [self._operation.tag]

    def get_summary(self) -> str:
        return self._operation.summary

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular's own
        return self._operation.description

    def get_auth(self) -> list[dict[str, Any]]:
        places = self._operation.key_places if self.view.authentication_classes else ()
        return [{place: []} for place in places]

    def get_override_parameters(self) -> list[Any]:
        told = [_headers(one, self._operation) for one in self._operation.answers]
        known = [_IF_NONE_MATCH] if self._operation.cacheable else []
        return [*self._operation.parameters, *known, *itertools.chain(*told)]

    def get_request_serializer(self) -> Any:
        if self._operation.body is None:
            return {}
        examples = [OpenApiExample(n, value=v) for n, v in self._operation.examples.items()]
        return {JSON: OpenApiRequest(self._schemas[self._operation.body], examples=examples)}

    def _get_request_body(self, direction: str = "request") -> Any:
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        return {**body, "required": self._operation.body_required} if body else None

    def get_response_serializers(self) -> Any:
        return {(one.status, one.media): self._response(one) for one in self._operation.answers}

    def _response(self, answer: Answer) -> OpenApiResponse:
        schema = self._schemas[answer.kind]
        if answer.media == EVENTS:
            schema = _under_data(_event_data(schema, answer.ends_with))
        elif answer.data:
            schema = _under_data(schema)
        return OpenApiResponse(schema, description=answer.what)

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        said: dict[str, Any] = super()._get_response_bodies(direction)
        for answer in self._operation.answers:
            if answer.leads_to:
                said[str(answer.status)]["links"] = _links(answer)
        shape = _error_shape(self._operation)
        return said | {str(status): errors.reference(status, shape) for status in self._statuses()}

    def _statuses(self) -> list[int]:
        """Return every status but those of success, from what the code of the view says."""
        statuses = set(self._operation.errors)
        if not self._operation.guarded:
            return sorted(statuses)
        statuses |= {*errors.ANYWHERE}
        lean = isinstance(self.view, AsyncAPIView)
        if self._operation.cacheable:
            statuses.add(304)
        if not lean:
            statuses |= {*errors.NEGOTIATED}
        if self.view.authentication_classes:
            statuses |= {*errors.KEYED}
        if lean or self.view.permission_classes != APIView.permission_classes:
            statuses |= {*errors.PERMITTED}
        return sorted(statuses)


def _links(answer: Answer) -> dict[str, Any]:
    return {
        operation: {"operationId": operation, "parameters": dict(parameters)}
        for operation, parameters in answer.leads_to.items()
    }


def _under_data(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"data": schema}, "required": ["data"]}


def _event_data(schema: dict[str, Any], last: str) -> dict[str, Any]:
    """Return the schema of an event's data, which is text; as OpenAPI 3.2 has it."""
    said = {"type": "string", "contentMediaType": JSON, "contentSchema": schema}
    return {"anyOf": [{"const": last}, said]} if last else said


def _headers(answer: Answer, operation: Operation) -> list[OpenApiParameter]:
    always = dict(answer.headers)
    if operation.cacheable:
        always |= {name: what for name, (_, what) in errors.CACHED.items()}
    return [
        OpenApiParameter(
            name,
            str,
            OpenApiParameter.HEADER,
            required=name in always,
            description=what,
            response=[answer.status],
        )
        for name, what in {**always, **answer.at_times}.items()
    ]
