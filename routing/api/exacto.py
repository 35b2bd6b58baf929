"""GET /models/{author}/{slug}/exacto: the live edition of a model, and what it rests on.

Public, as the catalogue is, and cacheable: the ETag is that of the content. Tells standings,
criteria with intervals, samples and sentences, the method, and who is quarantined. The public
scoreboard shows the same rows. The rules others rely on: samples are told as numbers of requests
and owners only, and none from few owners (`few_owners`); that a curator decided otherwise than the
evidence is public, who it was and in which words is not; neither is what a detector saw.
"""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from providers.models import Endpoint, Model
from routing.api.cacheable import cacheable
from routing.api.few_owners import Disclosure
from routing.api.lookup import look_up
from routing.errors import model_not_found
from routing.models import Allowlist, Quarantine
from telemetry.models import EndpointScore, Standing
from telemetry.models.scores import BENCHMARKS

_FRESH_S = 30
_LEFT_OUT = "left_out"


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
    live = Allowlist.objects.filter(
        model=model, variant="exacto", status=Allowlist.Status.PUBLISHED
    )
    edition = live.defer("evidence").first()
    decisions = _decisions(edition) if edition else {}
    aside = {
        row.endpoint_id: row
        for row in Quarantine.objects.filter(model=model, variant="exacto", ended_at=None)
    }
    endpoints = Endpoint.objects.filter(model=model, enabled=True, provider__enabled=True)
    scores = EndpointScore.objects.filter(endpoint__in=endpoints).in_bulk(field_name="endpoint_id")
    told = Disclosure.of(scores.values())
    rows = [
        {
            **_place_row(endpoint, decisions.get(endpoint.pk), aside.get(endpoint.pk)),
            **_score_row(scores.get(endpoint.pk), aside.get(endpoint.pk), told),
        }
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


def _decisions(edition: Allowlist) -> dict[int, str]:
    """Return {endpoint id: on whose word it is on the list, or `left_out`}."""
    left_out = edition.left_out.values_list("endpoint_id", flat=True)
    return {
        **dict.fromkeys(left_out, _LEFT_OUT),
        **dict(edition.entries.values_list("endpoint_id", "decision")),
    }


def _place_row(
    endpoint: Endpoint, decision: str | None, aside: Quarantine | None
) -> dict[str, Any]:
    listed = decision not in (None, _LEFT_OUT)
    return {
        "provider_name": endpoint.provider.name,
        "tag": endpoint.tag,
        "listed": listed,
        "serves": listed and aside is None,
        "decision": decision,
        "quarantine": _quarantine_row(aside) if aside else None,
    }


def _score_row(
    score: EndpointScore | None, aside: Quarantine | None, told: Disclosure
) -> dict[str, Any]:
    standing = score.standing if score else Standing.INSUFFICIENT_DATA.value
    # Not what benchmarks say beside them: a suspicion is for curators to look at, not for all.
    criteria = {k: v for k, v in (score.criteria if score else {}).items() if k != BENCHMARKS}
    return {
        "standing": Standing.QUARANTINED.value if aside else standing,
        "standing_since": _iso(score.standing_since) if score else None,
        "eligible": score.eligible if score else False,
        "sentence": told.sentence(score) if score else "No evidence yet.",
        "method": score.method if score else None,
        "criteria": {name: told.criterion(name, one) for name, one in criteria.items()},
        "failures": told.failures(score) if score else {},
    }


def _quarantine_row(row: Quarantine) -> dict[str, Any]:
    # Not its reason: a detector's tells figures of an hour, which may be one owner's.
    return {
        "since": _iso(row.started_at),
        "kind": row.kind,
        "reason": row.get_kind_display(),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
