"""What is said of a Response: the answer of the Responses API.

Owns its items, its usage and its fields. It says nothing of what is asked, nor of a stream, whose
events (`response_events`) hold these items and Responses.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.document.errors import ErrorDetails
from routing.document.metadata import RoutingMetadata

Status = Literal["in_progress", "completed", "incomplete"]


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
    status: Status
    content: list[OutputText | OutputRefusal]


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """What the model thought; sealed fields go back to the provider as they are."""

    id: str
    status: Status
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
    status: Status


class CustomToolCall(Struct, tag_field="type", tag="custom_tool_call"):
    id: str
    call_id: str
    name: str
    input: str
    status: Status


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
