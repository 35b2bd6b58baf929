"""POST /api/v1/chat/completions: one request in, JSON or a stream of events out.

Owns the HTTP side of chat: who calls, what the headers ask, which status is answered. Routing is
the gateway's; the words are its shape's, so that a view of another shape is this one with another
`shape_class`. The rules others rely on: no query runs here; a stream's status is only decided at
its first content, its first error, or after KEEPALIVE_S of silence; whoever got an answer has a
record in the spool already.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, cast

from django.http.response import HttpResponse, HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from routing.api.authentication import bearer_token
from routing.api.permissions import require
from routing.api.views import AsyncAPIView, json_response
from routing.errors import ApiError, to_api_error
from routing.gateway.chat_request import read_chat
from routing.gateway.explanation import explain
from routing.gateway.generation import Attribution, Generation, new_id
from routing.gateway.keys import Caller
from routing.gateway.model_request import ModelRequest, load_body
from routing.gateway.places import Place, restarting
from routing.gateway.relay import Relay, head_of
from routing.gateway.runtime import Gateway
from routing.gateway.shapes.chat import ChatShape, completion
from routing.gateway.shapes.shape import Shape, in_words_of
from routing.models import Scope, key_digest


class CachedKeyAuthentication(BaseAuthentication):
    """The caller from memory; the database is asked only about a key never seen before."""

    def __init__(self, gateway: Gateway) -> None:
        self._keys = gateway.keys

    async def authenticate(self, request: Request) -> tuple[Caller, Caller]:  # type: ignore[override]
        token = bearer_token(self.header(request.META))
        caller = await self._keys.caller(key_digest(token))
        return caller, caller

    def header(self, meta: Mapping[str, str]) -> str:
        """Return what the caller says in Authorization."""
        return meta.get("HTTP_AUTHORIZATION", "")


class EventStream(HttpResponseBase):
    """A response that writes itself: the entry point calls `relay.run` instead of iterating."""

    streaming = True

    def __init__(self, relay: Relay, held: ExitStack) -> None:
        super().__init__(content_type="text/event-stream", status=200)
        self.relay = relay
        self.held = held
        self["Cache-Control"] = "no-cache"
        self["X-Accel-Buffering"] = "no"
        for name, value in headers_of(relay.generation).items():
            self[name] = value


class ChatCompletionsView(AsyncAPIView):
    """Serves chat completions through the curated routing."""

    shape_class: type[Shape] = ChatShape
    gateway: Gateway | None = None
    body: bytes = b""
    generation_id = ""  # set once the caller is known

    def get_authenticators(self) -> list[BaseAuthentication]:
        assert self.gateway is not None  # noqa: S101  # set by the entry point
        return [CachedKeyAuthentication(self.gateway)]

    async def post(self, request: Request) -> HttpResponseBase:
        gateway = self.gateway
        assert gateway is not None  # noqa: S101  # set by the entry point
        caller = cast(Caller, request.user)
        self.generation_id = new_id()
        require(caller, Scope.CHAT)
        with ExitStack() as held:
            place = held.enter_context(gateway.places.take())
            held.enter_context(gateway.key_limits.admit(caller))
            shape = self.shape_class()
            chat = self._read(shape, gateway, caller, request.META).pinned_to(pin_of(request.META))
            attribution = _attribution(request.META)
            generation = Generation(self.generation_id, gateway, caller, chat, attribution)
            # What the gate did is always told: whoever asked for it must be able to see it.
            explained = _wants_explanation(request.META) or generation.request.gated
            try:
                if chat.stream:
                    return await self._stream(shape, generation, explained, place, held)
                return await self._answer(shape, generation, explained)
            except asyncio.CancelledError:
                if not place.forgive():
                    await generation.finish(499, cancelled=True)
                    raise
                return await self._failed(generation, restarting(), explained)
            except Exception as exc:  # noqa: BLE001  # recorded, then answered as every error is
                return await self._failed(generation, exc, explained)

    def _read(
        self, shape: Shape, gateway: Gateway, caller: Caller, meta: dict[str, Any]
    ) -> ModelRequest:
        limits = gateway.limits
        presets = gateway.holdings(caller.account_id).presets
        session = meta.get("HTTP_X_SESSION_ID", "")
        asked = shape.chat_body(load_body(self.body, limits), limits)
        try:
            return read_chat(asked, len(self.body), limits, presets, session)
        except ApiError as error:
            raise in_words_of(shape.names, error) from None

    async def _answer(
        self, shape: Shape, generation: Generation, explained: bool
    ) -> HttpResponseBase:
        body = await generation.answer()
        reply = generation.attempt.reply
        assert reply is not None  # noqa: S101  # an answered attempt has its reply
        bill, tier = generation.bill(), generation.service_tier
        shaped = shape.answer(completion(body, reply, bill, head_of(generation), tier))
        if explained:
            shaped["openrouter_metadata"] = explain(generation)
        response = json_response(shaped, headers=headers_of(generation))
        await generation.finish(200)
        return response

    async def _stream(
        self,
        shape: Shape,
        generation: Generation,
        explained: bool,
        place: Place,
        held: ExitStack,
    ) -> HttpResponseBase:
        opening = asyncio.create_task(generation.open_stream())
        try:
            await asyncio.wait({opening}, timeout=generation.gateway.limits.keepalive_s)
        except asyncio.CancelledError:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            raise
        if opening.done():
            opening.result()
        return EventStream(Relay(generation, opening, place, explained, shape), held.pop_all())

    async def _failed(
        self, generation: Generation, exc: Exception, explained: bool
    ) -> HttpResponseBase:
        error = to_api_error(exc)
        await generation.finish(error.status, error.error_type)
        # A bug of ours is told without any detail.
        detail = explained and isinstance(exc, ApiError)
        return self.error_response(
            exc, {"openrouter_metadata": explain(generation)} if detail else None
        )

    @classmethod
    def error_body(cls, error: ApiError) -> dict[str, Any]:
        return cls.shape_class.error_body(error)

    def error_response(self, exc: Exception, extra: dict[str, Any] | None = None) -> HttpResponse:
        response = super().error_response(exc, extra)
        if self.generation_id:
            response["X-Generation-Id"] = self.generation_id
        return response


def pin_of(meta: dict[str, Any]) -> str:
    """Return the tag of the endpoint that a request's header pins; "" for none."""
    return str(meta.get("HTTP_X_OR_ENDPOINT_ID", "")).strip().lower()


def headers_of(generation: Generation) -> dict[str, str]:
    """Return what the headers of an answer tell; of the gate only what is settled by then."""
    headers = {"X-Generation-Id": generation.id}
    if generation.quality_gate:
        headers["X-Assay-Quality-Gate"] = generation.quality_gate
    return headers


def _attribution(meta: dict[str, Any]) -> Attribution:
    return Attribution(
        app_title=meta.get("HTTP_X_OPENROUTER_TITLE") or meta.get("HTTP_X_TITLE", ""),
        http_referer=meta.get("HTTP_REFERER", ""),
        user_agent=meta.get("HTTP_USER_AGENT", ""),
        app_categories=meta.get("HTTP_X_OPENROUTER_CATEGORIES", ""),
    )


def _wants_explanation(meta: dict[str, Any]) -> bool:
    wish = meta.get("HTTP_X_OPENROUTER_METADATA") or meta.get(
        "HTTP_X_OPENROUTER_EXPERIMENTAL_METADATA", ""
    )
    return str(wish).lower() == "enabled"
