from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from providers.models import Endpoint
from telemetry.compaction import compact_counters
from telemetry.models import EndpointScore, OwnerUse, PreferenceSignal, Rollup
from telemetry.scoring import cells
from telemetry.scoring.evidence import REQUESTS
from telemetry.tasks import compact_counters as task
from tests.catalog_rows import make_endpoint

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
# 72 hours before NOW is within the 21st: that day stays hours, the 20th does not.
THE_20TH = datetime(2026, 11, 20, tzinfo=UTC)


def keep(endpoint: Endpoint, starts_at: datetime, requests: int = 1, period: str = "hour") -> None:
    counters = np.zeros(cells.SHAPE, np.int64)
    counters[0, 0, REQUESTS] = requests
    Rollup.objects.create(
        endpoint=endpoint, period=period, starts_at=starts_at, cells=cells.pack(counters)
    )


def kept() -> list[tuple[str, datetime, int]]:
    rows = Rollup.objects.order_by("endpoint_id", "starts_at", "period")
    return [(r.period, r.starts_at, int(cells.unpack(bytes(r.cells)).sum())) for r in rows]


def test_folds_days_that_are_over_for_long_enough(endpoint: Endpoint) -> None:
    for hour in range(23, 26):
        keep(endpoint, THE_20TH + timedelta(hours=hour), 10**hour % 97)
    keep(endpoint, THE_20TH + timedelta(hours=5), 3)

    assert compact_counters(NOW) == 1

    expected = [
        ("day", THE_20TH, 10**23 % 97 + 3),
        ("hour", THE_20TH + timedelta(hours=24), 10**24 % 97),
        ("hour", THE_20TH + timedelta(hours=25), 10**25 % 97),
    ]
    assert kept() == expected
    assert compact_counters(NOW) == 0
    assert kept() == expected


def test_hours_that_come_late_are_added_to_their_day(endpoint: Endpoint) -> None:
    keep(endpoint, THE_20TH, 5, "day")
    keep(endpoint, THE_20TH + timedelta(hours=7), 2)
    keep(make_endpoint("borealis"), THE_20TH + timedelta(hours=7), 4)

    assert compact_counters(NOW) == 2

    assert kept() == [("day", THE_20TH, 7), ("day", THE_20TH, 4)]


@pytest.mark.parametrize("purpose", ["evidence_since", "propensity_since"])
def test_a_day_within_which_the_endpoint_changed_stays_hours(
    endpoint: Endpoint, purpose: str
) -> None:
    for day in range(3):
        keep(endpoint, THE_20TH - timedelta(days=day))
    EndpointScore.objects.create(
        endpoint=endpoint, computed_at=NOW, standing_since=NOW, eligible=True, criteria={},
        **{purpose: THE_20TH - timedelta(hours=11)},
    )  # fmt: skip

    assert compact_counters(NOW) == 2

    assert [period for period, *_ in kept()] == ["day", "hour", "day"]


def test_removes_what_is_too_old(endpoint: Endpoint) -> None:
    for age in (34, 35, 36):
        keep(endpoint, datetime(2026, 11, 24, tzinfo=UTC) - timedelta(days=age), age, "day")
    for model in (OwnerUse, PreferenceSignal):
        for age in (89, 90, 91):
            day = NOW.date() - timedelta(days=age)
            model._default_manager.create(endpoint=endpoint, account_id=1, day=day)

    compact_counters(NOW)

    assert [requests for *_, requests in kept()] == [34]
    for model in (OwnerUse, PreferenceSignal):
        (left,) = model._default_manager.values_list("day", flat=True)
        assert left == NOW.date() - timedelta(days=89)


def test_damage_leaves_the_day_as_it_is(endpoint: Endpoint) -> None:
    keep(endpoint, THE_20TH)
    Rollup.objects.create(
        endpoint=endpoint, period="hour", starts_at=THE_20TH + timedelta(hours=1), cells=b"AC"
    )

    with pytest.raises(cells.DamagedCellsError, match="too few"):
        compact_counters(NOW)

    assert Rollup.objects.filter(period="hour").count() == 2


def test_the_task_compacts(endpoint: Endpoint) -> None:
    keep(endpoint, datetime.now(UTC) - timedelta(days=40))

    task()

    assert kept() == []
