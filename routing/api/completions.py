"""POST /api/v1/completions: text completions of old, as chat with one message.

Nothing is its own but the shape: what is asked and answered is `shapes.text`'s, everything else
chat's.
"""

from routing.api.chat import ChatCompletionsView
from routing.gateway.shapes.text import TextShape


class CompletionsView(ChatCompletionsView):
    """Serves text completions through the curated routing."""

    shape_class = TextShape
