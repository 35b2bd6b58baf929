"""An error as Anthropic's clients parse it.

Owns the names of errors by status, those of Anthropic's API and the two that OpenRouter adds. The
rule others rely on: the status stays the gateway's own.
"""

from collections.abc import Mapping
from typing import Any

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_of(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body for the contract's error object (`routing.errors.error_body`)."""
    status: int = error["code"]
    metadata = dict(error.get("metadata") or {})
    told: dict[str, Any] = {
        "type": _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error"),
        "message": error["message"],
        "error_type": metadata.pop("error_type", None),
    }
    if metadata:
        told["metadata"] = metadata
    if "availability" in error:
        told["availability"] = error["availability"]
    return {"type": "error", "error": told}
