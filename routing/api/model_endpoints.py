"""GET /models/{author}/{slug}/endpoints, /endpoints/zdr and /parameters/{author}/{slug}.

Public: who serves a model and how they do now; who keeps no data; what a model's endpoints take.
Lists only endpoints that a request could reach now; with `:exacto`, only those of the pool.
"""

from django.http import HttpResponse
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.views import APIView

from routing.api.cacheable import cacheable
from routing.api.endpoint_rows import endpoint_rows
from routing.api.lookup import Lookup, look_up
from routing.api.model_rows import model_head
from routing.api.reachable import NO_POOL, Listing, pools, reachable, zero_data_retention
from routing.errors import ApiError, model_not_found


class ModelEndpointsView(APIView):
    """The endpoints of one model, cheapest first."""

    authentication_classes = []

    def get(self, request: Request, author: str, slug: str) -> HttpResponse:
        asked = look_up(author, slug)
        listing = _asked(asked)
        # A catalogue variant is a model of its own, and nobody serves it.
        endpoints = () if asked.catalog_variant else listing.endpoints
        rows = endpoint_rows(endpoints, pools([listing.model.pk]), now())
        return cacheable(request, {"data": {**model_head(listing.model), "endpoints": rows}})


class ZdrEndpointsView(APIView):
    """The endpoints of all models that keep no data."""

    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        listings = reachable()
        endpoints = [
            endpoint
            for listing in listings
            for endpoint in listing.endpoints
            if zero_data_retention(endpoint)
        ]
        known = pools([listing.model.pk for listing in listings])
        return cacheable(request, {"data": endpoint_rows(endpoints, known, now())})


class ParametersView(APIView):
    """What the endpoints of a model take, or those of one provider."""

    authentication_classes = []

    def get(self, request: Request, author: str, slug: str) -> HttpResponse:
        asked = look_up(author, slug)
        listing = _asked(asked)
        provider = request.query_params.get("provider", "").strip().lower()
        endpoints = [
            one
            for one in listing.endpoints
            if provider in ("", one.tag, one.provider.slug, one.provider.name.lower())
        ]
        if asked.catalog_variant or not endpoints:
            raise _nobody(asked, provider)
        taken = Listing(listing.model, tuple(endpoints)).supported_parameters
        return cacheable(
            request, {"data": {"model": listing.model.slug, "supported_parameters": taken}}
        )


def _asked(asked: Lookup) -> Listing:
    """Return the model that was asked for, or its pool. Raises ApiError 404."""
    listing = next(iter(reachable(asked.ref.slug)), None)
    if listing is None:
        raise model_not_found(asked.name)
    if not asked.ref.variant:
        return listing
    return listing.pooled(pools([listing.model.pk]).get(listing.model.pk, NO_POOL))


def _nobody(asked: Lookup, provider: str) -> ApiError:
    if not provider or asked.catalog_variant:
        return model_not_found(asked.name)
    message = f"provider: {provider[:100]} does not serve {asked.name}."
    return ApiError(404, message, metadata={"path": "provider"})
