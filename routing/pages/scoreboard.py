"""/exacto/: the models with a published allowlist.

Public and the same for everybody. PUBLIC_SCOREBOARD=false switches it off. It shows decisions,
and leaves the evidence to each model's own page. The rule others rely on: its number of queries
does not depend on the number of models.
"""

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from routing.models import Allowlist
from routing.pages.answer import kept_page, switched_on
from routing.pages.published import VARIANT

FRESH_S = 30


@require_safe
def scoreboard(request: HttpRequest) -> HttpResponse:
    """List every model with a live edition, by its slug."""
    switched_on("PUBLIC_SCOREBOARD")
    editions = live_editions().order_by("model__slug")
    return kept_page(request, "pages/scoreboard.html", {"editions": editions}, fresh_s=FRESH_S)


def live_editions() -> QuerySet[Allowlist]:
    """Return live editions of models in service, each with `listed` and `known` endpoints."""
    known = Q(model__endpoints__enabled=True, model__endpoints__provider__enabled=True)
    listed = Q(entries__endpoint__enabled=True, entries__endpoint__provider__enabled=True)
    return (
        Allowlist.objects.filter(
            variant=VARIANT, status=Allowlist.Status.PUBLISHED, model__enabled=True
        )
        .select_related("model")
        .defer("evidence")  # large, and of the day it was published
        .annotate(
            listed=Count("entries", filter=listed, distinct=True),
            known=Count("model__endpoints", filter=known, distinct=True),
        )
    )
