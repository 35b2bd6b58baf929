"""GET /providers: who serves, and on which terms.

Public, as OpenRouter's is. Providers that are switched off are not listed.
"""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from providers.models import Provider
from routing.api.cacheable import cacheable


class ProvidersView(APIView):
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        rows = [provider_row(provider) for provider in Provider.objects.filter(enabled=True)]
        return cacheable(request, {"data": rows})


def provider_row(provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "slug": provider.slug,
        "privacy_policy_url": provider.privacy_policy_url or None,
        "terms_of_service_url": provider.terms_of_service_url or None,
        "status_page_url": provider.status_page_url or None,
        "headquarters": provider.headquarters or None,
        "datacenters": None,
    }
