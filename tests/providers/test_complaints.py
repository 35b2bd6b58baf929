from typing import Any

import pytest

from providers.complaints import error_of, rejection_of
from providers.errors import UpstreamErrorInside200, UpstreamFailedGeneration


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
        {"detail": {"error": "no"}},
        {"detail": {"message": "no"}},
        {"detail": [{"msg": "no", "input": "a prompt"}, {"loc": []}, None]},
        [{"error": {"message": "no"}}],
    ],
)
def test_reads_every_place_of_an_explanation(body: object) -> None:
    assert rejection_of(400, body, None).message == "no"


def test_names_the_place_of_each_fault_and_nothing_of_the_request() -> None:
    faults = [
        {"loc": ["body", "messages", 0, {}], "msg": "Field required", "input": "a prompt"},
        {"loc": "body", "msg": "too long"},
    ]

    message = rejection_of(422, {"detail": faults}, None).message

    assert message == "body.messages.0: Field required; too long"


@pytest.mark.parametrize(
    ("chunk", "event", "outcome"),
    [
        pytest.param({"code": 503, "message": "x"}, "error", "http_5xx", id="the event is it"),
        pytest.param({"detail": "x"}, "error", "malformed", id="an event without a code"),
        pytest.param(["x"], "error", "malformed", id="an event that is no object"),
        pytest.param({"choices": []}, "message", None, id="another event"),
        pytest.param(
            {"choices": None, "error_type": "InternalServerError", "error_message": "x"},
            "",
            "http_5xx",
            id="spread over the chunk",
        ),
        pytest.param(
            {"error": "x", "error_type": "validation"}, "", "client_error", id="type beside text"
        ),
        pytest.param(
            {"choices": [{"delta": {}}], "x_groq": {"error": "x"}}, "", "malformed", id="x_groq"
        ),
        pytest.param(
            {"choices": [{"delta": {}}], "x_groq": {"id": "req_1"}}, "", None, id="x_groq, well"
        ),
    ],
)
def test_finds_an_error_wherever_a_stream_has_it(
    chunk: Any, event: str, outcome: str | None
) -> None:
    failure = error_of(chunk, event)

    assert (failure.outcome if failure else None) == outcome


@pytest.mark.parametrize(
    ("code", "message", "refused"),
    [
        ("tool_use_failed", "Failed to call a function.", "call"),
        ("tool_use_failed", "Tool choice is required, but model did not call a tool", "no_call"),
        ("json_validate_failed", "Failed to validate JSON.", "json"),
    ],
)
def test_a_generation_that_was_refused_is_no_fault_of_the_request(
    code: str, message: str, refused: str
) -> None:
    error = {"type": "invalid_request_error", "code": code, "message": message}
    body = {"error": {**error, "failed_generation": "<function=x>"}}

    for failure in (rejection_of(400, body, None), error_of(body), error_of(body, "error")):
        assert isinstance(failure, UpstreamFailedGeneration)
        assert (failure.outcome, failure.retryable, failure.health_fault) == (
            "failed_generation",
            True,
            False,
        )
        assert (failure.status, failure.message, failure.provider_code) == (400, message, code)
        assert (failure.generated, failure.refused) == ("<function=x>", refused)
