"""GET /models/{author}/{slug}/exacto: the live edition of a model, and what it rests on.

Public, as the catalogue is, and cacheable: the ETag is that of the content. Tells standings,
criteria with intervals, samples and sentences, the method, and who is quarantined. The rule
others rely on: samples are told as numbers of requests and owners only, and curators' own words
(reasons of entries, of manual quarantines) are not public.
"""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from providers.models import Endpoint, Model
from routing.api.cacheable import cacheable
from routing.api.lookup import look_up
from routing.errors import model_not_found
from routing.models import Allowlist, Quarantine
from telemetry.models import EndpointScore, Standing

_FRESH_S = 30
_PUBLIC_CRITERION = (
    "verdict", "estimate", "low", "high", "probability", "requests", "owners", "sentence",
)  # fmt: skip


class ModelExactoView(APIView):
    authentication_classes = []

    def get(self, request: Request, author: str, slug: str) -> HttpResponse:
        asked = look_up(author, slug)
        model = Model.objects.filter(enabled=True, slug=asked.ref.slug).first()
        if model is None or asked.catalog_variant:
            raise model_not_found(asked.name)
        return cacheable(request, {"data": exacto_row(model)}, fresh_s=_FRESH_S)


def exacto_row(model: Model) -> dict[str, Any]:
    """Return the live edition and all endpoints that could be on one, worst standing last."""
    edition = Allowlist.objects.filter(
        model=model, variant="exacto", status=Allowlist.Status.PUBLISHED
    ).first()
    listed = set(edition.entries.values_list("endpoint_id", flat=True)) if edition else set()
    aside = {
        row.endpoint_id: row
        for row in Quarantine.objects.filter(model=model, variant="exacto", ended_at=None)
    }
    endpoints = Endpoint.objects.filter(model=model, enabled=True, provider__enabled=True)
    scores = EndpointScore.objects.filter(endpoint__in=endpoints).in_bulk(field_name="endpoint_id")
    rows = [
        _endpoint_row(
            endpoint, scores.get(endpoint.pk), aside.get(endpoint.pk), endpoint.pk in listed
        )
        for endpoint in endpoints.select_related("provider").order_by("tag")
    ]
    return {
        "id": model.slug,
        "variant": "exacto",
        "edition": edition.version if edition else None,
        "published_at": _iso(edition.published_at) if edition else None,
        "computed_at": _iso(max((s.computed_at for s in scores.values()), default=None)),
        "endpoints": sorted(rows, key=lambda row: Standing.values.index(row["standing"])),
    }


def _endpoint_row(
    endpoint: Endpoint, score: EndpointScore | None, aside: Quarantine | None, listed: bool
) -> dict[str, Any]:
    standing = score.standing if score else Standing.INSUFFICIENT_DATA.value
    return {
        "provider_name": endpoint.provider.name,
        "tag": endpoint.tag,
        "listed": listed,
        "serves": listed and aside is None,
        "standing": Standing.QUARANTINED.value if aside else standing,
        "standing_since": _iso(score.standing_since) if score else None,
        "eligible": score.eligible if score else False,
        "sentence": score.sentence if score else "No evidence yet.",
        "method": score.method if score else None,
        "criteria": _criteria(score.criteria if score else {}),
        "failures": score.failures if score else {},
        "quarantine": _quarantine_row(aside) if aside else None,
    }


def _criteria(criteria: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: one.get(key) for key in _PUBLIC_CRITERION} for name, one in criteria.items()
    }


def _quarantine_row(row: Quarantine) -> dict[str, Any]:
    by_evidence = row.kind != Quarantine.Kind.MANUAL
    return {
        "since": _iso(row.started_at),
        "kind": row.kind,
        "reason": row.reason if by_evidence else row.get_kind_display(),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
