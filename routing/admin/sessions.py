"""The age of a curator's session: it ends when unused for a while, and after a day's work anyway.

Owns the middleware that keeps both times. Being unused is left to Django's session expiry
(SESSION_COOKIE_AGE is ADMIN_IDLE_S), which this renews; writing that down on every request would
cost a write each, so it is renewed only now and then: a session ends up to a thirtieth earlier.
"""

from collections.abc import Callable
from time import time

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

_RENEWALS = 30


class SessionAge:
    """Middleware, after authentication; a request without a session's cookie costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            _renew_or_end(request)
        return self._get_response(request)


@receiver(user_logged_in)
def begin(sender: object, request: HttpRequest, **_: object) -> None:
    """Note when a session began; signing in again begins anew."""
    request.session["began_at"] = request.session["renewed_at"] = time()


def _renew_or_end(request: HttpRequest) -> None:
    limits, session, now = settings.LIMITS, request.session, time()
    if now - session.get("began_at", 0) > limits.admin_session_s:
        logout(request)
    elif now - session.get("renewed_at", 0) > limits.admin_idle_s / _RENEWALS:
        session["renewed_at"] = now
