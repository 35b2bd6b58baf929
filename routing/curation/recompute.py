"""The periodic job: every model scored anew, and what follows from it.

Owns the order of work and that it is done once at a time. What each step does is its own
module's. The rules others rely on: of any number of workers and beats one does it, once a period;
a model whose data cannot be read is logged and does not hold up the others.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from providers.models import Model
from routing.curation import proposals, quarantine, watching
from routing.curation.assessment import assess, store
from routing.gateway.slugs import POOL_VARIANTS
from routing.models import Lease

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
        for model in Model.objects.filter(enabled=True, endpoints__isnull=False).distinct():
            done += _recompute_safely(model, at)
    finally:
        Lease.give_back(_LEASE, at=at or now())
    return done


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
