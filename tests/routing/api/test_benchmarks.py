"""GET /benchmarks: runs become items, and only comparable ones are put together."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from openrouter import OpenRouter, components

from providers.models import Endpoint
from telemetry.models import BenchmarkRun
from tests.catalog_rows import MODEL, make_endpoint

pytestmark = pytest.mark.django_db

THE_20TH = datetime(2026, 11, 20, 12, tzinfo=UTC)


def make_run(endpoint: Endpoint, results: dict[str, float], **fields: Any) -> BenchmarkRun:
    plain: dict[str, Any] = {
        "suite": "gpqa_diamond",
        "suite_version": "1",
        "request_set": "a" * 64,
        "origin": "Carla of Contoso ran it",
        "content_hash": str(BenchmarkRun.objects.count()),
        "measured_at": THE_20TH,
        "requests": 50,
    }
    sample = fields.pop("sample", 50)
    run = BenchmarkRun.objects.create(endpoint=endpoint, **{**plain, **fields})
    for metric, value in results.items():
        run.results.create(metric=metric, value=value, sample=sample, low=0.1, high=0.9)
    return run


def get_items(client: Client, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/api/v1/benchmarks?{query}").json()["data"]
    return items


def test_the_official_client_reads_benchmarks(sdk: Callable[[str], OpenRouter]) -> None:
    make_run(make_endpoint("cobalt"), {"accuracy": 0.75, "tool_call_error_rate": 0.02})

    answer = sdk("any").benchmarks.get_benchmarks()

    [item] = answer.data
    assert isinstance(item, components.UnifiedBenchmarksORItem)
    assert (item.model_permaslug, item.benchmark_type) == (MODEL, "gpqa_diamond")
    assert (item.accuracy, item.accuracy_stddev, item.total_tasks) == (0.75, None, 50)
    assert (answer.meta.model_count, answer.meta.source) == (1, None)
    assert datetime.fromisoformat(answer.meta.as_of) == THE_20TH


def test_comparable_runs_of_a_model_are_one_item(client: Client) -> None:
    make_run(make_endpoint("cobalt"), {"accuracy": 0.9}, sample=100)
    make_run(
        make_endpoint("zinc"), {"accuracy": 0.6}, sample=50, measured_at=THE_20TH.replace(day=21)
    )

    [item] = get_items(client)

    assert item["accuracy"] == pytest.approx(0.8)
    assert item["accuracy_stddev"] == pytest.approx(0.2121, abs=1e-4)
    assert item["total_tasks"] == 150
    assert item["last_run_timestamp"] == "2026-11-21T12:00:00+00:00"
    zinc, cobalt = item["endpoints"]
    assert (cobalt["tag"], cobalt["accuracy"], cobalt["low"], cobalt["high"]) == (
        "cobalt", 0.9, 0.1, 0.9,
    )  # fmt: skip
    assert (zinc["provider_name"], zinc["total_tasks"]) == ("Zinc", 50)
    assert zinc["results"] == {"accuracy": 0.6}


@pytest.mark.parametrize(
    "other",
    [
        {"suite": "tau2"}, {"suite_version": "2"}, {"judge": "another"}, {"request_set": "b" * 64},
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_are_not_put_together(
    client: Client, other: dict[str, str]
) -> None:
    endpoint = make_endpoint("cobalt")
    make_run(endpoint, {"accuracy": 0.9})
    make_run(endpoint, {"accuracy": 0.5}, **other)

    assert sorted(item["accuracy"] for item in get_items(client)) == [0.5, 0.9]


def test_runs_that_do_not_tell_what_was_asked_stand_alone(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    for value in (0.9, 0.5):
        make_run(endpoint, {"accuracy": value}, request_set="")

    assert len(get_items(client)) == 2


@pytest.mark.parametrize(
    ("results", "metric"),
    [
        ({"pass^1": 0.5, "pass^2": 0.3, "avg_reward": 0.5}, "pass^1"),
        ({"schema_accuracy": 0.9, "success": 1.0, "finish_stop": 0.4}, "schema_accuracy"),
        ({"tool_call_f1": 0.8, "schema_accuracy": 0.9}, "tool_call_f1"),
        ({"simple accuracy": 0.7, "tool_call_error_rate": 0.01}, "simple accuracy"),
        ({"tool_call_error_rate": 0.01, "accuracy": 41.0}, None),
        ({}, None),
    ],
)
def test_a_run_is_known_for_one_figure(
    client: Client, results: dict[str, float], metric: str | None
) -> None:
    make_run(make_endpoint("cobalt"), results)

    items = get_items(client)

    assert [item["metric"] for item in items] == ([metric] if metric else [])


def test_does_not_tell_who_ran_it(client: Client) -> None:
    make_run(make_endpoint("cobalt"), {"accuracy": 0.9})

    assert b"Contoso" not in client.get("/api/v1/benchmarks").content


def test_is_silent_about_endpoints_that_are_switched_off(client: Client) -> None:
    make_run(make_endpoint("cobalt", enabled=False), {"accuracy": 0.9})

    assert get_items(client) == []


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("source=openrouter", 2),
        ("source=artificial-analysis", 0),
        ("source=design-arena&arena=models", 0),
        ("benchmark_type=tau2", 1),
        ("benchmark_type=search_hle", 0),
        ("benchmark_type=%00", 0),
        ("task_type=search", 0),
        ("task_type=agentic", 2),
        ("max_results=1", 1),
        ("max_results=0", 0),
    ],
)
def test_filters(client: Client, query: str, number: int) -> None:
    endpoint = make_endpoint("cobalt")
    make_run(endpoint, {"accuracy": 0.9})
    make_run(endpoint, {"pass^1": 0.5}, suite="tau2")

    assert len(get_items(client, query)) == number


@pytest.mark.parametrize("query", ["source=mine", "max_results=many"])
def test_what_cannot_be_read_is_named(client: Client, query: str) -> None:
    answer = client.get(f"/api/v1/benchmarks?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["metadata"]["path"] == query.split("=")[0]
