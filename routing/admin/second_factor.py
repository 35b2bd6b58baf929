"""The second factor of whoever is signed in: the page that sets it up or removes it, and the gate.

Owns the page and what a session must have been opened with. Signing in itself is
`routing.admin.sign_in`'s. The rules others rely on: nothing changes without the password, which is
counted like a sign-in; a secret is shown while it is on offer and never again, and it is kept only
after a right code; setting one up or
removing it ends every other session of its owner.
"""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate, logout
from django.core import signing
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.timezone import now
from django.views.decorators.debug import sensitive_post_parameters

from providers.admin.theme import PasswordInput
from providers.secrets import SealError, Secret, seal, unseal
from routing.admin.sign_in import OPENED_WITH, CodeField
from routing.models import SecondFactor
from routing.one_time_codes import app_link, in_groups, new_secret, step_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_OFFER_S = 900
_SALT = "routing.admin.second_factor"


class SecondFactorGate:
    """Middleware, after authentication: ends a session opened with another factor, or without.

    Where REQUIRE_SECOND_FACTOR asks for one, whoever has none is led to the page that sets it up,
    from everywhere in the admin.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            factor = SecondFactor.objects.filter(user_id=request.user.pk).first()
            if request.session.get(OPENED_WITH) != (factor.pk if factor else None):
                logout(request)
            elif factor is None and _must_set_up(request):
                return HttpResponseRedirect(reverse("second_factor"))
        return self._get_response(request)


def _must_set_up(request: HttpRequest) -> bool:
    open_to_all = (reverse("second_factor"), reverse("admin:logout"), reverse("admin:login"))
    return (
        settings.REQUIRE_SECOND_FACTOR
        and request.path.startswith(reverse("admin:index"))
        and request.path not in open_to_all
    )


class ConfirmForm(forms.Form):
    """What removing takes: password and code."""

    password = forms.CharField(
        strip=False,
        widget=PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = CodeField(help_text="The one your app shows now.")


class SetUpForm(ConfirmForm):
    """That and the secret on offer, which only this server can read."""

    offer = forms.CharField(widget=forms.HiddenInput)


@sensitive_post_parameters("password", "code", "offer")
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Show whether there is a second factor; take the form that sets it up or removes it."""
    user = cast("User", request.user)
    factor = SecondFactor.objects.filter(user=user).first()
    if request.method == "POST":
        return _remove(request, factor) if factor else _set_up(request, user)
    return _asked(request, factor)


def _set_up(request: HttpRequest, user: "User") -> HttpResponse:
    form = SetUpForm(request.POST)
    if not form.is_valid():
        return _asked(request, None, form, status=400)
    secret = _offered(form.cleaned_data["offer"], user)
    if secret is None:
        messages.error(request, "That took longer than 15 minutes: here is a new secret.")
        return _asked(request, None, None, status=400)
    if not _is_password(request, form):
        return _asked(request, None, form, status=400)
    step = step_of(secret, form.cleaned_data["code"], time=now().timestamp())
    if step is None:
        form.add_error("code", "That is not the code of this secret. Is your phone's clock right?")
        return _asked(request, None, form, status=400)
    try:
        factor = SecondFactor.set_up(user, secret, step)
    except IntegrityError:
        return HttpResponseRedirect(reverse("second_factor"))  # in another window, a moment ago
    request.session.cycle_key()
    request.session[OPENED_WITH] = factor.pk
    messages.success(
        request, "Your second factor is set up. All your other sessions are signed out."
    )
    return HttpResponseRedirect(reverse("second_factor"))


def _remove(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if not form.is_valid() or not _is_password(request, form, code=form.cleaned_data["code"]):
        return _asked(request, factor, form, status=400)
    SecondFactor.remove(factor.user, by=factor.user)
    request.session[OPENED_WITH] = None
    messages.success(request, "Your second factor is removed: remove it from your app, too.")
    return HttpResponseRedirect(reverse("second_factor"))


def _is_password(request: HttpRequest, form: ConfirmForm, **code: str) -> bool:
    """Return whether it is the password (and code) of who is signed in; else say so in the form."""
    told = {"password": form.cleaned_data["password"], **code}
    user = authenticate(request, username=request.user.get_username(), **told)
    if user is None:
        form.add_error(None, "Password or code is not right." if code else "Wrong password.")
    return user is not None


def _asked(
    request: HttpRequest,
    factor: SecondFactor | None,
    form: ConfirmForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Second factor", "factor": factor}
    context["required"] = settings.REQUIRE_SECOND_FACTOR
    if factor:
        context["form"] = form or ConfirmForm()
    else:
        context |= _offer(cast("User", request.user), form)
    return TemplateResponse(request, "admin/second_factor.html", context, status=status)


def _offer(user: "User", form: ConfirmForm | None) -> dict[str, Any]:
    """Return the form with a secret on offer: the one it had, if that is still good."""
    secret = _offered(form["offer"].value() or "", user) if form else None
    if form is None or secret is None:
        secret = new_secret()
        sealed = seal(Secret(secret), keys=settings.CREDENTIAL_KEYS, row=_offer_row(user))
        offer = signing.dumps(base64.b64encode(sealed).decode(), salt=_SALT)
        form = SetUpForm(initial={"offer": offer})
    code = segno.make(app_link(secret, user.get_username()), micro=False)
    picture = code.svg_inline(scale=5, border=4, dark="#000", light="#fff")
    # Made of modules drawn here: nothing of it was typed by anybody.
    return {"form": form, "secret": in_groups(secret), "picture": mark_safe(picture)}  # noqa: S308


def _offered(offer: str, user: "User") -> str | None:
    """Return the secret that was offered to this user within the last 15 minutes, or None."""
    try:
        sealed = base64.b64decode(signing.loads(offer, salt=_SALT, max_age=_OFFER_S))
        return unseal(sealed, keys=settings.CREDENTIAL_KEYS, row=_offer_row(user)).reveal()
    except (signing.BadSignature, SealError):
        return None


def _offer_row(user: "User") -> str:
    return f"second factor on offer:{user.pk}"
