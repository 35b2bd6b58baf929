"""Curators are told of new feedback: one notice for all that came since the last one.

Owns when. The notice itself is `routing.curation.notices`'. The rule others rely on: however much
comes, there is at most one notice per FEEDBACK_NOTICE_S, and each message is told of once.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from routing.curation.notices import tell
from routing.models import Lease, Notice
from telemetry.models import Feedback

_LEASE = "feedback notice"


def tell_of_feedback(at: datetime) -> int:
    """Write a notice if there is news and it is time; return of how many messages."""
    untold = Feedback.objects.filter(told_at=None)
    every = timedelta(seconds=settings.LIMITS.feedback_notice_s)
    with transaction.atomic():
        if not untold.exists() or not Lease.take(_LEASE, at=at, every=every, hold=timedelta(0)):
            return 0
        number = untold.update(told_at=at)
        if number:
            tell(Notice.Kind.FEEDBACK, _sentence(number), path=_page())
    return number


def _sentence(number: int) -> str:
    if number == 1:
        return "A message of feedback came: look at it."
    return f"{number} messages of feedback came: look at them."


def _page() -> str:
    return f"{reverse('admin:telemetry_feedback_changelist')}?state=open"
