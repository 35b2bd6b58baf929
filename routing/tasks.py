"""Celery's entry points of this layer: names and schedules are API, the work is elsewhere.

Every task may run twice, never or half: each is a sweep over what is there.
"""

from celery import shared_task
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.utils.timezone import now

from routing import feedback_notices, process_reports
from routing.curation import delivering, owners, recompute
from routing.models import ProcessReport
from routing.verifier import scheduling, working
from telemetry.models import LongWork


@shared_task(name="routing.assign_owner_slots")
def assign_owner_slots() -> None:
    """Say anew in which slots owners are counted."""
    owners.assign_owner_slots(now())


@shared_task(name="routing.mark_schedule")
def mark_schedule() -> None:
    """Leave proof that beat, broker and a worker do their work, and forget who went silent."""
    process_reports.report(process_reports.Kind.SCHEDULE)
    ProcessReport.forget_silent(now())
    LongWork.forget_silent(now())


@shared_task(name="routing.recompute_scores")
def recompute_scores() -> None:
    """Score every model anew, and act on what that says."""
    recompute.recompute_all()


@shared_task(name="routing.recompute_asked")
def recompute_asked() -> None:
    """Score anew the models that curators asked for."""
    recompute.recompute_asked()


@shared_task(name="routing.deliver_notices")
def deliver_notices() -> None:
    """Send curators what is due."""
    delivering.deliver_due()


@shared_task(name="routing.tell_of_feedback")
def tell_of_feedback() -> None:
    """Tell curators what feedback came, all in one notice."""
    feedback_notices.tell_of_feedback(now())


@shared_task(name="routing.forget_sessions")
def forget_sessions() -> None:
    """Remove the sessions of the admin and the account page that have ended by themselves."""
    SessionStore.clear_expired()


@shared_task(name="routing.order_verification")
def order_verification() -> None:
    """Order what the verifier has to do by itself."""
    if settings.VERIFY_SCHEDULED:
        scheduling.place_due(now(), settings.LIMITS)


@shared_task(name="routing.verify")
def verify() -> None:
    """Go on with what the verifier has to do."""
    working.work_due(settings.LIMITS)
