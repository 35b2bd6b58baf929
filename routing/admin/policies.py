"""Policies in the admin: what may happen to a model's lists without a curator."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.switches import LeavesSwitchesAlone
from providers.admin.theme import badge
from routing.admin.variants import variant_field
from routing.models import AuditEntry, ModelPolicy

_KEPT = [
    "mode",
    "method",
    "min_pool",
    "max_changes_per_day",
    "second_person_required",
    "frozen_until",
]


@admin.register(ModelPolicy)
class ModelPolicyAdmin(LeavesSwitchesAlone):
    switches = ["frozen_until"]  # the detector's too
    list_display = ["model", "variant", "mode", "method", "min_pool", "state"]
    list_filter = ["mode", "method"]
    list_select_related = ["model"]
    search_fields = ["model__slug"]
    fieldsets = [
        (None, {"fields": ["model", "variant", "mode", "method"]}),
        ("Guard rails", {"fields": ["min_pool", "max_changes_per_day", "second_person_required"]}),
        ("Pause", {"fields": ["frozen_until"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["model", "variant"] if obj else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "variant":
            return variant_field()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # changed, not deleted: the defaults are not a decision anybody took

    def save_model(self, request: HttpRequest, obj: ModelPolicy, form: Any, change: bool) -> None:
        before = ModelPolicy.objects.filter(pk=obj.pk).first()
        super().save_model(request, obj, form, change)
        AuditEntry.record(
            "change policy",
            by=cast("User", request.user),
            model=obj.model,
            variant=obj.variant,
            before=_digest(before) if before else None,
            after=_digest(obj),
        )

    @admin.display(description="State")
    def state(self, policy: ModelPolicy) -> SafeString | str:
        frozen = policy.frozen_until is not None and policy.frozen_until > now()
        return badge(f"frozen until {policy.frozen_until:%d %b %H:%M}", "bad") if frozen else "-"


def _digest(policy: ModelPolicy) -> dict[str, Any]:
    values = {name: getattr(policy, name) for name in _KEPT}
    until = policy.frozen_until
    return {**values, "frozen_until": until.isoformat() if until else None}
