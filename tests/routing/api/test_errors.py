"""The one error shape: from ApiError, from DRF's exceptions, and from Django's own pages."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api import errors
from routing.errors import ApiError, error_body

SECRET = "the caller's own words"


class Broken(APIView):
    authentication_classes = []

    def get(self, request: Request) -> Response:
        raise LookupError(SECRET)

    def post(self, request: Request) -> Response:
        return Response({"read": request.data})


class Slow(APIView):
    authentication_classes = []

    def get(self, request: Request) -> Response:
        raise exceptions.Throttled(wait=7.2)


def crash(request: HttpRequest) -> HttpResponse:
    raise LookupError(SECRET)


urlpatterns = [
    path("api/broken", Broken.as_view()),
    path("api/slow", Slow.as_view()),
    path("api/crash", crash),
]
handler404 = errors.page_not_found
handler500 = errors.server_error


@pytest.fixture
def client() -> Iterator[Client]:
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False)


def test_the_body_has_the_contracts_shape() -> None:
    error = ApiError(
        404,
        "Nobody may serve this.",
        metadata={"provider_code": "x"},
        availability={"code": "no_endpoints", "retryable": False},
        headers={"Retry-After": "5"},
    )

    assert error.body() == {
        "error": {
            "code": 404,
            "message": "Nobody may serve this.",
            "metadata": {"error_type": "not_found", "provider_code": "x"},
            "availability": {"code": "no_endpoints", "retryable": False},
        }
    }


def test_an_error_without_advice_has_no_availability() -> None:
    assert error_body(400, "no", "invalid_request") == {
        "error": {"code": 400, "message": "no", "metadata": {"error_type": "invalid_request"}}
    }


@pytest.mark.parametrize(
    ("method", "url", "sent", "status", "error_type"),
    [
        pytest.param("get", "/api/broken", {}, 500, "server", id="a bug of ours"),
        pytest.param("get", "/api/crash", {}, 500, "server", id="a bug outside DRF"),
        pytest.param("get", "/api/nowhere", {}, 404, "not_found", id="unknown path"),
        pytest.param("put", "/api/broken", {}, 405, "invalid_request", id="wrong method"),
        pytest.param(
            "post",
            "/api/broken",
            {"data": b"{", "content_type": "application/json"},
            400,
            "invalid_request",
            id="bad JSON",
        ),
        pytest.param(
            "post",
            "/api/broken",
            {"data": b"<a/>", "content_type": "text/xml"},
            415,
            "invalid_request",
            id="not JSON",
        ),
        pytest.param(
            "get",
            "/api/slow",
            {"headers": {"Accept": "image/png"}},
            406,
            "invalid_request",
            id="wants an image",
        ),
        pytest.param("get", "/api/slow", {}, 429, "rate_limit_exceeded", id="throttled"),
    ],
)
def test_every_failure_is_json_with_its_status_as_code(
    client: Client, method: str, url: str, sent: dict[str, Any], status: int, error_type: str
) -> None:
    response = getattr(client, method)(url, **sent)

    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == status
    assert error["metadata"] == {"error_type": error_type}
    assert error["message"]
    assert SECRET not in response.text


def test_a_throttled_caller_is_told_when_in_whole_seconds(client: Client) -> None:
    assert client.get("/api/slow").headers["Retry-After"] == "8"


def test_a_wrong_method_is_told_the_right_ones(client: Client) -> None:
    assert "GET" in client.put("/api/broken").headers["Allow"]


def test_a_bug_is_logged_by_type_and_place_but_not_by_text(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="routing.api.errors"):
        client.get("/api/broken")

    assert "LookupError in Broken" in caplog.text
    assert "test_errors.py" in caplog.text
    assert SECRET not in "".join(
        record.getMessage() for record in caplog.records if record.name == "routing.api.errors"
    )


def test_pages_outside_the_api_stay_pages() -> None:
    response = errors.page_not_found(RequestFactory().get("/elsewhere"), Exception())

    assert response.headers["Content-Type"].startswith("text/html")
