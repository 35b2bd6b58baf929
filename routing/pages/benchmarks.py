"""/exacto/{author}/{slug}/benchmarks, .json and .csv: what benchmarks say of a model's endpoints.

Public and the same for everybody, for every model in service; PUBLIC_SCOREBOARD=false switches
them off. They show no live traffic and no endpoint that is switched off. The rule others rely on:
page, JSON and CSV are made of one table.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from providers.models import Model
from routing.api.cacheable import cacheable, cacheable_bytes
from routing.benchmark_tables import as_csv, view
from routing.pages.answer import kept_page, not_found, switched_on
from routing.pages.published import published_model
from routing.pages.scoreboard import FRESH_S
from telemetry.benchmarks.measured import read_table
from telemetry.benchmarks.table import Table, as_json


@require_safe
def benchmarks_page(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Show endpoints by suites, with what was measured over time."""
    table = _table(author, slug)
    if table is None:
        return _no_such_model(request, author, slug)
    asked = [author, slug]
    context = {
        "table": table,
        "parts": view(table),
        "json_url": reverse("model-benchmarks-json", args=asked),
        "csv_url": reverse("model-benchmarks-csv", args=asked),
        "list_url": reverse("model", args=asked) if published_model(author, slug) else "",
    }
    return kept_page(request, "pages/benchmarks.html", context, fresh_s=FRESH_S)


@require_safe
def benchmarks_json(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Answer with the table, every figure of every run in it."""
    table = _table(author, slug)
    if table is None:
        return _no_such_model(request, author, slug)
    return cacheable(request, {"data": as_json(table)}, fresh_s=FRESH_S)


@require_safe
def benchmarks_csv(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Answer with one line per figure."""
    table = _table(author, slug)
    if table is None:
        return _no_such_model(request, author, slug)
    kind = "text/csv; charset=utf-8"
    return cacheable_bytes(request, as_csv(table), content_type=kind, fresh_s=FRESH_S)


def _table(author: str, slug: str) -> Table | None:
    switched_on("PUBLIC_SCOREBOARD")
    model = Model.objects.filter(enabled=True, slug=f"{author}/{slug}").first()
    return read_table(model) if model else None


def _no_such_model(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    what = f"There is no model {author}/{slug} here."
    return not_found(request, what, "/api/v1/models lists the models there are.")
