"""/account/preferences/: whom the account always wants, never wants, and wants first.

Owns the form; the row, its checks and its keeping are those of /api/v1/account/preferences. The
rule others rely on: saving replaces the whole, as PUT does; whoever may only read
sees and saves nothing.
"""

import re
from typing import Any

from django import forms
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from providers.models import Endpoint, Provider
from routing.api.account import WantedPreferences, keep_preferences, preferences_of
from routing.api.permissions import require
from routing.errors import ApiError
from routing.gateway.keys import Caller
from routing.models import AccountPreferences, Scope
from routing.models.preferences import NAME_LISTS
from routing.pages.account.answer import account_page, may_manage, signed_in
from routing.pages.account.checked import checked, complain

_BETWEEN = re.compile(r"[\n\r,]+")
_ONE_A_LINE = "One provider slug or endpoint tag a line, such as deepinfra or groq/fp8."


def _names(label: str, words: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=20_000,
        strip=False,
        help_text=f"{words} {_ONE_A_LINE}",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "none"}),
    )


class PreferencesForm(forms.Form):
    only = _names("Only these", "Requests go to nobody else. Empty: all are allowed.")
    ignore = _names("Never these", "Requests never go there.")
    order = _names("First these", "Tried in this order, where a request names none.")
    auto_exacto = forms.ChoiceField(
        label="Reorder by standing",
        required=False,
        choices=[
            (AccountPreferences.AutoExacto.SERVICE, "as this service does for everybody"),
            (AccountPreferences.AutoExacto.ON, "on"),
            (AccountPreferences.AutoExacto.OFF, "off"),
        ],
        help_text="Whether better tool callers go first on plain model names.",
    )
    quality_gate = forms.BooleanField(
        label="Quality gate: retry a reply whose tool call is invalid on the next endpoint",
        required=False,
    )


@signed_in
def preferences(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the standing preferences; POST replaces them."""
    require(caller, Scope.MANAGE if request.method == "POST" else Scope.READ)
    if request.method != "POST":
        row = preferences_of(caller.account_id)
        return _shown(request, caller, PreferencesForm(initial=_told(row)), row)
    form = PreferencesForm(request.POST)
    if form.is_valid():
        try:
            keep_preferences(caller.account_id, checked(_wanted(form), WantedPreferences))
        except ApiError as error:
            complain(form, error)
        else:
            return HttpResponseRedirect(f"{reverse('account-preferences')}?saved=1")
    return _shown(request, caller, form, preferences_of(caller.account_id), status=400)


def _told(row: AccountPreferences) -> dict[str, Any]:
    names = {field: "\n".join(getattr(row, field)) for field in NAME_LISTS}
    return {**names, "auto_exacto": row.auto_exacto, "quality_gate": row.quality_gate}


def _wanted(form: PreferencesForm) -> dict[str, Any]:
    told = form.cleaned_data
    names = {
        field: [name.strip() for name in _BETWEEN.split(told[field]) if name.strip()]
        for field in NAME_LISTS
    }
    return told | names | {"auto_exacto": told["auto_exacto"] or None}


def _shown(
    request: HttpRequest,
    caller: Caller,
    form: PreferencesForm,
    row: AccountPreferences,
    *,
    status: int = 200,
) -> HttpResponse:
    changes = may_manage(caller)
    if not changes:
        for field in form.fields.values():
            field.disabled = True
    context = {
        "form": form,
        "changes": changes,
        "changed_at": row.changed_at,
        "saved": request.GET.get("saved") == "1" and status == 200,
        "unknown": _unknown(row),
    }
    return account_page(request, caller, "preferences", context, status=status)


def _unknown(row: AccountPreferences) -> list[str]:
    """Return the kept names that nobody has now: typing mistakes, or providers that have gone."""
    names = list(dict.fromkeys(name for field in NAME_LISTS for name in getattr(row, field)))
    if not names:
        return []
    named = Provider.objects.annotate(lower_name=Lower("name")).filter(lower_name__in=names)
    known = {
        *Endpoint.objects.filter(tag__in=names).values_list("tag", flat=True),
        *Provider.objects.filter(slug__in=names).values_list("slug", flat=True),
        *named.values_list("lower_name", flat=True),
    }
    return [name for name in names if name not in known]
