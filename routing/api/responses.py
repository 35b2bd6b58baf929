"""POST /api/v1/responses: OpenAI's Responses API, without a store behind it.

Owns no more than that this address speaks that shape, and lends it the clock. All else is chat's:
who calls, the routing, the status, the facts.
"""

import time

from routing.api.chat import ChatCompletionsView
from routing.gateway.shapes.responses.shape import ResponsesShape


class _TimedShape(ResponsesShape):
    clock = staticmethod(time.time)


class ResponsesView(ChatCompletionsView):
    """Serves the Responses API through the curated routing."""

    shape_class = _TimedShape
