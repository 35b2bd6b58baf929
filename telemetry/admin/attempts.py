"""Attempts in the admin: a list to filter, a page that says in words how one went."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from providers.admin.theme import badge, badges
from providers.models import Endpoint
from telemetry.admin.facts import (
    FactAdmin,
    ModelFilter,
    WhenFilter,
    moment,
)
from telemetry.admin.words import (
    OUTCOME_COLOURS,
    SIGNS,
    VERDICT_COLOURS,
    call_errors,
    signs,
    verdict_reason,
    why,
)  # fmt: skip
from telemetry.models import HAS_SIGN, Attempt, Outcome, Verdict

_NO_VERDICT, _JUDGED = "none", "judged"
_FOUND = (Verdict.VALID, Verdict.INVALID_JSON, Verdict.UNKNOWN_NAME, Verdict.SCHEMA_MISMATCH)


class StartedFilter(WhenFilter):
    field = "started_at"


class ServedModelFilter(ModelFilter):
    by_endpoint = True


class EndpointFilter(SimpleListFilter):
    title = "endpoint"
    parameter_name = "endpoint"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(e.pk), str(e)) for e in Endpoint.objects.select_related("model")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        return queryset.filter(endpoint=int(chosen)) if chosen.isdecimal() else queryset


class OutcomeFilter(SimpleListFilter):
    title = "outcome"
    parameter_name = "outcome"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, str(label)) for value, label in Outcome.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class VerdictFilter(SimpleListFilter):
    title = "verdict"
    parameter_name = "verdict"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = [(value or _NO_VERDICT, str(label)) for value, label in Verdict.choices]
        return [(_JUDGED, "good or bad"), *named]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        if chosen == _JUDGED:
            return queryset.filter(verdict__in=_FOUND)
        return queryset.filter(verdict="" if chosen == _NO_VERDICT else chosen)


class CountedFilter(SimpleListFilter):
    """By what counts them, so that a figure can lead to its rows and to no others."""

    title = "counted in"
    parameter_name = "counted"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("callers", "traffic of callers"),
            ("scored", "scores"),
            ("benchmarks", "benchmarks and the verifier"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen == "scored":
            return queryset.filter(scored=True)
        if chosen in ("callers", "benchmarks"):
            return queryset.filter(benchmark=chosen == "benchmarks")
        return queryset


class SignFilter(SimpleListFilter):
    title = "sign"
    parameter_name = "sign"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "any sign"), *SIGNS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if not chosen:
            return queryset
        # Also where one sign is asked for: the partial index is used only where its words are.
        marked = queryset.filter(HAS_SIGN)
        return marked.filter(**{chosen: True}) if chosen in SIGNS else marked


def outcome_badge(attempt: Attempt) -> SafeString:
    colour = OUTCOME_COLOURS.get(Outcome(attempt.outcome), "bad")
    return badge(attempt.get_outcome_display(), colour)


def verdict_badge(attempt: Attempt) -> SafeString:
    colour = VERDICT_COLOURS.get(Verdict(attempt.verdict), "plain")
    return badge(attempt.get_verdict_display(), colour)


@admin.register(Attempt)
class AttemptAdmin(FactAdmin):
    generation_field = "generation"
    list_display = [
        "when", "endpoint_name", "how", "what", "sign_badges", "first_token", "took", "used",
        "price", "of_generation",
    ]  # fmt: skip
    list_filter = [
        StartedFilter, ServedModelFilter, EndpointFilter, OutcomeFilter, VerdictFilter, SignFilter,
        CountedFilter,
    ]  # fmt: skip
    ordering = ["-started_at"]
    sortable_by = ["when"]
    fieldsets = [
        (None, {"fields": ["of_generation", "started", "endpoint_name", "how", "reason"]}),
        (
            "Tool calls",
            {
                "fields": [
                    ("what", "verdict_why"),
                    "errors",
                    "sign_badges",
                    ("tools_offered", "tool_choice"),
                    ("tool_calls", "bad_calls"),
                    "finish",
                ]
            },
        ),
        (
            "Time, tokens and cost",
            {
                "fields": [
                    ("first_token", "took", "was_streamed"),
                    ("used", "cached_tokens", "reasoning_tokens"),
                    "price",
                ]
            },
        ),
        ("Why this endpoint", {"fields": ["chosen_by"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        # Not joined: given statistics, SQLite would begin with the endpoints and sort everything.
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows.prefetch_related("endpoint__model").defer("call_errors")

    @admin.display(description="Time (UTC)", ordering="started_at")
    def when(self, attempt: Attempt) -> str:
        return f"{attempt.started_at:%d %b %H:%M:%S}"

    @admin.display(description="Started")
    def started(self, attempt: Attempt) -> str:
        return moment(attempt.started_at)

    @admin.display(description="Chosen by")
    def chosen_by(self, attempt: Attempt) -> str:
        if attempt.benchmark:
            return "the verifier, which asks every endpoint of a model the same"
        if attempt.pinned:
            return "the caller, who named providers"
        if not attempt.router_assigned:
            return "the caller's sorting or session, or as a fallback"
        if attempt.probability is None:
            return "the router"
        return f"the router, with probability {attempt.probability:.0%}"

    @admin.display(description="Endpoint")
    def endpoint_name(self, attempt: Attempt) -> SafeString:
        return two_lines(attempt.endpoint.tag, attempt.endpoint.model.slug)

    @admin.display(description="Outcome")
    def how(self, attempt: Attempt) -> SafeString:
        return outcome_badge(attempt)

    @admin.display(description="Why")
    def reason(self, attempt: Attempt) -> str:
        return why(attempt)

    @admin.display(description="Verdict")
    def what(self, attempt: Attempt) -> SafeString:
        return verdict_badge(attempt)

    @admin.display(description="Reason")
    def verdict_why(self, attempt: Attempt) -> str:
        return verdict_reason(attempt.verdict_reason) or "-"

    @admin.display(description="Signs", empty_value="")
    def sign_badges(self, attempt: Attempt) -> SafeString | None:
        return badges(signs(attempt), "warn") or None

    @admin.display(description="What was wrong")
    def errors(self, attempt: Attempt) -> SafeString | str:
        sentences = call_errors(attempt.call_errors)
        return format_html_join(SafeString("<br>"), "{}", ((s,) for s in sentences)) or "nothing"

    @admin.display(description="Ended with")
    def finish(self, attempt: Attempt) -> str:
        native = attempt.native_finish_reason
        differs = native and native != attempt.finish_reason
        return (attempt.finish_reason or "-") + (f" (the provider: {native})" if differs else "")

    @admin.display(description="Request")
    def of_generation(self, attempt: Attempt) -> SafeString:
        if attempt.benchmark:  # no caller's request, so there is no page of it
            return two_lines(short_id(attempt.generation_id), "probe")
        url = reverse("admin:telemetry_generation_change", args=[attempt.generation_id])
        return format_html(
            '<a class="text-primary-600 whitespace-nowrap dark:text-primary-500" href="{}">{}</a>'
            '<div class="text-xs text-font-subtle-light dark:text-font-subtle-dark">try {}</div>',
            url,
            short_id(attempt.generation_id),
            attempt.ordinal,
        )


def short_id(generation_id: str) -> str:
    return generation_id if len(generation_id) <= 16 else f"…{generation_id[-8:]}"


def two_lines(first: str, second: str) -> SafeString:
    return format_html(
        '{}<div class="text-xs text-font-subtle-light dark:text-font-subtle-dark">{}</div>',
        first,
        second,
    )
