"""Accounts and API keys in the admin. A key's text is in one answer, and nowhere else."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.in_use import RefusesDeletionInUse
from providers.admin.theme import Checkboxes, ModelAdmin, badge
from routing.models import Account, ApiKey, Scope
from telemetry.models import Spending

_OVERLAP = timedelta(days=1)


@admin.register(Account)
class AccountAdmin(RefusesDeletionInUse):
    list_display = ["name", "usable_keys", "spent", "credits", "vouched", "created_at"]
    search_fields = ["name"]
    fields = ["name", "credits", "vouched"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        rows: QuerySet[Account] = super().get_queryset(request)
        in_time = Q(keys__expires_at=None) | Q(keys__expires_at__gt=now())
        usable = Q(keys__revoked_at=None, keys__disabled=False) & in_time
        return rows.annotate(
            n_keys=Count("keys", filter=usable), spent_pico=_spent(Spending.Holder.ACCOUNT)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Facts know their owner by number only: the name must stay to be found.
        return False

    @admin.display(description="Usable keys", ordering="n_keys")
    def usable_keys(self, account: Any) -> int:
        return int(account.n_keys)

    @admin.display(description="Spent, USD", ordering="spent_pico")
    def spent(self, account: Any) -> str:
        return _usd(account.spent_pico)


def _spent(holder: Spending.Holder) -> Subquery:
    """Return what each row, an account or a key, has ever spent, in picodollars."""
    rows = Spending.objects.filter(holder=holder, holder_id=OuterRef("pk"), period="total")
    return Subquery(rows.values("cost_pico")[:1])


def _usd(pico: int | None) -> str:
    return f"{(pico or 0) / 1e12:,.4f}"


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        widget=Checkboxes,
        help_text="What the key may do. None chosen: everything.",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    list_display = [
        "label", "shown", "account", "may", "state", "spent", "limit", "created_at", "expires_at",
    ]  # fmt: skip
    list_filter = ["management", "disabled", "account"]
    list_select_related = ["account"]
    search_fields = ["label", "public_id", "account__name"]
    ordering = ["-created_at"]
    form = ApiKeyForm
    actions = ["rotate", "revoke"]
    fieldsets = [
        (None, {"fields": ["account", "label", "management", "scopes", "disabled"]}),
        ("Spending", {"fields": ["spend_limit", "limit_reset", "include_byok_in_limit"]}),
        ("Limits", {"fields": ["requests_per_minute", "max_in_flight", "expires_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).annotate(spent_pico=_spent(Spending.Holder.KEY))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # A key that callers hold does not come to manage others: issue another one.
        return ["account", "management"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # revoked, never deleted: facts refer to it by number

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        limits = {
            name: value
            for name, value in form.cleaned_data.items()
            if name not in ("account", "label")
        }
        key, text = ApiKey.issue(obj.account, obj.label, **limits)
        obj.__dict__.update(key.__dict__)
        obj.text_to_show_once = text  # type: ignore[attr-defined]  # read by response_add, then gone

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in the answer to this very POST: no session or message ever holds it, and
        the admin's answers are not cached."""
        text: str = obj.text_to_show_once  # type: ignore[attr-defined]  # set by save_model
        return self._show_once(request, obj, text, f"New key for {obj.account}")

    def _show_once(
        self, request: HttpRequest, key: ApiKey, text: str, title: str
    ) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(
            request, "admin/routing/key_once.html", {**context, "key": key, "text": text}
        )

    @admin.action(
        description="Rotate: give one key a new secret; the old one works for another day",
        permissions=["change"],
    )
    def rotate(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> TemplateResponse | None:
        chosen = list(keys.select_related("account")[:2])
        if len(chosen) != 1 or chosen[0].revoked_at:
            self.message_user(request, "Choose one key that is not revoked.", messages.ERROR)
            return None
        [key] = chosen
        text = key.rotate(_OVERLAP)
        self.log_change(request, key, "Rotated.")
        return self._show_once(request, key, text, f"New secret for {key}")

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
        return key.masked

    @admin.display(description="Spent, USD", ordering="spent_pico")
    def spent(self, key: Any) -> str:
        return _usd(key.spent_pico)

    @admin.display(description="Limit", ordering="spend_limit")
    def limit(self, key: ApiKey) -> str:
        if key.spend_limit is None:
            return "none"
        return f"{key.spend_limit.normalize():,f} {key.limit_reset}".strip()

    @admin.display(description="May")
    def may(self, key: ApiKey) -> str:
        if key.management:
            return "manage keys"
        return ", ".join(key.scopes) if key.scopes else "everything"

    @admin.display(description="State")
    def state(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return badge(f"revoked {date_format(key.revoked_at, 'j M Y')}", "bad")
        if key.disabled:
            return badge("disabled", "warn")
        return badge("usable", "good") if key.usable(now()) else badge("expired", "warn")
