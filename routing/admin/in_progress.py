"""What is under way: verifications, benchmarks, scoring, each with how far it is.

Owns reading that, bounded, for the admin's first page, and how a bounded count is told. It starts
and stops nothing. The rule others rely on: nobody is told of work whose results he may not see.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils.timezone import now

from routing.admin.workplace.doors import Doors
from routing.models import ScoreOrder
from telemetry.models import LongWork, VerifierRun
from telemetry.verifier import claims

COUNTED = 100  # of what is beyond those shown; then it says "more than"
_RUNS = 5
_QUIET = timedelta(minutes=3)  # work tells every few seconds how far it is
_SCORES = "routing.view_allowlist"
# Whose right each kind of long work is.
_LONG_WORK = {
    LongWork.Kind.BENCHMARK: "telemetry.view_benchmarkrun",
    LongWork.Kind.SCORES: _SCORES,
}


@dataclass(frozen=True, slots=True)
class Running:
    """Long work: what it is, and how much of it is done; `asked` is 0 where nobody knows."""

    text: str
    url: str = ""
    done: int = 0
    asked: int = 0
    unit: str = ""  # "" where it has not begun
    note: str = ""


def up_to(number: int, bound: int) -> str:
    """Return a number that was counted up to one above the bound, in words."""
    return f"more than {bound:,}" if number > bound else f"{number:,}"


def in_progress(doors: Doors) -> Iterator[Running]:
    """What is under way, of what the reader may see: verifications, benchmarks, scores."""
    if doors.may("telemetry.view_verifierrun"):
        yield from _verifications()
    seen = [kind for kind, right in _LONG_WORK.items() if doors.may(right)]
    for work in LongWork.objects.filter(kind__in=seen).order_by("kind", "-began_at")[:_RUNS]:
        silent = now() - work.heard_at > _QUIET
        note = f"Silent since {work.heard_at:%d %b %H:%M} UTC: it died, or is stuck."
        yield Running(
            text=work.text, done=work.done, asked=work.asked, unit=work.unit,
            note=note if silent else "",
        )  # fmt: skip
    if doors.may(_SCORES):
        yield from _scores_asked_for()


def _verifications() -> Iterator[Running]:
    """Verifier runs that are not over, the newest first."""
    runs = VerifierRun.objects.filter(state=VerifierRun.State.OPEN).select_related("model")
    shown = list(runs.order_by("-created_at")[: _RUNS + 1])
    for run in shown[:_RUNS]:
        parts = claims.progress(run).values()
        asked, waiting = sum(p.asked for p in parts), sum(p.waiting for p in parts)
        waits = f", waits for {run.waits_for}" if run.waits_for else ""
        yield Running(
            f"Verification of {run.model.slug}{waits}",
            reverse("admin:telemetry_verifierrun_change", args=[run.pk]),
            asked - waiting,
            asked,
            "requests",
        )
    if len(shown) > _RUNS:
        beyond = runs[_RUNS : _RUNS + COUNTED + 1].count()
        page = reverse("admin:telemetry_verifierrun_changelist")
        noun = "verification" if beyond == 1 else "verifications"
        yield Running(f"And {up_to(beyond, COUNTED)} more {noun}", page)


def _scores_asked_for() -> Iterator[Running]:
    """Models that curators asked to have scored and whose turn has not come or is not over."""
    orders = ScoreOrder.objects.filter(done_at=None).select_related("model", "asked_by")
    shown = list(orders.order_by("asked_at")[: _RUNS + 1])
    for order in shown[:_RUNS]:
        by = f" by {order.asked_by.get_username()}" if order.asked_by else ""
        yield Running(
            f"Scores of {order.model.slug}, asked for{by} at {order.asked_at:%H:%M:%S} UTC",
            reverse("admin:routing_model_workplace", args=[order.model_id]),
        )
    if len(shown) > _RUNS:
        beyond = orders[_RUNS : _RUNS + COUNTED + 1].count()
        noun = "model" if beyond == 1 else "models"
        yield Running(f"And scores of {up_to(beyond, COUNTED)} more {noun}, asked for")
