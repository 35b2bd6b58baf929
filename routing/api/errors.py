"""The doors through which errors leave Django: DRF's exception handler, and the error pages.

Owns the translation into HTTP for everything that stock Django serves; the lean chat view has its
own door. It makes no error: those are `routing.errors`.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework.response import Response

from routing.errors import ApiError, log_unexpected, to_api_error


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of a DRF view; unknown ones become a 500 that tells nothing."""
    error = to_api_error(exc)
    if error.status == 500 and not isinstance(exc, ApiError):
        log_unexpected(exc, type(context.get("view")).__name__)
    return Response(error.body(), status=error.status, headers=error.headers)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _json(status: int) -> HttpResponse:
    return JsonResponse(ApiError(status).body(), status=status)


# Django's handlers (named in routing.urls): JSON under /api/, Django's pages elsewhere.
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _json(400) if _is_api(request) else defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _json(403) if _is_api(request) else defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _json(404) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _json(500) if _is_api(request) else defaults.server_error(request)
