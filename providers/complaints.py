"""What providers say when something is wrong: their error objects in, our errors out.

Owns the dialects of error objects: inside a stream, inside a successful body, and in an answer with
status >= 400. Which status means what is not decided here but in providers.errors.
"""

from __future__ import annotations

from typing import Any

from providers.errors import ProviderError, UpstreamErrorInside200, UpstreamRejected
from providers.toolcalls import text_of

# Error types and codes that come as words; numbers speak for themselves.
_STATUS_OF_WORD = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "capacity_exceeded": 429,
    "overloaded_error": 503,
    "overloaded": 503,
    "service_unavailable": 503,
    "server_error": 500,
    "internal_server_error": 500,
    "internal_error": 500,
    "api_error": 500,
    "timeout": 504,
    "invalid_request_error": 400,
    "invalid_request": 400,
    "bad_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "model_not_found": 404,
}


def error_of(chunk: object) -> ProviderError | None:
    """Return the failure that a body or a stream chunk reports, if it reports one."""
    if not isinstance(chunk, dict):
        return None
    error = chunk.get("error") or _error_in_choice(chunk)
    return UpstreamErrorInside200(*_read_error(error)) if error else None


def rejection_of(
    status: int, value: object, retry_after: float | None, hide: str = ""
) -> UpstreamRejected:
    """Return the failure that an answer with status >= 400 is.

    value: the parsed body, None if it is not JSON.
    hide: the credential, which some providers repeat in what they say.
    """
    error = (value.get("error") or value) if isinstance(value, dict) else None
    _, message, code = _read_error(error)
    if hide:
        message = message.replace(hide, "***")
        code = code.replace(hide, "***") if isinstance(code, str) else code
    return UpstreamRejected(status, message, code, retry_after)


def _error_in_choice(chunk: dict[str, Any]) -> object:
    choices = chunk.get("choices")
    if choices and isinstance(choices, list) and isinstance(choices[0], dict):
        return choices[0].get("error")
    return chunk if chunk.get("object") == "error" else None


def _read_error(error: object) -> tuple[int | None, str, str | int | None]:
    """Return status, message and code of an error object, each None or empty if not told."""
    if isinstance(error, str):
        return None, error, None
    if not isinstance(error, dict):
        return None, "", None
    code, kind = error.get("code"), error.get("type")
    status = next(filter(None, map(_status_of, (code, error.get("status"), kind))), None)
    message = error.get("message") or error.get("detail")
    told = code if isinstance(code, str | int) and not isinstance(code, bool) else kind
    if isinstance(told, str):
        told = told[:64]
    return status, text_of(message), told if isinstance(told, str | int) else None


def _status_of(code: object) -> int | None:
    if isinstance(code, str):
        word = code.lower()
        code = int(word) if word.isdecimal() and len(word) == 3 else _STATUS_OF_WORD.get(word)
    return code if isinstance(code, int) and 400 <= code <= 599 else None
