"""From a form's values to the struct that the API checks its bodies with, and its complaints back.

Owns the way there and back. It checks nothing itself: what the API refuses, a form refuses in the
same words, at the field they are about.
"""

from typing import Any, TypeVar

import msgspec
from django import forms

from routing.api.bodies import converted
from routing.errors import ApiError

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def checked(values: dict[str, Any], kind: type[_Struct]) -> _Struct:
    """Return values as `kind`. Raises ApiError 400 that names the field."""
    return converted(values, kind)


def complain(form: forms.Form, error: ApiError) -> None:
    """Put an error at the field that it names, or at the form. Raises it unless it is a 400."""
    if error.status != 400:
        raise error
    path = str(error.metadata.get("path", "")).partition("[")[0]
    field = path if path in form.fields else None
    message = error.message.removeprefix(f"{path}: ")
    form.add_error(field, message[:1].upper() + message[1:])
