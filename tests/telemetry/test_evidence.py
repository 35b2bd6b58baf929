"""Counters in, arrays out: what counts at a moment, and how much."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries

from providers.models import Endpoint
from telemetry.evidence import load_evidence, load_hourly
from telemetry.ingest import ingest_all
from telemetry.models import (
    BenchmarkRun,
    EndpointScore,
    OwnerUse,
    Rollup,
)
from telemetry.scoring import cells
from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIELDS,
    REQUESTS,
    SLOTS,
    STRATA,
    BenchmarkCounts,
)
from tests.catalog_rows import make_endpoint
from tests.telemetry.spooled import attempt_fact, leave_segment, verdict_fact

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def keep(
    endpoint: Endpoint, starts_at: datetime, requests: int = 8, *, period: str = "hour"
) -> None:
    counters = np.zeros(cells.SHAPE, np.int64)
    counters[1, 2, REQUESTS] = requests
    Rollup.objects.create(
        endpoint=endpoint, period=period, starts_at=starts_at, cells=cells.pack(counters)
    )


def change(endpoint: Endpoint, **since: datetime) -> None:
    """Say that the endpoint changed: older counters are set aside."""
    EndpointScore.objects.create(
        endpoint=endpoint, computed_at=NOW, standing_since=NOW, eligible=True, criteria={}, **since
    )


def test_what_was_ingested_is_evidence(endpoint: Endpoint, spool: Path) -> None:
    other = make_endpoint("borealis")
    at = NOW - timedelta(minutes=20)
    facts: list[Any] = [
        attempt_fact(f"gen-{n}", endpoint_id=other.pk, account_id=n % 3, started_at=at.timestamp())
        for n in range(12)
    ]
    facts += [verdict_fact(f"gen-{n}", tool_calls=1) for n in range(12)]
    leave_segment(spool, facts)
    ingest_all(spool)

    evidence = load_evidence(endpoint.model_id, NOW)

    assert evidence.endpoint_ids == (endpoint.pk, other.pk)
    assert evidence.counts.shape == (2, STRATA, SLOTS, len(FIELDS))
    assert evidence.recorded.sum((1, 2))[:, [REQUESTS, ATTEMPTS]].tolist() == [[0, 0], [12, 12]]
    assert evidence.owners == (0, 3)
    assert evidence.counts.sum() == pytest.approx(24)
    assert evidence.reference is None

    hourly = load_hourly(endpoint.model_id, NOW, 2)
    assert hourly.endpoint_ids == evidence.endpoint_ids
    assert hourly.hours == ((NOW - 1.5 * HOUR).timestamp(), (NOW - 0.5 * HOUR).timestamp())
    assert np.array_equal(hourly.counts[:, 1], evidence.recorded)
    assert not hourly.counts[:, 0].any()


def test_counters_lose_half_their_weight_in_a_week(endpoint: Endpoint) -> None:
    noon = NOW.replace(minute=0)
    keep(endpoint, noon)
    keep(endpoint, noon - 7 * DAY)
    keep(endpoint, noon.replace(hour=0) - 14 * DAY, 16, period="day")
    keep(endpoint, noon - 36 * DAY)

    evidence = load_evidence(endpoint.model_id, NOW)

    # The day's middle is 14 days and half an hour ago.
    assert evidence.counts[0, 1, 2, REQUESTS] == pytest.approx(
        8 + 4 + 4 * 0.5 ** (0.5 / 168), rel=1e-9
    )
    assert evidence.recorded[0, 1, 2, REQUESTS] == 32
    assert np.array_equal(evidence.propensity_counts, evidence.counts)


def test_a_change_sets_older_counters_aside_for_its_own_purpose(endpoint: Endpoint) -> None:
    noon = NOW.replace(minute=0)
    for back in range(4):
        keep(endpoint, noon - back * HOUR, 10**back)
    change(endpoint, evidence_since=noon - HOUR, propensity_since=noon - 1.5 * HOUR)

    evidence = load_evidence(endpoint.model_id, NOW)

    assert evidence.recorded[0, 1, 2, REQUESTS] == 11
    assert 10 < evidence.propensity_counts.sum() < 11
    EndpointScore.objects.update(evidence_since=None)
    evidence = load_evidence(endpoint.model_id, NOW)
    assert evidence.recorded[0, 1, 2, REQUESTS] == 1111
    assert 10 < evidence.propensity_counts.sum() < 11


def use(endpoint: Endpoint, day: datetime, owners: range, **counts: int) -> None:
    for account in owners:
        OwnerUse.objects.create(
            endpoint=endpoint, account_id=account, day=day.date(), **({"requests": 3} | counts)
        )


def test_owners_whose_requests_a_change_set_aside_stand_behind_nothing(endpoint: Endpoint) -> None:
    noon = NOW.replace(minute=0)
    use(endpoint, noon, range(9))
    keep(endpoint, noon - 3 * HOUR)
    keep(endpoint, noon)  # all of it in one slot
    assert load_evidence(endpoint.model_id, NOW).owners == (9,)

    change(endpoint, evidence_since=noon - HOUR)
    assert load_evidence(endpoint.model_id, NOW).owners == (1,)

    EndpointScore.objects.update(evidence_since=noon - DAY)
    use(endpoint, noon - DAY, range(20, 24))
    assert load_evidence(endpoint.model_id, NOW).owners == (9,)

    EndpointScore.objects.update(propensity_since=noon - HOUR)
    evidence = load_evidence(endpoint.model_id, NOW)
    assert (evidence.owners, evidence.asking) == ((9,), (1,))


def test_only_owners_who_saw_a_tool_call_stand_behind_its_error(endpoint: Endpoint) -> None:
    use(endpoint, NOW, range(5))
    use(endpoint, NOW, range(5, 7), tool_calls=2)
    use(endpoint, NOW, range(7, 8), failures=1)

    evidence = load_evidence(endpoint.model_id, NOW)

    assert (evidence.owners, evidence.calling) == ((8,), (3,))


def test_endpoints_that_are_off_are_not_in_the_pool(endpoint: Endpoint) -> None:
    off = make_endpoint("borealis", enabled=False)
    gone = make_endpoint("dune")
    gone.provider.enabled = False
    gone.provider.save()
    other = make_endpoint("ember", "acme/kestrel-2")
    for one in (off, gone, other):
        keep(one, NOW - HOUR)

    assert load_evidence(endpoint.model_id, NOW).endpoint_ids == (endpoint.pk,)
    assert not load_evidence(endpoint.model_id, NOW).recorded.any()
    assert load_hourly(endpoint.model_id, NOW, 48).counts.shape[:2] == (1, 48)


def test_names_the_reference(endpoint: Endpoint) -> None:
    make_endpoint("borealis", reference=True)

    assert load_evidence(endpoint.model_id, NOW).reference == 1


def test_a_model_without_endpoints_is_an_empty_pool(endpoint: Endpoint) -> None:
    Endpoint.objects.update(enabled=False)

    evidence = load_evidence(endpoint.model_id, NOW)

    assert [*evidence.endpoint_ids, *evidence.votes, *evidence.owners] == []
    assert evidence.counts.shape == (0, STRATA, SLOTS, len(FIELDS))


def test_sums_benchmark_runs_that_still_count(endpoint: Endpoint, settings: Any) -> None:
    settings.BENCHMARK_WEIGHTS = {"half": 0.5}
    for number, (suite, age) in enumerate(
        [("whole", 0 * DAY), ("half", 7 * DAY), ("whole", 31 * DAY), ("whole", -HOUR)]
    ):
        BenchmarkRun.objects.create(
            endpoint=endpoint, suite=suite, content_hash=str(number), measured_at=NOW - age,
            requests=100, tool_calls=60, failures=4,
        )  # fmt: skip

    evidence = load_evidence(endpoint.model_id, NOW)

    assert evidence.benchmarks == (BenchmarkCounts(125, 75, 5),)  # half a weight, half of it gone
    assert evidence.measured == (BenchmarkCounts(200, 120, 8),)
    change(endpoint, evidence_since=NOW - 1.5 * DAY)
    assert load_evidence(endpoint.model_id, NOW).benchmarks == (BenchmarkCounts(100, 60, 4),)


def test_the_number_of_queries_does_not_grow_with_counters(
    endpoint: Endpoint, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for back in range(60):
        keep(endpoint, NOW - back * HOUR)
        OwnerUse.objects.create(
            endpoint=endpoint, day=(NOW - back * DAY).date(), account_id=back, requests=1
        )

    with django_assert_max_num_queries(9):
        load_evidence(endpoint.model_id, NOW)
