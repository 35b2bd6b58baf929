"""The benchmark table of one model, read from the database.

Owns which endpoints and runs are in it. It compares nothing: `telemetry.benchmarks.table` does.
The rules others rely on: the number of queries does not depend on the number of runs, and of an
endpoint's comparable runs only the latest KEPT are read.
"""

from collections.abc import Sequence

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from providers.models import Endpoint, Model
from telemetry.benchmarks.reading import Figure
from telemetry.benchmarks.table import Place, Run, Silence, Table, make_parts
from telemetry.models import BenchmarkRun, VerifierVerdict

KEPT = 30  # runs of one endpoint that are comparable, and verifier runs without evidence


def read_table(model: Model, *, stopped: bool = False) -> Table:
    """Return the table of a model's endpoints; those switched off only if `stopped`."""
    endpoints = Endpoint.objects.filter(model=model).select_related("provider").order_by("tag")
    if not stopped:
        endpoints = endpoints.filter(enabled=True, provider__enabled=True)
    places = [Place(one.pk, one.tag, one.provider.name) for one in endpoints]
    ids = [place.id for place in places]
    return Table(model.slug, model.name, make_parts(places, _runs(ids)), _silences(ids))


def _runs(endpoint_ids: Sequence[int]) -> list[Run]:
    number = Window(
        RowNumber(),
        partition_by=[
            F(name) for name in ("endpoint", "suite", "suite_version", "judge", "request_set")
        ],
        order_by=[F("measured_at").desc(), F("pk").desc()],
    )
    latest = BenchmarkRun.objects.filter(endpoint__in=endpoint_ids).annotate(number=number)
    rows = latest.filter(number__lte=KEPT).prefetch_related("results")
    return [run_of(row) for row in rows]


def run_of(row: BenchmarkRun) -> Run:
    """Return a row, its results read with it, as the table has it."""
    results = sorted(row.results.all(), key=lambda one: one.pk)
    return Run(
        id=row.pk,
        endpoint_id=row.endpoint_id,
        suite=row.suite,
        suite_version=row.suite_version,
        judge=row.judge,
        request_set=row.request_set,
        measured_at=row.measured_at,
        replies=row.requests,
        tool_calls=row.tool_calls,
        failures=row.failures,
        excluded=row.excluded,
        figures=tuple(Figure(r.metric, r.value, r.sample, r.low, r.high) for r in results),
    )


def _silences(endpoint_ids: Sequence[int]) -> tuple[Silence, ...]:
    verdicts = VerifierVerdict.objects.filter(endpoint__in=endpoint_ids, evidence=None)
    rows = verdicts.exclude(why_none="").order_by("-run__created_at", "endpoint__tag")
    values = rows.values_list("endpoint__tag", "run__created_at", "why_none")[:KEPT]
    return tuple(Silence(*row) for row in values)
