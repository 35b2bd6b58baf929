"""Plain words for what happened: outcomes, verdicts, signs and the errors of tool calls.

Pure text: no queries, no markup. The keys are the values of `Outcome` and `Verdict` and the
reasons the judge gives.
"""

from collections.abc import Sequence

from telemetry.models import Attempt, Outcome, Verdict

# What happened and what the gateway did about it, for the page of one generation.
WHY = {
    Outcome.OK: "Answered.",
    Outcome.HTTP_5XX: "The provider answered with a server error.",
    Outcome.RATE_LIMITED: "The provider said: too many requests.",
    Outcome.AUTH: "The provider refused our credential.",
    Outcome.CLIENT_ERROR: "The provider refused the request itself; no other was asked.",
    Outcome.NOT_FOUND: "The provider does not know this model.",
    Outcome.TIMEOUT_CONNECT: "No connection within the limit.",
    Outcome.TIMEOUT_TTFT: "Connected, but no first token within the limit.",
    Outcome.TIMEOUT_IDLE: "The answer stalled for longer than the limit.",
    Outcome.TIMEOUT_TOTAL: "The answer took longer than the limit.",
    Outcome.CONNECT_ERROR: "The provider's server could not be reached.",
    Outcome.DISCONNECTED: "The connection broke before the answer was complete.",
    Outcome.TRUNCATED: "The answer ended without saying that it was complete.",
    Outcome.MALFORMED: "The answer was not what the API promises.",
    Outcome.FAILED_GENERATION: "The provider's own check refused what the model wrote.",
    Outcome.CLIENT_CANCELLED: "The caller left before the answer was complete.",
    Outcome.GATEWAY_ERROR: "A fault of this gateway.",
    Outcome.BUSY: "Our own limit of requests to this endpoint was reached.",
}
OUTCOME_COLOURS = {
    Outcome.OK: "good",
    Outcome.CLIENT_CANCELLED: "plain",
    Outcome.CLIENT_ERROR: "plain",
    Outcome.RATE_LIMITED: "warn",
    Outcome.BUSY: "warn",
}  # all others are bad
VERDICT_COLOURS = {
    Verdict.VALID: "good",
    Verdict.INVALID_JSON: "bad",
    Verdict.UNKNOWN_NAME: "bad",
    Verdict.SCHEMA_MISMATCH: "bad",
}  # all others say nothing for or against
SIGNS = {
    "leaked_tool_text": "tool call in the text",
    "tool_choice_violated": "tool_choice violated",
    "truncated_arguments": "arguments cut off",
    "empty_reply": "empty reply",
    "duplicate_ids": "duplicate call ids",
}
_REASONS = {
    "queue_full": "the judge was too busy",
    "timeout": "judging took too long",
    "too_large": "too large to judge",
    "lost": "the judgement was lost",
    "not_finished": "the answer did not finish",
    "pattern": "its schema needs a pattern we cannot run",
    "empty_arguments": "empty arguments, taken as {}",
}
_KEYWORDS = {
    # Of the text of the arguments, as `telemetry.judge.rules` names them.
    "syntax": "cannot be parsed",
    "not_text": "is no text",
    "empty": "is empty",
    "required": "is missing",
    "type": "has the wrong type",
    "enum": "is none of the allowed values",
    "const": "is not the required value",
    "additionalProperties": "has a property that is not allowed",
    "unevaluatedProperties": "has a property that is not allowed",
    "pattern": "does not match the pattern",
    "format": "does not have the required format",
    "minimum": "is too small",
    "maximum": "is too large",
    "minLength": "is too short",
    "maxLength": "is too long",
    "minItems": "has too few items",
    "maxItems": "has too many items",
    "anyOf": "fits none of the alternatives",
    "oneOf": "does not fit exactly one of the alternatives",
}


def why(attempt: Attempt) -> str:
    text = WHY.get(Outcome(attempt.outcome), attempt.outcome)
    if attempt.withheld:
        text = f"{text} The quality gate kept this reply back."
    return (
        f"{text} (HTTP {attempt.http_status})" if attempt.http_status not in (None, 200) else text
    )


def signs(attempt: Attempt) -> list[str]:
    return [words for name, words in SIGNS.items() if getattr(attempt, name)]


def verdict_reason(reason: str) -> str:
    return _REASONS.get(reason, reason.replace("_", " "))


def call_errors(errors: Sequence[Sequence[str]]) -> list[str]:
    """Return one sentence per bad tool call.

    >>> call_errors([["schema_mismatch", "/city/0 type"], ["invalid_json", ""]])
    ['schema mismatch: city → 0 has the wrong type', 'invalid JSON']
    """
    return [_call_error(*error) for error in errors if len(error) == 2]


def _call_error(kind: str, place: str) -> str:
    what = dict(Verdict.choices).get(kind, kind)
    path, _, keyword = place.rpartition(" ")
    if not keyword:
        return what
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/") if step]
    where = " → ".join(steps) or "the arguments object"
    return f"{what}: {where} {_KEYWORDS.get(keyword, f'breaks “{keyword}”')}"
