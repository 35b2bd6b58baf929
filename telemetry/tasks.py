"""Celery's entry points: names and schedules are API, the work is elsewhere.

Every task may run twice, never or half: each is a sweep over what is there.
"""

import time

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from telemetry import compaction, fact_retention, feedback_retention, ingest

# A worker may have one process only, and it also has the spool to ingest.
_PART_S = 5.0


@shared_task(name="telemetry.ingest_spool")
def ingest_spool() -> None:
    """Make rows of all facts in the spool."""
    ingest.ingest_all(settings.SPOOL_DIR)


@shared_task(name="telemetry.expire_verdicts")
def expire_verdicts() -> None:
    """Close verdicts that will never come."""
    ingest.expire_verdicts(settings.SPOOL_DIR, now=time.time())


@shared_task(name="telemetry.compact_counters")
def compact_counters() -> None:
    """Fold old hours of counters into days, and remove what is too old."""
    compaction.compact_counters(now())


@shared_task(name="telemetry.forget_facts")
def forget_facts() -> None:
    """Remove generations and attempts that are too old, a part in each run."""
    fact_retention.forget_facts(now(), seconds=_PART_S)


@shared_task(name="telemetry.forget_feedback_senders")
def forget_feedback_senders() -> None:
    """Remove what is no longer to be known of who sent feedback."""
    feedback_retention.forget_senders(now())
