"""What a draft would have done to the last days' recorded traffic, beside the live edition.

Owns the estimate and its sample. It reads facts, in sums made by the database, and changes
nothing. The rules others rely on: both sides are figured on the same requests; a figure that
nobody has data for is None, never a guess; the sample is part of the answer.

Shares follow the router's own balancing (inverse square of price): an endpoint that stays keeps
its observed share, scaled as that rule would; one that is new gets what the rule gives it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, F, IntegerField, QuerySet
from django.db.models.functions import Cast
from django.utils.timezone import now

from providers.models import Endpoint
from routing.curation.publishing import live_of
from routing.gateway.admission import PROMPT_PARTS
from routing.gateway.selection import PRICE_POWER
from routing.models import Allowlist
from telemetry.models import Attempt, EndpointScore, Generation, Outcome

DAYS = 7
MOST_REQUESTS = 100_000
_BUCKET_MS = 20
_LEAST_PRICE = 1e-8  # dollars: a free endpoint weighs as a very cheap one, as in the gateway


@dataclass(frozen=True, slots=True)
class Side:
    """One edition on the sample: shares of 1, dollars, milliseconds; None where unknown."""

    error_rate: float | None
    price: float | None
    latency_ms: float | None
    shares: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """What would change. `sample` says which requests, in words."""

    sample: str
    requests: int
    moved: float
    before: Side
    after: Side
    unknown: tuple[str, ...]  # tags of endpoints without a score, left out of the error rates


def simulate(edition: Allowlist, *, days: int = DAYS, at: datetime | None = None) -> Effect | None:
    """Return the effect of publishing this edition; None where there is nothing to tell it from."""
    live = live_of(edition)
    if live is None or live.pk == edition.pk:
        return None
    endpoints = {
        one.pk: one
        for one in Endpoint.objects.filter(model=edition.model).select_related("provider")
    }
    old = _in_service(live, endpoints)
    new = _in_service(edition, endpoints)
    since, what, requests = _sample(edition, (at or now()) - timedelta(days=days))
    served = dict(
        requests.filter(endpoint__in=old).values_list("endpoint").annotate(n=Count("pk")).order_by()
    )
    total = sum(served.values())
    if not total or not new:
        return None
    before = {pk: served.get(pk, 0) / total for pk in old}
    after = _after(before, {pk: _weight(endpoints[pk]) for pk in old | new}, old, new)
    figures = _Figures.read(requests, endpoints, since)
    return Effect(
        sample=f"{total:,} {what} in the {_span(since, at or now())}",
        requests=total,
        moved=sum(max(0.0, share - after.get(pk, 0.0)) for pk, share in before.items()),
        before=figures.side(before),
        after=figures.side(after),
        unknown=tuple(
            sorted(endpoints[pk].tag for pk in old | new if figures.error_rates.get(pk) is None)
        ),
    )


def _in_service(edition: Allowlist, endpoints: Mapping[int, Endpoint]) -> set[int]:
    listed = endpoints.keys() & set(edition.entries.values_list("endpoint_id", flat=True))
    return {pk for pk in listed if endpoints[pk].enabled and endpoints[pk].provider.enabled}


def _sample(edition: Allowlist, since: datetime) -> tuple[datetime, str, QuerySet[Generation]]:
    """Return the requests to figure on: this variant's, or without any those with tools."""
    of_model = Generation.objects.filter(
        model_slug=edition.model.slug, status=200, endpoint__isnull=False
    )
    name = f"{edition.model.slug}:{edition.variant}"
    own = of_model.filter(variant=edition.variant)
    if own.filter(created_at__gte=since).exists():
        what, rows = f"requests for {name}", own
    else:
        what, rows = (
            f"requests with tools (none for {name} yet)",
            of_model.filter(tools_offered__gt=0),
        )
    rows = rows.filter(created_at__gte=since)
    # Of busy models the newest: the database's work does not grow with traffic.
    beyond = rows.order_by("-created_at").values_list("created_at", flat=True)
    oldest = beyond[MOST_REQUESTS : MOST_REQUESTS + 1].first()
    if oldest is not None:
        since, rows = oldest, rows.filter(created_at__gt=oldest)
    return since, what, rows


def _weight(endpoint: Endpoint) -> float:
    """Return how much the router's balancing gives it: `routing.gateway.selection`'s rule."""
    blend = PROMPT_PARTS * float(endpoint.price_prompt) + float(endpoint.price_completion)
    return float(max(blend, _LEAST_PRICE) ** -PRICE_POWER)


def _after(
    before: Mapping[int, float], weights: Mapping[int, float], old: set[int], new: set[int]
) -> dict[int, float]:
    ruled_old = sum(weights[pk] for pk in old)
    ruled_new = sum(weights[pk] for pk in new)
    raw = {
        pk: before[pk] * ruled_old / ruled_new if before.get(pk) else weights[pk] / ruled_new
        for pk in new
    }
    total = sum(raw.values())
    return {pk: share / total for pk, share in raw.items()}


@dataclass(frozen=True, slots=True)
class _Figures:
    """What is known of each endpoint: error rate, price of the sample's mean request, latencies."""

    error_rates: Mapping[int, float | None]
    prices: Mapping[int, float | None]
    latencies: Mapping[int, Mapping[int, int]]  # {milliseconds, in buckets: replies}

    @classmethod
    def read(
        cls, requests: QuerySet[Generation], endpoints: Mapping[int, Endpoint], since: datetime
    ) -> "_Figures":
        scores = EndpointScore.objects.filter(endpoint__in=endpoints)
        criteria = dict(scores.values_list("endpoint_id", "criteria"))
        mean = requests.aggregate(prompt=Avg("prompt_tokens"), answer=Avg("completion_tokens"))
        return cls(
            error_rates={pk: one["accuracy"]["estimate"] for pk, one in criteria.items()},
            prices={pk: _price(one, mean) for pk, one in endpoints.items()},
            latencies=_latencies(endpoints, since),
        )

    def side(self, shares: Mapping[int, float]) -> Side:
        return Side(
            error_rate=_mean(shares, self.error_rates.get),
            price=_mean(shares, self.prices.get),
            latency_ms=self._median_latency(shares),
            shares=shares,
        )

    def _median_latency(self, shares: Mapping[int, float]) -> float | None:
        """Return the median of the endpoints' latencies, each weighing its share."""
        weighed: dict[int, float] = {}
        for pk, share in shares.items():
            counts = self.latencies.get(pk, {})
            replies = sum(counts.values())
            for bucket, number in counts.items():
                weighed[bucket] = weighed.get(bucket, 0.0) + share * number / replies
        half, passed = sum(weighed.values()) / 2, 0.0
        for bucket in sorted(weighed):
            passed += weighed[bucket]
            if passed >= half:
                return bucket + _BUCKET_MS / 2
        return None


def _mean(shares: Mapping[int, float], figure: Callable[[int], float | None]) -> float | None:
    known = [(share, figure(pk)) for pk, share in shares.items()]
    weight = sum(share for share, value in known if value is not None)
    if not weight:
        return None
    return sum(share * value for share, value in known if value is not None) / weight


def _price(endpoint: Endpoint, mean: Mapping[str, Any]) -> float | None:
    """Return what the sample's mean request costs there, dollars, without cached tokens' rebate."""
    if mean["prompt"] is None or mean["answer"] is None:
        return None
    tokens = Decimal(mean["prompt"]), Decimal(mean["answer"])
    price = endpoint.price_prompt * tokens[0] + endpoint.price_completion * tokens[1]
    return float(price + endpoint.price_request)


def _latencies(endpoints: Iterable[int], since: datetime) -> dict[int, dict[int, int]]:
    """Return {endpoint: {bucket: answered attempts}}, of any of the model's traffic."""
    attempts = Attempt.objects.filter(
        endpoint__in=endpoints,
        started_at__gte=since,
        outcome=Outcome.OK,
        latency_ms__isnull=False,
        benchmark=False,
    )
    bucket = Cast(F("latency_ms") / _BUCKET_MS, IntegerField())
    rows = attempts.annotate(bucket=bucket).values_list("endpoint_id", "bucket")
    found: dict[int, dict[int, int]] = {}
    for pk, index, number in rows.annotate(n=Count("pk")).order_by():
        found.setdefault(pk, {})[int(index) * _BUCKET_MS] = number
    return found


def _span(since: datetime, at: datetime) -> str:
    hours = (at - since) / timedelta(hours=1)
    return f"last {hours / 24:.0f} days" if hours >= 48 else f"last {hours:.0f} hours"
