"""The list of models to curate: which list is live, what is drafted, how its endpoints stand.

Owns reading that list, bounded, and which of the models need somebody first. Models that embed are
not on it: they call no tools. The rule others rely on: it takes the same few queries for any
number of models, and shows MOST of them, or on the first page FIRST; a search finds the rest.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, Max, OuterRef, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import now

from providers.admin.theme import badge
from providers.models import Endpoint, Model
from routing.admin.review import STANDING_COLOURS
from routing.admin.workplace.doors import Doors
from routing.models import Allowlist, AllowlistEntry, ModelPolicy, Quarantine
from telemetry.models import EndpointScore, Standing

MOST = 100
FIRST = 8
_ASIDE = "routing.view_quarantine"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model on the list."""

    model: Model
    url: str
    live: Allowlist | None
    open: Sequence[Allowlist]
    standings: Sequence[SafeString]
    scored_at: datetime | None  # the latest of its endpoints
    aside: int | None  # None: not for this reader
    endpoints: int
    listed: int  # on the live list
    serving: int  # of these, in service

    @property
    def scored(self) -> str:
        """Say how long ago it was scored."""
        if self.scored_at is None:
            return "never"
        if now() - self.scored_at < timedelta(minutes=1):
            return "just now"
        return f"{timesince(self.scored_at)} ago"


def overview(search: str, variant: str, doors: Doors) -> dict[str, Any]:
    """Return what the page of all models shows, for a part of their names."""
    search = search.strip().replace("\x00", "")[:100]
    found = Model.objects.filter(Q(slug__icontains=search) | Q(name__icontains=search))
    models = list(found.exclude(Model.EMBEDS).order_by("-enabled", "slug")[: MOST + 1])
    more, models = len(models) > MOST, models[:MOST]
    return {"search": search, "rows": _rows(models, variant, doors), "more": more, "most": MOST}


def need_somebody_first(variant: str, doors: Doors) -> list[ModelRow]:
    """Return FIRST models: who serves nobody, who broke, who waits for a decision, the others."""
    ranked = Model.objects.exclude(Model.EMBEDS).annotate(rank=_rank(variant, doors))
    return _rows(list(ranked.order_by("rank", "slug")[:FIRST]), variant, doors)


def _rank(variant: str, doors: Doors) -> Case:
    of_model = Q(model=OuterRef("pk"))
    of_list = of_model & Q(variant=variant)
    live = Q(status=Allowlist.Status.PUBLISHED)
    in_service = Q(enabled=True, provider__enabled=True)
    listed = Q(
        allowlist__model=OuterRef("pk"), allowlist__variant=variant,
        allowlist__status=Allowlist.Status.PUBLISHED,
    )  # fmt: skip
    on_duty = Q(endpoint__enabled=True, endpoint__provider__enabled=True)
    drafts = Q(status__in=[Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW])
    is_live = Exists(Allowlist.objects.filter(of_list & live))
    broke = Q(Exists(ModelPolicy.objects.filter(of_list, frozen_until__gt=now())))
    if doors.may(_ASIDE):
        broke |= Q(Exists(Quarantine.objects.filter(of_list, ended_at=None)))
    cases = [
        ~Q(enabled=True),
        is_live & ~Exists(AllowlistEntry.objects.filter(listed & on_duty)),
        broke,
        Exists(Allowlist.objects.filter(of_list & drafts)),
        ~is_live & Exists(Endpoint.objects.filter(of_model & in_service)),
    ]
    # A stopped model is nobody's concern, whatever else holds of it.
    ranks = [len(cases) + 1, *range(len(cases) - 1)]
    whens = [When(one, then=Value(rank)) for one, rank in zip(cases, ranks, strict=True)]
    return Case(*whens, default=Value(len(cases)))


def _rows(models: Sequence[Model], variant: str, doors: Doors) -> list[ModelRow]:
    editions = _editions(models, variant)
    standings, scored = _scores(models)
    aside = _counted(Quarantine.objects.filter(variant=variant, ended_at=None), models)
    endpoints = _counted(Endpoint.objects.all(), models)
    published = Allowlist.Status.PUBLISHED
    rows = []
    for one in models:
        live = next((e for e in editions[one.pk] if e.status == published), None)
        rows.append(
            ModelRow(
                model=one,
                url=reverse("admin:routing_model_workplace", args=[one.pk]),
                live=live,
                open=[e for e in editions[one.pk] if e.status != published],
                standings=[
                    badge(f"{number} {Standing(name).label}", STANDING_COLOURS[Standing(name)])
                    for name in Standing.values
                    if (number := standings[one.pk][name])
                ],
                scored_at=scored.get(one.pk),
                aside=aside[one.pk] if doors.may(_ASIDE) else None,
                endpoints=endpoints[one.pk],
                listed=getattr(live, "listed", 0),
                serving=getattr(live, "serving", 0),
            )
        )
    return rows


def _editions(models: Sequence[Model], variant: str) -> defaultdict[int, list[Allowlist]]:
    current = [
        Allowlist.Status.DRAFT,
        Allowlist.Status.IN_REVIEW,
        Allowlist.Status.PUBLISHED,
    ]
    rows = Allowlist.objects.filter(model__in=models, variant=variant, status__in=current)
    in_service = Q(endpoints__enabled=True, endpoints__provider__enabled=True)
    counted = rows.defer("evidence").annotate(
        listed=Count("endpoints"), serving=Count("endpoints", filter=in_service)
    )
    found: defaultdict[int, list[Allowlist]] = defaultdict(list)
    for edition in counted.order_by("-version"):
        found[edition.model_id].append(edition)
    return found


def _scores(
    models: Sequence[Model],
) -> tuple[defaultdict[int, Counter[str]], dict[int, datetime]]:
    """Return how many endpoints stand where, and when the latest was scored."""
    rows = EndpointScore.objects.filter(endpoint__model__in=models).order_by()
    standings: defaultdict[int, Counter[str]] = defaultdict(Counter)
    scored: dict[int, datetime] = {}
    counted = rows.values_list("endpoint__model_id", "standing").annotate(
        n=Count("pk"), last=Max("computed_at")
    )
    for model_id, standing, number, last in counted:
        standings[model_id][standing] = number
        scored[model_id] = max(last, scored.get(model_id, last))
    return standings, scored


def _counted(rows: QuerySet[Any], models: Sequence[Model]) -> Counter[int]:
    of_models = rows.filter(model__in=models).order_by().values_list("model_id")
    return Counter(dict(of_models.annotate(n=Count("pk"))))
