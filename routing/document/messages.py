"""What is said of messages, and of counting their tokens.

Owns the answers, the events and the errors in the words of Anthropic's API. The body is the struct
that the gateway reads, narrowed to what the checks by hand allow, with the fields of chat that are
taken as they are.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.messages import CountTokensView, MessagesView
from routing.document.chat import (
    ASKED,
    GATE,
    GENERATION_ID,
    HEADERS,
    THIS,
    ChatCompletionRequest,
    CostDetails,
)
from routing.document.errors import Availability, ErrorDetails
from routing.document.metadata import RoutingMetadata
from routing.document.operation import (
    EVENTS,
    KEY,
    X_API_KEY,
    Answer,
    ErrorShape,
    Operation,
    Words,
)
from routing.document.schemas import struct_of
from routing.gateway.shapes.messages import fields
from routing.gateway.shapes.messages.request import ALIKE, MOST_FALLBACKS
from routing.gateway.shapes.messages.shape import MessagesShape

TAG = "Messages"
_MODEL = "moonshotai/kimi-k2-0905:exacto"


# The request ------------------------------------------------------------------------------


class InputMessage(fields.Message):
    """One turn. Tools are called, and thoughts had, by the assistant; results are the user's."""


class InputTool(fields.Tool, kw_only=True):
    """A tool of the caller's own; those that Anthropic's servers run are refused."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    type: Literal["custom"] | None = None
    input_schema: Annotated[
        dict[str, Any], Meta(description="JSON Schema; the judge holds calls to it.")
    ]


class _Body(fields.Body, kw_only=True):
    messages: Annotated[list[InputMessage], Meta(min_length=1)]  # type: ignore[assignment]
    tools: list[InputTool] | None = None  # type: ignore[assignment]
    fallbacks: Annotated[list[fields.Fallback], Meta(max_length=MOST_FALLBACKS)] | None = None
    mcp_servers: Annotated[list[Any], Meta(max_length=0)] | None = None


_OF_CHAT = {name for name in ChatCompletionRequest.__struct_fields__ if name not in ALIKE}
MessagesRequest = struct_of(
    "MessagesRequest",
    "Fields that are not listed are ignored.",
    _Body,
    ChatCompletionRequest,
    without=_OF_CHAT,
)
_WORDS: Words = {
    MessagesRequest: {
        "system": "Comes before all messages.",
        "thinking": "`display: omitted` leaves it out of the answer.",
        "fallbacks": "As `models`; send one of the two.",
        "mcp_servers": "None: Assay connects to no server of tools.",
        "max_tokens": "May be left out.",
    },
}


# The answer -------------------------------------------------------------------------------


class SaidText(Struct, tag_field="type", tag="text"):
    text: str


class Thought(Struct, tag_field="type", tag="thinking"):
    """`signature` is what the provider signed it with, or empty."""

    thinking: str
    signature: str


class SealedThought(Struct, tag_field="type", tag="redacted_thinking"):
    data: str


class ToolCalled(Struct, tag_field="type", tag="tool_use"):
    """What is no JSON object stands under `INVALID_JSON` in `input`, as text."""

    id: str
    name: str
    input: dict[str, Any]


class ThinkingTokens(Struct):
    thinking_tokens: int


class MessageUsage(Struct):
    """Tokens, and what they cost in USD. `input_tokens` leaves out what was cached."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: ThinkingTokens
    service_tier: str
    cost: float
    is_byok: bool
    cost_details: CostDetails
    estimated: bool | UnsetType = UNSET


_StopReason = Literal[
    "end_turn",
    "max_tokens",
    "tool_use",
    "refusal",
    "model_context_window_exceeded",
    "stop_sequence",
]


class AnsweredMessages(Struct):
    """A message. Why its model stopped is in `stop_reason`."""

    id: Annotated[str, Meta(pattern="^gen-")]
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    provider: str
    content: list[SaidText | Thought | SealedThought | ToolCalled]
    stop_reason: _StopReason
    stop_sequence: str | None
    usage: MessageUsage
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


class TokenCount(Struct):
    """An estimate, the one that routing goes by."""

    input_tokens: int


# The events -------------------------------------------------------------------------------


class NothingUsed(Struct):
    """What is not known yet."""

    input_tokens: Literal[0]
    cache_creation_input_tokens: Literal[0]
    cache_read_input_tokens: Literal[0]
    output_tokens: Literal[0]


class BegunMessage(Struct):
    id: Annotated[str, Meta(pattern="^gen-")]
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    provider: str
    content: Annotated[list[Any], Meta(max_length=0)]
    stop_reason: None
    stop_sequence: None
    usage: NothingUsed


class MessageStart(Struct, tag_field="type", tag="message_start"):
    message: BegunMessage


class Ping(Struct, tag_field="type", tag="ping"):
    pass


class BlockStart(Struct, tag_field="type", tag="content_block_start"):
    index: int
    content_block: SaidText | Thought | SealedThought | ToolCalled


class TextDelta(Struct, tag_field="type", tag="text_delta"):
    text: str


class ThinkingDelta(Struct, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(Struct, tag_field="type", tag="signature_delta"):
    signature: str


class InputDelta(Struct, tag_field="type", tag="input_json_delta"):
    partial_json: str


class BlockDelta(Struct, tag_field="type", tag="content_block_delta"):
    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class BlockStop(Struct, tag_field="type", tag="content_block_stop"):
    index: int


class Stop(Struct):
    stop_reason: _StopReason
    stop_sequence: str | None


class MessageDelta(Struct, tag_field="type", tag="message_delta"):
    """All that is known at the end."""

    delta: Stop
    usage: MessageUsage
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


class MessageStop(Struct, tag_field="type", tag="message_stop"):
    pass


# Errors -----------------------------------------------------------------------------------


class MessagesError(Struct):
    """`type` is Anthropic's word for the status, `error_type` OpenRouter's for the cause."""

    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "timeout_error",
        "request_too_large",
        "rate_limit_error",
        "overloaded_error",
        "api_error",
    ]
    message: str
    error_type: str
    metadata: ErrorDetails | UnsetType = UNSET
    availability: Availability | UnsetType = UNSET


class MessagesErrorBody(Struct, tag_field="type", tag="error"):
    """An answer that is not a success, or the event that ends a stream that broke."""

    error: MessagesError
    request_id: str | UnsetType | None = UNSET
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


MessageEvent = (
    MessageStart
    | Ping
    | BlockStart
    | BlockDelta
    | BlockStop
    | MessageDelta
    | MessageStop
    | MessagesErrorBody
)


# The addresses ----------------------------------------------------------------------------

_SHAPE = ErrorShape("Messages", MessagesErrorBody, MessagesShape.error_body)
_PLACES = (KEY, X_API_KEY)
_REQUEST_ID = {"request-id": "The generation, as Anthropic's SDKs look for it."}
_HELLO = {
    "model": _MODEL,
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "Hello"}],
}
_EXAMPLES = {
    "Plain": _HELLO,
    "Tools": {
        **_HELLO,
        "stream": True,
        "tools": [
            {
                "name": "get_weather",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            }
        ],
        "messages": [
            {"role": "user", "content": "What is the weather in Paris?"},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": "call_1",
                        "name": "get_weather",
                        "input": {"city": "Paris"},
                    }
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."}],
            },
        ],
    },
}
OPERATIONS = (
    Operation(
        view=MessagesView,
        method="POST",
        id="createMessages",
        tag=TAG,
        summary="Answer a conversation, in Anthropic's words",
        description="Routed and failed over as a chat, by any model of the catalogue.",
        parameters=HEADERS,
        body=MessagesRequest,
        words=_WORDS,
        examples=_EXAMPLES,
        answers=(
            Answer(
                AnsweredMessages,
                "The message.",
                headers=GENERATION_ID | _REQUEST_ID,
                at_times=GATE,
                leads_to=dict.fromkeys(["getGeneration", "explainGeneration"], THIS),
            ),
            Answer(
                MessageEvent,
                "With `stream`: events, each with its type in an `event:` line.",
                media=EVENTS,
            ),
        ),
        errors=ASKED,
        error_shape=_SHAPE,
        key_places=_PLACES,
    ),
    Operation(
        view=CountTokensView,
        method="POST",
        id="countMessagesTokens",
        tag=TAG,
        summary="Estimate the tokens of a conversation",
        description="Takes the body of a message. Nobody is asked, and nothing is billed.",
        body=MessagesRequest,
        examples=_EXAMPLES,
        answers=(Answer(TokenCount, "The estimate."),),
        errors=(402, 429),
        error_shape=_SHAPE,
        key_places=_PLACES,
    ),
)
