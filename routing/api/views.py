"""Django REST framework's view, awaited: authentication, throttles and handlers as coroutines.

Owns the order DRF's dispatch has (authenticate, permit, throttle, handle, or answer the
exception). It does not negotiate content nor render: hot views return finished responses. The
rule others rely on: every exception of a view comes out as the contract's error JSON.
"""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from routing.errors import ApiError, log_unexpected, to_api_error


class AsyncAPIView(APIView):
    """An APIView whose handlers, authentication and throttles may be coroutines."""

    async def respond(self, http_request: HttpRequest) -> HttpResponseBase:
        """Answer one request; the async counterpart of `dispatch`."""
        request = Request(http_request)
        # It holds itself there for parsers, which nobody asks here, and would outlive its answer.
        del request.parser_context["request"]
        try:
            handler = getattr(self, (http_request.method or "").lower(), None)
            if handler is None or http_request.method not in ("GET", "POST"):
                raise ApiError(405, headers={"Allow": ", ".join(self.allowed())})
            await self.authenticate(request)
            response = await handler(request)
        except Exception as exc:  # noqa: BLE001  # the one door through which errors leave
            return self.error_response(exc)
        assert isinstance(response, HttpResponseBase)  # noqa: S101  # handlers' contract
        return response

    def allowed(self) -> list[str]:
        return [name.upper() for name in ("get", "post") if hasattr(self, name)]

    async def authenticate(self, request: Request) -> None:
        """Set `request.user`, by the first authenticator that knows the caller."""
        for authenticator in self.get_authenticators():
            found = await authenticator.authenticate(request)  # type: ignore[misc]
            if found is not None:
                request.user, request.auth = found
                return

    def error_response(self, exc: Exception, extra: dict[str, Any] | None = None) -> HttpResponse:
        error = to_api_error(exc)
        if error.status == 500 and not isinstance(exc, ApiError):
            log_unexpected(exc, type(self).__name__)
        return json_response(self.error_body(error) | (extra or {}), error.status, error.headers)

    @classmethod
    def error_body(cls, error: ApiError) -> dict[str, Any]:
        """Return an error as the view's clients parse it."""
        return error.body()


class PiecesResponse(HttpResponseBase):
    """JSON that is too long to be put together: the entry point sends it piece by piece."""

    streaming = True

    def __init__(self, pieces: list[bytes], headers: dict[str, str]) -> None:
        super().__init__(content_type="application/json", status=200, headers=headers)
        self.pieces = pieces
        self["Content-Length"] = str(sum(map(len, pieces)))


def json_response(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )
