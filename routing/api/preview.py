"""POST /route/preview: who would serve this chat request, who would not, and why.

Takes the body of a chat completion and checks it, its key and its limits in the same way; then it
sends nothing, spends nothing and stores nothing. The rule others rely on: the plan comes from the
function that plans real requests, with this process's snapshot and its experience of endpoints.
"""

from typing import Any, cast

from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from routing.api.chat import CachedKeyAuthentication, pin_of
from routing.api.permissions import require
from routing.api.views import AsyncAPIView, json_response
from routing.errors import ApiError
from routing.gateway import selection
from routing.gateway.admission import EndpointSpec, Prices
from routing.gateway.chat_request import parse_chat
from routing.gateway.generation import plan_for
from routing.gateway.keys import Caller
from routing.gateway.model_request import ModelRequest
from routing.gateway.plan import NothingToTry, Plan
from routing.gateway.runtime import Gateway
from routing.models import Scope


class RoutePreviewView(AsyncAPIView):
    """Serves previews from the same memory as chat."""

    gateway: Gateway | None = None
    body: bytes = b""

    def get_authenticators(self) -> list[BaseAuthentication]:
        assert self.gateway is not None  # noqa: S101  # set by the entry point
        return [CachedKeyAuthentication(self.gateway)]

    async def post(self, request: Request) -> HttpResponseBase:
        gateway = self.gateway
        assert gateway is not None  # noqa: S101  # set by the entry point
        caller = cast(Caller, request.user)
        require(caller, Scope.CHAT)
        with gateway.places.take(), gateway.key_limits.admit(caller):
            presets = gateway.holdings(caller.account_id).presets
            session = request.META.get("HTTP_X_SESSION_ID", "")
            asked = parse_chat(self.body, gateway.limits, presets, session)
            chat = asked.pinned_to(pin_of(request.META)).of_account(caller.wishes)
            try:
                plan, refusal = plan_for(gateway, caller, chat), None
            except NothingToTry as nothing:
                plan, refusal = nothing.plan, nothing
        return json_response({"data": preview_row(chat, plan, refusal)})


def preview_row(request: ModelRequest, plan: Plan, refusal: ApiError | None) -> dict[str, Any]:
    """Return the preview; `refusal` is what the chat request would be answered with."""
    chances = selection.first_chances([candidate.choice for candidate in plan.candidates])
    return {
        "requested": request.refs[0].requested,
        "snapshot": plan.revision,
        # As text: JavaScript has no integers of 63 bits.
        "seed": str(plan.seed),
        "allowlists": {a.ref.requested: a.version for a in plan.admissions if a.ref.variant},
        "auto_exacto": plan.auto_exacto or None,
        "quality_gate": request.gated,
        "preset": request.preset or None,
        "would_answer": refusal.body()["error"] if refusal else None,
        "candidates": [
            {
                **_named(candidate.endpoint),
                "is_byok": candidate.own is not None,
                "probability": candidate.choice.probability,
                "first_probability": chance,
                "health": selection.state_words(
                    candidate.endpoint, request.wishes_for(candidate.admission.ref), plan.health
                ),
                "expected_cost": expected_cost(candidate.endpoint.prices, request),
            }
            for candidate, chance in zip(plan.candidates, chances, strict=True)
        ],
        "not_used": [{**_named(endpoint), "reason": why} for endpoint, why in plan.excluded],
    }


def _named(endpoint: EndpointSpec) -> dict[str, Any]:
    return {
        "provider": endpoint.provider_name,
        "endpoint": endpoint.tag,
        "model": endpoint.model_slug,
        "standing": endpoint.standing,
        "method": endpoint.method or None,
    }


def expected_cost(prices: Prices, request: ModelRequest) -> dict[str, Any]:
    """Return what the request would cost about, in USD, and the tokens that was reckoned with.

    The prompt at four bytes a token, uncached; the answer at the caller's limit, or else at a
    third of the prompt, which is what agents' traffic comes to.
    """
    prompt = request.needs.prompt_tokens
    completion = request.needs.completion_tokens or max(1, prompt // 3)
    pico = prices.request + prompt * prices.prompt + completion * prices.completion
    return {"usd": pico / 1e12, "prompt_tokens": prompt, "completion_tokens": completion}
