"""What one attempt adds to the counters.

Owns the rules: which attempts scores count, in which stratum, and as which kind of failure. It
reads attempts and writes nothing. The rules others rely on: what an attempt adds depends on its
row alone, so a fold over the rows gives the counters; pinned, repeated, cancelled and benchmark
traffic is never scored; a request is one failure at most, whatever else is wrong with it.
Source: scoring of OpenRouter's Exacto inputs; reliability I15 and G4.
"""

from telemetry.models import Attempt, Outcome, Probe, Verdict
from telemetry.recorder import AttemptFact
from telemetry.scoring.evidence import ATTEMPTS, FIRST_KIND, KINDS, LOST, REQUESTS, stratum_of

# The reply had begun: a loss that says something of the endpoint's answers.
_BROKEN = frozenset({Outcome.TRUNCATED, Outcome.MALFORMED})
# Likewise, but these also happen before there is any.
_BROKEN_IF_BEGUN = frozenset({Outcome.TIMEOUT_IDLE, Outcome.TIMEOUT_TOTAL, Outcome.DISCONNECTED})
# The model's reply came to its end, whether or not the provider handed it out.
REPLIED = frozenset({Outcome.OK, Outcome.FAILED_GENERATION})
# The reply ended for a reason that is not the endpoint's.
_CUT_SHORT = frozenset({"length", "content_filter"})
_FORCING = frozenset({"required", "named"})
_BAD_VERDICTS = frozenset({Verdict.INVALID_JSON, Verdict.UNKNOWN_NAME, Verdict.SCHEMA_MISMATCH})
_UNKNOWN = frozenset({Verdict.PENDING, Verdict.UNJUDGED, Verdict.NONE})
_SIGNS = KINDS[KINDS.index("leaked_tool_text") :]


def stratum(fact: AttemptFact) -> int | None:
    """Return the stratum of a request with tools that may be used; else None."""
    if fact.benchmark or not fact.tools_offered or fact.tool_choice == "none":
        return None
    turn = "forced" if fact.tool_choice in _FORCING else fact.turn
    return stratum_of(turn, fact.tools_offered)


def may_score(attempt: Attempt) -> bool:
    """Tell whether scores count this attempt, lost or once it has a verdict."""
    return (
        attempt.stratum is not None
        and attempt.router_assigned
        and attempt.ordinal == 1
        and not attempt.pinned
        and not attempt.benchmark
        and attempt.finish_reason not in _CUT_SHORT
        and (attempt.outcome in REPLIED or is_lost(attempt))
    )


def is_lost(attempt: Attempt) -> bool:
    """Tell whether the reply broke off after it had begun."""
    if attempt.outcome == Outcome.OK:
        return attempt.finish_reason == "error"
    if attempt.outcome in _BROKEN_IF_BEGUN:
        return attempt.latency_ms is not None
    return attempt.outcome in _BROKEN


def fields(attempt: Attempt) -> tuple[int, ...]:
    """Return the fields of its cell (scoring.evidence) in which the attempt counts as one."""
    if not attempt.scored:
        return ()
    if is_lost(attempt):
        return (LOST,)
    if attempt.verdict in _UNKNOWN:
        return ()
    kind = failure(attempt)
    if kind is not None:
        return (REQUESTS, ATTEMPTS, FIRST_KIND + KINDS.index(kind))
    if attempt.outcome == Outcome.FAILED_GENERATION:
        return (LOST,)  # nothing is wrong with it that we know of, but nobody got it
    return (REQUESTS, ATTEMPTS) if attempt.tool_calls else (REQUESTS,)


def failure(attempt: Attempt | Probe) -> str | None:
    """Return the first of KINDS that is wrong with a judged attempt or probe, or None."""
    if attempt.verdict in _BAD_VERDICTS:
        return attempt.verdict
    # A finish reason that promised calls, and none came: the reply was empty of what counts.
    missing = attempt.verdict_reason == "calls_missing" and not attempt.tool_calls
    for sign in _SIGNS:
        if getattr(attempt, sign) or (missing and sign == "empty_reply"):
            return sign
    return None


def use(attempt: Attempt) -> tuple[int, int, int, int, int]:
    """Return what it adds to `OwnerUse`: requests, tool calls, failures, pinned, picodollars."""
    if attempt.stratum is None:
        return (0, 0, 0, 0, 0)
    counted = fields(attempt)
    return (
        int(REQUESTS in counted),
        int(attempt.outcome == Outcome.OK and attempt.tool_calls > 0),
        int(len(counted) == 3),
        int(attempt.pinned and attempt.ordinal == 1),
        int(attempt.cost.scaleb(12)) if attempt.cost else 0,
    )
