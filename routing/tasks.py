"""Celery's entry points of this layer: names and schedules are API, the work is elsewhere.

Every task may run twice, never or half: each is a sweep over what is there.
"""

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from routing.curation import delivering, owners, recompute
from routing.verifier import scheduling, working


@shared_task(name="routing.assign_owner_slots")
def assign_owner_slots() -> None:
    """Say anew in which slots owners are counted."""
    owners.assign_owner_slots(now())


@shared_task(name="routing.recompute_scores")
def recompute_scores() -> None:
    """Score every model anew, and act on what that says."""
    recompute.recompute_all()


@shared_task(name="routing.deliver_notices")
def deliver_notices() -> None:
    """Send curators what is due."""
    delivering.deliver_due()


@shared_task(name="routing.order_verification")
def order_verification() -> None:
    """Order what the verifier has to do by itself."""
    if settings.VERIFY_SCHEDULED:
        scheduling.place_due(now(), settings.LIMITS)


@shared_task(name="routing.verify")
def verify() -> None:
    """Go on with what the verifier has to do."""
    working.work_due(settings.LIMITS)
