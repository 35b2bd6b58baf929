"""What endpoints' counters of service say now: uptime, latency, speed, and tokens.

Owns the windows and the least that must be known before a figure is told: below that it is None,
never 0. The rule others rely on: attempts are never read, so the cost does not grow with traffic;
and nothing here needs numpy, which web processes do without.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum

from telemetry.histograms import percentiles, unpack
from telemetry.models import ServiceRollup

_DAY = timedelta(days=1)
_RECENT, _LATEST = timedelta(minutes=30), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """One endpoint's service. Uptimes are per cent; windows begin with a whole minute or hour.

    latency (ms to a stream's first content) and throughput (tokens a second): {"p50": …} to p99,
    where p99 is what 99 % of requests are at least as good as.
    """

    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None
    latency: dict[str, float] | None = None
    throughput: dict[str, float] | None = None


NOTHING_KNOWN = ServiceFigures()


@dataclass(slots=True)
class _Recent:
    """The sums of one endpoint's last minutes: [ok, failed] and histograms."""

    latest: list[int] = field(default_factory=lambda: [0, 0])
    recent: list[int] = field(default_factory=lambda: [0, 0])
    latencies: Counter[int] = field(default_factory=Counter)
    speeds: Counter[int] = field(default_factory=Counter)


def service_figures(
    endpoint_ids: Collection[int], at: datetime, *, least: int
) -> dict[int, ServiceFigures]:
    """Return the figures of those endpoints that served in the last day.

    An uptime is told from `least` requests on. Raises ValueError if a row is damaged.
    """
    day, recent = _last_day(endpoint_ids, at), _last_minutes(endpoint_ids, at)
    found = {}
    for endpoint_id in day.keys() | recent.keys():
        sums = recent[endpoint_id]
        found[endpoint_id] = ServiceFigures(
            uptime_5m=_uptime(sums.latest, least),
            uptime_30m=_uptime(sums.recent, least),
            uptime_1d=_uptime(day.get(endpoint_id, (0, 0)), least),
            latency=percentiles(sums.latencies),
            throughput=percentiles(sums.speeds, low_is_worse=True),
        )
    return found


def tokens_used(endpoint_ids: Collection[int], at: datetime, days: int) -> dict[int, int]:
    """Return {endpoint id: tokens read and written in the last days}; at most 7 are kept."""
    rows = _rows(endpoint_ids, ServiceRollup.Period.HOUR, at - days * _DAY, at)
    return dict(rows.values_list("endpoint_id").annotate(total=Sum("tokens")))


def _last_day(endpoint_ids: Collection[int], at: datetime) -> dict[int, tuple[int, int]]:
    since = (at - _DAY).replace(minute=0, second=0, microsecond=0)
    rows = _rows(endpoint_ids, ServiceRollup.Period.HOUR, since, at)
    sums = rows.values_list("endpoint_id").annotate(ok=Sum("ok"), failed=Sum("failed"))
    return {endpoint_id: (ok, failed) for endpoint_id, ok, failed in sums}


def _last_minutes(endpoint_ids: Collection[int], at: datetime) -> defaultdict[int, _Recent]:
    minute = at.replace(second=0, microsecond=0)
    found: defaultdict[int, _Recent] = defaultdict(_Recent)
    rows = _rows(endpoint_ids, ServiceRollup.Period.MINUTE, minute - _RECENT, at)
    for endpoint_id, starts_at, ok, failed, latencies, speeds in rows.values_list(
        "endpoint_id", "starts_at", "ok", "failed", "latencies", "speeds"
    ):
        sums = found[endpoint_id]
        for window in (sums.recent, sums.latest)[: 1 + (starts_at >= minute - _LATEST)]:
            window[0] += ok
            window[1] += failed
        sums.latencies.update(unpack(bytes(latencies)))
        sums.speeds.update(unpack(bytes(speeds)))
    return found


def _rows(
    endpoint_ids: Collection[int], period: str, since: datetime, at: datetime
) -> QuerySet[ServiceRollup]:
    # Up to now: a machine whose clock is ahead would else count for ever.
    return ServiceRollup.objects.filter(
        endpoint__in=endpoint_ids, period=period, starts_at__gte=since, starts_at__lte=at
    )


def _uptime(sums: Sequence[int], least: int) -> float | None:
    ok, total = sums[0], sum(sums)
    return round(100 * ok / total, 3) if total >= max(1, least) else None
