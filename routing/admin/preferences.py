"""Accounts' standing preferences in the admin: the same rows that the accounts' keys may edit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from providers.admin.theme import ModelAdmin
from routing.models import AccountPreferences


@admin.register(AccountPreferences)
class AccountPreferencesAdmin(ModelAdmin[AccountPreferences]):
    list_display = ["account", "names_only", "names_ignored", "names_first", "quality_gate"]
    list_select_related = ["account"]
    search_fields = ["account__name"]
    ordering = ["account__name"]
    autocomplete_fields = ["account"]
    fieldsets = [
        (None, {"fields": ["account"]}),
        ("Providers", {"fields": ["only", "ignore", "order"]}),
        ("Requests with tools", {"fields": ["auto_exacto", "quality_gate"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["account"] if obj else []

    @admin.display(description="Only")
    def names_only(self, row: AccountPreferences) -> str:
        return ", ".join(row.only) or "any"

    @admin.display(description="Never")
    def names_ignored(self, row: AccountPreferences) -> str:
        return ", ".join(row.ignore) or "none"

    @admin.display(description="First")
    def names_first(self, row: AccountPreferences) -> str:
        return ", ".join(row.order) or "as balanced"
