"""Benchmarks that traffic does not bear out: a notice and a flag, and no list moves for it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing.curation.recompute import recompute_all
from routing.models import Allowlist, Lease, ModelPolicy, Notice
from telemetry.models import BenchmarkRun, EndpointScore
from tests.admin_people import curator
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint
from tests.routing.curation.measured import requests, serve

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool() -> list[Endpoint]:
    return [make_endpoint(name) for name in ("cobalt", "iron", "zinc")]


def measure(endpoint: Endpoint, *, bad: int = 1) -> None:
    BenchmarkRun.objects.create(
        endpoint=endpoint, suite="k2vv", content_hash=f"{endpoint.pk}",
        measured_at=now() - timedelta(hours=1), requests=400, tool_calls=400, failures=bad,
    )  # fmt: skip


def serve_a_gamer(spool: Path, pool: list[Endpoint]) -> None:
    """Zinc fails one call in six live and none in the benchmark; the others are good in both."""
    *good, gamer = pool
    serve(
        spool,
        *(requests(one, good=299, bad=1) for one in good),
        requests(gamer, good=250, bad=50),
    )
    for one in good:
        measure(one)
    measure(gamer, bad=0)


def test_curators_are_told_once_and_the_score_says_it(pool: list[Endpoint], spool: Path) -> None:
    serve_a_gamer(spool, pool)

    for _ in range(2):
        Lease.objects.all().delete()
        recompute_all()

    [notice] = Notice.objects.filter(key__startswith="gaming:")
    assert str(pool[2]) in notice.text
    assert "possible gaming" in notice.text
    assert "changes no list" in notice.text
    assert notice.path == reverse("admin:providers_model_benchmarks", args=[pool[2].model_id])
    said = {
        score.endpoint_id: score.criteria["benchmarks"] for score in EndpointScore.objects.all()
    }
    assert [said[one.pk]["verdict"] for one in pool] == ["pass", "pass", "fail"]
    assert said[pool[2].pk]["live"] > 0.1 > said[pool[2].pk]["high"]


def test_the_review_page_flags_it(pool: list[Endpoint], spool: Path) -> None:
    edition = make_allowlist(*pool)
    serve_a_gamer(spool, pool)
    recompute_all()
    client = curator()

    review = client.get(reverse("admin:routing_allowlist_change", args=[edition.pk]))
    one = client.get(reverse("admin:routing_allowlist_endpoint", args=[edition.pk, pool[2].pk]))

    assert review.content.decode().count("may be gaming benchmarks") == 1
    assert "bad of 400 calls in benchmarks" in review.content.decode()
    assert "may be gaming benchmarks" in one.content.decode()


def test_a_suspicion_is_not_public(client: Client, pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve_a_gamer(spool, pool)
    recompute_all()

    for path in (f"/api/v1/models/{MODEL}/exacto", f"/exacto/{MODEL}", f"/exacto/{MODEL}.json"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert b"gaming" not in answer.content


def test_the_lists_are_those_that_traffic_makes(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve_a_gamer(spool, pool)
    recompute_all()
    with_benchmarks = proposed()

    BenchmarkRun.objects.all().delete()
    Lease.objects.all().delete()
    recompute_all()

    assert with_benchmarks == proposed() == {"cobalt", "iron"}


@pytest.mark.parametrize("method", ModelPolicy.Method)
def test_an_installation_may_ask_for_benchmarks_first(
    pool: list[Endpoint], spool: Path, settings: LazySettings, method: str
) -> None:
    settings.BENCHMARK_REQUIRED = True
    make_allowlist(*pool[:2])
    ModelPolicy.objects.create(model=pool[0].model, variant="exacto", method=method)
    serve(spool, *(requests(one, good=299, bad=1) for one in pool))
    recompute_all()
    score = EndpointScore.objects.get(endpoint=pool[2])
    assert (score.eligible, score.standing) == (False, "insufficient_data")
    assert "no benchmark has measured it yet" in score.sentence

    measure(pool[2])
    Lease.objects.all().delete()
    recompute_all()

    score = EndpointScore.objects.get(endpoint=pool[2])
    assert (score.eligible, score.standing) == (True, "verified")
    assert "no benchmark" not in score.sentence


def proposed() -> set[str]:
    draft = Allowlist.objects.get(status=Allowlist.Status.DRAFT)
    return {entry.endpoint.tag for entry in draft.entries.select_related("endpoint")}
