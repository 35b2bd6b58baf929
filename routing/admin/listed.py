"""The endpoints' list as seen from above: which live allowlists name each endpoint."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from providers.admin.catalogue import EndpointAdmin
from providers.models import Endpoint
from routing.models import Allowlist

# `providers` may not know allowlists, so the layer that does replaces its admin.
admin.site.unregister(Endpoint)


@admin.register(Endpoint)
class ListedEndpointAdmin(EndpointAdmin):
    list_display = [*EndpointAdmin.list_display[:-1], "live_lists", EndpointAdmin.list_display[-1]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        live = Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED)
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related(Prefetch("allowlist_set", live, to_attr="live"))

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
