"""Celery's entry points of this layer: names and schedules are API, the work is elsewhere.

Every task may run twice, never or half: each is a sweep over what is there.
"""

from celery import shared_task

from routing.curation import notices, recompute


@shared_task(name="routing.recompute_scores")
def recompute_scores() -> None:
    """Score every model anew, and act on what that says."""
    recompute.recompute_all()


@shared_task(name="routing.deliver_notices")
def deliver_notices() -> None:
    """Send curators what is due."""
    notices.deliver_due()
