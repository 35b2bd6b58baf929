"""GET /models, /models/user, …/count, /embeddings/models, /model/{author}/{slug}: what there is.

Public, as OpenRouter's are, but for /models/user. Lists only what a request could reach now:
enabled models, with enabled endpoints of enabled providers. Beside a model stands its `:exacto`,
where a published pool serves, so that pickers offer it: LIST_EXACTO and `?variants=` decide.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.cacheable import cacheable
from routing.api.lookup import look_up
from routing.api.model_feed import feed
from routing.api.model_filters import filter_listings
from routing.api.model_rows import model_row
from routing.api.model_sorts import sort_listings
from routing.api.query_values import Query, flag, whole_number
from routing.api.reachable import NO_POOL, VARIANT, Listing, pools, reachable, with_pools
from routing.errors import ApiError, model_not_found
from routing.gateway.preferences import AccountWishes

_MOST_ROWS = 1_000


class ModelsView(APIView):
    """Every model somebody serves, in one page unless `limit` asks for less."""

    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        chosen = chosen_listings(_served(), query, now())
        if flag(query, "use_rss"):
            return feed(request, chosen)
        return cacheable(request, _page(request, chosen))


class EmbeddingsModelsView(APIView):
    """Those that are asked for embeddings; GET /models lists them only when asked to."""

    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        query = {**request.query_params.dict(), "output_modalities": "embeddings"}
        return cacheable(request, _page(request, chosen_listings(_served(), query, now())))


class UserModelsView(APIView):
    """The models that the account's own preferences leave, priced by whom they leave.

    Any key may ask, whatever its scopes: it is told what it may call, or see.
    """

    def get(self, request: Request) -> HttpResponse:
        wishes = caller_of(request).wishes
        allowed = [_allowed(listing, wishes) for listing in _served()]
        chosen = chosen_listings(
            [one for one in allowed if one.endpoints], request.query_params, now()
        )
        return cacheable(request, _page(request, chosen), private=True)


class ModelsCountView(APIView):
    """How many rows GET /models has with the same query."""

    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        chosen = chosen_listings(_served(), request.query_params, now())
        return cacheable(request, {"data": {"count": len(chosen)}})


class ModelView(APIView):
    """One model. A routing variant is that of its base; with `:exacto` the pool's price is told."""

    authentication_classes = []

    def get(self, request: Request, author: str, slug: str) -> HttpResponse:
        asked = look_up(author, slug)
        listing = next(iter(reachable(asked.ref.slug)), None)
        if listing is None or asked.catalog_variant:
            raise model_not_found(asked.name)
        if asked.ref.variant:
            known = pools([listing.model.pk])
            listing = listing.pooled(known.get(listing.model.pk, NO_POOL))
        if not listing.endpoints:
            raise model_not_found(asked.name)
        return cacheable(request, {"data": model_row(listing, base=True)})


def _served() -> list[Listing]:
    return [listing for listing in reachable() if listing.endpoints]


def chosen_listings(listings: Sequence[Listing], query: Query, at: datetime) -> list[Listing]:
    """Return the rows that a query asks for, of all pages. Raises ApiError 400."""
    rows = with_pools(listings) if _lists_variants(query) else list(listings)
    return sort_listings(filter_listings(rows, query, at), query.get("sort", ""), at)


def _lists_variants(query: Query) -> bool:
    asked = query.get("variants", "")
    if asked not in ("", "none", VARIANT):
        message = f"variants: give none or {VARIANT}."
        raise ApiError(400, message, metadata={"path": "variants"})
    return asked == VARIANT or (not asked and bool(settings.LIST_EXACTO))


def _page(request: Request, listings: Sequence[Listing]) -> dict[str, Any]:
    query = request.query_params
    offset = whole_number(query, "offset") or 0
    limit = whole_number(query, "limit")
    rows = listings[offset : offset + min(_MOST_ROWS if limit is None else limit, _MOST_ROWS)]
    after = offset + len(rows)
    more = bool(rows) and after < len(listings)
    return {
        "data": [model_row(listing) for listing in rows],
        "links": {"next": _next_page(request, after) if more else None},
        "total_count": len(listings),
    }


def _next_page(request: Request, offset: int) -> str:
    asked = {name: request.query_params[name] for name in request.query_params}
    return f"{request.path}?{urlencode({**asked, 'offset': offset})}"


def _allowed(listing: Listing, wishes: AccountWishes) -> Listing:
    """Return the listing with the endpoints that an account's standing preferences leave."""
    return Listing(
        listing.model,
        tuple(
            one
            for one in listing.endpoints
            if wishes.ignore.isdisjoint(one.names)
            and (wishes.only is None or not wishes.only.isdisjoint(one.names))
        ),
    )
