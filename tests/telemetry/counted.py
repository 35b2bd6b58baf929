"""What the tables hold after ingestion, in the shortest form to compare."""

from collections import Counter
from typing import Any

from telemetry.models import OwnerUse, PreferenceSignal, Rollup, ServiceRollup, VerdictCount
from telemetry.scoring import cells
from telemetry.scoring.evidence import FIELDS


def counts() -> dict[str, int]:
    cells = VerdictCount.objects.filter(attempts__gt=0)
    return {cell.verdict: cell.attempts for cell in cells}


def scored(**filters: Any) -> dict[str, int]:
    """Return the sum over all cells of the matching rollups, by field; zeros are left out."""
    total: Counter[str] = Counter()
    for row in Rollup.objects.filter(**filters):
        sums = cells.unpack(bytes(row.cells)).sum((0, 1)).tolist()
        total.update(dict(zip(FIELDS, sums, strict=True)))
    return dict(+total)


def all_counters() -> list[list[tuple[Any, ...]]]:
    """Return every counter of every table, in an order of its own, to compare two ingestions."""
    rollups = Rollup.objects.order_by("endpoint_id", "period", "starts_at")
    uses = OwnerUse.objects.order_by("endpoint_id", "day", "account_id")
    signals = PreferenceSignal.objects.order_by("endpoint_id", "day", "account_id")
    services = ServiceRollup.objects.order_by("endpoint_id", "period", "starts_at")
    return [
        [(r.endpoint_id, r.period, r.starts_at, bytes(r.cells)) for r in rollups],
        list(
            uses.values_list(
                *("endpoint", "day", "account_id", "requests", "tool_calls", "failures"),
                *("pinned", "cost_pico"),
            )
        ),
        list(signals.values_list("endpoint", "day", "account_id", "ignored", "pinned")),
        [
            (
                *(s.endpoint_id, s.period, s.starts_at, s.ok, s.failed, s.tokens),
                *(bytes(s.latencies), bytes(s.speeds)),
            )
            for s in services
        ],
    ]
