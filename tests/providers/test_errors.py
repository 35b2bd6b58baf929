import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import (
    MESSAGE_BYTES,
    RETRY_AFTER_MAX,
    UpstreamErrorInside200,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
    parse_retry_after,
    safe_message,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("status", "outcome", "retryable", "health_fault"),
    [
        (400, "client_error", False, False),
        (413, "client_error", False, False),
        (422, "client_error", False, False),
        (401, "auth", True, True),
        (402, "auth", True, True),
        (403, "auth", True, True),
        (404, "not_found", True, True),
        (408, "http_5xx", True, True),
        (405, "client_error", True, False),
        (409, "client_error", True, False),
        (451, "client_error", True, False),
        (429, "rate_limited", True, False),
        (500, "http_5xx", True, True),
        (503, "http_5xx", True, True),
        (529, "http_5xx", True, True),
    ],
)
def test_status_decides(status: int, outcome: str, retryable: bool, health_fault: bool) -> None:
    error = UpstreamRejected(status)

    assert (error.outcome, error.retryable, error.health_fault) == (
        outcome,
        retryable,
        health_fault,
    )
    assert error.status == status


def test_only_a_fault_of_the_request_is_explained_in_the_providers_words() -> None:
    assert UpstreamRejected(400, "no such tool").message == "no such tool"
    assert UpstreamRejected(500, "stack trace").message == "upstream answered 500"
    assert UpstreamRejected(401, "bad key sk-1").message == "upstream answered 401"
    assert "stack" not in str(UpstreamRejected(500, "stack trace"))
    assert "no such tool" not in str(UpstreamRejected(400, "no such tool"))


def test_busy_is_no_fault_of_the_endpoint() -> None:
    assert not UpstreamUnavailable("busy").health_fault
    assert UpstreamUnavailable("connect_error").health_fault


def test_an_error_inside_a_200_takes_the_outcome_of_its_code() -> None:
    limited = UpstreamErrorInside200(429)
    unknown = UpstreamErrorInside200(None, "weird")

    assert (limited.outcome, limited.health_fault) == ("rate_limited", False)
    assert (unknown.outcome, unknown.retryable, unknown.status) == ("malformed", True, None)
    assert "weird" not in unknown.message
    assert isinstance(limited, UpstreamMalformed)


@given(st.text(st.characters(), max_size=3000))
def test_a_message_is_short_printable_and_encodable(text: str) -> None:
    message = safe_message(text)

    assert len(message.encode()) <= MESSAGE_BYTES
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in message)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7.0, id="integer"),
        pytest.param(" 1.5 ", 1.5, id="fraction"),
        pytest.param("-3", 0.0, id="negative"),
        pytest.param("1e300", RETRY_AFTER_MAX, id="absurd"),
        pytest.param("Sun, 01 Mar 2026 12:00:30 GMT", 30.0, id="date"),
        pytest.param("Sun, 01 Mar 2026 12:00:30 -0000", 30.0, id="date without zone"),
        pytest.param("Sun, 01 Mar 2026 11:00:00 GMT", 0.0, id="past date"),
        pytest.param("inf", None, id="infinite"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("soon", None, id="word"),
        pytest.param("", None, id="empty"),
        pytest.param("9" * 65, None, id="too long"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_reads_retry_after(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text(max_size=64))
def test_retry_after_never_raises(header: str) -> None:
    seconds = parse_retry_after(header, NOW)

    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= RETRY_AFTER_MAX)
