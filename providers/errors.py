"""Everything that can go wrong upstream; each failure carries the decision it calls for.

    ProviderError
      UpstreamUnavailable     no answer: refused, timed out, connection lost, or no slot free
      UpstreamMalformed       an answer that cannot be used
        UpstreamErrorInside200  an error object where a reply was due
      UpstreamRejected        an answer with status >= 400
      UpstreamFailedGeneration  an error that holds what the model wrote, which the provider refused

Rule: `message` may be shown to the client. It never holds a 5xx body or a network library's text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

MESSAGE_BYTES = 1000
RETRY_AFTER_MAX = 86_400.0  # seconds; anything longer is a mistake or an attack

# C0 and C1 controls, bidirectional overrides, and surrogates, which cannot be encoded.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    outcome: str
    retryable: bool = True
    health_fault: bool = True


_CLIENT_ERROR = _Rule("client_error", retryable=False, health_fault=False)
_AUTH = _Rule("auth")
_RULES = {
    400: _CLIENT_ERROR,
    413: _CLIENT_ERROR,
    422: _CLIENT_ERROR,
    401: _AUTH,
    402: _AUTH,
    403: _AUTH,
    404: _Rule("not_found"),
    429: _Rule("rate_limited", health_fault=False),
}
_HTTP_5XX = _Rule("http_5xx")
# Said with a 400, but the model's fault: the next endpoint's may do better.
_FAILED_GENERATION = _Rule("failed_generation", health_fault=False)
# A refusal that may be this provider's own: the next may take the request, and nobody is ill.
_OTHER_4XX = _Rule("client_error", health_fault=False)


class ProviderError(Exception):
    """A failed attempt: what to record, whether to go on, what to tell the client."""

    def __init__(
        self,
        outcome: str,
        message: str,
        *,
        retryable: bool = True,
        health_fault: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
        provider_code: str | int | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.retryable = retryable
        self.health_fault = health_fault
        self.status = status
        self.retry_after = retry_after
        self.provider_code = provider_code


class UpstreamUnavailable(ProviderError):
    """No answer came, or it stopped coming."""

    def __init__(self, outcome: str) -> None:
        # Busy says that this gateway sends too much there, not that the endpoint is ill.
        super().__init__(
            outcome, f"upstream unavailable: {outcome}", health_fault=outcome != "busy"
        )


class UpstreamMalformed(ProviderError):
    """An answer came that is not what the protocol promises."""

    def __init__(self, outcome: str = "malformed", reason: str = "unreadable answer") -> None:
        super().__init__(outcome, f"upstream answer unusable: {reason}")
        self.reason = reason


class UpstreamErrorInside200(UpstreamMalformed):
    """An error object where a reply was due; judged by its own code when that says something."""

    def __init__(
        self,
        status: int | None,
        message: str = "",
        provider_code: str | int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason="an error inside a successful answer")
        if status is not None:
            _apply(self, status, message)
        self.provider_code = provider_code
        self.retry_after = retry_after


class UpstreamRejected(ProviderError):
    """An answer with status >= 400."""

    def __init__(
        self,
        status: int,
        message: str = "",
        provider_code: str | int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__("", "", provider_code=provider_code, retry_after=retry_after)
        _apply(self, status, message)


class UpstreamFailedGeneration(ProviderError):
    """A reply that the provider does not hand out, because its own check refused what it says.

    generated: what the model wrote. refused: what the provider refused it as, a tool call, a
    reply without the call that was required, or JSON.
    """

    def __init__(
        self,
        status: int,
        message: str,
        provider_code: str,
        *,
        generated: str,
        refused: Literal["call", "no_call", "json"],
    ) -> None:
        super().__init__("", "", provider_code=provider_code)
        _apply_rule(self, _FAILED_GENERATION, status, message)
        self.generated = generated
        self.refused: Literal["call", "no_call", "json"] = refused


def _apply(error: ProviderError, status: int, message: str) -> None:
    other = _OTHER_4XX if 400 <= status < 500 and status != 408 else _HTTP_5XX
    _apply_rule(error, _RULES.get(status, other), status, message)


def _apply_rule(error: ProviderError, rule: _Rule, status: int, message: str) -> None:
    error.status = status
    error.outcome = rule.outcome
    error.retryable = rule.retryable
    error.health_fault = rule.health_fault
    # Only a fault of the request, or of what the model wrote, is explained in the provider's words.
    told = safe_message(message) if rule in (_CLIENT_ERROR, _FAILED_GENERATION) else ""
    error.message = told or f"upstream answered {status}"
    error.args = (f"upstream answered {status}",)


def safe_message(text: str) -> str:
    """Return text without control characters, at most MESSAGE_BYTES long in UTF-8."""
    cleaned = _UNSAFE.sub(" ", text[: 4 * MESSAGE_BYTES]).strip()
    return cleaned.encode()[:MESSAGE_BYTES].decode(errors="ignore")


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds to wait that a Retry-After header asks for, or None.

    value: the header, a number of seconds or an HTTP date.
    now: Unix time, against which a date is measured.

    Source: RFC 9110, section 10.2.3; fractions are common though not allowed there.

    >>> parse_retry_after("1.5", now=0)
    1.5
    >>> parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=20)
    40.0
    """
    if value is None or len(value) > 64:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now)
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX)


def _seconds_until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:  # "-0000" gives a naive time, which means UTC
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
