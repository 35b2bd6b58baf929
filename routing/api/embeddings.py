"""POST /api/v1/embeddings: texts in, one vector per text out.

Owns what the request and the answer are. Who calls, limits, routing, failures and facts are chat's
view's, and the gateway's behind it. The rule others rely on: it never streams.
"""

from typing import Any

from django.http.response import HttpResponseBase

from routing.api.chat import ChatCompletionsView, headers_of
from routing.api.views import PiecesResponse
from routing.gateway.embeddings_request import read_embeddings
from routing.gateway.explanation import explain
from routing.gateway.generation import Generation
from routing.gateway.keys import Caller
from routing.gateway.model_request import ModelRequest, load_body
from routing.gateway.relay import head_of
from routing.gateway.runtime import Gateway
from routing.gateway.shapes.embeddings import embeddings
from routing.gateway.shapes.shape import Shape


class EmbeddingsView(ChatCompletionsView):
    """Serves embeddings through the curated routing."""

    def _read(
        self, shape: Shape, gateway: Gateway, caller: Caller, meta: dict[str, Any]
    ) -> ModelRequest:
        limits = gateway.limits
        return read_embeddings(load_body(self.body, limits), len(self.body), limits)

    async def _answer(
        self, shape: Shape, generation: Generation, explained: bool
    ) -> HttpResponseBase:
        body = await generation.answer()
        bill = generation.bill()
        metadata = explain(generation) if explained else None
        pieces = embeddings(body, bill, head_of(generation), metadata)
        response = PiecesResponse(list(pieces), headers_of(generation))
        await generation.finish(200)
        return response
