"""The demo's benchmark: comparable runs of the simulated fleet, as good as each is simulated."""

import pytest
from django.test import Client
from django.utils.timezone import now

from routing.demo_benchmarks import MODEL, REQUESTS, import_demo_runs
from telemetry.models import BenchmarkRun
from tests.catalog_rows import make_endpoint

pytestmark = pytest.mark.django_db


def test_the_demo_has_one_comparable_run_per_simulated_endpoint(client: Client) -> None:
    for slug in ("cobalt", "larkspur", "meridian", "tallow", "quillstone", "brindle"):
        make_endpoint(slug, MODEL)
    make_endpoint("nobody-simulates-this", MODEL)
    at = now()

    import_demo_runs(at)
    import_demo_runs(at)

    [item] = client.get("/api/v1/benchmarks").json()["data"]
    assert (item["model_permaslug"], item["benchmark_type"]) == (MODEL, "k2vv")
    accuracy = {one["tag"]: one["accuracy"] for one in item["endpoints"]}
    assert len(accuracy) == len(item["endpoints"]) == 6
    assert accuracy["cobalt"] == accuracy["larkspur"] == 1
    assert 0.6 < accuracy["tallow"] < 0.9
    assert accuracy["brindle"] < accuracy["tallow"]
    runs = {run.endpoint.tag: run for run in BenchmarkRun.objects.select_related("endpoint")}
    # Propensity: 0.55 less what is leaked into the text, beside 0.93.
    assert runs["quillstone"].tool_calls < 0.6 * REQUESTS < runs["cobalt"].tool_calls
