"""What went wrong when the verifier asked an endpoint, with a request to see it again.

Owns the choice of a run and of the smallest request per kind of failure, and its text as JSON and
curl. The rules others rely on: only requests of the set that comes with Assay are ever shown, and
no answer, no caller's prompt and no credential; address and key are placeholders.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from providers.models import Endpoint
from telemetry.admin.words import call_errors, verdict_reason
from telemetry.models import Attempt, Outcome, Probe, VerifierRun
from telemetry.scoring.sentences import NOUNS
from telemetry.verifier.request_set import Requests, own_set

# The provider's doing, whatever it would have said; others say nothing of it.
_NO_ANSWER = frozenset({
    Outcome.HTTP_5XX, Outcome.TIMEOUT_TTFT, Outcome.TIMEOUT_IDLE, Outcome.TIMEOUT_TOTAL,
    Outcome.DISCONNECTED, Outcome.TRUNCATED, Outcome.MALFORMED,
})  # fmt: skip
_PLACES = 5  # that are named of one kind


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure in a run: how often, and the smallest request that shows it."""

    kind: str
    words: str
    count: int
    request: int
    streamed: bool
    wrong: tuple[str, ...]
    body: str

    @property
    def curl(self) -> str:
        """Return what to paste into a shell; the body is JSON, so no line of it ends it."""
        return (
            'curl -sS "$BASE_URL/chat/completions" \\\n'
            '  -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" \\\n'
            f"  -d @- <<'JSON'\n{self.body}\nJSON"
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """What the newest run said of an endpoint."""

    at: datetime
    sent: int
    why_none: str
    failures: tuple[Failure, ...]


@cache
def _asked() -> Requests:
    return own_set()


def verified(endpoint: Endpoint) -> Verified | None:
    """Return what the newest finished run of our own set saw of an endpoint, if there is one."""
    runs = VerifierRun.objects.filter(
        model=endpoint.model_id,
        state=VerifierRun.State.FINISHED,
        request_set__digest=_asked().digest,
        verdicts__endpoint=endpoint,
    )
    run = runs.order_by("-created_at").first()
    if run is None:
        return None
    probes = list(run.probes.filter(endpoint=endpoint, state=Probe.State.DONE))
    why_none = run.verdicts.get(endpoint=endpoint).why_none
    return Verified(run.created_at, len(probes), why_none, _failures(endpoint, probes))


def fault(probe: Probe) -> str | None:
    """Return the first thing that is wrong with a reply, as scores count it, or how none came."""
    if probe.outcome in _NO_ANSWER:
        return probe.outcome
    missing = probe.verdict_reason == "calls_missing" and not probe.tool_calls
    for kind in NOUNS:
        is_sign = getattr(probe, kind, False) or (missing and kind == "empty_reply")
        if probe.verdict == kind or is_sign:
            return kind
    return None


def _failures(endpoint: Endpoint, probes: Iterable[Probe]) -> tuple[Failure, ...]:
    kinds: dict[str, list[Probe]] = {}
    for probe in probes:
        kind = fault(probe)
        if kind is not None:
            kinds.setdefault(kind, []).append(probe)
    smallest = {kind: min(found, key=_size) for kind, found in kinds.items()}
    errors = _errors(smallest.values())
    found = [
        _failure(endpoint, kind, len(kinds[kind]), probe, errors)
        for kind, probe in smallest.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.count))


def _size(probe: Probe) -> tuple[int, bool, int]:
    body = _asked().requests[probe.request - 1].body
    return len(json.dumps(body)), probe.streamed, probe.request


def _errors(probes: Iterable[Probe]) -> dict[str, list[Any]]:
    """Return kinds and argument paths of bad calls, by the probes' generations."""
    ids = [probe.generation_id for probe in probes if probe.generation_id]
    facts = Attempt.objects.filter(generation_id__in=ids, benchmark=True)
    return dict(facts.values_list("generation_id", "call_errors"))


def _failure(
    endpoint: Endpoint, kind: str, count: int, probe: Probe, errors: Mapping[str, Any]
) -> Failure:
    asked = _asked().requests[probe.request - 1].body
    body = {"model": endpoint.upstream_model, **asked, "stream": probe.streamed}
    wrong = call_errors(errors.get(probe.generation_id, []))[:_PLACES]
    if not wrong and probe.verdict_reason:
        wrong = [verdict_reason(probe.verdict_reason)]
    return Failure(
        kind=kind,
        words=NOUNS[kind][0] if kind in NOUNS else Outcome(kind).label,
        count=count,
        request=probe.request,
        streamed=probe.streamed,
        wrong=tuple(wrong),
        body=json.dumps(body, indent=1, ensure_ascii=False),
    )
