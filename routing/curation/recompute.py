"""The periodic job: every model scored anew, and what follows from it.

Owns the order of work and that it is done once at a time. What each step does is its own
module's. The rules others rely on: of any number of workers and beats one does it, once a period;
a model whose data cannot be read is logged and does not hold up the others.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from django.conf import settings
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


def recompute_all(at: datetime | None = None) -> int | None:
    """Recompute every model, and return how many; None if it is somebody else's turn."""
    # A little less than a period: a beat that is a second early still finds its turn.
    every = timedelta(seconds=settings.SCORE_EVERY_S * 0.9)
    if not Lease.take(_LEASE, at=at or now(), every=every, hold=_HOLD):
        return None
    done = 0
    try:
        models = list(Model.objects.filter(enabled=True, endpoints__isnull=False).distinct())
        with _shown("Scoring all models, and proposing", len(models)) as tell:
            for seen, model in enumerate(models, 1):
                done += _recompute_safely(model, at)
                tell(seen)
    finally:
        Lease.give_back(_LEASE, at=at or now())
    return done


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
