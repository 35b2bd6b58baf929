"""What providers say when something is wrong: their error objects in, our errors out.

Owns the dialects of error objects: inside a stream, inside a successful body, and in an answer with
status >= 400. Which status means what is not decided here but in providers.errors. Rule: nothing of
a request that a provider repeats (FastAPI's `input`) gets into a message. See docs/quirks.md.
"""

from __future__ import annotations

from typing import Any, Literal

from providers.errors import (
    ProviderError,
    UpstreamErrorInside200,
    UpstreamFailedGeneration,
    UpstreamRejected,
)
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
    "internalservererror": 500,
    "api_error": 500,
    "generation": 500,
    "incomplete_generation": 500,
    "unavailable_error": 503,
    "timeout": 504,
    "invalid_request_error": 400,
    "invalid_request": 400,
    "bad_request": 400,
    "badrequesterror": 400,
    "exceed_context_size_error": 400,
    "validation": 422,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "notfounderror": 404,
    "model_not_found": 404,
}
# What Groq says of a generation that it does not hand out.
_FAILED_GENERATIONS = frozenset(["tool_use_failed", "json_validate_failed"])
_WHERE_DEPTH = 6


def error_of(chunk: object, event: str = "") -> ProviderError | None:
    """Return the failure that a body or a stream chunk reports, if it reports one.

    event: the name of the stream event; whatever one named `error` holds is a failure.
    """
    if not isinstance(chunk, dict):
        return UpstreamErrorInside200(None) if event == "error" else None
    error = chunk.get("error") or _error_elsewhere(chunk) or (chunk if event == "error" else None)
    if not error:
        return None
    if isinstance(error, str) and "error_type" in chunk:
        error = {"message": error, "type": chunk["error_type"]}
    status, message, code = _read_error(error)
    failed = _failed_generation(status or 400, message, error)
    return failed or UpstreamErrorInside200(status, message, code)


def rejection_of(
    status: int, value: object, retry_after: float | None, hide: str = ""
) -> ProviderError:
    """Return the failure that an answer with status >= 400 is.

    value: the parsed body, None if it is not JSON.
    hide: the credential, which some providers repeat in what they say.
    """
    if isinstance(value, list) and value:
        value = value[0]  # as Google does
    error = (value.get("error") or value) if isinstance(value, dict) else None
    _, message, code = _read_error(error)
    if hide:
        message = message.replace(hide, "***")
        code = code.replace(hide, "***") if isinstance(code, str) else code
    failed = _failed_generation(status, message, error) if status == 400 else None
    return failed or UpstreamRejected(status, message, code, retry_after)


def _error_elsewhere(chunk: dict[str, Any]) -> object:
    """Return an error that is not under `error`: in a choice, beside the usage, or spread out."""
    choices = chunk.get("choices")
    if choices and isinstance(choices, list) and isinstance(choices[0], dict):
        return choices[0].get("error") or ("x_groq" in chunk and _error_of_groq(chunk["x_groq"]))
    if chunk.get("object") == "error":
        return chunk
    if chunk.get("error_message"):
        return {"message": chunk["error_message"], "type": chunk.get("error_type")}
    return None


def _error_of_groq(told: object) -> object:
    return told.get("error") if isinstance(told, dict) else None


def _failed_generation(status: int, message: str, error: object) -> UpstreamFailedGeneration | None:
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(code, str) or code not in _FAILED_GENERATIONS:
        return None
    generated = text_of(error.get("failed_generation"))
    refused: Literal["call", "no_call", "json"] = "json"
    if code == "tool_use_failed":
        # Only its words tell a call that is wrong from one that was required and did not come.
        refused = "no_call" if "did not call a tool" in message else "call"
    return UpstreamFailedGeneration(status, message, code, generated=generated, refused=refused)


def _read_error(error: object) -> tuple[int | None, str, str | int | None]:
    """Return status, message and code of an error object, each None or empty if not told."""
    if isinstance(error, str):
        return None, error, None
    if not isinstance(error, dict):
        return None, "", None
    code, kind = error.get("code"), error.get("type")
    status = next(filter(None, map(_status_of, (code, error.get("status"), kind))), None)
    message = error.get("message") or _words_of(error.get("detail"))
    told = code if isinstance(code, str | int) and not isinstance(code, bool) else kind
    if isinstance(told, str):
        told = told[:64]
    return status, text_of(message), told if isinstance(told, str | int) else None


def _words_of(detail: object) -> str:
    """Return what FastAPI's `detail` says: text, an object of this kind, or a list of places."""
    if isinstance(detail, dict):
        inner = detail.get("message") or detail.get("error")
        return text_of(inner)
    if isinstance(detail, list):
        return "; ".join(filter(None, map(_place_and_fault, detail[:8])))
    return text_of(detail)


def _place_and_fault(fault: object) -> str:
    if not isinstance(fault, dict):
        return ""
    where, words = fault.get("loc"), text_of(fault.get("msg"))
    steps = where[:_WHERE_DEPTH] if isinstance(where, list) else []
    place = ".".join(str(step) for step in steps if isinstance(step, str | int))
    return f"{place}: {words}" if place and words else words


def _status_of(code: object) -> int | None:
    if isinstance(code, str):
        word = code.lower()
        code = int(word) if word.isdecimal() and len(word) == 3 else _STATUS_OF_WORD.get(word)
    return code if isinstance(code, int) and 400 <= code <= 599 else None
