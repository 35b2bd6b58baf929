"""The periodic job: every model scored anew, and what follows from it.

Owns the order of work and that it is done once at a time. What each step does is its own
module's. The rules others rely on: of any number of workers and beats one does it, once a period;
a model whose data cannot be read is logged and does not hold up the others, and neither do so many
models that a round has no time for all.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max, QuerySet
from django.utils.timezone import now

from providers.models import Model
from routing.curation import gaming, proposals, quarantine, watching
from routing.curation.assessment import assess, store
from routing.gateway.slugs import POOL_VARIANTS
from routing.models import Lease, ScoreOrder
from telemetry.long_work import long_work
from telemetry.models import LongWork

logger = logging.getLogger(__name__)

_LEASE = "recompute scores"
# A worker that died gives up its turn after this: longer than the task's own time limit.
_HOLD = timedelta(minutes=6)
# A round ends after this, well before the task's own time limit would end it in the middle.
_ROUND_S = 200.0


def recompute_all(
    at: datetime | None = None, clock: Callable[[], float] = time.monotonic
) -> int | None:
    """Recompute every model, and return how many; None if it is somebody else's turn.

    Where there is no time for all, those whose scores are the oldest come first.
    """
    # A little less than a period: a beat that is a second early still finds its turn.
    every = timedelta(seconds=settings.SCORE_EVERY_S * 0.9)
    if not Lease.take(_LEASE, at=at or now(), every=every, hold=_HOLD):
        return None
    done, ends = 0, clock() + _ROUND_S
    try:
        models = list(_oldest_first())
        with _shown("Scoring all models, and proposing", len(models)) as tell:
            for seen, model in enumerate(models, 1):
                if clock() >= ends:
                    logger.warning("No time for %d of %d models: they are first in the next round",
                                   len(models) - seen + 1, len(models))  # fmt: skip
                    break
                done += _recompute_safely(model, at)
                tell(seen)
    finally:
        Lease.give_back(_LEASE, at=at or now())
    return done


def _oldest_first() -> QuerySet[Model]:
    """Return the models with endpoints, those never scored before all others."""
    models = Model.objects.filter(enabled=True, endpoints__isnull=False)
    scored = models.annotate(scored_at=Max("endpoints__score__computed_at"))
    return scored.order_by(F("scored_at").asc(nulls_first=True), "slug")


def recompute_asked(at: datetime | None = None) -> int:
    """Recompute the models that curators asked for, and return how many.

    While the periodic job is at work nothing is done: it may pass them, the next look finds out.
    """
    asked = ScoreOrder.objects.filter(done_at=None).select_related("model").order_by("asked_at")
    if not asked.exists() or not Lease.borrow(_LEASE, at=at or now(), hold=_HOLD):
        return 0
    done = 0
    try:
        orders = list(asked)
        with _shown("Scoring models that were asked for, and proposing", len(orders)) as tell:
            for seen, order in enumerate(orders, 1):
                scored = _recompute_safely(order.model, at)
                order.settle(at=at or now(), failed=not scored)
                done += scored
                tell(seen)
    finally:
        Lease.give_back(_LEASE, at=at or now())
    return done


def _shown(text: str, models: int) -> AbstractContextManager[Callable[[int], None]]:
    return long_work(LongWork.Kind.SCORES, text, unit="models", asked=models)


def _recompute_safely(model: Model, at: datetime | None) -> bool:
    try:
        for variant in POOL_VARIANTS:
            recompute(model, variant, at or now())
    except Exception:
        logger.exception("%s could not be scored", model.slug)
        return False
    return True


def recompute(model: Model, variant: str, at: datetime) -> None:
    """Score one model, set aside who broke, let back who proved, and propose what differs."""
    assessment = assess(model, variant, at)
    store(assessment)
    gaming.tell_of_gaming(assessment)
    if watching.react(assessment):
        # Evidence from before a change no longer counts.
        assessment = assess(model, variant, at)
        store(assessment)
    if watching.frozen(assessment):
        return
    if quarantine.release_proven(assessment):
        assessment = assess(model, variant, at)
        store(assessment)
    proposals.update(assessment)
