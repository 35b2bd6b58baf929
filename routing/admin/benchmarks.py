"""A model's benchmarks in the admin: endpoints by suites over time, and the same as files.

Owns the pages reached from a model's own. They change nothing. The rules others rely on: whoever
may see benchmark runs may see them; unlike the public pages they show endpoints that are switched
off, and lead to each run.
"""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from providers.models import Endpoint, Model
from routing.benchmark_tables import as_csv, view
from telemetry.benchmarks.measured import read_table
from telemetry.benchmarks.table import Table, as_json

_RIGHT = "telemetry.view_benchmarkrun"
_NAME = "providers_model_benchmarks"


def benchmark_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages, below the admin's list of models."""

    def page(request: HttpRequest, pk: int) -> HttpResponse:
        model, table = _read(request, pk)
        context = {
            **site.each_context(request),
            "opts": Model._meta,
            "title": f"Benchmarks of {model}",
            "model_url": reverse("admin:providers_model_change", args=[pk]),
            "model_pk": pk,
            "table": table,
            "parts": view(table),
        }
        return TemplateResponse(request, "admin/routing/benchmarks.html", context)

    views: dict[str, Callable[..., HttpResponse]] = {"": page, "json": _json, "csv": _csv}
    return [
        path(
            f"<int:pk>/benchmarks{'.' if kind else '/'}{kind}",
            site.admin_view(answer),
            name="_".join(filter(None, (_NAME, kind))),
        )
        for kind, answer in views.items()
    ]


def benchmarks_context(request: HttpRequest, row: Any) -> dict[str, Any]:
    """Return what the page of a model, or of an endpoint, needs to lead here."""
    if row is None or not request.user.has_perm(_RIGHT):
        return {}
    pk = row.model_id if isinstance(row, Endpoint) else row.pk
    return {"benchmarks_url": reverse(f"admin:{_NAME}", args=[pk])}


def _json(request: HttpRequest, pk: int) -> HttpResponse:
    return JsonResponse({"data": as_json(_read(request, pk)[1])})


def _csv(request: HttpRequest, pk: int) -> HttpResponse:
    _, table = _read(request, pk)
    return HttpResponse(
        as_csv(table),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="benchmarks.csv"'},
    )


def _read(request: HttpRequest, pk: int) -> tuple[Model, Table]:
    if not request.user.has_perm(_RIGHT):
        raise PermissionDenied
    model = get_object_or_404(Model, pk=pk)
    return model, read_table(model, stopped=True)
