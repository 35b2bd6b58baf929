"""Which probe is sent next, and what is written down before and after.

Owns every change of a probe's state, and the count of what a model's day has cost. The rules
others rely on: `claim` is committed before the request leaves, so a probe is sent at most once
whatever is killed when; what was sent and never settled counts with all it may have cost; only
whoever holds the model's turn calls these.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from telemetry.models import Probe, VerifierRun

_State = Probe.State


@dataclass(frozen=True, slots=True)
class Budget:
    """What one model may cost in one UTC day."""

    requests: int
    pico: int

    def never_allows(self, reserve: int) -> bool:
        """Tell whether no day has money enough: without any, everything waits for some."""
        return 0 < self.pico < reserve


@dataclass(frozen=True, slots=True)
class Used:
    """What it has cost in it so far; unknown costs count as high as they may be."""

    requests: int
    pico: int

    def lack(self, budget: Budget, reserve: int) -> str:
        """Return why a probe that may cost `reserve` has to wait, or "" if it need not."""
        if self.requests >= budget.requests:
            return f"today's budget of {budget.requests} requests (VERIFY_REQUESTS)"
        if self.pico + reserve > budget.pico:
            dollars = budget.pico / 10**12
            return f"today's budget of ${dollars:g} (VERIFY_USD)"
        return ""


def used(model_id: int, at: datetime) -> Used:
    """Return what the model's probes have cost on that day."""
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sent = Probe.objects.filter(run__model=model_id, sent_at__gte=midnight)
    sums = sent.aggregate(n=Count("pk"), pico=Sum(Coalesce("cost_pico", "reserved_pico")))
    return Used(sums["n"], int(sums["pico"] or 0))


def open_runs() -> list[VerifierRun]:
    """Return the runs to be worked on: those that somebody waits for first."""
    rows = VerifierRun.objects.filter(state=VerifierRun.State.OPEN).select_related("model")
    scheduled = VerifierRun.Cause.SCHEDULE
    return sorted(rows, key=lambda run: (run.cause == scheduled, run.created_at, run.pk))


def disown(model_id: int) -> int:
    """Note that nobody will learn how the model's probes under way ended; return how many."""
    lost = Probe.objects.filter(run__model=model_id, state=_State.SENT)
    return lost.update(state=_State.UNKNOWN)


def waiting(run: VerifierRun) -> Probe | None:
    """Return the probe that is next."""
    rows = Probe.objects.filter(run=run, state=_State.WAITING)
    return rows.order_by("position").first()


def claim(probe: Probe, *, generation_id: str, reserve: int, at: datetime) -> bool:
    """Say that it is being sent; False if it no longer waits, or its run is over."""
    rows = Probe.objects.filter(
        pk=probe.pk, state=_State.WAITING, run__state=VerifierRun.State.OPEN
    )
    return bool(
        rows.update(
            state=_State.SENT, sent_at=at, reserved_pico=reserve, generation_id=generation_id
        )
    )


def settle(probe: Probe, **columns: Any) -> bool:
    """Write down how it ended; False if it was given up meanwhile."""
    rows = Probe.objects.filter(pk=probe.pk, state=_State.SENT)
    return bool(rows.update(state=_State.DONE, **columns))


def skip(run: VerifierRun, why: str, **which: Any) -> int:
    """Leave out what still waits and matches; return how many."""
    rows = Probe.objects.filter(run=run, state=_State.WAITING, **which)
    return rows.update(state=_State.SKIPPED, why_skipped=why[:60])


def is_through(run: VerifierRun) -> bool:
    """Tell whether no probe of the run waits or is under way."""
    return not run.probes.filter(state__in=[_State.WAITING, _State.SENT]).exists()


def stop(run: VerifierRun, at: datetime) -> bool:
    """End a run early: what was not sent never is. False if it was over."""
    rows = VerifierRun.objects.filter(pk=run.pk, state=VerifierRun.State.OPEN)
    return bool(rows.update(state=VerifierRun.State.STOPPED, ended_at=at, waits_for=""))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run, or its part at one endpoint, is."""

    asked: int
    waiting: int
    done: int
    unknown: int
    skipped: int
    pico: int

    @property
    def share(self) -> float:
        return 1 - self.waiting / self.asked if self.asked else 1.0


def progress(run: VerifierRun) -> dict[int, Progress]:
    """Return how far the run is, by endpoint; also when its requests were removed since."""
    if run.came_to is not None:
        return {int(pk): Progress(*counts) for pk, counts in run.came_to.items()}
    rows = run.probes.order_by("endpoint_id").values_list("endpoint_id")
    counted = rows.annotate(
        asked=Count("pk"),
        waiting=Count("pk", filter=Q(state__in=[_State.WAITING, _State.SENT])),
        done=Count("pk", filter=Q(state=_State.DONE)),
        unknown=Count("pk", filter=Q(state=_State.UNKNOWN)),
        skipped=Count("pk", filter=Q(state=_State.SKIPPED)),
        pico=Sum(Coalesce("cost_pico", "reserved_pico")),
    )
    return {endpoint_id: Progress(*counts) for endpoint_id, *counts in counted}
