from typing import Any

import pytest

from providers.complaints import error_of, rejection_of
from providers.errors import UpstreamErrorInside200


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        pytest.param({"code": 429, "message": "slow down"}, "rate_limited", 429, id="429"),
        pytest.param({"code": "503"}, "http_5xx", "503", id="number as text"),
        pytest.param({"code": 502.5}, "malformed", None, id="no code at all"),
        pytest.param({"code": 200}, "malformed", 200, id="a code that is no error"),
        pytest.param({"code": True}, "malformed", None, id="boolean"),
        pytest.param(
            {"type": "rate_limit_error"}, "rate_limited", "rate_limit_error", id="type"
        ),
        pytest.param(
            {"code": "context_length_exceeded", "type": "x"},
            "client_error",
            "context_length_exceeded",
            id="code as a word",
        ),
        pytest.param({"status": 500}, "http_5xx", None, id="status"),
        pytest.param({"code": "weird", "type": "odd"}, "malformed", "weird", id="unknown words"),
        pytest.param("it broke", "malformed", None, id="only text"),
        pytest.param([1], "malformed", None, id="a list"),
        pytest.param(7, "malformed", None, id="a number"),
    ],
)  # fmt: skip
def test_reads_an_error_where_a_reply_was_due(error: object, outcome: str, code: object) -> None:
    failure = error_of({"error": error})

    assert isinstance(failure, UpstreamErrorInside200)
    assert (failure.outcome, failure.provider_code) == (outcome, code)


def test_finds_the_error_of_a_choice_and_of_an_error_object() -> None:
    in_choice = error_of({"choices": [{"finish_reason": "error", "error": {"code": 502}}]})
    plain = error_of({"object": "error", "message": "bad tools", "code": 400})

    assert in_choice is not None
    assert in_choice.outcome == "http_5xx"
    assert plain is not None
    assert (plain.outcome, plain.message) == ("client_error", "bad tools")


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        None,
        [],
        {"error": None},
        {"error": {}},
        {"error": "", "choices": []},
        {"choices": [None]},
        {"choices": [{"delta": {"content": "error"}}]},
        {"choices": "x"},
    ],
)
def test_no_error_is_no_error(chunk: Any) -> None:
    assert error_of(chunk) is None


def test_a_rejection_keeps_the_explanation_of_a_client_error_without_the_credential() -> None:
    body = {"error": {"message": "bad schema for\x00 sk-secret", "code": "sk-secret"}}

    failure = rejection_of(400, body, None, hide="sk-secret")

    assert failure.message == "bad schema for  ***"
    assert failure.provider_code == "***"
    assert not failure.retryable


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"error": None}, {"error": []}, {"detail": []}]
)
def test_a_rejection_without_explanation_still_has_a_message(body: object) -> None:
    assert rejection_of(422, body, 3.0).message == "upstream answered 422"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"message": "no"},
        {"detail": "no"},
    ],
)
def test_reads_every_place_of_an_explanation(body: object) -> None:
    assert rejection_of(400, body, None).message == "no"
