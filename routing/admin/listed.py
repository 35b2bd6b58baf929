"""Endpoints and models as seen from above: the live lists that name them, and "verify now"."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from providers.admin.catalogue import CatalogueModelAdmin, EndpointAdmin
from providers.models import Endpoint, Model
from routing.admin.benchmarks import benchmark_urls, benchmarks_context
from routing.admin.provider_reports import report_context
from routing.admin.workplace.page import workplace_context, workplace_urls
from routing.models import Allowlist
from telemetry.admin.verifier import VerifiesNow, verify_context

# `providers` may not know allowlists or the verifier: the layer that does replaces its admins.
admin.site.unregister([Endpoint, Model])


@admin.register(Model)
class VerifiableModelAdmin(VerifiesNow, CatalogueModelAdmin):
    actions = [*CatalogueModelAdmin.actions, "verify_now"]
    change_form_template = "admin/telemetry/verifiable.html"

    def get_urls(self) -> list[URLPattern]:
        own = [*benchmark_urls(self.admin_site), *workplace_urls(self.admin_site)]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        context |= verify_context(request, kw.get("obj"))
        context |= benchmarks_context(request, kw.get("obj"))
        context |= workplace_context(request, kw["obj"].pk if kw.get("obj") else None)
        return super().render_change_form(request, context, *args, **kw)


@admin.register(Endpoint)
class ListedEndpointAdmin(VerifiesNow, EndpointAdmin):
    actions = [*EndpointAdmin.actions, "verify_now"]
    change_form_template = "admin/telemetry/verifiable.html"
    list_display = [*EndpointAdmin.list_display[:-1], "live_lists", EndpointAdmin.list_display[-1]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        live = Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED)
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related(Prefetch("allowlist_set", live, to_attr="live"))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        context |= verify_context(request, kw.get("obj"))
        context |= benchmarks_context(request, kw.get("obj"))
        context |= report_context(request, kw.get("obj"))
        context |= workplace_context(request, kw["obj"].model_id if kw.get("obj") else None)
        return super().render_change_form(request, context, *args, **kw)

    @admin.display(description="Live on")
    def live_lists(self, endpoint: Any) -> SafeString | str:
        links = format_html_join(
            ", ",
            '<a class="text-primary-600 whitespace-nowrap dark:text-primary-500" href="{}">'
            ":{} edition {}</a>",
            (
                (reverse("admin:routing_allowlist_change", args=[one.pk]), one.variant, one.version)
                for one in endpoint.live
            ),
        )
        return links or "-"
