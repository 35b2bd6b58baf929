"""Work on a model that takes time: verifier runs under way, and scores that were asked for.

Owns telling how far it is as the page loads; who wants to know more loads it again. It starts
nothing but the order for scores. The rule others rely on: an order is a row, which a worker finds;
a request publishes no task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from providers.models import Model
from routing.admin.workplace.doors import Doors
from routing.models import AuditEntry, ScoreOrder
from telemetry.admin.verifier import page_of
from telemetry.models import VerifierRun
from telemetry.verifier import claims

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_RUNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; without `per_cent` it is not known how far it is."""

    name: str
    told: str
    per_cent: int | None
    url: str


@dataclass(frozen=True, slots=True)
class Work:
    jobs: Sequence[Job]
    order: ScoreOrder | None

    @property
    def waits_for_scores(self) -> bool:
        return self.order is not None and self.order.done_at is None


def read_work(model: Model, doors: Doors) -> Work:
    """Read what is under way; a query per open run, and there are at most a few."""
    jobs = []
    order = ScoreOrder.objects.filter(model=model).select_related("asked_by").first()
    if order is not None and order.done_at is None:
        by = f" by {order.asked_by.get_username()}" if order.asked_by else ""
        told = f"asked for{by} at {order.asked_at:%H:%M:%S} UTC; a worker begins within seconds"
        jobs.append(Job("Scores and proposal", told, None, ""))
    if doors.may("telemetry.view_verifierrun"):
        jobs += [_run_job(run) for run in _open_runs(model)]
    return Work(jobs, order)


def _open_runs(model: Model) -> list[VerifierRun]:
    rows = VerifierRun.objects.filter(model=model, state=VerifierRun.State.OPEN)
    return list(rows.select_related("request_set").order_by("created_at")[:_RUNS_SHOWN])


def _run_job(run: VerifierRun) -> Job:
    parts = claims.progress(run).values()
    asked = sum(part.asked for part in parts)
    sent = asked - sum(part.waiting for part in parts)
    told = f"{sent:,} of {asked:,} requests sent"
    if run.waits_for:
        told += f"; it waits for {run.waits_for}"
    per_cent = round(100 * sent / asked) if asked else 0
    return Job(f"Verifying by {run.request_set.name}", told, per_cent, page_of(run))


def ask_for_scores(model: Model, variant: str, *, by: "User", at: datetime) -> bool:
    """Have the model scored, and a draft proposed; False if somebody waits for that already."""
    with transaction.atomic():
        if not ScoreOrder.place(model, by=by, at=at):
            return False
        AuditEntry.record("ask for scores", by=by, model=model, variant=variant)
    return True
