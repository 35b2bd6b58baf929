"""The verifier in the admin: order a run, watch it, stop it; never a change of what it found.

Owns the pages and the "verify now" action that other lists borrow. It sends nothing: the worker
does. The rules others rely on: whoever may add runs may order and stop them, as both are about
money; this module reads progress and stored figures, and computes none.
"""

from collections import defaultdict
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.theme import ModelAdmin, badge
from providers.models import Endpoint, Model
from telemetry.admin.attempts import two_lines
from telemetry.models import BenchmarkResult, VerifierRun, VerifierVerdict
from telemetry.verifier import claims
from telemetry.verifier.ordering import Order, OrderError, place
from telemetry.verifier.request_set import own_set

_RIGHT = "telemetry.add_verifierrun"
_PICODOLLARS = 10**12
_COLOURS = {"open": "info", "finished": "good", "stopped": "plain"}
# What the page of a run shows of each endpoint; all figures are with the benchmark run.
_SHOWN = (
    ("schema_accuracy", "Valid calls"),
    ("tool_call_error_rate", "Bad calls"),
    ("trigger_recall", "Calls when due"),
    ("trigger_precision", "Due when calling"),
    ("tool_choice_compliance", "Obeys tool_choice"),
    ("leaked_tool_text", "Leaks calls"),
    ("success", "Answers"),
)


class OrderForm(forms.Form):
    """What to verify, and why."""

    model = forms.ModelChoiceField(
        Model.objects.filter(enabled=True), required=False, help_text="All its endpoints, …"
    )
    endpoints = forms.ModelMultipleChoiceField(
        Endpoint.objects.filter(enabled=True, provider__enabled=True).select_related("model"),
        required=False,
        help_text="… or these alone.",
    )
    cause = forms.ChoiceField(
        choices=[
            (VerifierRun.Cause.PERSON, "To know how they do"),
            (VerifierRun.Cause.FIX, "The provider claims a fix"),
        ],
        label="Why",
    )

    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or {}
        models = {endpoint.model for endpoint in told.get("endpoints") or ()}
        models |= {told["model"]} if told.get("model") else set()
        if len(models) != 1:
            raise ValidationError("Choose one model, or endpoints of one model.")
        return told | {"model": models.pop()}

    def order(self, asked_by: str) -> Order:
        told = self.cleaned_data
        return Order(
            told["model"],
            own_set(),
            told["cause"],
            list(told["endpoints"]),
            asked_by=asked_by,
        )


@admin.register(VerifierRun)
class VerifierRunAdmin(ModelAdmin[VerifierRun]):
    list_display = ["what", "how_far", "cause", "asked_by", "created_at", "spent"]
    list_filter = ["state", "cause", "model"]
    list_select_related = ["model", "request_set"]
    ordering = ["-created_at"]
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its probes are what the budget is counted from

    def get_urls(self) -> list[URLPattern]:
        stop = self.admin_site.admin_view(self.stop)
        own = path("<int:pk>/stop/", stop, name="telemetry_verifierrun_stop")
        return [own, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask what to verify, and order it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = OrderForm(request.POST or None, initial=_initial(request))
        if request.method == "POST" and form.is_valid():
            try:
                return self._ordered(request, form.order(_name(request)))
            except OrderError as refusal:
                form.add_error(None, str(refusal))
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form}
        context |= {"title": "Verify now", "limits": settings.LIMITS, "requests": own_set()}
        return TemplateResponse(request, "admin/telemetry/verify.html", context)

    def _ordered(self, request: HttpRequest, order: Order) -> HttpResponse:
        run, is_new = place(order)
        if is_new:
            self.log_addition(request, run, "Ordered.")
            self.message_user(request, "Ordered. The worker begins within seconds.")
        else:
            self.message_user(request, "This runs already: here it is.", messages.WARNING)
        return HttpResponseRedirect(page_of(run))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show how far a run is and what it found."""
        run = self.get_object(request, object_id)
        if run is None or not self.has_view_permission(request, run):
            raise PermissionDenied if run else Http404
        parts = claims.progress(run)
        spent = claims.used(run.model_id, now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Verifying {run.model}",
            "run": run,
            "is_open": run.state == VerifierRun.State.OPEN,
            "may_stop": request.user.has_perm(_RIGHT),
            "columns": [label for _, label in _SHOWN],
            "rows": _rows(run, parts),
            "share": _share(parts),
            "spent": sum(part.pico for part in parts.values()) / _PICODOLLARS,
            "today": spent,
            "today_usd": spent.pico / _PICODOLLARS,
            "limits": settings.LIMITS,
        }
        return TemplateResponse(request, "admin/telemetry/verifier_run.html", context)

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End a run early."""
        run = VerifierRun.objects.filter(pk=pk).first()
        if run is None:
            raise Http404
        if not request.user.has_perm(_RIGHT) or request.method != "POST":
            raise PermissionDenied
        if claims.stop(run, now()):
            self.log_change(request, run, "Stopped.")
            self.message_user(request, "Stopped. What is under way ends; there is no evidence.")
        return HttpResponseRedirect(page_of(run))

    @admin.display(description="Run", ordering="model__slug")
    def what(self, run: VerifierRun) -> SafeString:
        return two_lines(run.model.slug, run.request_set.name)

    @admin.display(description="State", ordering="state")
    def how_far(self, run: VerifierRun) -> SafeString:
        text = run.get_state_display()
        if run.state == VerifierRun.State.OPEN:
            text = run.waits_for and f"waits for {run.waits_for}"
            text = text or f"{_share(claims.progress(run)):.0%}"
        return badge(text, _COLOURS[run.state])

    @admin.display(description="Cost")
    def spent(self, run: VerifierRun) -> str:
        pico = sum(part.pico for part in claims.progress(run).values())
        return f"${pico / _PICODOLLARS:.4f}"


def page_of(run: VerifierRun) -> str:
    return reverse("admin:telemetry_verifierrun_change", args=[run.pk])


def _name(request: HttpRequest) -> str:
    assert isinstance(request.user, AbstractUser)  # noqa: S101  # the admin lets nobody else in
    return request.user.get_username()


def _initial(request: HttpRequest) -> dict[str, Any]:
    """Return what a link to the form has chosen; what is no number chooses nothing."""
    told = request.GET
    endpoint, model = told.get("endpoint", ""), told.get("model", "")
    return {
        "endpoints": [int(endpoint)] if endpoint.isdecimal() else [],
        "model": int(model) if model.isdecimal() else None,
        "cause": told.get("cause", ""),
    }


def _share(parts: dict[int, claims.Progress]) -> float:
    asked = sum(part.asked for part in parts.values())
    return 1 - sum(part.waiting for part in parts.values()) / asked if asked else 1.0


def _rows(run: VerifierRun, parts: dict[int, claims.Progress]) -> list[dict[str, Any]]:
    verdicts = {one.endpoint_id: one for one in run.verdicts.all()}
    evidence = [one.evidence_id for one in verdicts.values() if one.evidence_id]
    figures: defaultdict[int, dict[str, BenchmarkResult]] = defaultdict(dict)
    for result in BenchmarkResult.objects.filter(run__in=evidence):
        figures[result.run_id][result.metric] = result
    return [
        {
            "endpoint": endpoint,
            "part": parts[endpoint.pk],
            "sent": parts[endpoint.pk].asked - parts[endpoint.pk].waiting,
            "why_none": _why_none(verdicts.get(endpoint.pk)),
            "evidence": _evidence_page(verdicts.get(endpoint.pk)),
            "cells": _cells(verdicts.get(endpoint.pk), figures),
        }
        for endpoint in Endpoint.objects.filter(pk__in=parts).order_by("tag")
    ]


def _why_none(verdict: VerifierVerdict | None) -> str:
    return verdict.why_none if verdict else ""


def _evidence_page(verdict: VerifierVerdict | None) -> str:
    if verdict is None or verdict.evidence_id is None:
        return ""
    return reverse("admin:telemetry_benchmarkrun_change", args=[verdict.evidence_id])


def _cells(
    verdict: VerifierVerdict | None, figures: dict[int, dict[str, BenchmarkResult]]
) -> list[BenchmarkResult | None]:
    found = figures.get(verdict.evidence_id or 0, {}) if verdict else {}
    return [found.get(metric) for metric, _ in _SHOWN]


class VerifiesNow:
    """For lists of endpoints or models: the action that orders runs of what is selected."""

    @admin.action(description="Verify now", permissions=["verify"])
    def verify_now(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        runs = []
        for model, endpoints in _by_model(rows).items():
            cause, name = VerifierRun.Cause.PERSON, _name(request)
            try:
                run, _ = place(Order(model, own_set(), cause, endpoints, asked_by=name))
            except OrderError as refusal:
                messages.error(request, str(refusal))
            else:
                runs.append(run)
        if len(runs) == 1:
            return HttpResponseRedirect(page_of(runs[0]))
        if runs:
            messages.success(request, f"Ordered {len(runs)} runs.")
            return HttpResponseRedirect(reverse("admin:telemetry_verifierrun_changelist"))
        return None

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_RIGHT)


def _by_model(rows: QuerySet[Any]) -> dict[Model, list[Endpoint]]:
    found: dict[Model, list[Endpoint]] = {}
    for row in rows:
        if isinstance(row, Model):
            found.setdefault(row, [])
        else:
            found.setdefault(row.model, []).append(row)
    return found


def verify_context(request: HttpRequest, row: Any) -> dict[str, Any]:
    """Return what `admin/telemetry/verifiable.html` shows on the page of an endpoint or model."""
    if row is None or not request.user.has_perm("telemetry.view_verifierrun"):
        return {}
    is_model = isinstance(row, Model)
    runs = VerifierRun.objects.filter(**{"model" if is_model else "probes__endpoint": row})
    latest = runs.order_by("-created_at").first()
    add = reverse("admin:telemetry_verifierrun_add")
    return {
        "verify_url": f"{add}?{'model' if is_model else 'endpoint'}={row.pk}",
        "may_verify": request.user.has_perm(_RIGHT),
        "latest_run": latest,
        "latest_run_url": page_of(latest) if latest else "",
    }
