"""What is remembered of a client request: its generation as a fact.

Owns which of a generation's parts the fact has. It records nothing (`Generation.finish` does) and
looks at no prompt and no completion. The rule others rely on: what the fact says of the reply is
said of the one attempt that served it.
"""

import time
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

from routing.gateway.decision import decision_of
from telemetry.recorder import MAX_NAMED, AttemptFact, GenerationFact

if TYPE_CHECKING:
    from routing.gateway.generation import Generation


def fact_of(
    generation: "Generation",
    about: AttemptFact | None,
    *,
    status: int,
    error_type: str,
    cancelled: bool,
) -> GenerationFact:
    """Return the fact of a request that ends now; `about` is its last attempt's, if it had one."""
    request, plan = generation.request, generation.plan
    last = generation.attempt if generation.attempts else None
    served = last if last is not None and last.reply is not None else None
    bill = served.bill if served else None
    usage = bill.usage if bill else None
    ref = last.candidate.admission.ref if last is not None else request.refs[0]
    return GenerationFact(
        id=generation.id,
        created_at=generation.created_at,
        account_id=generation.caller.account_id,
        api_key_id=generation.caller.api_key_id,
        requested_model=request.refs[0].requested,
        attempts=len(generation.attempts),
        status=status,
        streamed=request.stream,
        cancelled=cancelled,
        pinned=request.pinned,
        tools_offered=request.tool_count,
        duration_ms=round((time.monotonic() - generation.started) * 1000),
        model_slug=ref.slug,
        variant=ref.variant,
        allowlist_version=last.candidate.admission.version if last is not None else None,
        endpoint_id=served.candidate.endpoint.id if served else None,
        error_type=error_type,
        tool_choice=about.tool_choice if about else "",
        finish_reason=about.finish_reason if about else "",
        native_finish_reason=about.native_finish_reason if about else "",
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        cost_pico=bill.total_pico if bill else None,
        upstream_cost_pico=(
            bill.upstream_pico if bill and bill.upstream_pico != bill.total_pico else None
        ),
        own_credential=served is not None and served.own,
        session_id=request.extras.session,
        preset=request.preset,
        service_tier=generation.service_tier or "",
        app_categories=generation.attribution.app_categories,
        latency_ms=about.latency_ms if about else None,
        upstream_id=served.reply.upstream_id if served and served.reply else "",
        app_title=generation.attribution.app_title,
        http_referer=generation.attribution.http_referer,
        user_agent=generation.attribution.user_agent,
        ignored_endpoints=_named(
            generation, [*request.wishes.ignore, *request.wishes.account_ignore]
        ),
        pinned_endpoints=_named(generation, request.named),
        decision=decision_of(plan, request) if plan else None,
        auto_exacto=plan.auto_exacto if plan else "",
        quality_gate=generation.quality_gate,
    )


def _named(generation: "Generation", names: Collection[str]) -> tuple[int, ...]:
    """Return which endpoints of the models asked for these names mean, if there are tools."""
    if not names or not generation.request.needs.tools or generation.plan is None:
        return ()
    models = {admission.model.slug: admission.model for admission in generation.plan.admissions}
    endpoints = (e for model in models.values() for e in model.endpoints)
    ids = (e.id for e in endpoints if any(e.named(name) for name in names))
    return tuple(islice(ids, MAX_NAMED))
