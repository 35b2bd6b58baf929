"""Who is calling: from the Authorization header to a `Caller`.

Owns the reading of the header; the look-up and the cache in front of it belong to
`routing.gateway.keys`. The rule others rely on: a key that is missing, wrong, revoked
or expired gets the very same 401, and a key is only ever looked up by its full digest.
"""

import re

from django.db import DatabaseError
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from routing.errors import ApiError, unauthorized
from routing.gateway.keys import Caller, load_caller
from routing.models import key_checksum, key_digest

_KEY = re.compile(r"(sk-assay-[A-Za-z0-9]{8}-[A-Za-z0-9]{43})-([0-9a-f]{6})")
_MAX_HEADER = 512


def bearer_token(header: str) -> str:
    """Return the key in an Authorization header ("" if it was not sent).

    Raises ApiError: 400 for several headers, joined by commas as HTTP does; 401 for anything
    that cannot be a key. Its checksum spares a mistyped key the look-up.
    """
    if "," in header:
        raise ApiError(400, "Send one Authorization header.")
    if len(header) > _MAX_HEADER or not header.isascii():
        raise unauthorized()
    scheme, _, token = header.partition(" ")
    found = _KEY.fullmatch(token.strip(" "))
    if scheme.lower() != "bearer" or not found or key_checksum(found[1]) != found[2]:
        raise unauthorized()
    return found[0]


def caller_of(request: Request) -> Caller:
    """Return who was authenticated by `ApiKeyAuthentication`."""
    caller: object = request.auth
    assert isinstance(caller, Caller)  # noqa: S101  # no view asks without having authenticated
    return caller


class ApiKeyAuthentication(BaseAuthentication):
    """DRF's view of the same, for the endpoints that read; `request.user` is the Caller."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        token = bearer_token(request.headers.get("Authorization", ""))
        try:
            caller = load_caller(key_digest(token))
        except DatabaseError:
            # A doubt about our database is no statement about the key.
            raise ApiError(
                503, "Try again shortly.", error_type="server", headers={"Retry-After": "5"}
            ) from None
        if caller is None:
            raise unauthorized()
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
