"""Signing in to the admin: name, password and, for whoever set up a second factor, its code.

Owns the form, who passes, and the answer while locked; counting and locking are django-axes', per
user name and address, so that nobody locks a curator out from elsewhere. The rules others rely on:
there is no session before everything was right, and one answer for whatever was wrong, so that
nobody learns whether a user exists, a password was right or a code is asked for; a session knows
the second factor it was opened with (`routing.admin.second_factor`).
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from providers.admin.theme import TextInput
from routing.models import SecondFactor

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
    from django.contrib.auth.models import User
else:
    from unfold.forms import AuthenticationForm

OPENED_WITH = "second_factor"  # in a session: the row's number
_WORTH_SAYING = 3  # wrong codes in a row: fewer are one's own typing


class CodeField(forms.CharField):
    """A code of an authenticator app."""

    def __init__(self, **options: Any) -> None:
        widget = TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"})
        super().__init__(label="Code", max_length=20, widget=widget, **options)


class SignInForm(AuthenticationForm):
    """Name, password and code; which of them was wrong is not said."""

    code = CodeField(
        required=False,
        help_text="From your authenticator app, if you have set up a second factor.",
    )
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "That is not right. Check name and password (capital and small letters"
        " differ) and, if you have set up a second factor, take the code your app shows now.",
    }

    def clean(self) -> dict[str, Any]:
        told = {name: self.cleaned_data.get(name, "") for name in ("username", "password", "code")}
        if told["username"] and told["password"]:
            self.user_cache = authenticate(self.request, **told)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


admin.site.login_form = SignInForm


class PasswordAndCode(ModelBackend):
    """Django's users and rights; a right password is half the way for who has a second factor."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **others: Any,
    ) -> "User | None":
        """Return the user, with the factor that `code` was of, or None."""
        code = others.pop("code", "")
        user = super().authenticate(request, username=username, password=password, **others)
        if user is None or not SecondFactor.objects.filter(user=user).exists():
            return user
        factor = SecondFactor.proven(user.pk, code)
        user.proven_factor = factor  # type: ignore[attr-defined]  # read by remember_factor
        return user if factor else None


@receiver(user_logged_in)
def remember_factor(sender: object, request: HttpRequest, user: Any, **_: object) -> None:
    """Note what a session was opened with, and tell of codes that its owner may not have typed."""
    factor: SecondFactor | None = getattr(user, "proven_factor", None)
    request.session[OPENED_WITH] = factor.pk if factor else None
    if factor and factor.wrong_codes >= _WORTH_SAYING:
        messages.warning(
            request,
            f"Before this, {factor.wrong_codes} wrong codes in a row were given with your"
            " password. If that was not you, somebody knows it: change it now.",
        )


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """Return the answer to an attempt while its user name and address are locked."""
    seconds = settings.LIMITS.login_lock_s
    context = {"minutes": -(-seconds // 60), "title": "Locked"}
    answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer
