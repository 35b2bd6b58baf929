"""Celery's entry points of this layer: names and schedules are API, the work is elsewhere.

Every task may run twice, never or half: each is a sweep over what is there.
"""

from celery import shared_task
from django.utils.timezone import now

from routing.curation import owners


@shared_task(name="routing.assign_owner_slots")
def assign_owner_slots() -> None:
    """Say anew in which slots owners are counted."""
    owners.assign_owner_slots(now())
