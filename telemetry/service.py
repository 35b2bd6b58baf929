"""How endpoints serve, counted by minute and by hour in the transaction of the attempts.

Owns what an attempt adds to `ServiceRollup`, and how long that is kept. It reads no figures off it:
`telemetry.service_figures` does. The rules others rely on: what an attempt adds depends on its row
alone and never changes; whoever inserts attempts holds `counts.facts_lock` and saves the
differences in the same transaction.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telemetry import tally
from telemetry.counts import facts_lock
from telemetry.histograms import bucket, pack, unpack
from telemetry.models import Attempt, Outcome, ServiceRollup

Key = tuple[int, str, datetime]  # endpoint, ServiceRollup.Period, start

KEPT = {
    ServiceRollup.Period.MINUTE: timedelta(hours=2),
    ServiceRollup.Period.HOUR: timedelta(days=8),
}
# What `providers.errors` calls a health fault: the endpoint did not do what it is there for.
FAULTS = frozenset(
    {
        Outcome.HTTP_5XX, Outcome.AUTH, Outcome.NOT_FOUND, Outcome.TIMEOUT_CONNECT,
        Outcome.TIMEOUT_TTFT, Outcome.TIMEOUT_IDLE, Outcome.TIMEOUT_TOTAL, Outcome.CONNECT_ERROR,
        Outcome.DISCONNECTED, Outcome.TRUNCATED, Outcome.MALFORMED,
    }
)  # fmt: skip


@dataclass(slots=True)
class Sums:
    """What some attempts add to one row."""

    ok: int = 0
    failed: int = 0
    tokens: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    speeds: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        timed = f"{self.latencies.total()} timed, {self.speeds.total()} with a speed"
        return f"{self.ok} ok, {self.failed} failed, {self.tokens} tokens, {timed}"


class Differences:
    """What the attempts of one transaction add."""

    def __init__(self) -> None:
        self.rows: defaultdict[Key, Sums] = defaultdict(Sums)

    def add(self, attempt: Attempt) -> None:
        """Take one attempt, once: a verdict that comes later changes nothing here."""
        failed = attempt.outcome in FAULTS or tally.is_lost(attempt)
        if attempt.benchmark or attempt.own_credential:
            return  # a probe, or an account's own terms
        if not (failed or attempt.outcome == Outcome.OK):
            return
        minute = ended_at(attempt).replace(second=0, microsecond=0)
        hour = minute.replace(minute=0)
        in_minute = self.rows[attempt.endpoint_id, ServiceRollup.Period.MINUTE, minute]
        for sums in (in_minute, self.rows[attempt.endpoint_id, ServiceRollup.Period.HOUR, hour]):
            sums.ok += not failed
            sums.failed += failed
            sums.tokens += (attempt.prompt_tokens or 0) + (attempt.completion_tokens or 0)
        if not failed:
            _add_times(in_minute, attempt)

    def save(self) -> None:
        """Move the counters. Hold `facts_lock`."""
        if not self.rows:
            return
        stored = stored_sums({key[0] for key in self.rows}, {key[2] for key in self.rows})
        ServiceRollup.objects.bulk_create(
            (row(key, _plus(stored.get(key), sums)) for key, sums in self.rows.items()),
            update_conflicts=True,
            unique_fields=["endpoint", "period", "starts_at"],
            update_fields=["ok", "failed", "tokens", "latencies", "speeds"],
        )


def ended_at(attempt: Attempt) -> datetime:
    """Return when it ended: what hangs for minutes would else count in a minute long past."""
    return attempt.started_at + timedelta(milliseconds=attempt.duration_ms)


def _add_times(sums: Sums, attempt: Attempt) -> None:
    # A whole answer's time says nothing of how soon its first word was there.
    if attempt.streamed and attempt.latency_ms is not None:
        sums.latencies[bucket(attempt.latency_ms)] += 1
    if attempt.completion_tokens and attempt.duration_ms and not attempt.usage_estimated:
        sums.speeds[bucket(attempt.completion_tokens * 1000 / attempt.duration_ms)] += 1


def stored_sums(endpoint_ids: set[int], starts: set[datetime]) -> dict[Key, Sums]:
    """Return the rows of these endpoints and starts."""
    rows = ServiceRollup.objects.filter(endpoint__in=endpoint_ids, starts_at__in=starts)
    return {(one.endpoint_id, one.period, one.starts_at): sums_of(one) for one in rows}


def sums_of(one: ServiceRollup) -> Sums:
    """Return what a row says. Raises ValueError if it is damaged."""
    return Sums(
        one.ok,
        one.failed,
        one.tokens,
        Counter(unpack(bytes(one.latencies))),
        Counter(unpack(bytes(one.speeds))),
    )


def row(key: Key, sums: Sums) -> ServiceRollup:
    endpoint_id, period, starts_at = key
    return ServiceRollup(
        endpoint_id=endpoint_id,
        period=period,
        starts_at=starts_at,
        ok=sums.ok,
        failed=sums.failed,
        tokens=sums.tokens,
        latencies=pack(sums.latencies),
        speeds=pack(sums.speeds),
    )


def _plus(one: Sums | None, other: Sums) -> Sums:
    if one is None:
        return other
    return Sums(
        one.ok + other.ok,
        one.failed + other.failed,
        one.tokens + other.tokens,
        one.latencies + other.latencies,
        one.speeds + other.speeds,
    )


def remove_old(now: datetime) -> None:
    """Remove the counters that are past their age."""
    with facts_lock():
        for period, kept in KEPT.items():
            ServiceRollup.objects.filter(period=period, starts_at__lt=now - kept).delete()
