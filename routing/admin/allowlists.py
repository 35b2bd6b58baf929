"""Allowlist editions in the admin: drafts are edited, published ones are history.

Owns the pages and who may press which button; `routing.admin.decisions` owns what a button does.
Every decision is confirmed on a page of its own, by POST, and lands in the edition's history.
"""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from providers.admin.theme import ModelAdmin, TabularInline, Textarea, badge, badges
from providers.models import Endpoint
from routing.admin.decisions import DECISIONS, Decision, difference
from routing.models import Allowlist, AllowlistEntry, EditionError

_COLOURS = {
    Allowlist.Status.DRAFT: "info",
    Allowlist.Status.PUBLISHED: "good",
    Allowlist.Status.RETIRED: "plain",
}
_STATUS_WORDS = {Allowlist.Status.PUBLISHED: "live", Allowlist.Status.RETIRED: "retired"}


class DecisionForm(forms.Form):
    """Why, and what the curator had before their eyes."""

    reason = forms.CharField(max_length=2_000, widget=Textarea(attrs={"rows": 3}))
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class EntryInline(TabularInline[AllowlistEntry, Allowlist]):
    model = AllowlistEntry
    fields = ["endpoint", "reason"]
    extra = 0
    hide_title = True
    verbose_name = "endpoint"
    verbose_name_plural = "Endpoints on this edition"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AllowlistEntry]:
        rows = super().get_queryset(request)
        return rows.select_related("endpoint__model", "endpoint__provider")

    def get_formset(self, request: HttpRequest, obj: Allowlist | None = None, **kwargs: Any) -> Any:
        self.edition = obj
        formset = super().get_formset(request, obj, **kwargs)
        if "endpoint" in formset.form.base_fields:
            # Links to add or change endpoints would lead away from the unsaved draft.
            select: Any = formset.form.base_fields["endpoint"].widget
            for link in ["add", "change", "view", "delete"]:
                setattr(select, f"can_{link}_related", False)
        return formset

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "endpoint" and self.edition is not None:
            own = Endpoint.objects.filter(model=self.edition.model)
            kwargs["queryset"] = own.select_related("model", "provider")
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "endpoint" and field is not None:
            field.label_from_instance = _choice  # type: ignore[method-assign, assignment]
        return field


def _choice(endpoint: Endpoint) -> str:
    stopped = "" if endpoint.enabled and endpoint.provider.enabled else ", stopped"
    return f"{endpoint.tag} ({endpoint.provider.name}, {endpoint.quantization}{stopped})"


@admin.register(Allowlist)
class AllowlistAdmin(ModelAdmin[Allowlist]):
    list_display = ["name", "edition", "state", "endpoint_tags", "who_and_when", "reason"]
    list_filter = ["status", "variant", "model"]
    list_select_related = ["model", "created_by", "published_by", "retired_by"]
    search_fields = ["model__slug"]
    inlines = [EntryInline]
    change_form_template = "admin/routing/edition.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allowlist]:
        return super().get_queryset(request).prefetch_related("entries__endpoint")

    def get_fieldsets(self, request: HttpRequest, obj: Allowlist | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["model", "variant", "reason"]})]
        return [(None, {"fields": [("name", "edition", "state"), "reason", "who_and_when"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "edition", "state", "who_and_when"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Allowlist | None) -> Any:
        return self.inlines if obj else []  # which endpoints there are follows from the model

    def has_change_permission(self, request: HttpRequest, obj: Allowlist | None = None) -> bool:
        # A published edition is history: view it, draft a new one, never edit.
        editable = obj is None or obj.status == Allowlist.Status.DRAFT
        return editable and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Allowlist | None = None) -> bool:
        # Without an edition this asks for the bulk action, which would meet published ones.
        deletable = obj is not None and obj.status == Allowlist.Status.DRAFT
        return deletable and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Allowlist, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        draft = Allowlist.draft(
            obj.model, variant=obj.variant, by=cast("User", request.user), reason=obj.reason
        )
        obj.__dict__.update(draft.__dict__)

    def response_add(
        self, request: HttpRequest, obj: Allowlist, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, f"Started {obj}. Now add its endpoints.", messages.SUCCESS)
        return HttpResponseRedirect(_page(obj))

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        own = path("<int:pk>/decide/<slug:name>/", decide, name="routing_allowlist_decide")
        return [own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        edition = kwargs.get("obj")
        context["show_save_and_add_another"] = False
        if edition is not None:
            context["decisions"] = [
                one
                for one in DECISIONS
                if edition.status in one.statuses and request.user.has_perm(one.permission)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def decide(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask for the confirmation of one decision (GET), or take it (POST)."""
        decision = next((one for one in DECISIONS if one.name == name), None)
        edition = Allowlist.objects.select_related("model").filter(pk=pk).first()
        if decision is None or edition is None:
            raise Http404
        if not request.user.has_perm(decision.permission):
            raise PermissionDenied
        if edition.status not in decision.statuses:
            self.message_user(
                request, f"{edition} is {edition.status}: look again.", messages.ERROR
            )
            return HttpResponseRedirect(_page(edition))
        shown = difference(edition, withdraw=name == "withdraw")
        form = DecisionForm(request.POST or None, initial={"reason": _suggested(edition, decision)})
        form.fields["reason"].required = decision.needs_reason
        if request.method == "POST" and form.is_valid():
            if not decision.changes_live or form.cleaned_data["seen"] == shown.seen:
                return self._take(request, edition, decision, form.cleaned_data["reason"])
            message = "The list changed while you were reading. Look at it again, then confirm."
            self.message_user(request, message, messages.WARNING)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{decision.label}: {edition}",
            "opts": self.opts,
            "original": edition,
            "decision": decision,
            "difference": shown,
            "form": form,
            "back": _page(edition),
        }
        return TemplateResponse(request, "admin/routing/decide.html", context)

    def _take(
        self, request: HttpRequest, edition: Allowlist, decision: Decision, reason: str
    ) -> HttpResponse:
        try:
            result = decision.act(edition, cast("User", request.user), reason)
        except EditionError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(_page(edition))
        done = decision.done.format(edition=result)
        self.log_change(request, result, f"{done} {reason}".strip())
        self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(_page(result))

    @admin.display(description="Model and variant", ordering="model__slug")
    def name(self, edition: Allowlist) -> str:
        return f"{edition.model.slug}:{edition.variant}"

    @admin.display(description="Edition", ordering="version")
    def edition(self, edition: Allowlist) -> int:
        return edition.version

    @admin.display(description="Status", ordering="status")
    def state(self, edition: Allowlist) -> SafeString:
        status = Allowlist.Status(edition.status)
        return badge(_STATUS_WORDS.get(status, "draft"), _COLOURS[status])

    @admin.display(description="Endpoints")
    def endpoint_tags(self, edition: Allowlist) -> SafeString | str:
        return badges(entry.endpoint.tag for entry in edition.entries.all()) or "none yet"

    @admin.display(description="Who and when")
    def who_and_when(self, edition: Allowlist) -> str:
        if edition.published_at is None:
            return f"drafted by {_who(edition.created_by)}, {_when(edition.created_at)}"
        text = f"published by {_who(edition.published_by)}, {_when(edition.published_at)}"
        return f"{text}; {_retirement(edition)}" if edition.retired_at else text


def _page(edition: Allowlist) -> str:
    return reverse("admin:routing_allowlist_change", args=[edition.pk])


def _who(user: Any) -> str:
    return user.get_username() if user else "the catalogue file"


def _retirement(edition: Allowlist) -> str:
    when = _when(edition.retired_at)
    if edition.retired_reason is None:
        return f"retired {when}"
    return f"retired by {_who(edition.retired_by)}, {when}: {edition.retired_reason}"


def _when(at: Any) -> str:
    return date_format(at, "j M Y, H:i")


def _suggested(edition: Allowlist, decision: Decision) -> str:
    if decision.name == "publish":
        return edition.reason
    if decision.name == "start_draft":
        return f"Follows edition {edition.version}: "
    return f"Back to edition {edition.version}: " if decision.name == "roll_back" else ""
