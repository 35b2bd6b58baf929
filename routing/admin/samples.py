"""Failures of one endpoint, by kind and place: what a curator looks into before deciding.

Owns the sums of recent facts. The rule others rely on: kinds and argument paths only, with a link
to a newest attempt; what was said is not stored and so cannot be shown.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from telemetry.admin.words import call_errors, signs
from telemetry.models import HAS_SIGN, Attempt

DAYS = 7
_NEWEST = 500  # failing attempts that are looked at


@dataclass(frozen=True, slots=True)
class Sample:
    """One kind of failure at one place."""

    words: str
    count: int
    newest: datetime
    url: str


def failure_samples(endpoint: Endpoint) -> list[Sample]:
    """Return what failed in the newest failing attempts of the last days, most frequent first."""
    attempts = Attempt.objects.filter(
        Q(bad_calls__gt=0) | HAS_SIGN,
        endpoint=endpoint,
        benchmark=False,
        started_at__gte=now() - timedelta(days=DAYS),
    )
    found: dict[str, Sample] = {}
    for attempt in attempts.order_by("-started_at")[:_NEWEST]:
        for words in {*call_errors(attempt.call_errors), *signs(attempt)}:
            known = found.get(words)
            found[words] = Sample(
                words,
                known.count + 1 if known else 1,
                known.newest if known else attempt.started_at,
                known.url
                if known
                else reverse("admin:telemetry_attempt_change", args=[attempt.pk]),
            )
    return sorted(found.values(), key=lambda one: -one.count)
