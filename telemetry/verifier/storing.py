"""From a run's probes to benchmark evidence: one stored run per endpoint, as suites of others have.

Owns the suite's name and version, what its judge is called, and who says when a tool is to be
called. The rules others rely on: storing twice changes nothing; an endpoint of which the probes
say too little gets no evidence but the reason; runs are comparable only by one judge, with its
settings, and one reference.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from providers.models import Endpoint
from telemetry import tally
from telemetry.benchmarks.fields import clean
from telemetry.models import (
    BenchmarkResult,
    BenchmarkRun,
    Probe,
    Verdict,
    VerifierRun,
    VerifierVerdict,
)
from telemetry.verifier.measures import Measured, NothingMeasured, Observed, measure
from telemetry.verifier.request_set import SetRequest, read_set

SUITE: Final = "assay-verifier"
SUITE_VERSION: Final = "1"
_OVER: Final = (Probe.State.DONE, Probe.State.UNKNOWN)


def finish(run: VerifierRun, at: datetime) -> None:
    """Close a run that is through, and store what it found."""
    with transaction.atomic():
        open_still = VerifierRun.objects.filter(pk=run.pk, state=VerifierRun.State.OPEN)
        if not open_still.update(state=VerifierRun.State.FINISHED, ended_at=at, waits_for=""):
            return
        observed = observations(run)
        ids = run.probes.order_by().values_list("endpoint_id", flat=True).distinct()
        for endpoint in Endpoint.objects.filter(pk__in=ids).order_by("tag"):
            _store(run, endpoint, observed.get(endpoint.pk, []), at)


def measured(run: VerifierRun) -> dict[int, Measured | NothingMeasured]:
    """Return what the probes so far say, by endpoint."""
    found: dict[int, Measured | NothingMeasured] = {}
    for endpoint_id, probes in observations(run).items():
        try:
            found[endpoint_id] = measure(probes)
        except NothingMeasured as nothing:
            found[endpoint_id] = nothing
    return found


def observations(run: VerifierRun) -> dict[int, list[Observed]]:
    """Return every probe that was sent, by endpoint, beside what the reference says."""
    content = run.request_set.content.encode()
    requests = {one.number: one for one in read_set(content, run.request_set.name).requests}
    reference = _Reference(run, requests)
    found: dict[int, list[Observed]] = {}
    for probe in run.probes.filter(state__in=_OVER).order_by("position"):
        seen = _observed(probe, requests[probe.request], reference.says(probe))
        found.setdefault(probe.endpoint_id, []).append(seen)
    return found


class _Reference:
    """Who says whether a request is to be answered by a call."""

    def __init__(self, run: VerifierRun, requests: Mapping[int, SetRequest]) -> None:
        self._run = run
        self._requests = requests
        self._answers: dict[tuple[int, bool], bool] = {}
        if run.reference_id is not None:
            own = run.probes.filter(endpoint=run.reference_id, state=Probe.State.DONE)
            self._answers = {(p.request, p.streamed): _called(p) for p in own if _was_judged(p)}

    def says(self, probe: Probe) -> bool | None:
        run = self._run
        if run.reference_id is not None:
            if probe.endpoint_id == run.reference_id:
                return None  # nobody is measured by their own answers
            return self._answers.get((probe.request, probe.streamed))
        if run.recorded is not None:
            said = run.recorded.get(str(probe.request))
            return said if isinstance(said, bool) else None
        return self._requests[probe.request].expected


def _called(probe: Probe) -> bool:
    return probe.tool_calls > 0


def _was_judged(probe: Probe) -> bool:
    return probe.outcome in tally.REPLIED and probe.verdict not in ("", Verdict.UNJUDGED)


def _observed(probe: Probe, request: SetRequest, expected: bool | None) -> Observed:
    return Observed(
        request=probe.request,
        streamed=probe.streamed,
        choice=request.choice,
        expected=expected,
        outcome=probe.outcome if probe.state == Probe.State.DONE else "",
        finish_reason=probe.finish_reason,
        verdict=probe.verdict,
        called=_called(probe),
        fault=tally.failure(probe),
        leaked=probe.leaked_tool_text,
        violated=probe.tool_choice_violated,
        latency_ms=probe.latency_ms,
        duration_ms=probe.duration_ms,
        prompt_tokens=probe.prompt_tokens,
        completion_tokens=probe.completion_tokens,
        cost_pico=probe.cost_pico,
    )


def _store(run: VerifierRun, endpoint: Endpoint, probes: list[Observed], at: datetime) -> None:
    try:
        found = measure(probes)
    except NothingMeasured as nothing:
        why = " ".join([str(nothing), *_skipped(run, endpoint)])[:300]
        VerifierVerdict.objects.create(run=run, endpoint=endpoint, why_none=why)
        return
    last = run.probes.filter(endpoint=endpoint).aggregate(last=Max("sent_at"))["last"]
    evidence, created = BenchmarkRun.objects.get_or_create(
        endpoint=endpoint,
        content_hash=_identity(run, endpoint),
        defaults={
            "suite": SUITE,
            "suite_version": SUITE_VERSION,
            "judge": judge_name(run),
            "request_set": run.request_set.digest,
            "origin": f"Assay's verifier, run {run.pk}, {run.get_cause_display()}",
            "measured_at": last or at,
            "requests": found.replies,
            "tool_calls": found.tool_calls,
            "failures": found.failures,
            "excluded": dict(found.excluded),
            "remarks": list(_skipped(run, endpoint)),
        },
    )
    if created:
        BenchmarkResult.objects.bulk_create(
            BenchmarkResult(
                run=evidence,
                metric=figure.metric,
                value=figure.value,
                low=figure.low,
                high=figure.high,
                sample=figure.sample,
            )
            for figure in found.figures
        )
    VerifierVerdict.objects.create(run=run, endpoint=endpoint, evidence=evidence)


def _skipped(run: VerifierRun, endpoint: Endpoint) -> Iterator[str]:
    skipped = run.probes.filter(endpoint=endpoint, state=Probe.State.SKIPPED)
    reasons = list(skipped.values_list("why_skipped", flat=True))
    for why in sorted(set(reasons)):
        yield f"{reasons.count(why)} requests were not sent: {why}."


def _identity(run: VerifierRun, endpoint: Endpoint) -> str:
    known = f"{SUITE} {run.pk} {run.created_at.isoformat()} {endpoint.pk}"
    return hashlib.sha256(known.encode()).hexdigest()


def judge_name(run: VerifierRun) -> str:
    """Return who decided: our judge with its settings, and the reference."""
    manner = "lenient" if settings.JUDGE_LENIENT else "published rule"
    formats = ", formats" if settings.JUDGE_FORMATS else ""
    reference = f"; reference {run.reference_name}" if run.reference_name else ""
    return clean(f"Assay ({manner}{formats}){reference}", 120)
