"""What is said of the Responses API.

Owns the body, which is read by hand (`shapes.responses`) but for the fields of chat, and the error
body; what is answered stands in `response` and `response_events`. `tests/routing/document` and
`tests/test_real_document.py` compare them with what is taken and sent.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.responses import ResponsesView
from routing.document.chat import (
    ASKED,
    GATE,
    GENERATION_ID,
    HEADERS,
    THIS,
    ChatCompletionRequest,
)
from routing.document.errors import Error
from routing.document.metadata import RoutingMetadata
from routing.document.operation import EVENTS, Answer, ErrorShape, Operation
from routing.document.response import Response
from routing.document.response_events import ResponseEvent
from routing.document.schemas import struct_of
from routing.gateway.shapes.responses.shape import ResponsesShape

TAG = "Responses"
_MODEL = "moonshotai/kimi-k2-0905:exacto"


# The request ------------------------------------------------------------------------------


class _Own(Struct, kw_only=True):
    """What chat calls otherwise, or has not."""

    input: Annotated[
        str | list[dict[str, Any]],
        Meta(description="Text, or the items of the conversation so far."),
    ]
    instructions: Annotated[str | None, Meta(description="A system message before all.")] = None
    tools: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="`function` in the flat form, or `custom`; others are not offered."),
    ] = None
    tool_choice: str | dict[str, Any] | None = None
    text: Annotated[
        dict[str, Any] | None, Meta(description="`format` and `verbosity` of the answer.")
    ] = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: Annotated[Literal[False] | None, Meta(description="Nothing is kept here.")] = None
    max_tool_calls: Annotated[int | None, Meta(description="Passed over.")] = None
    safety_identifier: str | None = None
    background: Annotated[Literal[False] | None, Meta(description="Nothing is kept here.")] = None


ResponsesRequest = struct_of(
    "ResponsesRequest",
    "Other fields are chat's. Fields that are not listed go to the provider as they are.",
    _Own,
    ChatCompletionRequest,
    without=(
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "logprobs",
        "stream_options",
    ),
)


# The address ------------------------------------------------------------------------------


class ResponsesErrorBody(Struct):
    """The body of every answer that is not a success; `error_type` is the error's own."""

    error: Error
    error_type: str
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


_HELLO = {"model": _MODEL, "input": "Hello"}
_EXAMPLES = {
    "Plain": _HELLO,
    "Stream": _HELLO | {"stream": True},
    "Tools": {
        "model": _MODEL,
        "input": [
            {"type": "message", "role": "user", "content": "What is the weather in Paris?"},
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": '{"city": "Paris"}',
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
        ],
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            }
        ],
    },
}
OPERATIONS = (
    Operation(
        view=ResponsesView,
        method="POST",
        id="createResponses",
        tag=TAG,
        summary="Answer a conversation, in the words of OpenAI's Responses API",
        description="Routed and failed over as a chat. Nothing is kept: a request has all items.",
        parameters=HEADERS,
        body=ResponsesRequest,
        examples=_EXAMPLES,
        answers=(
            Answer(
                Response,
                "The Response.",
                headers=GENERATION_ID,
                at_times=GATE,
                leads_to=dict.fromkeys(["getGeneration", "explainGeneration"], THIS),
            ),
            Answer(
                ResponseEvent,
                "With `stream`: events, each with its type in an `event:` line.",
                media=EVENTS,
                ends_with="[DONE]",
            ),
        ),
        errors=ASKED,
        error_shape=ErrorShape("Responses", ResponsesErrorBody, ResponsesShape.error_body),
    ),
)
