"""Accounts' presets in the admin: typed as JSON, and checked as the requests they become."""

from typing import Any

import orjson
from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin
from routing.errors import ApiError
from routing.gateway.chat_request import parse_chat
from routing.gateway.presets import NOT_IN_PRESETS
from routing.models import Preset


class PresetForm(forms.ModelForm[Preset]):
    class Meta:
        model = Preset
        fields: list[str] = []  # the admin's fieldsets name them

    def clean_parameters(self) -> Any:
        parameters = self.cleaned_data["parameters"]
        if isinstance(parameters, dict):
            check_parameters(parameters)
        return parameters


def check_parameters(parameters: dict[str, Any]) -> None:
    """Raise ValidationError for parameters that no request could have."""
    if foreign := sorted(NOT_IN_PRESETS & parameters.keys()):
        raise ValidationError(f"Not in a preset, but in a request: {', '.join(foreign)}.")
    trial = {"messages": [{"role": "user", "content": "Hi"}], **parameters}
    if "model" not in trial and "models" not in trial:
        trial["model"] = "author/model"
    try:
        parse_chat(orjson.dumps(trial), settings.LIMITS)
    except ApiError as refused:
        raise ValidationError(refused.message) from None
    except TypeError:
        raise ValidationError("A number is too large.") from None


@admin.register(Preset)
class PresetAdmin(ModelAdmin[Preset]):
    form = PresetForm
    list_display = ["shown", "account", "named_model", "description", "changed_at"]
    list_filter = ["account"]
    list_select_related = ["account"]
    search_fields = ["slug", "account__name", "description"]
    ordering = ["account__name", "slug"]
    autocomplete_fields = ["account"]
    fieldsets = [
        (None, {"fields": ["account", "slug", "description"]}),
        ("What requests get", {"fields": ["parameters", "system_prompt"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["account"] if obj else []

    @admin.display(description="Preset", ordering="slug")
    def shown(self, preset: Preset) -> str:
        return f"@preset/{preset.slug}"

    @admin.display(description="Model")
    def named_model(self, preset: Preset) -> str:
        return str(preset.parameters.get("model") or "the request's")
