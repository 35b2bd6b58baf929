"""From a run's files to its rows: read and checked whole, then written in one transaction.

Owns what only the database knows: whether these results are here already, for this endpoint or
another, and the date where the tool writes none. The rule others rely on: a run is stored with all
its figures or not at all, and the same results are stored once per endpoint, however packed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from providers.models import Endpoint
from telemetry.benchmarks.bundle import Bundle
from telemetry.benchmarks.errors import Unreadable
from telemetry.benchmarks.fields import clean
from telemetry.benchmarks.formats import read
from telemetry.benchmarks.reading import Reading
from telemetry.models import BenchmarkResult, BenchmarkRun

_ORIGIN_CHARS = 300
_CLOCKS_DIFFER_BY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Imported:
    """The run, whether it is new, and what somebody should look at. The run of a rehearsal is not
    in the database."""

    run: BenchmarkRun
    reading: Reading
    created: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What to import, as a person ordered it.

    measured_at: when the run was made, for tools that write no date. origin: who ran it, and where
    from, in the importer's words. rehearse: write nothing.
    """

    endpoint: Endpoint
    files: Bundle
    now: datetime
    reference: Bundle | None = None
    measured_at: datetime | None = None
    origin: str = ""
    rehearse: bool = False


def import_run(order: Order) -> Imported:
    """Store what the files say of the endpoint. Raises ResultError; then nothing was stored."""
    reading = read(order.files, order.reference)
    run = _run(order, reading)
    warnings = tuple(_warnings(order.endpoint, reading))
    same = BenchmarkRun.objects.filter(endpoint=order.endpoint, content_hash=run.content_hash)
    if order.rehearse:
        return Imported(run, reading, created=not same.exists(), warnings=warnings)
    fields = {f.attname: getattr(run, f.attname) for f in BenchmarkRun._meta.concrete_fields}
    with transaction.atomic():
        stored, created = BenchmarkRun.objects.get_or_create(
            endpoint_id=fields.pop("endpoint_id"),
            content_hash=fields.pop("content_hash"),
            defaults={name: value for name, value in fields.items() if name != "id"},
        )
        if created:
            BenchmarkResult.objects.bulk_create(_results(stored, reading))
    return Imported(stored, reading, created=created, warnings=warnings)


def _run(order: Order, reading: Reading) -> BenchmarkRun:
    return BenchmarkRun(
        endpoint=order.endpoint,
        suite=reading.suite,
        suite_version=reading.suite_version,
        judge=reading.judge,
        request_set=reading.request_set,
        origin=_origin(order, reading),
        content_hash=reading.identity,
        measured_at=_measured_at(order, reading),
        requests=reading.replies,
        tool_calls=reading.tool_calls,
        failures=reading.failures,
        excluded=dict(reading.excluded),
        remarks=list(reading.remarks),
    )


def _origin(order: Order, reading: Reading) -> str:
    pinned = f" pinned to {', '.join(reading.pinned_to)}" if reading.pinned_to else ""
    told = f"{reading.format}: {reading.subject or 'unnamed model'}{pinned}"
    words = [order.origin, told, order.files.label]
    return clean("; ".join(word for word in words if word), _ORIGIN_CHARS)


def _measured_at(order: Order, reading: Reading) -> datetime:
    label, told = order.files.label, reading.measured_at
    if told is None and order.measured_at is None:
        problem = f"there is none in what is read as {reading.format}"
        cure = "Give the day it ran: --measured-at, or “Measured at” in the form."
        raise Unreadable(label, "the date", problem, cure)
    if told and order.measured_at and told.date() != order.measured_at.date():
        problem = f"measured at {told:%Y-%m-%d}, it says itself"
        raise Unreadable(label, "the files", problem, "Leave the date out.")
    at = told or order.measured_at
    assert at is not None  # noqa: S101  # the first test
    if at > order.now + _CLOCKS_DIFFER_BY:
        raise Unreadable(label, "the date", f"{at:%Y-%m-%d} is to come", "Set it right.")
    return at


def _results(run: BenchmarkRun, reading: Reading) -> Iterator[BenchmarkResult]:
    for figure in reading.figures:
        yield BenchmarkResult(
            run=run,
            metric=figure.metric,
            value=figure.value,
            low=figure.low,
            high=figure.high,
            sample=figure.sample,
        )


def _warnings(endpoint: Endpoint, reading: Reading) -> Iterator[str]:
    known_as = {endpoint.tag, endpoint.provider.slug}
    if reading.pinned_to and not known_as & set(reading.pinned_to):
        yield (
            f"The run was pinned to {', '.join(reading.pinned_to)}, not to {endpoint.tag}: "
            "make sure that they are the same deployment."
        )
    others = BenchmarkRun.objects.filter(content_hash=reading.identity).exclude(endpoint=endpoint)
    for other in others.select_related("endpoint__model")[:3]:
        yield f"The same results are stored for {other.endpoint} too: one of them is wrong."
    left_out = sum(reading.excluded.values())
    if left_out:
        reasons = ", ".join(f"{number} x {reason}" for reason, number in reading.excluded.items())
        yield f"Left out of every figure: {reasons}."
    yield from reading.remarks
