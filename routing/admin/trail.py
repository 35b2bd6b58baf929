"""The audit trail and notices in the admin: read, never edited."""

import json
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.theme import ModelAdmin, TabularInline, badge
from routing.models import AuditEntry, Delivery, Notice


class _ReadOnly(ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(_ReadOnly):
    list_display = ["at", "actor_name", "action", "subject", "reason"]
    list_filter = ["action", "actor_name"]
    search_fields = ["model_slug", "endpoint_tag", "reason"]
    fields = [
        "at",
        "actor_name",
        "action",
        "subject",
        "reason",
        "was",
        "became",
        "previous",
        "hash",
    ]

    @admin.display(description="Of")
    def subject(self, entry: AuditEntry) -> str:
        edition = f" edition {entry.edition}" if entry.edition else ""
        name = f"{entry.model_slug}:{entry.variant}" if entry.variant else entry.model_slug
        return f"{name}{edition}" + (f", {entry.endpoint_tag}" if entry.endpoint_tag else "")

    @admin.display(description="Before")
    def was(self, entry: AuditEntry) -> SafeString | str:
        return _json(entry.before)

    @admin.display(description="After")
    def became(self, entry: AuditEntry) -> SafeString | str:
        return _json(entry.after)


class DeliveryInline(TabularInline[Delivery, Notice]):
    model = Delivery
    fields = readonly_fields = ("channel", "state", "attempts", "due_at", "sent_at", "error")
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notice)
class NoticeAdmin(_ReadOnly):
    list_display = ["created_at", "what", "text", "seen_by"]
    list_filter = [
        "kind", "urgent", ("seen_at", admin.EmptyFieldListFilter), "deliveries__state",
    ]  # fmt: skip
    list_select_related = ["seen_by"]
    search_fields = ["text", "model__slug"]
    fields = ["created_at", "what", "text", "link", "seen_at", "seen_by"]
    inlines = [DeliveryInline]
    actions = ["mark_seen"]

    def has_mark_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("routing.change_notice")

    @admin.action(description="Mark as read", permissions=["mark"])
    def mark_seen(self, request: HttpRequest, notices: QuerySet[Notice]) -> None:
        unread = notices.filter(seen_at=None)
        number = unread.update(seen_at=now(), seen_by=cast("User", request.user))
        self.message_user(request, f"{number} marked as read.", messages.SUCCESS)

    @admin.display(description="What", ordering="kind")
    def what(self, notice: Notice) -> SafeString:
        return badge(notice.get_kind_display(), "bad" if notice.urgent else "plain")

    @admin.display(description="Page")
    def link(self, notice: Notice) -> SafeString | str:
        return format_html('<a href="{0}">{0}</a>', notice.path) if notice.path else "-"


def _json(value: Any) -> SafeString | str:
    if value is None:
        return "-"
    return format_html("<pre>{}</pre>", json.dumps(value, indent=1, sort_keys=True))
