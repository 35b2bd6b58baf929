"""Facts for tests: a generation and its attempts, with plain defaults for all left out."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.timezone import now

from providers.models import Endpoint
from routing.models import Account
from telemetry.histograms import bucket
from telemetry.models import Attempt, Generation, Outcome, ServiceRollup, Verdict
from telemetry.service import Sums, row
from telemetry.spending import Spent


def make_generation(
    id: str,
    *tries: tuple[Endpoint, Outcome],
    account: Account,
    at: datetime | None = None,
    verdict: Verdict = Verdict.VALID,
    **fields: Any,
) -> Generation:
    """Make a generation and one attempt per try; the last try decides how it ended.

    What it cost is counted, as ingestion does.
    """
    at = at or now()
    endpoint, outcome = tries[-1]
    answered = outcome == Outcome.OK
    defaults: dict[str, Any] = {
        "api_key_id": 1,
        "requested_model": f"{endpoint.model.slug}:exacto",
        "model_slug": endpoint.model.slug,
        "variant": "exacto",
        "allowlist_version": 1,
        "endpoint": endpoint if answered else None,
        "status": 200 if answered else 503,
        "finish_reason": "tool_calls" if answered else "",
        "prompt_tokens": 1200,
        "completion_tokens": 80,
        "cost": Decimal("0.00092") if answered else Decimal(0),
        "latency_ms": 420,
        "cancelled": False,
    }
    both = {"streamed": False, "pinned": False, "tools_offered": 2, "duration_ms": 1500}
    generation = Generation.objects.create(
        id=id,
        created_at=at,
        account_id=account.pk,
        attempts=len(tries),
        **{**defaults, **both, **fields},
    )
    spent = Spent()
    spent.add(generation)
    spent.save()
    for ordinal, (tried, how) in enumerate(tries, start=1):
        ok = how == Outcome.OK
        Attempt.objects.create(
            generation=generation,
            ordinal=ordinal,
            endpoint=tried,
            account_id=account.pk,
            started_at=at,
            outcome=how,
            http_status=200 if ok else None,
            router_assigned=True,
            verdict=verdict if ok else Verdict.UNJUDGED,
            verdict_reason="" if ok else "not_finished",
            **both,
        )
    return generation


def make_service(
    endpoint: Endpoint,
    *,
    ok: int = 0,
    failed: int = 0,
    tokens: int = 0,
    latencies_ms: Iterable[float] = (),
    speeds: Iterable[float] = (),
    ago: timedelta = timedelta(0),
) -> None:
    """Count service in the minute and the hour of a moment past."""
    minute = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    for period, start in (("minute", minute), ("hour", minute.replace(minute=0))):
        known = ServiceRollup.objects.filter(endpoint=endpoint, period=period, starts_at=start)
        assert not known.exists(), "make one row per minute and hour"
        sums = Sums(
            ok,
            failed,
            tokens,
            Counter(map(bucket, latencies_ms)) if period == "minute" else Counter(),
            Counter(map(bucket, speeds)) if period == "minute" else Counter(),
        )
        row((endpoint.pk, period, start), sums).save()
