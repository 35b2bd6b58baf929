"""A model's benchmarks in the admin: who sees them, and what they see beyond the public pages."""

import pytest
from django.urls import reverse

from telemetry.models import BenchmarkRun
from tests.admin_people import curator, newcomer
from tests.catalog_rows import make_endpoint
from tests.routing.api.test_benchmarks import make_run

pytestmark = pytest.mark.django_db


def pages(run: BenchmarkRun) -> list[str]:
    kinds = ("", "_json", "_csv")
    args = [run.endpoint.model_id]
    return [reverse(f"admin:providers_model_benchmarks{kind}", args=args) for kind in kinds]


def test_a_models_page_leads_a_curator_to_its_benchmarks() -> None:
    run = make_run(make_endpoint("amber"), {"accuracy": 0.75}, excluded={"no answer": 4})
    make_endpoint("cobalt")
    page, _, _ = pages(run)
    client = curator()

    for name, pk in (("model", run.endpoint.model_id), ("endpoint", run.endpoint_id)):
        linked = client.get(reverse(f"admin:providers_{name}_change", args=[pk])).content.decode()
        assert f'href="{page}"' in linked
    shown = client.get(page).content.decode()

    assert "75.0 % (10.0 % to 90.0 %)" in shown
    assert "4 x no answer" in shown
    assert "unknown: not measured" in shown
    assert reverse("admin:telemetry_benchmarkrun_change", args=[run.pk]) in shown
    assert "accuracy of amber over time" in shown


def test_shows_endpoints_that_are_switched_off() -> None:
    run = make_run(make_endpoint("amber", enabled=False), {"accuracy": 0.75})

    client = curator()
    for page in pages(run):
        assert b"amber" in client.get(page).content


def test_a_model_nobody_measured_has_a_page() -> None:
    endpoint = make_endpoint("amber")
    page = reverse("admin:providers_model_benchmarks", args=[endpoint.model_id])

    assert "All of them are unknown, none is bad" in curator().get(page).content.decode()


def test_others_are_refused() -> None:
    run = make_run(make_endpoint("amber"), {"accuracy": 0.75})
    client = newcomer()

    assert [client.get(page).status_code for page in pages(run)] == [403, 403, 403]


def test_no_such_model() -> None:
    assert curator().get("/admin/providers/model/9999/benchmarks/").status_code == 404
