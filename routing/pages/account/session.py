"""Who is signed in to the account page: an API key, exchanged for a signed cookie.

Owns the cookie and the row that it needs. The cookie holds the numbers of account and key, a mark
that tells which of a key's secrets opened it, and the name of a row among Django's sessions, which
goes when somebody signs out; the key is in none of them, nor can it be had from them. The rules
others rely on: every request looks the key up anew, so a key that is revoked, disabled, expired or
rotated away ends its sessions at once; the cookie is not the admin's, and opens nothing but these
pages.
"""

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.timezone import now

from routing.api.authentication import bearer_token
from routing.errors import ApiError
from routing.gateway.keys import Caller, load_caller
from routing.models import ApiKey, key_digest

COOKIE = "assay_account"
_PATH = "/account/"
_SALT = "routing.pages.account"


def caller_with(text: str) -> Caller | None:
    """Return who calls with this key, or None if it may not (now); it makes no difference why."""
    try:
        token = bearer_token(f"Bearer {text.strip()}")
    except ApiError:
        return None
    return load_caller(key_digest(token))


def open_session(request: HttpRequest, answer: HttpResponse, caller: Caller) -> None:
    """Let the browser come back as this caller, for ACCOUNT_SESSION_S; its former session ends."""
    _forget(request)
    row = SessionStore()
    row.set_expiry(settings.LIMITS.account_session_s)
    row.create()
    told = {
        "account": caller.account_id,
        "key": caller.api_key_id,
        "mark": _mark(caller.digest),
        "row": row.session_key,
    }
    answer.set_cookie(
        COOKIE,
        signing.dumps(told, salt=_SALT),
        max_age=settings.LIMITS.account_session_s,
        path=_PATH,
        secure=settings.HTTPS_ONLY or request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def end_session(request: HttpRequest, answer: HttpResponse) -> None:
    """End the session that this browser has, and every copy of its cookie."""
    _forget(request)
    answer.delete_cookie(COOKIE, path=_PATH, samesite="Strict")


def _forget(request: HttpRequest) -> None:
    if told := _told(request):
        SessionStore().delete(told["row"])


def session_caller(request: HttpRequest) -> Caller | None:
    """Return who is signed in, as the key is now; None for nobody, or one who may no longer."""
    told = _told(request)
    if told is None or not SessionStore().exists(told["row"]):
        return None
    key = ApiKey.objects.filter(pk=told["key"], account_id=told["account"]).first()
    digest = _marked(key, told["mark"]) if key is not None and key.usable(now()) else None
    return load_caller(digest) if digest else None


def _told(request: HttpRequest) -> dict[str, Any] | None:
    """Return what the cookie says, if it is ours and young enough."""
    cookie, limits = request.COOKIES.get(COOKIE, ""), settings.LIMITS
    try:
        told: dict[str, Any] = signing.loads(cookie, salt=_SALT, max_age=limits.account_session_s)
    except signing.BadSignature:
        return None
    return told if "row" in told else None  # from before there were rows


def _marked(key: ApiKey, mark: str) -> str | None:
    """Return the digest of the secret that opened a session; None if the key has it no more."""
    known = (key.digest, key.previous_digest)
    return next((one for one in known if one and constant_time_compare(_mark(one), mark)), None)


def _mark(digest: str) -> str:
    return salted_hmac(_SALT, digest, algorithm="sha256").hexdigest()[:32]
