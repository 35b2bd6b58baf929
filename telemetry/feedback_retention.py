"""How long it is kept who sent feedback: contacts for some days, senders' counters for one.

Owns the removal. What was said stays, for it is the evidence of what curators answered. The rule
others rely on: running it again, or at the same time, changes nothing more.
"""

from datetime import datetime, timedelta

from django.conf import settings

from telemetry.models import Feedback, FeedbackSender

_SENDERS = timedelta(days=1)


def forget_senders(at: datetime) -> int:
    """Remove contacts and counters that are too old; return how many contacts went."""
    FeedbackSender.objects.filter(hour__lt=at - _SENDERS).delete()
    oldest = at - timedelta(days=settings.FEEDBACK_CONTACT_DAYS)
    # Uses index: telemetry_feedback_contact.
    return Feedback.objects.filter(contact__gt="", created_at__lt=oldest).update(contact="")
