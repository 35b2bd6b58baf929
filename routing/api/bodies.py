"""Bodies of the small endpoints: strict JSON into a typed struct, or a 400 that names the place.

Owns the reading only; the chat routes have their own (`gateway.chat_request`). The rule others
rely on: what a struct does not allow never reaches a view.
"""

from typing import TypeVar

import msgspec
from django.conf import settings

from routing.errors import ApiError
from routing.gateway import strict_json

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def struct_of(body: bytes, kind: type[_Struct]) -> _Struct:
    """Return the body as `kind`. Raises ApiError 400."""
    limits = settings.LIMITS
    try:
        raw = strict_json.loads(
            body,
            depth=limits.json_depth,
            tokens=limits.structural_tokens,
            digits=limits.number_digits,
        )
    except strict_json.JsonError as error:
        message = f"The body cannot be read: {error}."
        raise ApiError(400, message, metadata=error.place) from None
    return converted(raw, kind)


def converted(raw: object, kind: type[_Struct]) -> _Struct:
    """Return what was read as `kind`. Raises ApiError 400 that names the field."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        path = place.rstrip("`").lstrip(".") or "body"
        raise bad_field(path, f"{message[:1].lower()}{message[1:]}.") from None


def bad_field(path: str, message: str) -> ApiError:
    return ApiError(400, f"{path}: {message}", metadata={"path": path})
