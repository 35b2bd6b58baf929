"""Accounts and API keys in the admin. A key's text is in one answer, and nowhere else."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.in_use import RefusesDeletionInUse
from providers.admin.theme import Checkboxes, ModelAdmin, badge
from routing.models import Account, ApiKey, Scope


@admin.register(Account)
class AccountAdmin(RefusesDeletionInUse):
    list_display = ["name", "usable_keys", "vouched", "created_at"]
    search_fields = ["name"]
    fields = ["name", "vouched"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        rows: QuerySet[Account] = super().get_queryset(request)
        in_time = Q(keys__expires_at=None) | Q(keys__expires_at__gt=now())
        return rows.annotate(n_keys=Count("keys", filter=Q(keys__revoked_at=None) & in_time))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Facts know their owner by number only: the name must stay to be found.
        return False

    @admin.display(description="Usable keys", ordering="n_keys")
    def usable_keys(self, account: Any) -> int:
        return int(account.n_keys)


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        widget=Checkboxes,
        help_text="What the key may do. None chosen: everything.",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    list_display = ["label", "shown", "account", "may", "state", "created_at", "expires_at"]
    list_filter = ["account"]
    list_select_related = ["account"]
    search_fields = ["label", "public_id", "account__name"]
    ordering = ["-created_at"]
    form = ApiKeyForm
    actions = ["revoke"]
    fieldsets = [
        (None, {"fields": ["account", "label", "scopes"]}),
        ("Limits", {"fields": ["requests_per_minute", "max_in_flight", "expires_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["account"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # revoked, never deleted: facts refer to it by number

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        limits = {
            name: form.cleaned_data[name]
            for name in ["requests_per_minute", "max_in_flight", "expires_at", "scopes"]
        }
        key, text = ApiKey.issue(obj.account, obj.label, **limits)
        obj.__dict__.update(key.__dict__)
        obj.text_to_show_once = text  # type: ignore[attr-defined]  # read by response_add, then gone

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in the answer to this very POST: no session or message ever holds it, and
        the admin's answers are not cached."""
        return TemplateResponse(
            request,
            "admin/routing/key_once.html",
            {
                **self.admin_site.each_context(request),
                "title": f"New key for {obj.account}",
                "opts": self.opts,
                "key": obj,
                "text": obj.text_to_show_once,  # type: ignore[attr-defined]  # set by save_model
            },
        )

    @admin.action(description="Revoke: stop accepting these keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for key in keys.filter(revoked_at=None):
            key.revoke()
            self.log_change(request, key, "Revoked.")
            self.message_user(
                request, f"{key} is revoked everywhere within 5 seconds.", messages.SUCCESS
            )

    @admin.display(description="Key", ordering="public_id")
    def shown(self, key: ApiKey) -> str:
        return f"sk-assay-{key.public_id}…"

    @admin.display(description="May")
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) if key.scopes else "everything"

    @admin.display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return badge(f"revoked {date_format(key.revoked_at, 'j M Y')}", "bad")
        return badge("usable", "good") if key.usable(now()) else badge("expired", "warn")
