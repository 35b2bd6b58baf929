"""/account/ for whoever is not signed in, and signing in and out.

Owns the form and its brake. Failures are counted by django-axes as those of the admin are, here by
address alone: LOGIN_FAILURES of them lock an address for LOGIN_LOCK_S. The rules others rely on:
what a failed attempt is told does not depend on whether the key is wrong, revoked, disabled or
expired; nothing that was typed is shown again, stored or logged.
"""

import logging

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from routing.gateway.keys import Caller
from routing.pages.account.answer import account_page
from routing.pages.account.session import (
    caller_with,
    end_session,
    open_session,
    session_caller,
)
from routing.pages.answer import switched_on

logger = logging.getLogger(__name__)

# Counted apart from every user of the admin: no user name has a blank in it.
_COUNTED_AS = {"username": "account page"}
_WRONG = "No usable API key. Check that it was copied whole, and that it is still in use."


class SignInForm(forms.Form):
    key = forms.CharField(
        label="API key",
        max_length=200,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
        help_text="Begins with sk-assay-. It is sent to this server once and not kept.",
        error_messages={"required": "Paste an API key.", "max_length": _WRONG},
    )


def sign_in_page(request: HttpRequest, *, ended: bool) -> HttpResponse:
    """Ask for a key; say so where a session has ended."""
    answer = _asked(request, SignInForm(), ended=ended)
    if ended:
        end_session(request, answer)
    return answer


@sensitive_post_parameters("key")
def sign_in(request: HttpRequest) -> HttpResponse:
    """Exchange a key for a session, or say that it is none; 429 while the address is locked."""
    counted = _bare(request)
    if _is_locked(counted):
        return _locked(request)
    form = SignInForm(request.POST)
    caller = caller_with(form.cleaned_data["key"]) if form.is_valid() else None
    if caller is not None:
        return _welcome(request, caller)
    if not request.POST.get("key", "").strip():
        return _asked(request, form, status=400)
    AxesProxyHandler.user_login_failed(__name__, credentials=_COUNTED_AS, request=counted)
    if _is_locked(_bare(request)):
        return _locked(request)
    form.errors.pop("key", None)
    form.add_error("key", _WRONG)
    return _asked(request, form, status=403)


@require_POST
def sign_out_page(request: HttpRequest) -> HttpResponse:
    """End the session, wherever its cookie was copied to."""
    switched_on("ACCOUNT_PAGES")
    caller = session_caller(request)
    if caller is not None:
        logger.info("key %s signed out of the account page", caller.public_id)
    answer = HttpResponseRedirect(reverse("account"))
    end_session(request, answer)
    return answer


def _welcome(request: HttpRequest, caller: Caller) -> HttpResponse:
    logger.info("key %s signed in to the account page", caller.public_id)
    answer = HttpResponseRedirect(reverse("account"))
    open_session(request, answer, caller)
    rotate_token(request)
    return answer


def _bare(request: HttpRequest) -> HttpRequest:
    """Return the request without its form: axes keeps what it is shown."""
    bare = HttpRequest()
    bare.method, bare.path = request.method, request.path
    names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")
    bare.META = {name: request.META[name] for name in names if name in request.META}
    return bare


def _is_locked(counted: HttpRequest) -> bool:
    return settings.AXES_ENABLED and not AxesProxyHandler.is_allowed(counted, _COUNTED_AS)


def _locked(request: HttpRequest) -> HttpResponse:
    seconds = settings.LIMITS.login_lock_s
    context = {"minutes": -(-seconds // 60)}
    answer = account_page(request, None, "locked", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


def _asked(
    request: HttpRequest, form: SignInForm, *, ended: bool = False, status: int = 200
) -> HttpResponse:
    return account_page(request, None, "sign_in", {"form": form, "ended": ended}, status=status)
