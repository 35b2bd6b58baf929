"""Attempts in, figures of service out: what counts, when, and what is told of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.errors import UpstreamMalformed, UpstreamRejected, UpstreamUnavailable
from providers.models import Endpoint
from telemetry.compaction import compact_counters
from telemetry.ingest import ingest_all
from telemetry.models import Attempt, Outcome, ServiceRollup
from telemetry.service import FAULTS
from telemetry.service_check import compare_service
from telemetry.service_figures import ServiceFigures, service_figures, tokens_used
from tests.catalog_rows import make_endpoint
from tests.telemetry.spooled import attempt_fact, leave_segment, verdict_fact

NOW = datetime(2026, 11, 23, 12, 30, 30, tzinfo=UTC)


def ingest(
    spool: Path, endpoint: Endpoint, *several: dict[str, Any], ago: timedelta = timedelta(0)
) -> None:
    """Ingest one attempt per dict, which ended `ago` before NOW."""
    known = Attempt.objects.count()
    facts: list[Any] = []
    for number, fields in enumerate(several, start=known):
        duration_ms = fields.get("duration_ms", 1000)
        started = NOW - ago - timedelta(milliseconds=duration_ms)
        plain = {"endpoint_id": endpoint.pk, "duration_ms": 1000, "started_at": started.timestamp()}
        facts.append(attempt_fact(f"gen-{number}", **{**plain, **fields}))
    leave_segment(spool, facts, process=f"{known:032}")
    ingest_all(spool)


def figures(endpoint: Endpoint, *, least: int = 1) -> ServiceFigures:
    return service_figures([endpoint.pk], NOW, least=least).get(endpoint.pk, ServiceFigures())


def mismatches(**options: bool) -> list[str]:
    return [str(one) for one in compare_service(NOW, **options)]


OK: dict[str, Any] = {"outcome": "ok"}
FAILED: dict[str, Any] = {"outcome": "http_5xx", "finish_reason": ""}


def test_uptime_is_the_share_of_answers_in_each_window(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, OK, OK, OK, FAILED, ago=timedelta(minutes=2))
    ingest(spool, endpoint, FAILED, FAILED, FAILED, FAILED, ago=timedelta(minutes=20))
    ingest(spool, endpoint, *[OK] * 8, ago=timedelta(hours=20))
    ingest(spool, endpoint, *[FAILED] * 50, ago=timedelta(hours=30))

    told = figures(endpoint)

    assert (told.uptime_5m, told.uptime_30m, told.uptime_1d) == (75.0, 37.5, 68.75)


def test_uptime_is_not_told_of_too_few(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, OK, FAILED, ago=timedelta(minutes=2))
    ingest(spool, endpoint, OK, ago=timedelta(minutes=10))

    told = figures(endpoint, least=3)

    assert (told.uptime_5m, told.uptime_30m, told.uptime_1d) == (None, 66.667, 66.667)


def test_nothing_is_told_of_an_endpoint_that_nobody_asked(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, make_endpoint("borealis"), OK)

    assert figures(endpoint, least=0) == ServiceFigures()


@pytest.mark.parametrize("outcome", Outcome.values)
def test_the_outcomes_that_count_are_those_that_say_something_of_health(
    endpoint: Endpoint, spool: Path, outcome: str
) -> None:
    ingest(spool, endpoint, {"outcome": outcome, "latency_ms": None})

    uptime = figures(endpoint).uptime_5m
    expected: dict[str, float] = {"ok": 100.0} | dict.fromkeys(FAULTS, 0.0)
    assert uptime == expected.get(outcome)


@pytest.mark.parametrize(
    "error",
    [
        *(
            UpstreamRejected(status)
            for status in (400, 401, 402, 403, 404, 408, 409, 422, 429, 500)
        ),
        *(
            UpstreamUnavailable(outcome)
            for outcome in "timeout_connect timeout_ttft timeout_idle timeout_total".split()
        ),
        UpstreamUnavailable("connect_error"),
        UpstreamUnavailable("disconnected"),
        UpstreamUnavailable("busy"),
        UpstreamMalformed(),
        UpstreamMalformed("truncated"),
    ],
    ids=lambda error: f"{error.outcome}-{error.status}",
)
def test_faults_are_what_the_upstream_errors_call_so(error: Any) -> None:
    assert (error.outcome in FAULTS) == error.health_fault


@pytest.mark.parametrize(
    ("fields", "uptime"),
    [
        ({"finish_reason": "error"}, 0.0),
        ({"benchmark": True}, None),
        ({"pinned": True, "router_assigned": False}, 100.0),
        ({"ordinal": 2}, 100.0),
        ({"tools_offered": 0, "streamed": False}, 100.0),
    ],
)
def test_every_request_counts_but_a_benchmarks(
    endpoint: Endpoint, spool: Path, fields: dict[str, Any], uptime: float | None
) -> None:
    ingest(spool, endpoint, {**OK, **fields})

    assert figures(endpoint).uptime_5m == uptime


def test_an_attempt_counts_when_it_ends(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, {"outcome": "timeout_total", "duration_ms": 3 * 3_600_000})

    assert figures(endpoint).uptime_5m == 0.0


def test_latency_and_throughput_are_percentiles(endpoint: Endpoint, spool: Path) -> None:
    # 1 to 100 tokens in a second; the first of them after 10 to 1,000 ms.
    steps = [{"latency_ms": 10 * n, "completion_tokens": n} for n in range(1, 101)]
    ingest(spool, endpoint, *steps[::2], ago=timedelta(minutes=29))
    ingest(spool, endpoint, *steps[1::2], ago=timedelta(minutes=1))

    told = figures(endpoint)

    assert told.latency == pytest.approx({"p50": 500, "p75": 750, "p90": 900, "p99": 990}, rel=0.03)
    # As in preferred_min_throughput: what so many per cent of requests reached.
    assert told.throughput == pytest.approx({"p50": 51, "p75": 26, "p90": 11, "p99": 2}, rel=0.03)


def test_times_older_than_half_an_hour_are_not_told(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, {"latency_ms": 10, "completion_tokens": 5}, ago=timedelta(minutes=32))

    told = figures(endpoint)

    assert (told.latency, told.throughput, told.uptime_1d) == (None, None, 100.0)


@pytest.mark.parametrize(
    ("fields", "latency", "throughput"),
    [
        ({"streamed": False}, None, 20.0),
        ({"usage_estimated": True}, 100.0, None),
        ({"completion_tokens": 0}, 100.0, None),
        ({"completion_tokens": None}, 100.0, None),
        ({"latency_ms": None}, None, 20.0),
        ({"outcome": "truncated"}, None, None),
        ({"outcome": "client_cancelled"}, None, None),
    ],
)
def test_only_true_times_are_told(
    endpoint: Endpoint,
    spool: Path,
    fields: dict[str, Any],
    latency: float | None,
    throughput: float | None,
) -> None:
    ingest(spool, endpoint, {"latency_ms": 100, "completion_tokens": 20, **fields})

    told = figures(endpoint)

    for percentiles, value in ((told.latency, latency), (told.throughput, throughput)):
        assert (percentiles is None) == (value is None)
        assert percentiles is None or percentiles["p50"] == pytest.approx(value, rel=0.03)


def test_tokens_of_the_last_days(endpoint: Endpoint, spool: Path) -> None:
    used = {"prompt_tokens": 30, "completion_tokens": 4}
    ingest(spool, endpoint, used, used, {"prompt_tokens": None, "completion_tokens": None})
    ingest(spool, endpoint, used, ago=timedelta(days=3))

    assert tokens_used([endpoint.pk], NOW, 7) == {endpoint.pk: 102}
    assert tokens_used([endpoint.pk], NOW, 1) == {endpoint.pk: 68}


def test_facts_that_come_again_and_verdicts_that_come_late_change_nothing(
    endpoint: Endpoint, spool: Path
) -> None:
    ingest(spool, endpoint, OK, FAILED)
    before = figures(endpoint)
    again = attempt_fact("gen-0", endpoint_id=endpoint.pk, started_at=NOW.timestamp() - 1)
    leave_segment(spool, [again, verdict_fact("gen-0")], process="f" * 32)

    ingest_all(spool)

    assert figures(endpoint) == before
    assert mismatches() == []


def test_a_clock_that_was_ahead_is_not_believed(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, FAILED, ago=-timedelta(days=400))

    assert figures(endpoint) == ServiceFigures()
    assert mismatches() == []


def test_takes_two_queries_for_one_endpoint_as_for_many(endpoint: Endpoint, spool: Path) -> None:
    others = [make_endpoint(f"p{number}") for number in range(5)]
    for one in (endpoint, *others):
        ingest(spool, one, *[OK] * 3)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        service_figures([one.pk for one in (endpoint, *others)], NOW, least=1)

    assert len(queries) == 2


def test_compaction_removes_what_is_too_old(endpoint: Endpoint, spool: Path) -> None:
    ingest(spool, endpoint, OK, ago=timedelta(days=9))
    ingest(spool, endpoint, OK, ago=timedelta(hours=3))
    ingest(spool, endpoint, OK, ago=timedelta(hours=1))

    compact_counters(NOW)

    rows = ServiceRollup.objects.order_by("period", "starts_at")
    assert list(rows.values_list("period", "starts_at")) == [
        ("hour", NOW.replace(hour=9, minute=0, second=0)),
        ("hour", NOW.replace(hour=11, minute=0, second=0)),
        ("minute", NOW.replace(hour=11, second=0)),
    ]
    # What was removed for its age is not missing.
    assert mismatches() == []


def test_the_check_finds_what_is_missing_doubled_or_damaged(
    endpoint: Endpoint, spool: Path
) -> None:
    for minutes in (1, 10):
        ingest(spool, endpoint, OK, FAILED, ago=timedelta(minutes=minutes))
    right = list(ServiceRollup.objects.order_by("period", "starts_at").values_list())
    ServiceRollup.objects.filter(period="hour").update(failed=7)
    first, second = ServiceRollup.objects.filter(period="minute").order_by("starts_at")
    first.delete()
    second.speeds = b"AC"
    second.save()

    found = mismatches(repair=True)

    pk = endpoint.pk
    assert found == [
        f"service of endpoint {pk} hour 2026-11-23 12:00: "
        "counted 2 ok, 7 failed, 0 tokens, 0 timed, 0 with a speed, "
        "rows 2 ok, 2 failed, 0 tokens, 0 timed, 0 with a speed",
        f"service of endpoint {pk} minute 2026-11-23 12:20: "
        "counted 0 ok, 0 failed, 0 tokens, 0 timed, 0 with a speed, "
        "rows 1 ok, 1 failed, 0 tokens, 0 timed, 0 with a speed",
        f"service of endpoint {pk} minute 2026-11-23 12:29: counted (damaged), "
        "rows 1 ok, 1 failed, 0 tokens, 0 timed, 0 with a speed",
    ]
    assert mismatches() == []
    assert [row[1:] for row in right] == [
        row[1:] for row in ServiceRollup.objects.order_by("period", "starts_at").values_list()
    ]


def test_the_command_compares_service_too(
    endpoint: Endpoint, spool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.now(UTC).timestamp() - 60
    leave_segment(spool, [attempt_fact(endpoint_id=endpoint.pk, started_at=at)])
    ingest_all(spool)
    ServiceRollup.objects.all().delete()

    with pytest.raises(SystemExit):
        call_command("check_counts")

    assert f"service of endpoint {endpoint.pk} minute" in capsys.readouterr().out
    call_command("check_counts", "--repair")
    call_command("check_counts")
    assert "Counters equal the rows." in capsys.readouterr().out
