"""Feedback in the admin: read, put together, linked to an endpoint and answered.

Owns the list, the page of a case and the CSV. What joins messages is `telemetry.feedback_cases`'.
The rules others rely on: what somebody wrote cannot be changed; the verdict on a generation is
shown only to those who may see attempts; a contact is on its message's page and in no file.
"""

import csv
from io import StringIO
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ShowFacets, SimpleListFilter
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timezone import now

from providers.admin.theme import ChangeList, ModelAdmin, badge, badges
from providers.models import Endpoint
from telemetry.admin.attempts import outcome_badge, two_lines, verdict_badge
from telemetry.admin.facts import BoundedList, BoundedPaginator
from telemetry.admin.words import call_errors, signs, verdict_reason
from telemetry.csv_cells import safe_cell
from telemetry.feedback_cases import alike, join, take_apart
from telemetry.models import Attempt, Feedback, Generation
from telemetry.scoring.sentences import count

_COLOURS = {
    Feedback.Status.NEW: "warn",
    Feedback.Status.LOOKING: "info",
    Feedback.Status.ANSWERED: "good",
}
_EXPORTED = (
    "id", "part_of_id", "created_at", "status", "category", "source", "said_model",
    "said_provider", "generation_id", "endpoint__model__slug", "endpoint__tag", "comment",
    "reply", "replied_at",
)  # fmt: skip
_EXPORT_ROWS = 10_000
_JOIN_ROWS = 200
_ALIKE = 8
_PARTS = 50
_TRIES = 10


class StateFilter(SimpleListFilter):
    """By the status of cases; without a choice also their parts."""

    title = "status"
    parameter_name = "state"
    template = "admin/telemetry/select_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = [(str(value), str(label)) for value, label in Feedback.Status.choices]
        return [("open", "open"), *named, ("parts", "parts of other cases")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen == "open":
            return queryset.filter(status__in=Feedback.OPEN, part_of=None)
        if chosen == "parts":
            return queryset.exclude(part_of=None)
        if chosen in Feedback.Status.values:
            return queryset.filter(status=chosen, part_of=None)
        return queryset


class ChoiceFilter(SimpleListFilter):
    template = "admin/telemetry/select_filter.html"
    words: Any

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in self.words.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.words.values:
            return queryset
        return queryset.filter(**{str(self.parameter_name): self.value()})


class CategoryFilter(ChoiceFilter):
    title = "kind"
    parameter_name = "category"
    words = Feedback.Category


class SourceFilter(ChoiceFilter):
    title = "came by"
    parameter_name = "source"
    words = Feedback.Source


class CaseForm(forms.ModelForm[Feedback]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "endpoint" in self.fields:
            endpoints = Endpoint.objects.select_related("model").order_by("model__slug", "tag")
            self.fields["endpoint"].queryset = endpoints  # type: ignore[attr-defined]  # a choice of models

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if told.get("status") == Feedback.Status.ANSWERED and not told.get("reply", "").strip():
            self.add_error("reply", "An answered case needs a reply: write one, or close it.")
        return told


@admin.register(Feedback)
class FeedbackAdmin(ModelAdmin[Feedback]):
    form = CaseForm
    list_display = [
        "number",
        "received",
        "state",
        "about",
        "said",
        "category",
        "source",
        "case_size",
    ]
    list_display_links = ["number"]
    list_filter = [StateFilter, CategoryFilter, SourceFilter]
    list_select_related = ["endpoint__model"]
    list_per_page = 50
    list_fullwidth = True
    list_before_template = "admin/telemetry/chosen_filters.html"
    ordering = ["-created_at"]
    sortable_by = ["received"]
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    search_fields = ["pk"]  # shows the search box; see get_search_results
    search_help_text = "Number of a case, or whole generation id: gen-…"
    actions = ["put_together", "apart", "look_at", "close", "mark_as_spam", "export_csv"]
    readonly_fields = [
        "received", "came_by", "kind", "words", "said_model", "said_provider", "contact",
        "answer", "verdict", "case_of", "others", "like_it", "replied_at",
    ]  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        parts = Feedback.objects.filter(part_of=OuterRef("pk")).order_by().values("part_of")
        # Not joined: a filter by id would make it an inner join, and ids may name nothing.
        named = Generation.objects.filter(pk=OuterRef("generation_id"))
        rows: QuerySet[Feedback] = super().get_queryset(request)
        return rows.annotate(
            n_parts=Subquery(parts.annotate(n=Count("pk")).values("n")),
            asked=Subquery(named.values("model_slug")),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Feedback], search_term: str
    ) -> tuple[QuerySet[Feedback], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isascii() and term.isdecimal() and len(term) <= 18:
            return queryset.filter(pk=int(term)), False
        return queryset.filter(generation_id=term.replace("\0", "")), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        sees_attempts = request.user.has_perm("telemetry.view_attempt")
        of_answer = ["answer", "verdict"] if sees_attempts else ["answer"]
        decided = ["case_of"] if obj and obj.part_of_id else ["others", "like_it"]
        return [
            (
                "What was said",
                {
                    "fields": [
                        ("received", "kind"),
                        "came_by",
                        "words",
                        ("said_model", "said_provider"),
                        "contact",
                    ]
                },
            ),
            ("The answer that it is about", {"fields": of_answer}),
            ("The case", {"fields": decided}),
            (
                "What came of it",
                {"fields": [("status", "endpoint"), "reply", "replied_at", "note"]},
            ),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A part has neither status nor reply: its case has.
        is_part = obj is not None and obj.part_of_id is not None
        return not is_part and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Feedback, form: Any, change: bool) -> None:
        if "reply" in form.changed_data:
            obj.replied_at = now() if obj.reply else None
        # Not the whole row: a contact that was removed meanwhile must not come back.
        obj.save(update_fields=[*form.changed_data, "replied_at", "changed_at"])

    @admin.action(description="Put together: one status and reply for all", permissions=["change"])
    def put_together(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> None:
        joined = join(chosen.order_by("pk")[:_JOIN_ROWS])
        if joined is None:
            self.message_user(request, "Choose two cases or more.", messages.ERROR)
            return
        case, number = joined
        self.log_change(request, case, f"Took in {count(number, 'message', 'messages')}.")
        self.message_user(
            request, f"{number} more in case {case.pk}: they show its reply.", messages.SUCCESS
        )

    @admin.action(description="Take apart: parts are cases again", permissions=["change"])
    def apart(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> None:
        parts = list(chosen.exclude(part_of=None)[:_JOIN_ROWS])
        number = take_apart(Feedback.objects.filter(pk__in=[part.pk for part in parts]))
        for part in parts:
            self.log_change(request, part, f"Taken out of case {part.part_of_id}.")
        told = f"{number} {'is a new case' if number == 1 else 'are new cases'}."
        self.message_user(request, told, messages.SUCCESS)

    @admin.action(description="Look at them", permissions=["change"])
    def look_at(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> None:
        self._settle(request, chosen, Feedback.Status.LOOKING)

    @admin.action(description="Close", permissions=["change"])
    def close(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> None:
        self._settle(request, chosen, Feedback.Status.CLOSED)

    @admin.action(description="Mark as spam", permissions=["change"])
    def mark_as_spam(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> None:
        self._settle(request, chosen, Feedback.Status.SPAM)

    def _settle(
        self, request: HttpRequest, chosen: QuerySet[Feedback], status: Feedback.Status
    ) -> None:
        """Give cases a status; parts among those chosen have none of their own."""
        pks = list(chosen.filter(part_of=None).values_list("pk", flat=True)[:_EXPORT_ROWS])
        cases = Feedback.objects.filter(pk__in=pks).exclude(status=status)
        for case in cases[:_JOIN_ROWS]:
            self.log_change(request, case, f"Now {status.label}.")
        number = cases.update(status=status, changed_at=now())
        told = f"{count(number, 'case', 'cases')}: {status.label}."
        self.message_user(request, told, messages.SUCCESS)

    @admin.action(description="Download as CSV, without contacts", permissions=["view"])
    def export_csv(self, request: HttpRequest, chosen: QuerySet[Feedback]) -> HttpResponse:
        text = StringIO()
        lines = csv.writer(text)
        lines.writerow(_EXPORTED)
        for row in chosen.order_by("-pk").values_list(*_EXPORTED)[:_EXPORT_ROWS]:
            lines.writerow([safe_cell(cell) for cell in row])
        answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="feedback.csv"'
        return answer

    @admin.display(description="Number")
    def number(self, message: Feedback) -> int:
        return message.pk

    @admin.display(description="Received (UTC)", ordering="created_at")
    def received(self, message: Feedback) -> str:
        return f"{message.created_at:%d %b %Y, %H:%M}"

    @admin.display(description="Status")
    def state(self, message: Feedback) -> SafeString:
        if message.part_of_id:
            return badge(f"part of case {message.part_of_id}")
        status = Feedback.Status(message.status)
        return badge(status.label, _COLOURS.get(status, "plain"))

    @admin.display(description="About")
    def about(self, message: Any) -> SafeString | str:
        if message.endpoint:
            return two_lines(message.endpoint.tag, message.endpoint.model.slug)
        model = message.said_model or message.asked or ""
        if not model and not message.said_provider:
            return message.generation_id or "-"
        return two_lines(_short(model or "any model"), _short(message.said_provider))

    @admin.display(description="What happened")
    def said(self, message: Feedback) -> str:
        return _short(message.comment, 120) or "-"

    @admin.display(description="Messages")
    def case_size(self, message: Any) -> int | str:
        return "" if message.part_of_id else (message.n_parts or 0) + 1

    @admin.display(description="Came by")
    def came_by(self, message: Feedback) -> str:
        if message.source == Feedback.Source.API:
            return "the API, from the account that asked"
        return "the public form: nobody has proved who wrote it"

    @admin.display(description="Kind")
    def kind(self, message: Feedback) -> str:
        return str(message.get_category_display())

    @admin.display(description="What happened")
    def words(self, message: Feedback) -> SafeString:
        paragraphs = SafeString(linebreaks(message.comment or "-", autoescape=True))
        return format_html('<div class="break-words">{}</div>', paragraphs)

    @admin.display(description="Generation")
    def answer(self, message: Feedback) -> SafeString | str:
        if not message.generation_id:
            return "none named"
        url = reverse("admin:telemetry_generation_change", args=[message.generation_id])
        return _link(url, message.generation_id)

    @admin.display(description="How it went")
    def verdict(self, message: Feedback) -> SafeString | str:
        if not message.generation_id:
            return "-"
        tries = Attempt.objects.filter(generation=message.generation_id)
        tries = tries.select_related("endpoint__model", "endpoint__provider").order_by("ordinal")
        lines = [_try_line(attempt) for attempt in tries[:_TRIES]]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or (
            "No generation of this id is stored."
        )

    @admin.display(description="Part of")
    def case_of(self, message: Feedback) -> SafeString:
        case = message.case
        return _case_line(case)

    @admin.display(description="Also in this case")
    def others(self, case: Feedback) -> SafeString | str:
        parts = case.parts.order_by("-created_at")[:_PARTS]
        return format_html_join("", "<div>{}</div>", ((_case_line(one),) for one in parts)) or "-"

    @admin.display(description="Open cases like it")
    def like_it(self, case: Feedback) -> SafeString | str:
        found = alike(case, _ALIKE)
        return format_html_join("", "<div>{}</div>", ((_case_line(one),) for one in found)) or "-"


def _try_line(attempt: Attempt) -> SafeString:
    """Say how one try went: kinds of error and paths of arguments, which is all that is stored."""
    wrong = [*call_errors(attempt.call_errors), verdict_reason(attempt.verdict_reason)]
    return format_html(
        "Try {}: {} ({}), {} {} {} {}",
        attempt.ordinal,
        attempt.endpoint,
        attempt.endpoint.provider,
        outcome_badge(attempt),
        verdict_badge(attempt),
        badges(signs(attempt), "warn"),
        "; ".join(filter(None, wrong)),
    )


def _case_line(message: Feedback) -> SafeString:
    url = reverse("admin:telemetry_feedback_change", args=[message.pk])
    told = _short(message.comment, 80) or str(message.get_category_display())
    what = "message" if message.part_of_id else "case"
    when = f"{message.created_at:%d %b %Y, %H:%M}"
    return format_html("{} ({}): {}", _link(url, f"{what} {message.pk}"), when, told)


def _link(url: str, words: str) -> SafeString:
    return format_html(
        '<a class="text-primary-600 underline dark:text-primary-500" href="{}">{}</a>', url, words
    )


def _short(text: str, most: int = 60) -> str:
    return Truncator(text).chars(most)
