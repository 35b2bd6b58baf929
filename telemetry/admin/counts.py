"""The verdict counts page: per model, endpoints against verdicts, from the counters alone."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from telemetry.admin.facts import PERIODS, FactAdmin, since
from telemetry.models import Verdict, VerdictCount

COLUMNS = [
    Verdict.VALID, Verdict.INVALID_JSON, Verdict.UNKNOWN_NAME, Verdict.SCHEMA_MISMATCH,
    Verdict.NO_TOOL_CALLS, Verdict.UNJUDGED, Verdict.PENDING, Verdict.NONE,
]  # fmt: skip
_BAD = {Verdict.INVALID_JSON, Verdict.UNKNOWN_NAME, Verdict.SCHEMA_MISMATCH}


@dataclass(frozen=True, slots=True)
class Cell:
    attempts: int
    share: float | None  # of the attempts that were offered tools
    url: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    provider: str
    cells: list[Cell]
    total: int
    judged: int  # attempts whose tool calls were found good or bad
    error_rate: float | None


@dataclass(frozen=True, slots=True)
class Table:
    model: str
    rows: list[Row]


def row_of(name: str, provider: str, counts: dict[str, int], url: str) -> Row:
    """Return one line of a table; `url` lists the attempts it counts, but for the verdict."""
    total = sum(counts.values())
    offered = total - counts.get(Verdict.NONE, 0)
    bad = sum(counts.get(verdict, 0) for verdict in _BAD)
    judged = bad + counts.get(Verdict.VALID, 0)
    cells = [
        Cell(
            attempts=counts.get(verdict, 0),
            share=counts.get(verdict, 0) / offered if offered and verdict else None,
            url=f"{url}&verdict={verdict or 'none'}",
            bad=verdict in _BAD,
        )
        for verdict in COLUMNS
    ]
    return Row(name, provider, cells, total, judged, bad / judged if judged else None)


def tables(
    endpoints: Iterable[Endpoint], counts: dict[int, dict[str, int]], days: str
) -> list[Table]:
    """Return one table per model that has counts, each with a last line for the whole model."""
    attempts = reverse("admin:telemetry_attempt_changelist")
    by_model: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        if endpoint.pk in counts:
            by_model[endpoint.model.slug].append(endpoint)

    def url(**query: object) -> str:
        return f"{attempts}?{urlencode({'counted': 'callers', 'when': days, **query})}"

    result = []
    for slug, served in by_model.items():
        rows = [row_of(e.tag, e.provider.name, counts[e.pk], url(endpoint=e.pk)) for e in served]
        if len(rows) > 1:
            whole: dict[str, int] = defaultdict(int)
            for endpoint in served:
                for verdict, number in counts[endpoint.pk].items():
                    whole[verdict] += number
            rows.append(row_of("All endpoints", "", whole, url(model=slug)))
        result.append(Table(slug, rows))
    return result


def counted(days: str) -> dict[int, dict[str, int]]:
    """Return {endpoint_id: {verdict: attempts}} over a number of UTC days ending today."""
    start = since(days, now())
    assert start is not None  # noqa: S101  # days is one of PERIODS
    sums = (
        VerdictCount.objects.filter(day__gte=start.date())
        .values_list("endpoint_id", "verdict")
        .annotate(n=Sum("attempts"))
    )
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for endpoint_id, verdict, number in sums:
        if number:
            counts[endpoint_id][verdict] = number
    return counts


@admin.register(VerdictCount)
class VerdictCountAdmin(FactAdmin):
    """One page instead of a list of rows."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        days = request.GET.get("days", "7")
        days = days if days in PERIODS else "7"
        endpoints = Endpoint.objects.select_related("model", "provider")
        context = {
            **self.admin_site.each_context(request),
            "title": "Verdict counts",
            "opts": self.opts,
            "periods": [(key, label, key == days) for key, label in PERIODS.items()],
            "columns": [verdict.label for verdict in COLUMNS],
            "tables": tables(endpoints, counted(days), days),
        }
        return TemplateResponse(request, "admin/telemetry/verdict_counts.html", context)
