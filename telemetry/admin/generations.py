"""Generations in the admin: one row per client request, its page with every try in order.

Knows owners only by number: `routing.admin` adds their names.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet, TextChoices
from django.http import HttpRequest
from django.utils.safestring import SafeString

from providers.admin.theme import TabularInline, badge
from telemetry.admin.attempts import outcome_badge, two_lines, verdict_badge
from telemetry.admin.facts import (
    FactAdmin,
    ModelFilter,
    WhenFilter,
    duration,
    moment,
    yes,
)
from telemetry.admin.words import why
from telemetry.models import Attempt, AutoExacto, Generation, QualityGate

_STATUSES = {
    "200": "answered",
    "400": "400 bad request",
    "402": "402 over a spending limit",
    "404": "404 nobody may serve it",
    "408": "408 too slow to send",
    "413": "413 too large",
    "422": "422 refused by the provider",
    "429": "429 rate limited",
    "499": "499 the caller left",
    "500": "500 our fault",
    "502": "502 unusable answers",
    "503": "503 providers unavailable",
    "504": "504 out of time",
}

_TRY_COLUMNS = ("ordinal", "endpoint_name", "how", "reason", "what", "first_token", "took")


class CreatedFilter(WhenFilter):
    field = "created_at"


class StatusFilter(SimpleListFilter):
    title = "result"
    parameter_name = "status"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_STATUSES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        return queryset.filter(status=int(chosen)) if chosen in _STATUSES else queryset


class DidFilter(SimpleListFilter):
    """By what something did to the request; without a choice also where it did nothing."""

    template = "admin/telemetry/select_filter.html"
    field = ""
    words: type[TextChoices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in self.words.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.words.values:
            return queryset
        # The second condition is the partial index's own.
        return queryset.filter(**{self.field: self.value(), f"{self.field}__gt": ""})


class AutoExactoFilter(DidFilter):
    title = "order by standing"
    parameter_name = field = "auto_exacto"
    words = AutoExacto


class QualityGateFilter(DidFilter):
    title = "quality gate"
    parameter_name = field = "quality_gate"
    words = QualityGate


class TryInline(TabularInline[Attempt, Generation]):
    model = Attempt
    verbose_name_plural = "Tries, in order"
    fields = _TRY_COLUMNS
    readonly_fields = _TRY_COLUMNS
    ordering = ["ordinal"]
    extra = 0
    can_delete = False
    show_change_link = True
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("endpoint__model", "endpoint__provider")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Endpoint")
    def endpoint_name(self, attempt: Attempt) -> str:
        return f"{attempt.endpoint.tag} ({attempt.endpoint.provider})"

    @admin.display(description="Outcome")
    def how(self, attempt: Attempt) -> SafeString:
        return outcome_badge(attempt)

    @admin.display(description="Why")
    def reason(self, attempt: Attempt) -> str:
        return why(attempt)

    @admin.display(description="Verdict")
    def what(self, attempt: Attempt) -> SafeString:
        return verdict_badge(attempt)

    @admin.display(description="First token")
    def first_token(self, attempt: Attempt) -> str:
        return duration(attempt.latency_ms)

    @admin.display(description="Duration")
    def took(self, attempt: Attempt) -> str:
        return duration(attempt.duration_ms)


@admin.register(Generation)
class GenerationAdmin(FactAdmin):
    list_display = [
        "when", "asked", "served_by", "result", "tries", "first_token", "took", "used", "price",
    ]  # fmt: skip
    list_filter = [CreatedFilter, ModelFilter, StatusFilter, AutoExactoFilter, QualityGateFilter]
    list_select_related = ["endpoint__provider"]
    ordering = ["-created_at"]
    sortable_by = ["when"]
    inlines = [TryInline]
    change_form_template = "admin/inlines_second.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("id", "began"),
                    ("requested_model", "list_edition"),
                    ("result", "served_by"),
                ]
            },
        ),
        (
            "Time, tokens and cost",
            {
                "fields": [
                    ("first_token", "took", "was_streamed"),
                    ("used", "cached_tokens", "reasoning_tokens"),
                    ("price", "finish_reason", "native_finish_reason"),
                ]
            },
        ),
        (
            "The request",
            {
                "fields": [
                    ("tools_offered", "tool_choice", "named_providers"),
                    ("reordered", "gate"),
                    ("app_title", "http_referer"),
                    ("user_agent", "upstream_id"),
                ]
            },
        ),
    ]

    @admin.display(description="Time (UTC)", ordering="created_at")
    def when(self, generation: Generation) -> str:
        return f"{generation.created_at:%d %b %H:%M:%S}"

    @admin.display(description="Began")
    def began(self, generation: Generation) -> str:
        return moment(generation.created_at)

    @admin.display(description="Named providers")
    def named_providers(self, generation: Generation) -> str:
        return yes(generation.pinned)

    @admin.display(description="Order by standing")
    def reordered(self, generation: Generation) -> str:
        return generation.get_auto_exacto_display() or "no"

    @admin.display(description="Quality gate")
    def gate(self, generation: Generation) -> str:
        return generation.get_quality_gate_display() or "off"

    @admin.display(description="Asked for")
    def asked(self, generation: Generation) -> str:
        return generation.requested_model

    @admin.display(description="Served by")
    def served_by(self, generation: Generation) -> SafeString | str:
        endpoint = generation.endpoint
        return two_lines(endpoint.tag, endpoint.provider.name) if endpoint else "nobody"

    @admin.display(description="Allowlist")
    def list_edition(self, generation: Generation) -> str:
        version = generation.allowlist_version
        return f"edition {version} of :{generation.variant}" if version else "none: open routing"

    @admin.display(description="Result")
    def result(self, generation: Generation) -> SafeString:
        if generation.cancelled:
            return badge("caller left")
        if generation.status == 200 and not generation.error_type:
            return badge("answered", "good")
        words = generation.error_type.replace("_", " ")
        return badge(f"{generation.status} {words}".strip(), "bad")

    @admin.display(description="Tries")
    def tries(self, generation: Generation) -> int:
        return generation.attempts
