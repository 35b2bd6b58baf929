"""The error object, and the answers that carry it, by status.

Owns what each status means here and its headers. The rule others rely on: a status is described
once, under `components.responses`, and operations refer to it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from routing.document.metadata import RoutingMetadata
from routing.document.operation import JSON, ErrorShape
from routing.errors import ApiError


class PreviousError(Struct):
    """An attempt that failed before."""

    provider: str
    code: str
    status: int | None


class ErrorDetails(Struct):
    """Where the error is; which of the keys there are depends on its kind."""

    path: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    limit_source: str | UnsetType = UNSET
    provider_name: str | UnsetType = UNSET
    provider_code: str | UnsetType = UNSET
    raw: str | UnsetType = UNSET
    is_byok: bool | UnsetType = UNSET
    previous_errors: list[PreviousError] | UnsetType = UNSET


class ErrorMetadata(ErrorDetails, kw_only=True):
    """What kind of error it is, and where; which other keys there are depends on that."""

    error_type: str


class Availability(Struct):
    """Why nobody may serve the request, in words for programs."""

    code: str
    retryable: bool
    requested_models: list[str]
    excluded_by: list[str] | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class Error(Struct):
    """`code` is the HTTP status, or the one it would have been, where a stream had begun."""

    code: int
    message: str
    metadata: ErrorMetadata
    availability: Availability | UnsetType = UNSET


class ErrorBody(Struct):
    """The body of every answer that is not a success.

    `openrouter_metadata` is there when a chat request that asked for it came as far as routing.
    """

    error: Error
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


CONTRACT = ErrorShape("", ErrorBody, ApiError.body)
_WAIT = {"Retry-After": ("integer", "Seconds to wait before the same is worth sending again.")}
# By status: its name, what it means, and headers as (type, what they say).
_ANSWERS: dict[int, tuple[str, str, dict[str, tuple[str, str]]]] = {
    400: ("BadRequest", "The request cannot be read; `metadata.path` names the place.", {}),
    401: (
        "Unauthorized",
        "The key is missing, wrong, revoked or expired; which of these is not told.",
        {"WWW-Authenticate": ("string", "Always `Bearer`.")},
    ),
    402: ("PaymentRequired", "The key's limit or the account's credits are used up.", {}),
    403: ("Forbidden", "The key lacks the scope, or an account's own credential is refused.", {}),
    404: ("NotFound", "There is no such thing, or nobody may serve the request.", {}),
    406: ("NotAcceptable", "`Accept` allows no JSON.", {}),
    408: ("RequestTimeout", "The body came too slowly.", {}),
    413: (
        "ContentTooLarge",
        "The body is larger than `BODY_BYTES`, or than the provider takes.",
        {},
    ),
    422: ("Unprocessable", "The provider says that the request makes no sense.", {}),
    429: ("TooManyRequests", "A limit of the key, or of every endpoint that may serve.", _WAIT),
    431: ("HeadersTooLarge", "The request's headers are too many or too large.", {}),
    500: ("InternalError", "A fault of the gateway's own. It has been logged.", {}),
    502: ("BadGateway", "No provider gave an answer that can be used.", {}),
    503: (
        "Unavailable",
        "Not now: the gateway is full or restarting, or no provider answers.",
        _WAIT,
    ),
    504: ("GatewayTimeout", "No provider answered in time.", {}),
}
CACHED = {
    "ETag": ("string", "Names this content."),
    "Cache-Control": ("string", "For how long it may be used again, and whose cache may keep it."),
}
# The guard in front of everything refuses with these, and a fault may happen anywhere.
ANYWHERE = (400, 408, 413, 431, 500)
# Django REST framework negotiates what the lean views do not.
NEGOTIATED = (406,)
# Whoever must be known may turn out not to be; the database may be away.
KEYED = (401, 503)
# A key may lack the scope.
PERMITTED = (403,)


# The answer to whoever has the newest already.
_NOT_MODIFIED = ("NotModified", "Nothing has changed since the `ETag` that `If-None-Match` names.")


def reference(status: int, shape: ErrorShape) -> dict[str, str]:
    name = _NOT_MODIFIED[0] if status == 304 else shape.prefix + _ANSWERS[status][0]
    return {"$ref": f"#/components/responses/{name}"}


def responses(bodies: Iterable[tuple[ErrorShape, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return all of them, for `components.responses`, for each shape and its body's schema."""
    name, what = _NOT_MODIFIED
    told = {name: {"description": what, "headers": _headers(CACHED)}}
    for shape, body in bodies:
        for status, (name, what, headers) in _ANSWERS.items():
            told[shape.prefix + name] = {
                "description": what,
                **({"headers": _headers(headers)} if headers else {}),
                "content": {
                    JSON: {"schema": dict(body), "example": shape.made(ApiError(status, what))}
                },
            }
    return told


def _headers(headers: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        name: {"required": True, "description": what, "schema": {"type": kind}}
        for name, (kind, what) in headers.items()
    }
