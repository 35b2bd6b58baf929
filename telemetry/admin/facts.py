"""What the lists of attempts and generations share: read-only, and quick on a million rows.

The rules: never count past a bound, never offer a filter whose choices need the big table, and
search only by a whole generation id (an index look-up; `%` and `_` mean nothing).
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin import ShowFacets, SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.timezone import now

from providers.admin.theme import ChangeList, ModelAdmin
from providers.models import Endpoint, Model
from telemetry.models import Attempt, Generation

# Whole UTC days ending today, as the verdict counts have them.
PERIODS = {"1": "Today (UTC)", "7": "Last 7 days", "30": "Last 30 days"}
_GENERATION_ID = re.compile(r"gen-[A-Za-z0-9_-]{1,60}")


class BoundedPaginator(Paginator[Any]):
    """Counts up to `bound` and then says "more": pages beyond are what filters are for."""

    bound = 1_000
    template_name = "admin/telemetry/pagination.html"

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)  # noqa: S101  # the change list gives nothing else
        return rows[: self.bound + 1].count()

    @property
    def more(self) -> bool:
        return self.count > self.bound


class BoundedList(ChangeList):
    """Claims no more rows than were counted, so that no total is shown beside them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count

    def chosen_filters(self) -> list[tuple[str, str, str]]:
        """Return (filter, choice in words, address without it) of each filter in use."""
        return [
            (str(spec.title), str(words), self.get_query_string(remove=[str(spec.parameter_name)]))
            for spec in self.filter_specs
            if isinstance(spec, SimpleListFilter)
            for value, words in spec.lookup_choices
            if str(value) == spec.value()
        ]


class FactAdmin(ModelAdmin[Any]):
    """Rows of history: nobody adds, changes or deletes them here."""

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # a count per choice, each over the whole table
    list_per_page = 50
    list_fullwidth = True
    list_before_template = "admin/telemetry/chosen_filters.html"
    search_fields = ["pk"]  # shows the search box; see get_search_results
    search_help_text = "Whole generation id: gen-…"
    generation_field = "pk"

    @admin.display(description="Streamed")
    def was_streamed(self, fact: Attempt | Generation) -> str:
        return yes(fact.streamed)

    @admin.display(description="First token")
    def first_token(self, fact: Attempt | Generation) -> str:
        return duration(fact.latency_ms)

    @admin.display(description="Duration")
    def took(self, fact: Attempt | Generation) -> str:
        return duration(fact.duration_ms)

    @admin.display(description="Tokens in → out")
    def used(self, fact: Attempt | Generation) -> str:
        return tokens(fact.prompt_tokens, fact.completion_tokens)

    @admin.display(description="Cost")
    def price(self, fact: Attempt | Generation) -> str:
        return dollars(fact.cost)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if not _GENERATION_ID.fullmatch(term):
            return queryset.none(), False
        return queryset.filter(**{self.generation_field: term}), False


class WhenFilter(SimpleListFilter):
    """Since when: the last hour, or one of PERIODS."""

    title = "time"
    parameter_name = "when"
    field = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), *PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        start = since(self.value(), now())
        return queryset.filter(**{f"{self.field}__gte": start}) if start else queryset


def since(preset: str | None, at: datetime) -> datetime | None:
    """Return when a preset begins: "hour", or a number of UTC days that includes today."""
    if preset == "hour":
        return at - timedelta(hours=1)
    if preset not in PERIODS:
        return None
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=int(preset) - 1)


class ModelFilter(SimpleListFilter):
    """By model; the choices are the catalogue's."""

    title = "model"
    parameter_name = "model"
    template = "admin/telemetry/select_filter.html"
    by_endpoint = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, slug) for slug in Model.objects.values_list("slug", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        if not self.by_endpoint:
            return queryset.filter(model_slug=self.value())
        # Ids, not a join: each is a range of the index (endpoint, -started_at).
        served = Endpoint.objects.filter(model__slug=self.value()).values_list("pk", flat=True)
        return queryset.filter(endpoint__in=list(served))


def moment(at: datetime) -> str:
    return f"{at:%d %b %Y, %H:%M:%S.%f}"[:-3] + " UTC"


def yes(flag: bool) -> str:
    return "yes" if flag else "no"


def tokens(prompt: int | None, completion: int | None) -> str:
    if prompt is None and completion is None:
        return "-"
    return f"{prompt or 0:,} → {completion or 0:,}"


def dollars(cost: Decimal | None) -> str:
    if cost is None:
        return "-"
    return f"${cost:.6f}" if cost else "$0"


def duration(milliseconds: int | None) -> str:
    """Return a duration for reading.

    >>> duration(420), duration(12_340), duration(None)
    ('420 ms', '12.3 s', '-')
    """
    if milliseconds is None:
        return "-"
    return f"{milliseconds} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"
