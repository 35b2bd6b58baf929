"""Accounts' own keys at providers in the admin. A pasted key goes one way: in."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin, PasswordInput
from providers.models import Provider
from providers.secrets import SealError
from routing.models import Account, OwnCredential


class OwnCredentialForm(forms.ModelForm[OwnCredential]):
    new_key = forms.CharField(
        label="Key",
        required=False,
        strip=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Empty: the key that is stored stays.",
    )

    class Meta:
        model = OwnCredential
        fields: list[str] = []  # the admin's fieldsets name them

    def clean_new_key(self) -> str:
        value: str = self.cleaned_data["new_key"]
        if not value:
            if not self.instance.sealed:
                raise ValidationError("Paste the account's key at the provider.")
            return ""
        # Only to hear whether it is usable: whose it is may not be known yet.
        trial = OwnCredential(account=Account(pk=0), provider=Provider(slug="trial"))
        try:
            trial.store(value)
        except SealError as error:
            raise ValidationError(str(error)) from None
        return value


@admin.register(OwnCredential)
class OwnCredentialAdmin(ModelAdmin[OwnCredential]):
    form = OwnCredentialForm
    list_display = ["account", "provider", "shared_too", "enabled", "changed_at"]
    list_filter = ["account", "provider", "enabled"]
    list_select_related = ["account", "provider"]
    search_fields = ["account__name", "provider__name"]
    ordering = ["account__name", "provider__name"]
    autocomplete_fields = ["account", "provider"]
    fieldsets = [
        (None, {"fields": ["account", "provider", "new_key"]}),
        ("Use", {"fields": ["enabled", "shared_too"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # What is sealed opens for this account at this provider only.
        return ["account", "provider"] if obj else []

    def save_model(self, request: HttpRequest, obj: OwnCredential, form: Any, change: bool) -> None:
        if value := form.cleaned_data["new_key"]:
            obj.store(value)
        super().save_model(request, obj, form, change)
