"""A model's page for curators: its endpoints side by side, and what can be done from there.

Owns the addresses below the admin's list of models, and who may open them. What is shown is read
by its neighbours. The rules others rely on: whoever may see allowlists may see the page, and of it
what else they may see; it reads scores and counters, never attempts; the number of queries does
not grow with endpoints or editions.
"""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.timezone import now

from providers.models import Endpoint, Model
from routing.admin.workplace.deeds import (
    Editions,
    endpoint_deeds,
    model_deeds,
    open_quarantines,
)
from routing.admin.workplace.doors import Doors
from routing.admin.workplace.evidence import read_evidence
from routing.admin.workplace.history import read_history
from routing.admin.workplace.overview import overview
from routing.admin.workplace.traffic import read_traffic
from routing.admin.workplace.work import ask_for_scores, read_work
from routing.gateway.slugs import POOL_VARIANTS
from routing.models import ModelPolicy
from telemetry.admin.facts import PERIODS

NAME = "routing_model_workplace"
_RIGHT = "routing.view_allowlist"
_ASK = "routing.add_allowlist"  # scores asked for may end in a draft
VARIANT = POOL_VARIANTS[0]
_MOST_ENDPOINTS = 60
_DAYS = "7"


def workplace_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages, below the admin's list of models."""

    def page(request: HttpRequest, pk: int) -> HttpResponse:
        model = _model(request, pk)
        context = {**site.each_context(request), "opts": Model._meta, **_context(request, model)}
        return TemplateResponse(request, "admin/routing/workplace.html", context)

    def every(request: HttpRequest) -> HttpResponse:
        _check(request)
        context = {**site.each_context(request), "opts": Model._meta, "title": "Models to curate"}
        context |= overview(request.GET.get("q", ""), VARIANT, Doors(request.user.has_perm))
        return TemplateResponse(request, "admin/routing/workplaces.html", context)

    return [
        path("workplaces/", site.admin_view(every), name=f"{NAME}s"),
        path("<int:pk>/workplace/", site.admin_view(page), name=NAME),
        path("<int:pk>/workplace/scores/", site.admin_view(_ask_for_scores), name=f"{NAME}_scores"),
    ]


def workplace_context(request: HttpRequest, model_id: int | None) -> dict[str, Any]:
    """Return what another page needs to lead here."""
    if model_id is None or not request.user.has_perm(_RIGHT):
        return {}
    return {"workplace_url": reverse(f"admin:{NAME}", args=[model_id])}


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm(_RIGHT):
        raise PermissionDenied


def _model(request: HttpRequest, pk: int) -> Model:
    _check(request)
    return get_object_or_404(Model, pk=pk)


def _ask_for_scores(request: HttpRequest, pk: int) -> HttpResponse:
    model = _model(request, pk)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm(_ASK):
        raise PermissionDenied
    if not _in_service(model):
        messages.error(
            request, f"{model} has no endpoint in service, so there is nothing to score."
        )
    elif ask_for_scores(model, VARIANT, by=cast("User", request.user), at=now()):
        messages.success(request, "Asked for. A worker begins within seconds: refresh to see.")
    else:
        messages.warning(request, "Asked for already: a worker has it before it.")
    return HttpResponseRedirect(reverse(f"admin:{NAME}", args=[pk]))


def _context(request: HttpRequest, model: Model) -> dict[str, Any]:
    doors, at = Doors(request.user.has_perm), now()
    days = request.GET.get("days", _DAYS)
    days = days if days in PERIODS else _DAYS
    endpoints = _endpoints(model)
    editions = Editions.read(model, VARIANT)
    aside = open_quarantines(model, VARIANT) if doors.may("routing.view_quarantine") else {}
    evidence = read_evidence(endpoints, editions.live, aside, doors)
    counts = doors.may("telemetry.view_verdictcount")
    return {
        "title": f"{model.slug}:{VARIANT}",
        "model": model,
        "model_url": _model_url(model, doors),
        "policy": ModelPolicy.of(model, VARIANT),
        "evidence": evidence,
        "rows": [(row, endpoint_deeds(row, editions, doors)) for row in evidence.rows],
        "left_out": max(model.endpoints.count() - len(endpoints), 0),
        "history": read_history(endpoints, VARIANT, evidence, at, doors),
        "traffic": read_traffic(endpoints, evidence, int(days), at, doors) if counts else None,
        "periods": [(key, label, key == days) for key, label in PERIODS.items()],
        "period": PERIODS[days],
        "live": editions.live,
        "editions": editions.rows(doors, scored=bool(evidence.scores)),
        "editions_url": _editions_url(model),
        "deeds": model_deeds(model, doors),
        "may_ask": doors.may(_ASK) and _in_service(model),
        "scores_url": reverse(f"admin:{NAME}_scores", args=[model.pk]),
        "work": read_work(model, doors),
    }


def _endpoints(model: Model) -> list[Endpoint]:
    rows = model.endpoints.select_related("provider", "model").order_by("tag")
    return list(rows[:_MOST_ENDPOINTS])


def _in_service(model: Model) -> bool:
    return model.endpoints.filter(enabled=True, provider__enabled=True).exists()


def _model_url(model: Model, doors: Doors) -> str:
    may = doors.may("providers.view_model")
    return reverse("admin:providers_model_change", args=[model.pk]) if may else ""


def _editions_url(model: Model) -> str:
    return f"{reverse('admin:routing_allowlist_changelist')}?model__id__exact={model.pk}"
