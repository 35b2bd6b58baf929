"""/docs/selection: how providers are selected, with the thresholds in force.

Owns the page. The rules others rely on: every number on it is read from what decides by it
(`Method`, `OpenRouterRule`, `Limits`, the gateway's formula of prices, the settings, the models'
policies), none is written in the
template; it is the same for everybody and reads no fact.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from providers.models import Model
from routing.curation.pasts import COUNTED
from routing.gateway import admission, selection
from routing.models import Allowlist, ModelPolicy
from routing.pages.answer import kept_page, switched_on
from routing.pages.docs.places import places
from routing.pages.docs.thresholds import meanings
from routing.pages.published import VARIANT
from telemetry.scoring.method import DEFAULT, HALF_LIFE, Method
from telemetry.scoring.openrouter_thresholds import DEFAULT_RULE, HOURS, NORMAL

_FRESH_S = 30
MODELS_TOLD = 100


@require_safe
def selection_page(request: HttpRequest) -> HttpResponse:
    """Tell a request's way, the method with its formulas, and every number that decides."""
    switched_on("PUBLIC_DOCS")
    method = replace(DEFAULT, benchmark_required=settings.BENCHMARK_REQUIRED)
    # Which models have a list is the scoreboard's to tell.
    models = _published_models() if settings.PUBLIC_SCOREBOARD else []
    context = {
        **places(),
        "method": method,
        "thresholds": list(_thresholds(method)),
        "rule": DEFAULT_RULE,
        "normal": NORMAL,
        "rule_hours": HOURS,
        "half_life": HALF_LIFE,
        "quarantines_within": COUNTED,
        "limits": settings.LIMITS,
        "prompt_parts": admission.PROMPT_PARTS,
        "price_power": selection.PRICE_POWER,
        "twice_as_dear": 2**-selection.PRICE_POWER,
        "default_mode": ModelPolicy().mode,
        "auto_exacto": settings.AUTO_EXACTO,
        "score_every_s": settings.SCORE_EVERY_S,
        "policies": [_policy(model) for model in models[:MODELS_TOLD]],
        "more": len(models) > MODELS_TOLD,
    }
    return kept_page(request, "pages/docs/selection.html", context, fresh_s=_FRESH_S)


def _thresholds(method: Method) -> Iterator[dict[str, str]]:
    said = meanings()
    for name, value in asdict(method).items():
        yield {"name": name, "value": _written(value), "meaning": said.get(name, "")}


def _written(value: Any) -> str:
    """Return a threshold as a person writes it.

    >>> [_written(one) for one in ("assay-1", 150.0, 1 / 3, (2.0, 8.0), False)]
    ['assay-1', '150', '0.3333', '2, 8', 'no']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_written(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _published_models() -> list[Model]:
    """Return the models with a live edition, one more than are told, each with its policies."""
    live = Allowlist.objects.filter(variant=VARIANT, status=Allowlist.Status.PUBLISHED)
    found = Model.objects.filter(enabled=True, pk__in=live.values("model")).order_by("slug")
    return list(found.prefetch_related("policies")[: MODELS_TOLD + 1])


def _policy(model: Model) -> dict[str, Any]:
    own = [one for one in model.policies.all() if one.variant == VARIANT]
    policy = own[0] if own else ModelPolicy(model=model, variant=VARIANT)
    return {"model": model.slug, "policy": policy}
