"""When models are verified without anybody asking: daily, and more often when they are new here.

Owns which models are due. It sends nothing: it places orders that the next sweep works on. The
rules others rely on: nothing is due unless VERIFY_SCHEDULED says so, as it costs money; a model
has one scheduled run at a time; its first week begins with its first run.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, Min

from providers.models import Model
from routing.limits import Limits
from telemetry.models import VerifierRun
from telemetry.verifier.ordering import Order, in_service, place
from telemetry.verifier.request_set import own_set


def place_due(at: datetime, limits: Limits) -> list[VerifierRun]:
    """Order a run of every model that is due; return the new ones."""
    placed = []
    for model in due(at, limits):
        run, is_new = place(Order(model, own_set(), VerifierRun.Cause.SCHEDULE))
        if is_new:
            placed.append(run)
    return placed


def due(at: datetime, limits: Limits) -> Iterator[Model]:
    """Yield the models whose last run of all their endpoints is long enough ago."""
    runs = VerifierRun.objects.filter(cause=VerifierRun.Cause.SCHEDULE)
    rows = runs.order_by().values_list("model_id").annotate(Min("created_at"), Max("created_at"))
    seen = {model_id: (first, last) for model_id, first, last in rows}
    busy = set(runs.filter(state=VerifierRun.State.OPEN).values_list("model_id", flat=True))
    for model in Model.objects.filter(enabled=True):
        if model.pk in busy or not in_service(model):
            continue
        if model.pk not in seen or at >= next_due(*seen[model.pk], limits):
            yield model


def next_due(first: datetime, last: datetime, limits: Limits) -> datetime:
    """Return when a model is due that had its first and its last scheduled run then."""
    is_new = last < first + timedelta(seconds=limits.verify_new_s)
    every = limits.verify_new_every_s if is_new else limits.verify_every_s
    return last + timedelta(seconds=every)
