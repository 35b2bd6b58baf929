"""What makes several messages one case, and apart again.

Owns joining: the oldest case keeps its status and reply, which then hold for all. The rules others
rely on: a part has no parts of its own; nothing anybody wrote is changed or lost by it.
"""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q, QuerySet

from telemetry.models import Feedback


@transaction.atomic
def join(messages: Iterable[Feedback]) -> tuple[Feedback, int] | None:
    """Make one case of all; return it and how many messages are new to it. None: it was one."""
    cases = _locked({message.part_of_id or message.pk for message in messages})
    if len(cases) < 2:
        return None
    first = cases[0]
    others = [case.pk for case in cases[1:]]
    joined = Feedback.objects.filter(Q(pk__in=others) | Q(part_of__in=others))
    return first, joined.update(part_of=first)


@transaction.atomic
def take_apart(messages: QuerySet[Feedback]) -> int:
    """Make each of these that is a part a case of its own, to be looked at; return how many."""
    parts = messages.exclude(part_of=None)
    return parts.update(part_of=None, status=Feedback.Status.NEW)


def _locked(pks: set[int]) -> list[Feedback]:
    """Return the cases, oldest first, and keep others from joining them meanwhile."""
    rows = Feedback.objects.select_for_update(of=("self",)).filter(pk__in=pks, part_of=None)
    return list(rows.order_by("pk"))


def alike(message: Feedback, most: int) -> list[Feedback]:
    """Return open cases of the same generation, endpoint or model, the newest first."""
    same = Q(pk=None)
    if message.generation_id:
        same |= Q(generation=message.generation_id)
    if message.endpoint_id:
        same |= Q(endpoint=message.endpoint_id)
    if message.said_model:
        same |= Q(said_model__iexact=message.said_model)
    others = Feedback.waiting().filter(same).exclude(pk=message.case.pk)
    return list(others.order_by("-created_at")[:most])
