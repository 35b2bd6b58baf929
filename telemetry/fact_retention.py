"""How long facts and the verifier's requests are kept, and the first day that has all its facts.

Owns the removal. What was counted of them stays. The rules others rely on: that day moves on,
under `counts.facts_lock`, before the first row goes, and never back; so counters are compared with
rows only of days that are whole, and no fact from before becomes a row again, for it may have been
counted. Running it twice, at once or in part is all the same.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Model

from telemetry.compaction import midnight
from telemetry.counts import facts_lock
from telemetry.models import Attempt, FactsKept, Generation
from telemetry.verifier.forgetting import forget_probes

BATCH = 2_000
# SQLite's other writers only look now and then whether the lock is free: leave them a gap.
_BREATH_S = 0.02


@dataclass(slots=True)
class Forgotten:
    """What one run removed; `finished` means that nothing is left to remove."""

    generations: int = 0
    attempts: int = 0
    probes: int = 0
    finished: bool = False


def forget_facts(now: datetime, *, seconds: float | None = None) -> Forgotten:
    """Remove facts and probes older than FACT_DAYS, for so many seconds or until none is left."""
    forgotten = Forgotten()
    if not settings.FACT_DAYS:
        forgotten.finished = True
        return forgotten
    day = now.astimezone(UTC).date() - timedelta(days=settings.FACT_DAYS - 1)
    _keep_since(day)
    ends_at = time.monotonic() + seconds if seconds is not None else float("inf")
    while True:
        # Generations first: one that is found still has its attempts.
        generations = _remove(Generation, "created_at", midnight(day))
        attempts = _remove(Attempt, "started_at", midnight(day))
        probes = forget_probes(midnight(day), BATCH)
        forgotten.generations += generations
        forgotten.attempts += attempts
        forgotten.probes += probes
        forgotten.finished = not (generations or attempts or probes)
        if forgotten.finished or time.monotonic() >= ends_at:
            return forgotten
        if connection.vendor == "sqlite":
            time.sleep(_BREATH_S)


def _keep_since(day: date) -> None:
    with facts_lock():
        if day > FactsKept.first_day():
            FactsKept.objects.update_or_create(pk=1, defaults={"since": day})


def _remove(model: type[Model], column: str, before: datetime) -> int:
    """Remove one batch, the oldest first. Uses the index of the column."""
    old = model._default_manager.filter(**{f"{column}__lt": before})
    removed, _ = model._default_manager.filter(
        pk__in=old.order_by(column).values("pk")[:BATCH]
    ).delete()
    return removed
