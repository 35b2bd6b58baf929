"""Quarantines in the admin: who is set aside and why; begun and ended by hand with a reason.

Owns the pages; `routing.curation.quarantine` acts. A row is never edited: its end is an act.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from providers.admin.theme import ModelAdmin, Textarea, badge
from providers.models import Endpoint
from routing.curation import quarantine
from routing.models import Allowlist, AllowlistEntry, EditionError, Quarantine

_RIGHT = "routing.release_quarantine"


class BeginForm(forms.ModelForm[Quarantine]):
    """A member of a live list, and why."""

    reason = forms.CharField(max_length=2_000, widget=Textarea(attrs={"rows": 3}), label="Why")

    class Meta:
        model = Quarantine
        fields = ["endpoint", "reason"]


class ReleaseForm(forms.Form):
    """Why it may come back."""

    reason = forms.CharField(max_length=2_000, widget=Textarea(attrs={"rows": 3}))


@admin.register(Quarantine)
class QuarantineAdmin(ModelAdmin[Quarantine]):
    form = BeginForm
    list_display = ["endpoint", "state", "kind", "reason", "started_at", "back_off_until", "end"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter), "kind", "variant"]
    list_select_related = ["endpoint__model", "started_by", "ended_by"]
    search_fields = ["endpoint__tag", "model__slug"]
    change_form_template = "admin/routing/quarantine.html"
    fields = [
        "endpoint",
        "variant",
        "state",
        "kind",
        "reason",
        "started_at",
        "started_by",
        "back_off_until",
        "end",
        "detected",
    ]

    def get_fields(self, request: HttpRequest, obj: Quarantine | None = None) -> Any:
        return self.fields if obj else ["endpoint", "reason"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_RIGHT)

    def has_change_permission(self, request: HttpRequest, obj: Quarantine | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Quarantine | None = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "endpoint":
            live = AllowlistEntry.objects.filter(allowlist__status=Allowlist.Status.PUBLISHED)
            members = Endpoint.objects.filter(pk__in=live.values("endpoint"))
            kwargs["queryset"] = members.select_related("model")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Quarantine, form: Any, change: bool) -> None:
        row = quarantine.begin_by_hand(
            obj.endpoint, obj.variant, by=cast("User", request.user), reason=obj.reason
        )
        obj.__dict__.update(row.__dict__)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except EditionError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:routing_quarantine_changelist"))

    def get_urls(self) -> list[URLPattern]:
        release = self.admin_site.admin_view(self.release)
        own = path("<int:pk>/release/", release, name="routing_quarantine_release")
        return [own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        context["show_save_and_add_another"] = context["show_save_and_continue"] = False
        context["releasable"] = (
            row is not None and row.ended_at is None and request.user.has_perm(_RIGHT)
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def release(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why (GET), then let the endpoint back (POST)."""
        row = Quarantine.objects.select_related("endpoint__model", "model").filter(pk=pk).first()
        if row is None:
            raise Http404
        if not request.user.has_perm(_RIGHT):
            raise PermissionDenied
        page = reverse("admin:routing_quarantine_change", args=[pk])
        form = ReleaseForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                reason = form.cleaned_data["reason"]
                quarantine.release_by_hand(row, by=cast("User", request.user), reason=reason)
            except EditionError as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.message_user(request, f"{row.endpoint} is back.", messages.SUCCESS)
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Let {row.endpoint} back",
            "opts": self.opts,
            "original": row,
            "form": form,
            "back": page,
        }
        return TemplateResponse(request, "admin/routing/release.html", context)

    @admin.display(description="State", ordering="ended_at")
    def state(self, row: Quarantine) -> SafeString:
        return badge("ended") if row.ended_at else badge("set aside", "warn")

    @admin.display(description="Ended")
    def end(self, row: Quarantine) -> str:
        if row.ended_at is None:
            return "-"
        by = row.ended_by.get_username() if row.ended_by else "proof"
        return f"{row.ended_at:%Y-%m-%d %H:%M} by {by}: {row.ended_reason}"

    @admin.display(description="What the detector saw")
    def detected(self, row: Quarantine) -> str:
        alarm = row.evidence.get("alarm")
        if not alarm:
            return "-"
        return f"{alarm['sentence']} (statistic {alarm['statistic']:.1f})"
