"""Links for providers, and what providers write, in the admin.

Owns the screens. A link's text is in one answer, and nowhere else. The rule others rely on:
settling a re-test verifies nothing by itself; the page leads to the verifier's own form.
"""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.theme import ModelAdmin, Textarea, TextInput, badge
from providers.models import Endpoint
from routing.models import AuditEntry, ProviderMessage, ProviderReport
from routing.own_address import own_address
from routing.provider_reports import make_link, revoke

_DAYS = 14


class LinkForm(forms.ModelForm[ProviderReport]):
    days = forms.IntegerField(
        label="Days valid",
        min_value=1,
        max_value=90,
        initial=_DAYS,
        help_text="1 to 90.",
        widget=TextInput(attrs={"inputmode": "numeric"}),
    )

    class Meta:
        model = ProviderReport
        fields = ["endpoint", "note"]


@admin.register(ProviderReport)
class ProviderReportAdmin(ModelAdmin[ProviderReport]):
    list_display = [
        "endpoint", "note", "state", "expires_at", "last_opened_at", "written", "created_by",
        "created_at",
    ]  # fmt: skip
    list_select_related = ["endpoint__model", "created_by"]
    search_fields = ["endpoint__tag", "endpoint__model__slug", "note"]
    fields = [
        "endpoint", "note", "state", "created_at", "created_by", "expires_at", "revoked_at",
        "last_opened_at", "link_written",
    ]  # fmt: skip
    actions = ["revoke"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderReport]:
        return super().get_queryset(request).annotate(n_messages=Count("messages"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["endpoint", "note", "days"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kw: Any
    ) -> Any:
        return super().get_form(request, obj, change, **kw if obj else kw | {"form": LinkForm})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # revoked, never deleted: who could read what is remembered

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def save_model(
        self, request: HttpRequest, obj: ProviderReport, form: Any, change: bool
    ) -> None:
        told, at = form.cleaned_data, now()
        report, link = make_link(
            cast("Endpoint", told["endpoint"]),
            note=told["note"],
            until=at + timedelta(days=told["days"]),
            by=cast("User", request.user),
            at=at,
        )
        obj.__dict__.update(report.__dict__)
        obj.link_to_show_once = link  # type: ignore[attr-defined]  # read by response_add

    def response_add(
        self, request: HttpRequest, obj: ProviderReport, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the link in the answer to this very POST; no session or message ever holds it."""
        link: str = obj.link_to_show_once  # type: ignore[attr-defined]  # set by save_model
        path = reverse("report", args=[link])
        context = {
            **self.admin_site.each_context(request),
            "title": f"New link for {obj.endpoint}",
            "opts": self.opts,
            "report": obj,
            "text": f"{own_address(request)}{path}",
            "switched_off": not settings.PROVIDER_REPORTS,
        }
        return TemplateResponse(request, "admin/routing/report_link_once.html", context)

    @admin.action(description="Revoke: close these links for good", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ProviderReport]) -> None:
        chosen = rows.select_related("endpoint__model")
        number = sum(revoke(row, by=cast("User", request.user), at=now()) for row in chosen)
        self.message_user(request, f"{number} closed.", messages.SUCCESS)

    @admin.display(description="State")
    def state(self, report: ProviderReport) -> SafeString:
        if report.revoked_at:
            return badge("revoked", "bad")
        return badge("open", "good") if report.opens(now()) else badge("expired", "warn")

    @admin.display(description="Messages")
    def written(self, report: Any) -> int:
        return int(report.n_messages)

    @admin.display(description="Messages")
    def link_written(self, report: ProviderReport) -> SafeString:
        page = reverse("admin:routing_providermessage_changelist")
        url = f"{page}?report__id__exact={report.pk}"
        return format_html('<a class="text-primary-600" href="{}">What was written</a>', url)


class ReplyForm(forms.ModelForm[ProviderMessage]):
    settled = forms.BooleanField(
        required=False, help_text="A re-test that is settled can be asked for again."
    )

    class Meta:
        model = ProviderMessage
        fields = ["reply"]
        widgets = {"reply": Textarea}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["settled"] = self.instance.settled_at is not None
        if self.initial["settled"] and "settled" in self.fields:
            self.fields["settled"].disabled = True  # another may be open by now


@admin.register(ProviderMessage)
class ProviderMessageAdmin(ModelAdmin[ProviderMessage]):
    form = ReplyForm
    list_display = ["endpoint", "kind", "shortened", "state", "created_at"]
    list_filter = ["kind", ("settled_at", admin.EmptyFieldListFilter)]
    list_select_related = ["endpoint__model"]
    fields = ["endpoint", "kind", "text", "report", "created_at", "verify", "reply", "settled"]
    readonly_fields = ["endpoint", "kind", "text", "report", "created_at", "verify"]
    actions = None
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "report__id__exact" or super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ProviderMessage, form: Any, change: bool
    ) -> None:
        by = cast("User", request.user)
        if form.cleaned_data["settled"] and obj.settled_at is None:
            obj.settled_at, obj.settled_by = now(), by
        obj.save(update_fields=["reply", "settled_at", "settled_by"])
        AuditEntry.record(
            "answer provider",
            by=by,
            model=obj.endpoint.model,
            endpoint=obj.endpoint,
            reason=obj.reply,
            after={"message": obj.pk, "settled": obj.settled_at is not None},
        )

    @admin.display(description="Text")
    def shortened(self, message: ProviderMessage) -> str:
        return message.text if len(message.text) <= 80 else f"{message.text[:79]}…"

    @admin.display(description="State")
    def state(self, message: ProviderMessage) -> SafeString:
        return badge("settled", "good") if message.settled_at else badge("open", "warn")

    @admin.display(description="Verify")
    def verify(self, message: ProviderMessage) -> SafeString | str:
        if message.kind != ProviderMessage.Kind.RETEST:
            return "-"
        add = reverse("admin:telemetry_verifierrun_add")
        return format_html(
            '<a class="text-primary-600" href="{}?endpoint={}&amp;cause=fix">Verify now: the'
            " provider claims a fix</a>",
            add,
            message.endpoint_id,
        )


def report_context(request: HttpRequest, row: Any) -> dict[str, Any]:
    """Return what the page of an endpoint shows of links for its provider."""
    if row is None or not request.user.has_perm("routing.add_providerreport"):
        return {}
    add = reverse("admin:routing_providerreport_add")
    return {"report_url": f"{add}?endpoint={row.pk}"}
