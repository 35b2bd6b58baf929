"""/account/keys/: the account's keys, for its management keys: made, changed and ended.

Owns the forms; checks and deeds are `routing.api.key_changes`'. The rule others rely on: the text
of a key is in the one answer to the POST that made it, never in an address, a cookie or a log.
"""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.timezone import now

from routing.api.key_changes import (
    KeyChanges,
    KeyRotation,
    NewKey,
    change_key,
    create_key,
    key_of,
    keys_of,
    newest_first,
    revoke_key,
    rotate_key,
)
from routing.api.key_rows import key_rows
from routing.api.permissions import require_management
from routing.errors import ApiError
from routing.gateway.keys import Caller
from routing.models import ApiKey, LimitReset
from routing.pages.account.amounts import usd
from routing.pages.account.answer import account_page, signed_in
from routing.pages.account.checked import checked, complain

_PAGE = 100
_MOST_PAGES = 10_000
_HOUR_S = 3600
_MOST_USD = 999_999_999


class KeyForm(forms.Form):
    """What a key is made with, and what may be changed of it."""

    name = forms.CharField(label="Name", max_length=100)
    limit = forms.FloatField(
        label="Spending limit, USD",
        required=False,
        min_value=0,
        max_value=_MOST_USD,
        help_text="Further requests get 402. Empty: no limit.",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    limit_reset = forms.ChoiceField(
        label="The limit begins anew", required=False, choices=LimitReset.choices
    )
    include_byok_in_limit = forms.BooleanField(
        label="What the account's own credentials pay for counts for the limit, too", required=False
    )
    expires_at = forms.DateTimeField(
        label="Expires (UTC)",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M:%S"),
        input_formats=[
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%d %H:%M:%S",
            "%Y-%m-%d",
        ],
        help_text="Empty: never.",
    )


class ChangeForm(KeyForm):
    """It brings back what was shown, too, so that it is known what was changed of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True


class RotationForm(forms.Form):
    overlap_seconds = forms.TypedChoiceField(
        label="The old secret works on for",
        coerce=int,
        choices=[
            (24 * _HOUR_S, "one day"),
            (_HOUR_S, "one hour"),
            (7 * 24 * _HOUR_S, "seven days"),
            (30 * 24 * _HOUR_S, "thirty days"),
            (0, "not at all"),
        ],
    )


class DeletionForm(forms.Form):
    sure = forms.BooleanField(
        label="Yes, end this key for good",
        error_messages={"required": "Tick this to delete the key: it cannot be undone."},
    )


@signed_in
def keys_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the keys, 100 a page; POST makes one and shows its text."""
    require_management(caller)
    if request.method != "POST":
        return _listed(request, caller, KeyForm())
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            key, text = create_key(caller, checked(_wanted(form.cleaned_data), NewKey))
        except ApiError as error:
            complain(form, error)
        else:
            return _shown_once(request, caller, key, text, made=True)
    return _listed(request, caller, form, status=400)


@signed_in
def key_page(request: HttpRequest, caller: Caller, key_hash: str) -> HttpResponse:
    """Show one key and what may be done to it; POST does it."""
    require_management(caller)
    key = key_of(caller, key_hash)
    if request.method != "POST":
        return _one(request, caller, key)
    deed = request.POST.get("deed", "")
    if deed in ("disable", "enable"):
        change_key(caller, key, KeyChanges(disabled=deed == "disable"))
        return HttpResponseRedirect(reverse("account-key", args=[key.public_id]))
    if deed == "change":
        return _changed(request, caller, key)
    if deed == "rotate":
        return _rotated(request, caller, key)
    if deed == "delete":
        return _deleted(request, caller, key)
    raise ApiError(400, "Choose what to do with the key: its page has a button for each.")


def _changed(request: HttpRequest, caller: Caller, key: ApiKey) -> HttpResponse:
    form = ChangeForm(request.POST)
    if form.is_valid():
        # Only what differs from what was shown: another's change meanwhile must not be undone.
        wanted = {name: form.cleaned_data[name] for name in form.changed_data}
        if "limit_reset" in wanted:
            wanted["limit_reset"] = wanted["limit_reset"] or None
        try:
            change_key(caller, key, checked(wanted, KeyChanges))
        except ApiError as error:
            complain(form, error)
        else:
            return HttpResponseRedirect(reverse("account-key", args=[key.public_id]))
    return _one(request, caller, key, change=form, status=400)


def _as_it_is(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.label,
        "limit": None if key.spend_limit is None else float(key.spend_limit),
        "limit_reset": key.limit_reset,
        "include_byok_in_limit": key.include_byok_in_limit,
        "expires_at": key.expires_at and key.expires_at.replace(microsecond=0),
    }


def _rotated(request: HttpRequest, caller: Caller, key: ApiKey) -> HttpResponse:
    form = RotationForm(request.POST)
    if not form.is_valid():
        return _one(request, caller, key, rotation=form, status=400)
    text = rotate_key(caller, key, checked(form.cleaned_data, KeyRotation))
    return _shown_once(request, caller, key, text, made=False)


def _deleted(request: HttpRequest, caller: Caller, key: ApiKey) -> HttpResponse:
    form = DeletionForm(request.POST)
    if not form.is_valid():
        return _one(request, caller, key, deletion=form, status=400)
    revoke_key(caller, key)
    return HttpResponseRedirect(reverse("account-keys"))


def _wanted(told: dict[str, Any]) -> dict[str, Any]:
    """Return a form's values as the API takes them; what was left empty was not asked for."""
    return {name: value for name, value in told.items() if value not in (None, "")}


def _listed(
    request: HttpRequest, caller: Caller, form: KeyForm, *, status: int = 200
) -> HttpResponse:
    asked = request.GET.get("page", "1")
    at = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
    at = min(max(at, 1), _MOST_PAGES)
    found = list(newest_first(keys_of(caller))[(at - 1) * _PAGE : at * _PAGE + 1])
    context = {
        "form": form,
        "rows": [_row(row) for row in key_rows(found[:_PAGE], now())],
        "newer": at - 1,
        "older": at + 1 if len(found) > _PAGE else None,
    }
    return account_page(request, caller, "keys", context, status=status)


def _one(
    request: HttpRequest,
    caller: Caller,
    key: ApiKey,
    *,
    change: ChangeForm | None = None,
    rotation: RotationForm | None = None,
    deletion: DeletionForm | None = None,
    status: int = 200,
) -> HttpResponse:
    [row] = key_rows([key], now())
    context = {
        "row": _row(row),
        "change": change or ChangeForm(initial=_as_it_is(key)),
        "rotation": rotation or RotationForm(),
        "deletion": deletion or DeletionForm(),
    }
    return account_page(request, caller, "key", context, status=status)


def _shown_once(
    request: HttpRequest, caller: Caller, key: ApiKey, text: str, *, made: bool
) -> HttpResponse:
    context = {"name": key.label, "text": text, "made": made, "until": key.previous_until}
    return account_page(request, caller, "key_text", context)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of /keys with its moments as moments and its money in words."""
    moments = ("created_at", "expires_at", "last_used_at", "previous_expires_at")
    times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in moments}
    limit, expires_at, overlap = row["limit"], times["expires_at"], times["previous_expires_at"]
    at = datetime.now(UTC)
    return {
        **row,
        **times,
        "overlap_until": overlap if overlap and overlap > at else None,
        "state": "expired" if expires_at and expires_at <= at
        else "disabled" if row["disabled"] else "in use",
        "spent": usd(row["usage"]),
        "month": usd(row["usage_monthly"]),
        "own_spent": usd(row["byok_usage"]) if row["byok_usage"] else None,
        "own_month": usd(row["byok_usage_monthly"]),
        "limit_words": "none" if limit is None else usd(limit),
        "left_words": None if limit is None else usd(row["limit_remaining"]),
    }  # fmt: skip
