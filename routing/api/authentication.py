"""Who is calling: from the Authorization header to a `Caller`.

Owns the reading of the header and the database look-up; the cache in front of the look-up
belongs to `routing.gateway.keys`. The rule others rely on: a key that is missing, wrong, revoked
or expired gets the very same 401, and a key is only ever looked up by its full digest.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError
from django.utils.timezone import now
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from routing.api.errors import ApiError, unauthorized
from routing.models import ApiKey, key_checksum, key_digest

_KEY = re.compile(r"(sk-assay-[A-Za-z0-9]{8}-[A-Za-z0-9]{43})-([0-9a-f]{6})")
_MAX_HEADER = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """The key behind a request, with the limits in force for it (0: none)."""

    account_id: int
    api_key_id: int
    label: str
    digest: str
    requests_per_minute: int
    max_in_flight: int
    expires_at: datetime | None


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


def load_caller(digest: str) -> Caller | None:
    """Return the caller behind a key's digest, or None if it may not call (now)."""
    key = ApiKey.objects.filter(digest=digest).first()
    if key is None or not key.usable(now()):
        return None
    limits = settings.LIMITS
    return Caller(
        account_id=key.account_id,
        api_key_id=key.pk,
        label=key.label,
        digest=digest,
        requests_per_minute=_limit(key.requests_per_minute, limits.key_rpm),
        max_in_flight=_limit(key.max_in_flight, limits.key_in_flight),
        expires_at=key.expires_at,
    )


def _limit(own: int | None, default: int) -> int:
    return default if own is None else own


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
