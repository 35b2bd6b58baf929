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
from django.utils.safestring import SafeString

from providers.admin.theme import (
    ModelAdmin,
    RadioInput,
    TabularInline,
    Textarea,
    TextInput,
    badge,
    badges,
)
from providers.models import Endpoint
from routing.admin.decisions import DECISIONS, Decision, difference
from routing.admin.edition_words import story, suggested_reason
from routing.admin.review import EndpointView, Review
from routing.admin.samples import failure_samples
from routing.admin.variants import variant_field
from routing.admin.workplace.page import workplace_context
from routing.curation import publishing
from routing.curation.against import has_evidence
from routing.curation.simulation import simulate
from routing.models import Allowlist, AllowlistEntry, EditionError

_COLOURS = {
    Allowlist.Status.DRAFT: "info",
    Allowlist.Status.IN_REVIEW: "warn",
    Allowlist.Status.PUBLISHED: "good",
    Allowlist.Status.RETIRED: "plain",
}
_STATUS_WORDS = {
    Allowlist.Status.DRAFT: "draft",
    Allowlist.Status.IN_REVIEW: "in review",
    Allowlist.Status.PUBLISHED: "live",
    Allowlist.Status.RETIRED: "retired",
}


class DecisionForm(forms.Form):
    """Why, and what the curator had before their eyes."""

    reason = forms.CharField(max_length=2_000, widget=Textarea(attrs={"rows": 3}))
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class EndpointForm(forms.Form):
    """On the list or not, why, and until when."""

    listed = forms.TypedChoiceField(
        label="Decision",
        choices=[("yes", "On the list"), ("no", "Not on the list")],
        coerce=lambda value: value == "yes",
        widget=RadioInput,
    )
    reason = forms.CharField(
        required=False, max_length=300, widget=Textarea(attrs={"rows": 3}), label="Why"
    )
    review_by = forms.DateField(
        required=False, widget=TextInput(attrs={"type": "date"}), label="Look at it again by"
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class EntryInline(TabularInline[AllowlistEntry, Allowlist]):
    model = AllowlistEntry
    fields = ["endpoint", "reason", "review_by"]
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
    list_per_page = 50
    list_select_related = [
        "model",
        "created_by",
        "changed_by",
        "sent_by",
        "published_by",
        "retired_by",
    ]
    search_fields = ["model__slug"]
    inlines = [EntryInline]
    change_form_template = "admin/routing/edition.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allowlist]:
        return super().get_queryset(request).prefetch_related("entries__endpoint")

    def get_fieldsets(self, request: HttpRequest, obj: Allowlist | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["model", "variant", "reason"]})]
        return [(None, {"fields": ["name", ("edition", "state"), "reason", "who_and_when"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "edition", "state", "who_and_when"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: Allowlist | None) -> Any:
        # Which endpoints there are follows from the model; where scores say something of them,
        # each is decided on a page of its own.
        scored = obj is not None and has_evidence(obj)
        return [] if obj is None or scored else self.inlines

    def has_change_permission(self, request: HttpRequest, obj: Allowlist | None = None) -> bool:
        # A published edition is history: view it, draft a new one, never edit.
        editable = obj is None or obj.status == Allowlist.Status.DRAFT
        return editable and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Allowlist | None = None) -> bool:
        # Without an edition this asks for the bulk action, which would meet published ones.
        deletable = obj is not None and obj.status == Allowlist.Status.DRAFT
        return deletable and super().has_delete_permission(request, obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except EditionError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "variant":
            return variant_field()
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "reason" and field is not None:
            field.widget.attrs["rows"] = 3
        return field

    def save_model(self, request: HttpRequest, obj: Allowlist, form: Any, change: bool) -> None:
        user = cast("User", request.user)
        if change:
            publishing.edit(obj, by=user, reason=obj.reason)
            return
        draft = publishing.start_empty(obj.model, obj.variant, by=user, reason=obj.reason)
        obj.__dict__.update(draft.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = publishing.digest(form.instance)
        super().save_related(request, form, formsets, change)
        if change and any(formset.has_changed() for formset in formsets):
            publishing.edited(form.instance, by=cast("User", request.user), before=before)

    def delete_model(self, request: HttpRequest, obj: Allowlist) -> None:
        publishing.delete(obj, by=cast("User", request.user))

    def response_add(
        self, request: HttpRequest, obj: Allowlist, post_url_continue: str | None = None
    ) -> HttpResponse:
        self.message_user(request, f"Started {obj}. Now add its endpoints.", messages.SUCCESS)
        return HttpResponseRedirect(_page(obj))

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        endpoint = self.admin_site.admin_view(self.decide_endpoint)
        return [
            path("<int:pk>/decide/<slug:name>/", decide, name="routing_allowlist_decide"),
            path("<int:pk>/endpoint/<int:endpoint>/", endpoint, name="routing_allowlist_endpoint"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        edition = kwargs.get("obj")
        context["show_save_and_add_another"] = False
        if edition is not None:
            context["decisions"] = _decisions(request, edition)
            context |= workplace_context(request, edition.model_id)
            context["review"] = Review.of(edition)
            if edition.status in (Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW):
                context["effect"] = simulate(edition)
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
        form = DecisionForm(
            request.POST or None, initial={"reason": suggested_reason(edition, decision)}
        )
        form.fields["reason"].required = decision.needs_reason
        if request.method == "POST" and form.is_valid():
            if form.cleaned_data["seen"] == shown.seen:
                return self._take(request, edition, decision, form.cleaned_data)
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
        self, request: HttpRequest, edition: Allowlist, decision: Decision, said: dict[str, str]
    ) -> HttpResponse:
        reason, user = said["reason"], cast("User", request.user)
        try:
            result = decision.act(edition, user, reason, said["seen"])
        except EditionError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(_page(edition))
        done = decision.done.format(edition=result)
        if decision.name == "roll_back" and result.status == Allowlist.Status.IN_REVIEW:
            done = f"{result} waits in review: a second curator must publish it."
        self.log_change(request, result, f"{done} {reason}".strip())
        self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(_page(result))

    def decide_endpoint(self, request: HttpRequest, pk: int, endpoint: int) -> HttpResponse:
        """Show one endpoint's evidence and failures (GET), or put it on a draft or off (POST)."""
        edition = Allowlist.objects.select_related("model").filter(pk=pk).first()
        if edition is None:
            raise Http404
        if not self.has_view_permission(request, edition):
            raise PermissionDenied
        review = Review.of(edition)
        view = review.one(endpoint)
        if view is None:
            raise Http404
        may_decide = self.has_change_permission(request, edition)
        form = EndpointForm(request.POST or None, initial=_as_decided(view, review))
        if request.method == "POST":
            if not may_decide:
                raise PermissionDenied
            if form.is_valid() and self._place(request, edition, view, form):
                return HttpResponseRedirect(_page(edition))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{view.endpoint.tag} on {edition}",
            "opts": self.opts,
            "original": edition,
            "one": view,
            "samples": failure_samples(view.endpoint),
            "form": form if may_decide else None,
            "back": _page(edition),
        }
        return TemplateResponse(request, "admin/routing/endpoint.html", context)

    def _place(
        self, request: HttpRequest, edition: Allowlist, view: EndpointView, form: EndpointForm
    ) -> bool:
        said = form.cleaned_data
        try:
            publishing.decide_endpoint(
                edition,
                view.endpoint,
                listed=said["listed"],
                by=cast("User", request.user),
                reason=said["reason"],
                review_by=said["review_by"],
                seen=said["seen"],
            )
        except EditionError as refusal:
            form.add_error(None, str(refusal))
            return False
        where = "is on" if said["listed"] else "is not on"
        self.message_user(request, f"{view.endpoint.tag} {where} {edition}.", messages.SUCCESS)
        return True

    @admin.display(description="Model and variant", ordering="model__slug")
    def name(self, edition: Allowlist) -> str:
        return f"{edition.model.slug}:{edition.variant}"

    @admin.display(description="Edition", ordering="version")
    def edition(self, edition: Allowlist) -> int:
        return edition.version

    @admin.display(description="Status", ordering="status")
    def state(self, edition: Allowlist) -> SafeString:
        status = Allowlist.Status(edition.status)
        proposed = " (proposed)" if edition.untouched and status == "draft" else ""
        return badge(f"{_STATUS_WORDS[status]}{proposed}", _COLOURS[status])

    @admin.display(description="Endpoints")
    def endpoint_tags(self, edition: Allowlist) -> SafeString | str:
        return badges(entry.endpoint.tag for entry in edition.entries.all()) or "none yet"

    @admin.display(description="Who and when")
    def who_and_when(self, edition: Allowlist) -> str:
        return story(edition)


def _page(edition: Allowlist) -> str:
    return reverse("admin:routing_allowlist_change", args=[edition.pk])


def _decisions(request: HttpRequest, edition: Allowlist) -> list[Decision]:
    past = edition.status != Allowlist.Status.RETIRED or edition.published_at is not None
    return [
        one
        for one in DECISIONS
        if past and edition.status in one.statuses and request.user.has_perm(one.permission)
    ]


def _as_decided(view: EndpointView, review: Review) -> dict[str, Any]:
    decision = view.decision
    return {
        "listed": "yes" if view.listed else "no",
        "reason": decision.reason if decision and decision.decided_by_id else "",
        "review_by": decision.review_by if decision else None,
        "seen": review.mark,
    }
