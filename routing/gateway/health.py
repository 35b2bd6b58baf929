"""How endpoints have been doing lately, as this process saw it.

Owns the last minutes' outcomes per endpoint: ejection after failures, cool-down after a 429,
uptime, speed, and the budget for retries. It chooses nothing: `view` gives selection a frozen
picture. The rule others rely on: time comes in as a monotonic argument, so a step of the wall
clock changes nothing here. Other processes' experience is not shared.
"""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from routing.limits import Limits

_BUCKET_S = 5.0
_SPEED_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """One endpoint at one moment.

    stable: no failure within EJECT_WINDOW_S. uptime_class: 0 normal, 1 degraded, 2 down; 0 below
    UPTIME_MIN_REQUESTS within UPTIME_WINDOW_S. cooling_s: seconds until its 429 has passed.
    throughput (tokens/s) and latency (s to the first content): {percentile: value} or None.
    """

    stable: bool = True
    ejected: bool = False
    cooling_s: float = 0.0
    uptime_class: int = 0
    throughput: dict[str, float] | None = None
    latency: dict[str, float] | None = None


HEALTHY = EndpointHealth()


@dataclass(slots=True)
class _Record:
    failures_in_row: int = 0
    ejections: int = 0
    ejected_until: float = 0.0
    probing: bool = False
    cooling_until: float = 0.0
    last_failure: float = float("-inf")
    # [bucket start, ok, failed], newest last
    buckets: deque[list[float]] = field(default_factory=deque)
    # (when, tokens per second, seconds to first content)
    speeds: deque[tuple[float, float | None, float | None]] = field(
        default_factory=lambda: deque(maxlen=_SPEED_SAMPLES)
    )

    def counts(self, now: float, seconds: float) -> tuple[int, int]:
        recent = [b for b in self.buckets if b[0] > now - seconds]
        return int(sum(b[1] for b in recent)), int(sum(b[2] for b in recent))


def bounded_wait(seconds: float, limits: Limits) -> float:
    """Return a Retry-After, an upstream's or ours, within its limits."""
    return min(limits.retry_after_max_s, max(limits.retry_after_min_s, seconds))


def retry_after(seconds: float, limits: Limits) -> int:
    """Return the whole seconds, at least 1, to ask a caller to wait."""
    return max(1, ceil(bounded_wait(seconds, limits)))


class HealthBook:
    """What this process knows of all endpoints."""

    def __init__(self, limits: Limits, rng: random.Random | None = None) -> None:
        self.limits = limits
        self._rng = rng or random.Random()
        self._records: dict[int, _Record] = {}

    def view(
        self, endpoint_ids: Iterable[int], now: float, *, speeds: bool = True
    ) -> dict[int, EndpointHealth]:
        """Return the picture of those endpoints that have a history; the rest are healthy.

        Without `speeds`, which take time to sort, throughput and latency are None.
        """
        return {
            endpoint_id: self._picture(record, now, speeds)
            for endpoint_id in endpoint_ids
            if (record := self._records.get(endpoint_id)) is not None
        }

    def started(self, endpoint_id: int, now: float) -> None:
        """Note an attempt: the first one after an ejection ends is the probe."""
        record = self._records.get(endpoint_id)
        if record is not None and record.ejections and record.ejected_until <= now:
            record.probing = True

    def succeeded(
        self, endpoint_id: int, now: float, *, latency_s: float | None, tokens_per_s: float | None
    ) -> None:
        record = self._record(endpoint_id)
        record.failures_in_row = record.ejections = 0
        record.probing = False
        record.speeds.append((now, tokens_per_s, latency_s))
        self._count(record, now, ok=True)

    def failed(self, endpoint_id: int, now: float) -> None:
        record = self._record(endpoint_id)
        record.failures_in_row += 1
        record.last_failure = now
        self._count(record, now, ok=False)
        if record.probing or self._failing(record, now):
            self._eject(record, now)

    def _failing(self, record: _Record, now: float) -> bool:
        limits = self.limits
        ok, failed = record.counts(now, limits.eject_window_s)
        mostly = failed > limits.eject_share * (ok + failed)
        return record.failures_in_row >= limits.eject_failures or (
            mostly and ok + failed >= limits.eject_min_requests
        )

    def abandoned(self, endpoint_id: int) -> None:
        """Note an attempt that says nothing of health: the caller left, or it was our limit."""
        if (record := self._records.get(endpoint_id)) is not None:
            record.probing = False

    def cooling(self, endpoint_id: int, now: float, retry_after_s: float | None) -> None:
        """Note a 429: no new attempt until its time has passed."""
        wait = self.limits.cooldown_s if retry_after_s is None else retry_after_s
        self._record(endpoint_id).cooling_until = now + bounded_wait(wait, self.limits)

    def _record(self, endpoint_id: int) -> _Record:
        return self._records.setdefault(endpoint_id, _Record())

    def _count(self, record: _Record, now: float, *, ok: bool) -> None:
        buckets = record.buckets
        if not buckets or buckets[-1][0] <= now - _BUCKET_S:
            buckets.append([now, 0, 0])
        buckets[-1][1 if ok else 2] += 1
        kept_s = max(self.limits.uptime_window_s, self.limits.eject_window_s)
        while buckets[0][0] < now - kept_s:
            buckets.popleft()

    def _eject(self, record: _Record, now: float) -> None:
        if record.ejected_until > now:
            return
        record.ejections += 1
        record.probing = False
        limits = self.limits
        base = min(limits.eject_max_s, limits.eject_s * record.ejections)
        jitter = self._rng.uniform(-limits.eject_jitter, limits.eject_jitter)
        record.ejected_until = now + base * (1 + jitter)

    def _picture(self, record: _Record, now: float, speeds: bool) -> EndpointHealth:
        limits = self.limits
        since = now - limits.uptime_window_s
        recent = [s for s in record.speeds if s[0] > since] if speeds else []
        return EndpointHealth(
            stable=record.last_failure <= now - limits.eject_window_s,
            # While the one probe is out the endpoint still counts as ejected for the others.
            ejected=record.ejected_until > now or record.probing,
            cooling_s=max(0.0, record.cooling_until - now),
            uptime_class=self._uptime_class(record, now),
            throughput=_percentiles([s[1] for s in recent if s[1] is not None], worst_low=True),
            latency=_percentiles([s[2] for s in recent if s[2] is not None], worst_low=False),
        )

    def _uptime_class(self, record: _Record, now: float) -> int:
        limits = self.limits
        ok, failed = record.counts(now, limits.uptime_window_s)
        if ok + failed < max(1, limits.uptime_min_requests):
            return 0
        uptime = ok / (ok + failed)
        return 0 if uptime >= limits.uptime_normal else 1 if uptime >= limits.uptime_degraded else 2


def _percentiles(values: list[float], *, worst_low: bool) -> dict[str, float] | None:
    """Return p50 to p99, where p99 is what 99 % of requests are at least as good as."""
    if not values:
        return None
    ordered = sorted(values, reverse=worst_low)
    last = len(ordered) - 1
    return {f"p{p}": ordered[min(last, last * p // 100 + 1 if p > 50 else last // 2)]
            for p in (50, 75, 90, 99)}  # fmt: skip


class RetryBudget:
    """Keeps retries to a share of admitted requests, so that failing endpoints are not stormed.

    Per model: at most `retry_budget` times the requests admitted in the last `retry_window_s` may
    be retrying at once, and always `retry_min`. Counted when a retry starts.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._admitted: dict[str, deque[float]] = {}
        self._running: dict[str, int] = {}

    def admitted(self, model_slug: str, now: float) -> None:
        times = self._admitted.setdefault(model_slug, deque(maxlen=10_000))
        times.append(now)
        while times[0] < now - self._limits.retry_window_s:
            times.popleft()

    def start_retry(self, model_slug: str) -> bool:
        """Take a place for a retry; False if the budget is spent."""
        running = self._running.get(model_slug, 0)
        share = self._limits.retry_budget * len(self._admitted.get(model_slug, ()))
        if running >= max(self._limits.retry_min, share):
            return False
        self._running[model_slug] = running + 1
        return True

    def end_retry(self, model_slug: str) -> None:
        self._running[model_slug] -= 1
