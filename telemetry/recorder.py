"""Facts of the request path, written to the spool before the client is told it is done.

Owns the shape of the three facts (fields are the columns of `telemetry.models`) and makes them
fit those columns: over-long text is cut, control characters go, numbers are clamped. It knows
no database, and it judges nothing. The rule others rely on: no method here raises or waits, and
a fact that was not stored is counted in `dropped`.
"""

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from telemetry.judge.rules import Judgement
    from telemetry.spool import SpoolWriter

logger = logging.getLogger(__name__)

SMALL = 32_767
INTEGER = 2_147_483_647
BIG = 9_223_372_036_854_775_807
# Costs travel as whole picodollars (1e-12 USD), the last digit the column keeps: < 1,000 USD.
COST = 10**15 - 1

_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_ERRORS = 32
# Endpoints of one request that its preferences name; one model rarely has more.
MAX_NAMED = 64


class AttemptFact(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="attempt", omit_defaults=True
):
    """One try at one endpoint. `started_at` is Unix time; `cost_pico` counts 1e-12 USD.

    With tools offered its verdict starts as pending, or, given a `verdict_reason` why nothing
    will be judged (such as "no_reply"), as unjudged. `turn` is one of `scoring.evidence.TURNS`.
    """

    generation_id: str
    ordinal: int
    endpoint_id: int
    account_id: int
    started_at: float
    outcome: str
    duration_ms: int
    streamed: bool
    pinned: bool
    router_assigned: bool
    tools_offered: int
    http_status: int | None = None
    latency_ms: int | None = None
    probability: float | None = None
    finish_reason: str = ""
    native_finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_pico: int | None = None
    tool_choice: str = ""
    tool_set: str = ""
    verdict_reason: str = ""
    withheld: bool = False
    usage_estimated: bool = False
    own_credential: bool = False
    turn: Literal["fresh", "after_tool", "forced"] = "fresh"
    benchmark: bool = False


class GenerationFact(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="generation",
    omit_defaults=True,
):
    """All that was done for one client request. `created_at` is Unix time.

    `decision` is the routing decision as `routing.gateway.decision` bounds it: ids, codes and
    numbers, and the names of the models asked for.
    `ignored_endpoints` and `pinned_endpoints` are the ids, of the models asked for, that the
    caller's preferences named on a request with tools; at most MAX_NAMED each.
    """

    id: str
    created_at: float
    account_id: int
    api_key_id: int
    requested_model: str
    attempts: int
    status: int
    streamed: bool
    cancelled: bool
    pinned: bool
    tools_offered: int
    duration_ms: int
    model_slug: str = ""
    variant: str = ""
    allowlist_version: int | None = None
    endpoint_id: int | None = None
    error_type: str = ""
    tool_choice: str = ""
    finish_reason: str = ""
    native_finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_pico: int | None = None
    latency_ms: int | None = None
    upstream_id: str = ""
    app_title: str = ""
    http_referer: str = ""
    user_agent: str = ""
    app_categories: str = ""
    session_id: str = ""
    preset: str = ""
    service_tier: str = ""
    own_credential: bool = False
    upstream_cost_pico: int | None = None
    decision: dict[str, Any] | None = None
    auto_exacto: str = ""
    quality_gate: str = ""
    ignored_endpoints: tuple[int, ...] = ()
    pinned_endpoints: tuple[int, ...] = ()


class VerdictFact(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="verdict", omit_defaults=True
):
    """What the judge found in the tool calls of one attempt."""

    generation_id: str
    ordinal: int
    verdict: str
    verdict_reason: str = ""
    tool_calls: int = 0
    bad_calls: int = 0
    call_errors: tuple[tuple[str, str], ...] = ()
    leaked_tool_text: bool = False
    tool_choice_violated: bool = False
    truncated_arguments: bool = False
    empty_reply: bool = False
    duplicate_ids: bool = False


Fact = AttemptFact | GenerationFact | VerdictFact

# The columns' widths and the largest number each takes; a test compares them with the models.
WIDTHS: dict[type[Fact], dict[str, int]] = {
    AttemptFact: {
        "generation_id": 64,
        "outcome": 20,
        "finish_reason": 20,
        "native_finish_reason": 60,
        "tool_choice": 10,
        "tool_set": 16,
        "verdict_reason": 40,
    },
    GenerationFact: {
        "id": 64,
        "requested_model": 300,
        "model_slug": 200,
        "variant": 20,
        "error_type": 40,
        "tool_choice": 10,
        "finish_reason": 20,
        "native_finish_reason": 60,
        "upstream_id": 200,
        "app_title": 200,
        "http_referer": 500,
        "user_agent": 300,
        "app_categories": 200,
        "session_id": 256,
        "preset": 64,
        "service_tier": 16,
        "auto_exacto": 16,
        "quality_gate": 16,
    },
    VerdictFact: {"generation_id": 64, "verdict": 16, "verdict_reason": 40},
}
_COUNTS = {
    "duration_ms": INTEGER,
    "latency_ms": INTEGER,
    "prompt_tokens": INTEGER,
    "completion_tokens": INTEGER,
    "cached_tokens": INTEGER,
    "reasoning_tokens": INTEGER,
    "cost_pico": COST,
    "tools_offered": SMALL,
    "account_id": BIG,
}
CEILINGS: dict[type[Fact], dict[str, int]] = {
    AttemptFact: _COUNTS | {"ordinal": SMALL, "http_status": SMALL},
    GenerationFact: _COUNTS
    | {
        "attempts": SMALL,
        "status": SMALL,
        "allowlist_version": INTEGER,
        "api_key_id": BIG,
        "upstream_cost_pico": COST,
    },
    VerdictFact: {"ordinal": SMALL, "tool_calls": SMALL, "bad_calls": SMALL},
}


class Recorder:
    """Turns facts into spool frames."""

    def __init__(self, writer: "SpoolWriter") -> None:
        self._writer = writer
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode

    @property
    def written(self) -> int:
        """Facts stored so far."""
        return self._writer.written

    @property
    def dropped(self) -> int:
        """Facts lost so far, because the disk was full or the fact unreadable."""
        return self._writer.dropped

    def attempt(self, fact: AttemptFact) -> bool:
        """Store one attempt; tell whether it is safe."""
        return self._record(fact)

    def generation(self, fact: GenerationFact, last_attempt: AttemptFact | None = None) -> bool:
        """Store a finished generation, with its last attempt in the same write."""
        if last_attempt is None:
            return self._record(fact)
        return self._record(last_attempt, fact)

    def verdict(self, generation_id: str, ordinal: int, judgement: "Judgement") -> bool:
        """Store what the judge said of one attempt."""
        return self._record(
            VerdictFact(
                generation_id=generation_id,
                ordinal=ordinal,
                verdict=judgement.verdict,
                verdict_reason=judgement.reason,
                tool_calls=judgement.calls,
                bad_calls=judgement.bad_calls,
                call_errors=tuple(
                    (_clean(kind, 40), _clean(path, 200))
                    for kind, path in judgement.errors[:_MAX_ERRORS]
                ),
                leaked_tool_text=judgement.leaked_tool_text,
                tool_choice_violated=judgement.tool_choice_violated,
                truncated_arguments=judgement.truncated_arguments,
                empty_reply=judgement.empty_reply,
                duplicate_ids=judgement.duplicate_ids,
            )
        )

    def _record(self, *facts: Fact) -> bool:
        try:
            payloads = [self._encode(fitted(fact)) for fact in facts]
        except (TypeError, ValueError, OverflowError) as error:
            # Telemetry must not break an answer, not even over a bug in the caller.
            logger.error("fact not recorded: %s", type(error).__name__)
            self._writer.dropped += len(facts)
            return False
        return self._writer.append(payloads)


def fitted(fact: Fact) -> Fact:
    """Return the fact with every text and number within its column."""
    changes: dict[str, str | int] = {}
    for name, width in WIDTHS[type(fact)].items():
        text = getattr(fact, name)
        if len(text) > width or not text.isprintable():
            changes[name] = _clean(text, width)
    for name, ceiling in CEILINGS[type(fact)].items():
        number = getattr(fact, name)
        if number is not None and not 0 <= number <= ceiling:
            changes[name] = min(max(number, 0), ceiling)
    return msgspec.structs.replace(fact, **changes) if changes else fact


def _clean(text: str, width: int) -> str:
    return _UNSTORABLE.sub("", text[:width])
