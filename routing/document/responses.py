"""What is said of the Responses API.

Owns the body, which is read by hand (`shapes.responses`) but for the fields of chat, the Response,
its items and events, and the error body. `tests/routing/document` and `tests/test_real_document.py`
compare them with what is taken and sent.
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
    UpstreamEcho,
)
from routing.document.errors import Error, ErrorDetails
from routing.document.metadata import RoutingMetadata
from routing.document.operation import EVENTS, Answer, ErrorShape, Operation
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


# The answer -------------------------------------------------------------------------------

_Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, tag_field="type", tag="output_text"):
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[dict[str, Any]]


class OutputRefusal(Struct, tag_field="type", tag="refusal"):
    refusal: str


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Struct, tag_field="type", tag="reasoning_text"):
    text: str


class OutputMessage(Struct, tag_field="type", tag="message"):
    id: str
    role: Literal["assistant"]
    status: _Status
    content: list[OutputText | OutputRefusal]


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """What the model thought; sealed fields go back to the provider as they are."""

    id: str
    status: _Status
    summary: list[SummaryText]
    content: list[ReasoningText] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    format: str | UnsetType = UNSET


class FunctionCall(Struct, tag_field="type", tag="function_call"):
    id: str
    call_id: str
    name: str
    arguments: Annotated[str, Meta(description="JSON, as the model wrote it: check it.")]
    status: _Status


class CustomToolCall(Struct, tag_field="type", tag="custom_tool_call"):
    id: str
    call_id: str
    name: str
    input: str
    status: _Status


OutputItem = OutputMessage | ReasoningItem | FunctionCall | CustomToolCall


class InputTokens(Struct):
    cached_tokens: int
    cache_write_tokens: int


class OutputTokens(Struct):
    reasoning_tokens: int


class ResponseCosts(Struct):
    upstream_inference_cost: float
    upstream_inference_input_cost: float
    upstream_inference_output_cost: float


class ResponseUsage(Struct):
    """Tokens, and what they cost in USD. `estimated` where the provider did not count."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int
    cost: float
    is_byok: bool
    cost_details: ResponseCosts
    estimated: bool | UnsetType = UNSET


class ResponseError(Struct):
    """Why a Response failed. `error_type` of the Response is exact."""

    code: str
    message: str
    metadata: ErrorDetails | UnsetType = UNSET


class WhyIncomplete(Struct):
    reason: Literal["max_output_tokens", "content_filter"]


class Response(Struct):
    """The answer, and the settings it was made with: those of the request, or what stands for none.

    `usage` and `error_type` are there when they are known.
    """

    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    model: str
    provider: str
    output: list[OutputItem]
    error: ResponseError | None
    incomplete_details: WhyIncomplete | None
    service_tier: str | None
    background: Literal[False]
    frequency_penalty: float | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, Any] | None
    parallel_tool_calls: bool
    presence_penalty: float | None
    previous_response_id: None
    prompt_cache_key: str | None
    reasoning: dict[str, Any] | None
    safety_identifier: str | None
    store: Literal[False]
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: Literal["auto", "disabled"]
    user: str | None
    usage: ResponseUsage | UnsetType = UNSET
    error_type: str | UnsetType = UNSET
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


# The events -------------------------------------------------------------------------------


class ResponseEvent(Struct):
    """One event. `type` says which, and which other keys there are."""

    type: Annotated[str, Meta(pattern=r"^response\.")]
    sequence_number: int
    response: Response | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    item: OutputItem | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    content_index: int | UnsetType = UNSET
    summary_index: int | UnsetType = UNSET
    part: OutputText | OutputRefusal | SummaryText | ReasoningText | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    logprobs: list[dict[str, Any]] | UnsetType = UNSET
    annotation_index: int | UnsetType = UNSET
    annotation: dict[str, Any] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    input: str | UnsetType = UNSET
    debug: UpstreamEcho | UnsetType = UNSET


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
