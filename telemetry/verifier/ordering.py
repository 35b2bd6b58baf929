"""From what somebody wants verified to a run with all its probes, waiting.

Owns what a run consists of, and in which order its probes are sent. It sends nothing and spends
nothing. The rules others rely on: whoever orders the same again while it runs gets that run; the
order of requests is shuffled, and each request goes to all endpoints before the next, so that
what a budget or a stop cuts off is a random part, the same for everybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from django.db import transaction

from providers.models import Endpoint, Model
from telemetry.models import Probe, RequestSet, VerifierRun
from telemetry.verifier.request_set import Requests

_BATCH = 2_000


class OrderError(Exception):
    """There is nothing to verify; the message says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded reference: whether it called a tool, by request (None: it failed there)."""

    name: str
    called: Mapping[int, bool | None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to verify. No endpoints: all of the model that are in service.

    reference: an endpoint of the model, or recorded answers. Without either it is the model's own
    reference if that takes part, or else what the set's labels say.
    """

    model: Model
    requests: Requests
    cause: str
    endpoints: Sequence[Endpoint] = ()
    reference: Endpoint | Recorded | None = None
    asked_by: str = ""


def place(order: Order) -> tuple[VerifierRun, bool]:
    """Return the run, and whether it is new. Raises OrderError."""
    with transaction.atomic():
        # Two people who click at once wait for each other here.
        Model.objects.select_for_update().get(pk=order.model.pk)
        endpoints = _endpoints(order)
        request_set = _stored(order.requests)
        run = _run(order, request_set, endpoints)
        if (same := _same(run, endpoints)) is not None:
            return same, False
        run.save()
        Probe.objects.bulk_create(_probes(run, order.requests, endpoints), batch_size=_BATCH)
    return run, True


def in_service(model: Model) -> list[Endpoint]:
    """Return the model's endpoints that a verifier may ask: on, and said to take tools."""
    rows = model.endpoints.filter(enabled=True, provider__enabled=True)
    return [row for row in rows.select_related("provider") if "tools" in row.supported_parameters]


def _endpoints(order: Order) -> list[Endpoint]:
    if not order.model.enabled:
        raise OrderError(f"{order.model} is switched off.")
    able = {endpoint.pk: endpoint for endpoint in in_service(order.model)}
    wanted = list(order.endpoints or able.values())
    if isinstance(order.reference, Endpoint) and order.reference not in wanted:
        wanted.append(order.reference)
    for endpoint in wanted:
        if endpoint.pk not in able:
            raise OrderError(
                f"{endpoint} cannot be verified: it is switched off, or its entry in the "
                "catalogue does not list tools among supported_parameters."
            )
    if not wanted:
        raise OrderError(f"{order.model} has no endpoint in service that takes tools.")
    return wanted


def _stored(requests: Requests) -> RequestSet:
    fields = {
        "name": requests.name[:120],
        "content": requests.content,
        "requests": len(requests.requests),
    }
    return RequestSet.objects.get_or_create(digest=requests.digest, defaults=fields)[0]


def _run(order: Order, request_set: RequestSet, endpoints: Sequence[Endpoint]) -> VerifierRun:
    run = VerifierRun(
        model=order.model,
        request_set=request_set,
        cause=order.cause,
        asked_by=order.asked_by[:150],
    )
    if isinstance(order.reference, Recorded):
        run.reference_name = f"recorded {order.reference.name}"[:80]
        run.recorded = {str(number): called for number, called in order.reference.called.items()}
    elif reference := order.reference or next((e for e in endpoints if e.reference), None):
        run.reference, run.reference_name = reference, reference.tag[:80]
    elif order.requests.labels:
        run.reference_name = "labels"
    return run


def _same(run: VerifierRun, endpoints: Sequence[Endpoint]) -> VerifierRun | None:
    """Return a run that is open and asks the very same, if there is one."""
    wanted = {endpoint.pk for endpoint in endpoints}
    alike = VerifierRun.objects.filter(
        model=run.model,
        request_set=run.request_set,
        reference_name=run.reference_name,
        state=VerifierRun.State.OPEN,
    )
    for other in alike:
        asked = other.probes.order_by().values_list("endpoint_id", flat=True).distinct()
        if set(asked) == wanted:
            return other
    return None


def _probes(run: VerifierRun, requests: Requests, endpoints: Sequence[Endpoint]) -> Iterator[Probe]:
    rng, position = Random(run.pk), 0
    for request in rng.sample(requests.requests, len(requests.requests)):
        for streamed in rng.sample([True, False], 2):
            for endpoint in rng.sample(endpoints, len(endpoints)):
                position += 1
                yield Probe(
                    run=run,
                    endpoint=endpoint,
                    request=request.number,
                    streamed=streamed,
                    position=position,
                )
