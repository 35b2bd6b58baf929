"""Facts in, counters out: what counts, as what, and where."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.models import Endpoint
from telemetry.ingest import ingest_all
from telemetry.models import Attempt, Generation, OwnerSlot, OwnerUse, PreferenceSignal, Rollup
from telemetry.recorder import Fact
from telemetry.scoring import cells
from telemetry.scoring.evidence import REQUESTS, UNTRUSTED
from tests.catalog_rows import make_endpoint
from tests.telemetry.counted import scored
from tests.telemetry.spooled import attempt_fact, generation_fact, leave_segment, verdict_fact

HALF_PAST = datetime(2026, 11, 23, 12, 30, 1, tzinfo=UTC)


def ingest_one(
    endpoint: Endpoint,
    spool: Path,
    *,
    attempt: dict[str, Any] | None = None,
    verdict: dict[str, Any] | None = None,
) -> None:
    """Ingest one attempt and, unless told there is none, its verdict."""
    fields = {"endpoint_id": endpoint.pk, "started_at": HALF_PAST.timestamp(), "latency_ms": 300}
    records: list[Any] = [attempt_fact(**{**fields, **(attempt or {})})]
    if verdict is not None:
        records.append(verdict_fact(**{"tool_calls": 1, "ordinal": records[0].ordinal, **verdict}))
    leave_segment(spool, records)
    ingest_all(spool)


@pytest.mark.parametrize(
    ("verdict", "counted"),
    [
        pytest.param({}, {"requests": 1, "attempts": 1}, id="valid"),
        pytest.param(
            {"verdict": "no_tool_calls", "tool_calls": 0}, {"requests": 1}, id="plain answer"
        ),
        *(
            pytest.param(
                {"verdict": kind, "bad_calls": 1, "duplicate_ids": True, "leaked_tool_text": True},
                {"requests": 1, "attempts": 1, kind: 1},
                id=f"{kind} comes before any sign",
            )
            for kind in ("invalid_json", "unknown_name", "schema_mismatch")
        ),
        *(
            pytest.param(
                {"verdict": "no_tool_calls", "tool_calls": 0, sign: True},
                {"requests": 1, "attempts": 1, sign: 1},
                id=sign,
            )
            for sign in ("leaked_tool_text", "empty_reply", "tool_choice_violated")
        ),
        pytest.param(
            {"duplicate_ids": True},
            {"requests": 1, "attempts": 1, "duplicate_ids": 1},
            id="a sign on valid calls",
        ),
        pytest.param(
            {
                "verdict": "no_tool_calls", "tool_calls": 0,
                "leaked_tool_text": True, "tool_choice_violated": True,
            },
            {"requests": 1, "attempts": 1, "leaked_tool_text": 1},
            id="forced, and the call leaked as text",
        ),
        pytest.param(
            {"verdict": "no_tool_calls", "tool_calls": 0, "verdict_reason": "calls_missing"},
            {"requests": 1, "attempts": 1, "empty_reply": 1},
            id="finished in calls that are not there",
        ),
        pytest.param({"verdict": "unjudged", "verdict_reason": "compile"}, {}, id="unjudged"),
        pytest.param(None, {}, id="not judged yet"),
    ],
)  # fmt: skip
def test_a_request_counts_as_one_kind_at_most(
    endpoint: Endpoint, spool: Path, verdict: dict[str, Any] | None, counted: dict[str, int]
) -> None:
    ingest_one(endpoint, spool, verdict=verdict)

    assert scored() == counted
    assert Attempt.objects.get().scored


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"pinned": True}, id="pinned"),
        pytest.param({"router_assigned": False}, id="steered"),
        pytest.param({"ordinal": 2}, id="second try"),
        pytest.param({"benchmark": True}, id="benchmark"),
        pytest.param({"tools_offered": 0}, id="no tools"),
        pytest.param({"tool_choice": "none"}, id="tools not to be used"),
        pytest.param({"finish_reason": "length"}, id="cut by its length"),
        pytest.param({"finish_reason": "content_filter"}, id="filtered"),
        *(
            pytest.param({"outcome": outcome, "latency_ms": None}, id=outcome)
            for outcome in (
                "client_cancelled http_5xx rate_limited auth client_error not_found timeout_connect"
                " timeout_ttft timeout_total connect_error disconnected gateway_error busy"
            ).split()
        ),
    ],
)
def test_traffic_that_says_nothing_of_the_endpoint_is_never_scored(
    endpoint: Endpoint, spool: Path, fields: dict[str, Any]
) -> None:
    ingest_one(endpoint, spool, attempt=fields, verdict={"verdict": "invalid_json", "bad_calls": 1})

    assert not Attempt.objects.get().scored
    assert not Rollup.objects.exists()
    assert not OwnerUse.objects.filter(requests__gt=0).exists()
    assert not OwnerUse.objects.filter(failures__gt=0).exists()


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"outcome": outcome}
            for outcome in "truncated malformed timeout_idle timeout_total disconnected".split()
        ),
        {"finish_reason": "error"},
    ],
)
@pytest.mark.parametrize("verdict", [None, {}, {"verdict": "invalid_json"}])
def test_a_reply_that_broke_off_is_lost_and_nothing_else(
    endpoint: Endpoint, spool: Path, fields: dict[str, Any], verdict: dict[str, Any] | None
) -> None:
    ingest_one(endpoint, spool, attempt=fields, verdict=verdict)

    assert scored() == {"lost": 1}


@pytest.mark.parametrize(
    ("verdict", "counted"),
    [
        pytest.param(
            {"verdict": "schema_mismatch", "bad_calls": 1},
            {"requests": 1, "attempts": 1, "schema_mismatch": 1},
            id="a call that the judge finds wrong, too",
        ),
        pytest.param(
            {"verdict": "no_tool_calls", "tool_calls": 0, "tool_choice_violated": True},
            {"requests": 1, "attempts": 1, "tool_choice_violated": 1},
            id="no call, though one was required",
        ),
        pytest.param({}, {"lost": 1}, id="a call that the judge finds right"),
        pytest.param(None, {}, id="not judged yet"),
        pytest.param({"verdict": "unjudged", "verdict_reason": "compile"}, {}, id="unjudged"),
    ],
)
def test_a_reply_that_its_provider_refused_counts_as_what_is_wrong_with_it(
    endpoint: Endpoint, spool: Path, verdict: dict[str, Any] | None, counted: dict[str, int]
) -> None:
    fields = {"outcome": "failed_generation", "http_status": 400}

    ingest_one(endpoint, spool, attempt=fields, verdict=verdict)

    assert scored() == counted


@pytest.mark.parametrize(
    ("fields", "stratum"),
    [
        ({"tools_offered": 3}, 0),
        ({"tools_offered": 4, "turn": "after_tool"}, 4),
        ({"tools_offered": 16, "turn": "forced"}, 8),
        ({"tools_offered": 1, "turn": "after_tool", "tool_choice": "required"}, 6),
        ({"tools_offered": 1, "tool_choice": "named"}, 6),
    ],
)
def test_counts_in_the_stratum_the_slot_and_the_hour(
    endpoint: Endpoint, spool: Path, fields: dict[str, Any], stratum: int
) -> None:
    OwnerSlot.objects.create(model=endpoint.model, account_id=1, slot=7)

    ingest_one(endpoint, spool, attempt=fields, verdict={})

    row = Rollup.objects.get()
    assert (row.endpoint, row.period) == (endpoint, "hour")
    assert row.starts_at == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert cells.unpack(bytes(row.cells))[stratum, 7, REQUESTS] == 1
    assert Attempt.objects.values_list("stratum", "slot").get() == (stratum, 7)


def test_an_unknown_owner_is_untrusted_and_its_slot_stays_with_the_row(
    endpoint: Endpoint, spool: Path
) -> None:
    ingest_one(endpoint, spool)
    (slot,) = Attempt.objects.values_list("slot", flat=True)
    assert slot in range(UNTRUSTED.start, UNTRUSTED.stop)

    OwnerSlot.objects.create(model=endpoint.model, account_id=1, slot=7)
    leave_segment(spool, [verdict_fact(tool_calls=1)], process="1" * 32)
    ingest_all(spool)

    assert cells.unpack(bytes(Rollup.objects.get().cells))[0, slot, REQUESTS] == 1


def test_a_slot_is_of_one_model(endpoint: Endpoint, spool: Path) -> None:
    other = make_endpoint("borealis", "acme/kestrel-2")
    OwnerSlot.objects.create(model=other.model, account_id=1, slot=7)

    ingest_one(endpoint, spool)

    assert Attempt.objects.get().slot in range(UNTRUSTED.start, UNTRUSTED.stop)


def test_keeps_what_each_owner_sent(endpoint: Endpoint, spool: Path) -> None:
    common: dict[str, Any] = {"endpoint_id": endpoint.pk, "started_at": HALF_PAST.timestamp()}
    records: list[Fact | bytes] = [
        attempt_fact("gen-1", cost_pico=7, **common),
        attempt_fact("gen-2", cost_pico=10**15 - 1, **common),
        attempt_fact("gen-3", pinned=True, router_assigned=False, **common),
        attempt_fact("gen-3", ordinal=2, pinned=True, router_assigned=False, **common),
        attempt_fact("gen-4", account_id=2, tools_offered=0, cost_pico=5, **common),
        verdict_fact("gen-1", tool_calls=2),
        verdict_fact("gen-2", "invalid_json", tool_calls=1, bad_calls=1),
        verdict_fact("gen-3", tool_calls=1),
    ]
    leave_segment(spool, records)

    ingest_all(spool)

    use = OwnerUse.objects.get()
    assert (use.account_id, use.endpoint, use.day) == (1, endpoint, date(2026, 11, 23))
    assert (use.requests, use.tool_calls, use.failures, use.pinned) == (2, 3, 1, 1)
    assert use.cost_pico == 10**15 + 6


def test_keeps_whom_each_owner_named(endpoint: Endpoint, spool: Path) -> None:
    other = make_endpoint("borealis")
    common: dict[str, Any] = {"created_at": HALF_PAST.timestamp()}
    named = {"ignored_endpoints": (endpoint.pk, 10**6), "pinned_endpoints": (other.pk, other.pk)}
    leave_segment(spool, [generation_fact(f"gen-{n}", **named, **common) for n in range(2)])

    ingest_all(spool)

    signals = PreferenceSignal.objects.order_by("endpoint")
    assert list(signals.values_list("endpoint", "day", "account_id", "ignored", "pinned")) == [
        (endpoint.pk, date(2026, 11, 23), 1, 2, 0),
        (other.pk, date(2026, 11, 23), 1, 0, 2),
    ]
    # An endpoint that the catalogue does not know costs nobody a record.
    assert Generation.objects.count() == 2
    assert Generation.objects.earliest("id").ignored_endpoints == [endpoint.pk]
