"""POST /api/v1/messages and /messages/count_tokens, for Anthropic's clients.

Owns the HTTP side of what differs from chat: where the key is, and the names of the request's id.
The rule others rely on: Authorization is the key wherever it is sent; `x-api-key`, which SDKs fill
from any ANTHROPIC_API_KEY that lies about, is read only without it.
"""

from collections.abc import Mapping
from typing import Any, cast

from django.http.response import HttpResponse, HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from routing.api.chat import CachedKeyAuthentication, ChatCompletionsView
from routing.api.permissions import require
from routing.api.views import json_response
from routing.errors import unauthorized
from routing.gateway.keys import Caller
from routing.gateway.shapes.messages.shape import MessagesShape
from routing.gateway.shapes.shape import Shape
from routing.models import Scope


class EitherKeyAuthentication(CachedKeyAuthentication):
    """The same key, in the header that Anthropic's SDKs send it in."""

    def header(self, meta: Mapping[str, str]) -> str:
        key = meta.get("HTTP_X_API_KEY", "")
        if "HTTP_AUTHORIZATION" in meta or not key:
            return super().header(meta)
        if "," in key:
            raise unauthorized()
        return f"Bearer {key}"


class MessagesView(ChatCompletionsView):
    """Serves messages through the curated routing."""

    shape_class: type[Shape] = MessagesShape

    def get_authenticators(self) -> list[BaseAuthentication]:
        assert self.gateway is not None  # noqa: S101  # set by the entry point
        return [EitherKeyAuthentication(self.gateway)]

    async def post(self, request: Request) -> HttpResponseBase:
        response = await super().post(request)
        response["request-id"] = self.generation_id
        return response

    def error_response(self, exc: Exception, extra: dict[str, Any] | None = None) -> HttpResponse:
        told = {"request_id": self.generation_id or None, **(extra or {})}
        response = super().error_response(exc, told)
        if self.generation_id:
            response["request-id"] = self.generation_id
        return response


class CountTokensView(MessagesView):
    """Tells how large a prompt is, by the estimate that routing goes by; nobody is asked."""

    async def post(self, request: Request) -> HttpResponseBase:
        gateway = self.gateway
        assert gateway is not None  # noqa: S101  # set by the entry point
        caller = cast(Caller, request.user)
        require(caller, Scope.CHAT)
        with gateway.places.take(), gateway.key_limits.admit(caller):
            chat = self._read(self.shape_class(), gateway, caller, request.META)
        return json_response({"input_tokens": chat.needs.prompt_tokens})
