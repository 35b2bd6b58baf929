"""GET /benchmarks: what benchmark runs said of models, and of each endpoint by itself.

Owns how runs are put together: only those of one model that are comparable, and known for the
same figure (`telemetry.benchmarks.table` says which), share an item. Public; who ran a benchmark,
and in whose words, is not. OpenRouter's other sources have no items here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import stdev
from typing import Any

from django.http import HttpResponse
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.views import APIView

from routing.api.cacheable import cacheable
from routing.api.query_values import Query, whole_number
from routing.errors import ApiError
from telemetry.benchmarks.measured import run_of
from telemetry.benchmarks.reading import Figure
from telemetry.benchmarks.table import headline
from telemetry.models import BenchmarkRun

_SOURCE = "openrouter"  # of the shape, by which clients tell items apart
SOURCES = ("artificial-analysis", "design-arena", _SOURCE)


class BenchmarksView(APIView):
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        source = query.get("source", "")
        if source not in ("", *SOURCES):
            known = ", ".join(SOURCES)
            raise ApiError(400, f"source: give one of {known}.", metadata={"path": "source"})
        items = _items(query) if source in ("", _SOURCE) else []
        most = whole_number(query, "max_results")
        items = items if most is None else items[:most]
        return cacheable(request, {"data": items, "meta": _meta(items, query)})


@dataclass(frozen=True, slots=True)
class _Measured:
    """A run and the figure it is known for."""

    run: BenchmarkRun
    headline: Figure


def _items(query: Query) -> list[dict[str, Any]]:
    if query.get("task_type") == "search":
        return []
    runs = BenchmarkRun.objects.filter(
        endpoint__enabled=True, endpoint__provider__enabled=True, endpoint__model__enabled=True
    )
    runs = runs.select_related("endpoint__model", "endpoint__provider")
    items = [_item(group) for group in _comparable(runs.prefetch_related("results"))]
    if suite := query.get("benchmark_type", ""):
        items = [item for item in items if item["benchmark_type"] == suite]
    return sorted(items, key=lambda item: (item["benchmark_type"], -item["accuracy"]))


def _comparable(runs: Iterable[BenchmarkRun]) -> list[list[_Measured]]:
    """Return the runs by model and what makes them comparable, the latest first."""
    groups: defaultdict[tuple[object, ...], list[_Measured]] = defaultdict(list)
    for run in runs:
        one = run_of(run)
        known_for = headline(one.figures)
        if known_for is None:
            continue
        key = (run.endpoint.model_id, one.comparable, known_for.metric)
        groups[key].append(_Measured(run, known_for))
    return [sorted(group, key=_when, reverse=True) for group in groups.values()]


def _when(one: _Measured) -> datetime:
    return one.run.measured_at


def _item(group: Sequence[_Measured]) -> dict[str, Any]:
    latest, model = group[0].run, group[0].run.endpoint.model
    tasks = sum(one.headline.sample for one in group)
    accuracies = [one.headline.value for one in group]
    weighted = sum(one.headline.value * one.headline.sample for one in group)
    return {
        "source": _SOURCE,
        "model_permaslug": model.slug,
        "display_name": model.name,
        "benchmark_type": latest.suite,
        "accuracy": weighted / tasks if tasks else sum(accuracies) / len(accuracies),
        "accuracy_stddev": stdev(accuracies) if len(accuracies) > 1 else None,
        "avg_cost_per_task": None,
        "total_tasks": tasks,
        "last_run_timestamp": latest.measured_at.astimezone(UTC).isoformat(),
        "metric": group[0].headline.metric,
        "suite_version": latest.suite_version,
        "judge": latest.judge,
        "endpoints": [_endpoint_row(one) for one in group],
    }


def _endpoint_row(one: _Measured) -> dict[str, Any]:
    endpoint = one.run.endpoint
    return {
        "provider_name": endpoint.provider.name,
        "tag": endpoint.tag,
        "accuracy": one.headline.value,
        "low": one.headline.low,
        "high": one.headline.high,
        "total_tasks": one.headline.sample,
        "measured_at": one.run.measured_at.astimezone(UTC).isoformat(),
        "results": {result.metric: result.value for result in one.run.results.all()},
    }


def _meta(items: Sequence[dict[str, Any]], query: Query) -> dict[str, Any]:
    # Nothing is as of today, not of this second: the answer stays the same that long.
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "version": "v1",
        "as_of": max((item["last_run_timestamp"] for item in items), default=today.isoformat()),
        "source": query.get("source") or None,
        "source_url": None,
        "citation": None,
        "task_type": query.get("task_type") or None,
        "model_count": len({item["model_permaslug"] for item in items}),
    }
