"""Traffic for tests of curation: facts of judged requests, ingested as any, and scores as rows."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils.timezone import now

from providers.models import Endpoint
from telemetry.ingest import ingest_all
from telemetry.models import EndpointScore
from telemetry.recorder import Fact
from tests.telemetry.spooled import attempt_fact, generation_fact, leave_segment, verdict_fact

MISMATCH = [("schema_mismatch", "/city type")]


def requests(
    endpoint: Endpoint,
    *,
    good: int,
    bad: int = 0,
    at: datetime | None = None,
    owners: int = 24,
    name: str = "",
    **fields: Any,
) -> list[Fact]:
    """Return all facts of so many tool calls, valid and not, spread over owners alike."""
    at = at or now() - timedelta(minutes=30)
    model = endpoint.model.slug
    facts: list[Fact] = []
    for number in range(good + bad):
        is_bad = (number + 1) * bad // (good + bad) > number * bad // (good + bad)
        key = f"gen-{name}{endpoint.pk}-{at:%d%H%M}-{number}"
        common = {"endpoint_id": endpoint.pk, "account_id": number // 2 % owners + 1}
        moment = at.timestamp() + number / 100
        facts += [
            attempt_fact(key, started_at=moment, latency_ms=400, **common, **fields),
            generation_fact(
                key,
                created_at=moment,
                model_slug=model,
                requested_model=model,
                prompt_tokens=1000,
                completion_tokens=100,
                **common,
            ),
            verdict_fact(
                key,
                "schema_mismatch" if is_bad else "valid",
                tool_calls=1,
                bad_calls=int(is_bad),
                call_errors=MISMATCH if is_bad else [],
            ),
        ]
    return facts


def serve(spool: Path, *facts: Iterable[Fact]) -> None:
    """Ingest what gateways have left in the spool."""
    known = len(list(spool.rglob("*.seg"))) + 1
    leave_segment(spool, [one for some in facts for one in some], number=known)
    ingest_all(spool)


def criterion(verdict: str = "pass", estimate: float = 0.004, **fields: Any) -> dict[str, Any]:
    defaults = {
        "verdict": verdict,
        "estimate": estimate,
        "low": estimate / 2,
        "high": estimate * 1.5,
        "probability": 0.99 if verdict == "pass" else 0.01,
        "requests": 9_870,
        "owners": 41,
        "benchmark_requests": 0,
        "sentence": f"tool-call error {100 * estimate:.1f} %",
        "bound": [None, 0.014],
    }
    return {**defaults, **fields}


def make_score(endpoint: Endpoint, *, good: bool = True, **fields: Any) -> EndpointScore:
    """Make the score of an endpoint that the evidence would list, or not."""
    accuracy = criterion() if good else criterion("fail", 0.031)
    defaults: dict[str, Any] = {
        "computed_at": now(),
        "method": "assay-1",
        "inputs_hash": "a" * 64,
        "standing": "verified" if good else "below_par",
        "standing_since": now(),
        "eligible": good,
        "sentence": ("in: " if good else "out: ") + accuracy["sentence"],
        "criteria": {
            "accuracy": accuracy,
            "propensity": criterion(estimate=1.0, bound=[0.74, 1.35]),
            "ignores": criterion(estimate=0.02, bound=[None, 0.1]),
            "losses": criterion(estimate=0.001, bound=[None, 0.05]),
        },
        "failures": {} if good else {"schema_mismatch": 312},
    }
    return EndpointScore.objects.create(endpoint=endpoint, **{**defaults, **fields})
