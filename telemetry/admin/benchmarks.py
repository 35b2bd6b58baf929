"""Benchmark runs in the admin: read-only, and a page to import result files for an endpoint."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.theme import ModelAdmin, TabularInline, TextInput
from providers.models import Endpoint
from telemetry.admin.attempts import two_lines
from telemetry.benchmarks.bundle import MAX_FILES, MAX_GIVEN, Bundle, open_bundle
from telemetry.benchmarks.errors import ResultError
from telemetry.benchmarks.importing import Imported, Order, import_run
from telemetry.models import BenchmarkResult, BenchmarkRun


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several uploaded files, cleaned to (name, content); their sizes are looked at first."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[tuple[str, bytes]]:
        files = data if isinstance(data, list) else [data] if data else []
        cleaned: list[UploadedFile[bytes]] = [
            super(FilesField, self).clean(file) for file in files or [None]
        ]
        given = [file for file in cleaned if file]
        if sum(file.size or 0 for file in given) > MAX_GIVEN or len(given) > MAX_FILES:
            raise ValidationError(f"More than {MAX_GIVEN // 1024 // 1024} MiB: compress the files.")
        return [(file.name or "file", file.read()) for file in given]


class ImportForm(forms.Form):
    """A run's files, and whose they are."""

    endpoint = forms.ModelChoiceField(
        Endpoint.objects.select_related("model"),
        help_text="The deployment that answered. Check that the run was pinned to it.",
    )
    results = FilesField(
        help_text="All files of one run, or a zip of its folder. What is not understood is refused."
    )
    reference = FilesField(
        required=False,
        help_text="K2 Vendor Verifier only: the reference's results.jsonl, for F1.",
    )
    measured_at = forms.DateField(
        required=False,
        widget=TextInput(attrs={"placeholder": "2026-11-22"}),
        help_text="Only for tools that write no date: BFCL, and what OpenRouter's harness prints.",
    )
    origin = forms.CharField(
        required=False, max_length=150, widget=TextInput, help_text="Who ran it, and where from."
    )

    def order(self) -> Order:
        """Return what to import. Raises ResultError if the files cannot be opened."""
        told = self.cleaned_data
        day = told["measured_at"]
        return Order(
            endpoint=told["endpoint"],
            files=open_bundle(told["results"]),
            now=now(),
            reference=_reference(told["reference"]),
            measured_at=datetime.combine(day, time(), UTC) if day else None,
            origin=told["origin"],
        )


def _reference(given: list[tuple[str, bytes]]) -> Bundle | None:
    return open_bundle(given) if given else None


class ResultInline(TabularInline[BenchmarkResult, BenchmarkRun]):
    model = BenchmarkResult
    fields = ["metric", "value", "low", "high", "sample"]
    readonly_fields = ["metric", "value", "low", "high", "sample"]
    verbose_name_plural = "Figures, with 95 % Wilson intervals"
    ordering = ["pk"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # whoever may see the run


@admin.register(BenchmarkRun)
class BenchmarkRunAdmin(ModelAdmin[BenchmarkRun]):
    list_display = ["what", "where", "measured", "headline", "sample", "judge", "asked"]
    list_filter = ["suite", "endpoint__model"]
    list_select_related = ["endpoint__model"]
    list_fullwidth = True
    ordering = ["-measured_at"]
    inlines = [ResultInline]
    fieldsets = [
        (None, {"fields": ["endpoint", "measured_at", "origin", "imported_at"]}),
        (
            "Comparable only with runs that have all four in common",
            {"fields": ["suite", "suite_version", "judge", "request_set"]},
        ),
        (
            "Sample",
            {"fields": ["requests", "tool_calls", "failures", "left_out", "differences"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BenchmarkRun]:
        return super().get_queryset(request).prefetch_related("results")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a run is what its files say

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page to import files, and import what it sends."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                imported = import_run(form.order())
            except ResultError as error:
                form.add_error("results", f"{error} Nothing was stored.")
            else:
                return self._done(request, imported)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form}
        context |= {"title": "Import a benchmark run", **(extra_context or {})}
        context["most_bytes"] = settings.LIMITS.body_bytes  # what the gateway lets through
        return TemplateResponse(request, "admin/telemetry/import_benchmark.html", context)

    def _done(self, request: HttpRequest, imported: Imported) -> HttpResponse:
        run = imported.run
        if imported.created:
            self.log_addition(request, run, "Imported.")
            self.message_user(request, f"Imported {run}.", messages.SUCCESS)
        else:
            told = f"{run} is stored already: nothing was written."
            self.message_user(request, told, messages.WARNING)
        for warning in imported.warnings:
            self.message_user(request, warning, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:telemetry_benchmarkrun_change", args=[run.pk]))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["left_out", "differences", "imported_at"]

    @admin.display(description="Suite", ordering="suite")
    def what(self, run: BenchmarkRun) -> SafeString:
        return two_lines(run.suite, run.suite_version)

    @admin.display(description="Endpoint")
    def where(self, run: BenchmarkRun) -> SafeString:
        return two_lines(run.endpoint.tag, run.endpoint.model.slug)

    @admin.display(description="Measured", ordering="measured_at")
    def measured(self, run: BenchmarkRun) -> str:
        return f"{run.measured_at:%d %b %Y}"

    @admin.display(description="Requests asked")
    def asked(self, run: BenchmarkRun) -> str:
        return run.request_set[:12] or "unknown"

    @admin.display(description="Bad of tool calls")
    def sample(self, run: BenchmarkRun) -> str:
        return f"{run.failures} of {run.tool_calls}"

    @admin.display(description="First figure")
    def headline(self, run: BenchmarkRun) -> SafeString | str:
        results = sorted(run.results.all(), key=lambda result: result.pk)[:1]
        texts = ((f"{one.value:.3f}", f"{one.metric} of {one.sample}") for one in results)
        return next((two_lines(*text) for text in texts), "none")

    @admin.display(description="Left out of every figure")
    def left_out(self, run: BenchmarkRun) -> str:
        reasons = [f"{number} x {reason}" for reason, number in run.excluded.items()]
        return ", ".join(reasons) or "nothing"

    @admin.display(description="Remarks")
    def differences(self, run: BenchmarkRun) -> SafeString | str:
        return format_html_join(SafeString("<br>"), "{}", ((r,) for r in run.remarks)) or "none"
