"""GET /models and GET /models/{author}/{slug}/endpoints: what can be asked for, and who serves it.

Public, as OpenRouter's are. Lists only what a request could reach now: enabled models, with
enabled endpoints of enabled providers; with `:exacto`, only those on the published allowlist.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db.models import Prefetch, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.models import Endpoint, Model
from routing.api.model_rows import cheapest_first, endpoint_row, model_head, model_row
from routing.errors import ApiError, model_not_found
from routing.gateway.slugs import SlugError, parse_model
from routing.models import Allowlist

_MAX_LIMIT = 1_000


class ModelsView(APIView):
    """Every model somebody serves, in one page unless `limit` asks for less."""

    authentication_classes = []

    def get(self, request: Request) -> Response:
        query = request.query_params
        rows = [model_row(m, m.reachable) for m in _reachable_models() if m.reachable]  # type: ignore[attr-defined]  # made by _reachable_models
        rows = [row for row in rows if _wanted(row, query)]
        offset = _number(query, "offset", 0)
        limit = min(_number(query, "limit", _MAX_LIMIT), _MAX_LIMIT)
        page = rows[offset : offset + limit]
        after = offset + len(page)
        more = bool(page) and after < len(rows)
        return Response(
            {
                "data": page,
                "links": {"next": _next_page(request, after) if more else None},
                "total_count": len(rows),
            }
        )


class ModelEndpointsView(APIView):
    """The endpoints of one model, cheapest first; with `:exacto` only the published pool."""

    authentication_classes = []

    def get(self, request: Request, author: str, slug: str) -> Response:
        name = f"{author}/{slug}"
        try:
            asked = parse_model(name)
        except SlugError:
            raise model_not_found(name) from None
        model = _reachable_models().filter(slug=asked.slug).first()
        if model is None:
            raise model_not_found(name)

        edition, allowed = _live_edition(model)
        endpoints = cheapest_first(model.reachable)  # type: ignore[attr-defined]  # as above
        if asked.variant:
            endpoints = [e for e in endpoints if e.pk in allowed]
        rows = [endpoint_row(e, edition, listed=e.pk in allowed) for e in endpoints]
        return Response({"data": {**model_head(model), "endpoints": rows}})


def _reachable_models() -> QuerySet[Model]:
    """Return the enabled models, each with `reachable`: its endpoints that may be called."""
    reachable = Endpoint.objects.filter(enabled=True, provider__enabled=True)
    return Model.objects.filter(enabled=True).prefetch_related(
        Prefetch("endpoints", reachable.select_related("provider", "model"), to_attr="reachable")
    )


def _live_edition(model: Model) -> tuple[int | None, set[int]]:
    """Return the version of the published `:exacto` allowlist and its endpoints' ids."""
    edition = Allowlist.objects.filter(
        model=model, variant="exacto", status=Allowlist.Status.PUBLISHED
    ).first()
    if edition is None:
        return None, set()
    return edition.version, set(edition.entries.values_list("endpoint_id", flat=True))


def _wanted(row: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether a row passes the filters that concern a curated gateway; others are ignored."""
    text = query.get("q", "").lower()
    parameters = {p for p in query.get("supported_parameters", "").split(",") if p}
    return (text in row["id"] or text in row["name"].lower()) and parameters <= set(
        row["supported_parameters"]
    )


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ApiError(400, f"{name}: give a whole number of 0 or more.")
    return int(text)


def _next_page(request: Request, offset: int) -> str:
    asked = {name: request.query_params[name] for name in request.query_params}
    return f"{request.path}?{urlencode({**asked, 'offset': offset})}"
