"""The errors of routing: an answer that is not a success, in the shape OpenRouter's clients parse.

Owns `ApiError` (raise it anywhere; `body()` needs no framework), what any other exception amounts
to, and how a surprise is logged. It does not decide which upstream failure is which error. The
rule others rely on: the HTTP status equals `error.code`, and nothing of an unexpected exception
but its type and place is logged or answered.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions

logger = logging.getLogger(__name__)
_Error = TypeVar("_Error", bound=Exception)

_ERROR_TYPES = {
    401: "authentication",
    402: "payment_required",
    403: "permission_denied",
    404: "not_found",
    408: "timeout",
    413: "payload_too_large",
    422: "unprocessable",
    429: "rate_limit_exceeded",
    500: "server",
    502: "provider_unavailable",
    503: "provider_overloaded",
    504: "timeout",
}
_MESSAGES = {
    400: "The request cannot be read.",
    403: "This key may not do that.",
    404: "Not found.",
    405: "This method is not allowed here.",
    406: "Answers are application/json; accept that.",
    415: "Send the body as application/json.",
    429: "Too many requests.",
    500: "Internal error. It has been logged.",
}


class ClientGone(Exception):
    """The caller closed the connection, or does not read from it any more."""


class ApiError(exceptions.APIException):
    """An answer that is not a success: status, words, and what a client may do about it."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        error_type: str = "",
        metadata: Mapping[str, Any] | None = None,
        availability: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or _MESSAGES.get(status, "The request failed.")
        super().__init__(self.message)
        self.status_code = status
        self.error_type = error_type or _ERROR_TYPES.get(status, "invalid_request")
        self.metadata = dict(metadata or {})
        self.availability = dict(availability) if availability else None
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return self.status_code

    def body(self) -> dict[str, Any]:
        """Return the JSON body of this error."""
        return error_body(
            self.status, self.message, self.error_type, self.metadata, self.availability
        )


def error_body(
    status: int,
    message: str,
    error_type: str,
    metadata: Mapping[str, Any] | None = None,
    availability: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the contract's error object; `error.code` is the HTTP status, an integer."""
    error: dict[str, Any] = {
        "code": status,
        "message": message,
        "metadata": {"error_type": error_type, **(metadata or {})},
    }
    if availability:
        error["availability"] = dict(availability)
    return {"error": error}


def bad_field(path: str, message: str) -> ApiError:
    """Return the 400 for a field that is wrong; `message` says what is expected, without a stop."""
    return ApiError(400, f"{path}: {message}.", metadata={"path": path})


def unauthorized() -> ApiError:
    """Return the one 401: the same words for a missing, wrong, revoked or expired key."""
    return ApiError(
        401,
        "No usable API key: send Authorization: Bearer sk-assay-…",
        headers={"WWW-Authenticate": "Bearer"},
    )


def model_not_found(slug: str) -> ApiError:
    """Return the 404 of a look-up by slug (a request to run an unknown model is a 400)."""
    return ApiError(
        404,
        f"No such model: {slug[:300]}.",
        availability={
            "code": "model_not_found",
            "retryable": False,
            "requested_models": [slug[:300]],
        },
    )


def to_api_error(exc: Exception) -> ApiError:
    """Return the error that answers for `exc`, with none of its own text unless it is ours."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        return unauthorized()
    if isinstance(exc, exceptions.Throttled):
        wait = getattr(exc, "wait", None)
        return ApiError(429, headers={"Retry-After": str(max(1, int(wait or 1)))})
    if isinstance(exc, exceptions.APIException):
        return ApiError(exc.status_code)
    if isinstance(exc, Http404):
        return ApiError(404)
    if isinstance(exc, PermissionDenied):
        return ApiError(403)
    return ApiError(500)


def without_frames(error: _Error) -> _Error:
    """Return a caught error that is to be kept, less the frames it passed.

    They hold whoever keeps it, and the bodies of its request, until the garbage collector comes.
    """
    error.__traceback__ = error.__context__ = None
    return error


def log_unexpected(exc: BaseException, where: str) -> None:
    """Log the type and the places of an exception, never its text: that may quote a request."""
    frames = "".join(traceback.format_tb(exc.__traceback__))
    logger.error("unexpected %s in %s\n%s", type(exc).__name__, where, frames)
