"""What is said of chat completions and of previews of their routes.

Owns the bodies as clients may write them, the answers and the events. The body is the struct that
the gateway checks, narrowed to what the checks by hand allow; answers are described here alone,
and `tests/routing/document` compares them with what is sent.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.chat import ChatCompletionsView
from routing.api.preview import RoutePreviewView
from routing.document.errors import Error
from routing.document.metadata import RoutingMetadata
from routing.document.operation import EVENTS, Answer, Operation, Words, header
from routing.gateway.chat_request import ChatBody
from routing.gateway.extras import MOST_SESSION
from routing.gateway.model_request import PIN_HEADER
from routing.gateway.preferences import ProviderWishes
from telemetry.models import AutoExacto, Standing

TAG = "Chat"
_MODEL = "moonshotai/kimi-k2-0905:exacto"
_Count = Annotated[int, Meta(ge=1, le=2**31)]
FinishReason = Literal["tool_calls", "stop", "length", "content_filter", "error"]


# The request ------------------------------------------------------------------------------


class ContentPart(Struct):
    """One part of a message: text, an image, a file, audio. What a part may say is its model's."""

    type: str
    text: str | UnsetType = UNSET


class CalledFunction(Struct):
    name: str
    arguments: Annotated[str, Meta(description="JSON, as the model wrote it: check it.")]


class ToolCall(Struct):
    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(Struct):
    """One message of the conversation. A `tool` message answers the call of `tool_call_id`."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | UnsetType = UNSET


class Function(Struct):
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    description: str | UnsetType = UNSET
    parameters: Annotated[
        dict[str, Any] | None, Meta(description="JSON Schema; the judge holds calls to it.")
    ] = None


class Tool(Struct):
    type: Literal["function"]
    function: Function


class FunctionName(Struct):
    name: str


class FunctionChoice(Struct):
    type: Literal["function"]
    function: FunctionName


class ResponseFormat(Struct):
    """`json_schema` needs the object of that name, with `name` and `schema`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | UnsetType = UNSET


class ChatCompletionRequest(ChatBody, kw_only=True):
    """Fields that are not listed go to the provider as they are."""

    # Narrower than what is checked by type alone: nothing is ever made of this class.
    messages: Annotated[list[Message], Meta(min_length=1)]  # type: ignore[assignment]
    tools: list[Tool] | None = None  # type: ignore[assignment]
    tool_choice: Literal["auto", "none", "required"] | FunctionChoice | None = None  # type: ignore[assignment]
    response_format: ResponseFormat | None = None  # type: ignore[assignment]
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    n: Literal[1] | None = None
    session_id: Annotated[str, Meta(max_length=MOST_SESSION)] | None = None
    preset: str | None = None


_WORDS: Words = {
    ChatCompletionRequest: {
        "model": "`author/slug`, with routing variants if wanted: `:exacto`, `:nitro`, `:floor`."
        " `@preset/slug` takes the preset's.",
        "models": "Tried in order, after `model`, when nobody serves the one before.",
        "stream": "Answer with events (`text/event-stream`).",
        "provider": "Which endpoints are wanted, and in which order.",
        "session_id": "Requests of one session stay with the endpoint that served it last.",
        "preset": "A preset of the account; fields of the request win over its own.",
        "transforms": '`["middle-out"]` leaves out turns of prompts that do not fit.',
        "plugins": "`context-compression` and `response-healing`; others are ignored.",
        "debug": '`{"echo_upstream_body": true}` shows in a stream what providers were sent.',
        "service_tier": "`priority` or `flex`; anything else is the usual tier.",
        "route": "Ignored.",
    },
    ProviderWishes: {
        "order": "Provider slugs or endpoint tags to try first, in this order.",
        "only": "Nobody but these.",
        "ignore": "None of these.",
        "allow_fallbacks": "Whether anybody but the first choice may be asked.",
        "require_parameters": "Only endpoints that take every parameter of the request.",
        "data_collection": "`deny`: nobody who may train on prompts.",
        "zdr": "Only endpoints that keep no data.",
        "quantizations": "Only these; `fp8` also stands for `mxfp8`, and so on.",
        "sort": "`exacto` is by standing: what the evidence says of tool calling.",
        "max_price": "In USD per million tokens, or per request.",
        "preferred_min_throughput": "Tokens a second; slower endpoints come last.",
        "preferred_max_latency": "Seconds to the first token; slower endpoints come last.",
        "quality_gate": "Hand no reply over whose tool calls are invalid, if it can be helped.",
    },
}


# The answer -------------------------------------------------------------------------------


class PromptTokens(Struct):
    cached_tokens: int
    cache_write_tokens: int
    audio_tokens: int
    video_tokens: int


class CompletionTokens(Struct):
    reasoning_tokens: int
    image_tokens: int
    audio_tokens: int


class CostDetails(Struct):
    upstream_inference_cost: float
    upstream_inference_prompt_cost: float
    upstream_inference_completions_cost: float


class Usage(Struct):
    """Tokens, and what they cost in USD. `estimated` where the provider did not count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float
    is_byok: bool
    prompt_tokens_details: PromptTokens
    cost_details: CostDetails
    completion_tokens_details: CompletionTokens
    estimated: bool | UnsetType = UNSET


class AnsweredMessage(Struct):
    """What else the provider says of its message is passed on."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning: str | None
    tool_calls: Annotated[list[ToolCall], Meta(min_length=1)] | UnsetType = UNSET


class Choice(Struct):
    index: Literal[0]
    logprobs: dict[str, Any] | None
    finish_reason: FinishReason | None
    native_finish_reason: str | None
    message: AnsweredMessage


class ChatCompletion(Struct):
    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["chat.completion"]
    created: int
    model: str
    provider: str
    system_fingerprint: str | None
    service_tier: str | None
    choices: Annotated[list[Choice], Meta(min_length=1, max_length=1)]
    usage: Usage
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


class CalledPart(Struct):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ToolCallPiece(Struct):
    """A piece of a call; those of one `index` belong together."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: CalledPart | UnsetType = UNSET


class Delta(Struct):
    content: str
    role: Literal["assistant"] | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: list[ToolCallPiece] | UnsetType = UNSET


class ChunkChoice(Struct):
    index: Literal[0]
    delta: Delta
    finish_reason: FinishReason | None
    native_finish_reason: str | UnsetType | None = UNSET
    logprobs: dict[str, Any] | UnsetType = UNSET


class UpstreamEcho(Struct):
    echo_upstream_body: dict[str, Any]


class ChatCompletionChunk(Struct):
    """One event. The last one has `usage`, or the `error` that broke the stream."""

    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    provider: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    debug: UpstreamEcho | UnsetType = UNSET
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


# The preview ------------------------------------------------------------------------------


class ExpectedCost(Struct):
    usd: float
    prompt_tokens: int
    completion_tokens: int


class Candidate(Struct):
    """An endpoint that would be tried. `probability` is at its place, given those before."""

    provider: str
    endpoint: str
    model: str
    standing: Standing
    method: str | None
    is_byok: bool
    probability: float
    first_probability: float
    health: list[str]
    expected_cost: ExpectedCost


class NotUsed(Struct):
    provider: str
    endpoint: str
    model: str
    standing: Standing
    method: str | None
    reason: str


class RoutePreview(Struct):
    """`would_answer` is the error that the request would get, or null."""

    requested: str
    snapshot: int
    seed: str
    allowlists: dict[str, int | None]
    auto_exacto: AutoExacto | None
    quality_gate: bool
    preset: str | None
    would_answer: Error | None
    candidates: list[Candidate]
    not_used: list[NotUsed]


# The addresses ----------------------------------------------------------------------------

GENERATION_ID = {"X-Generation-Id": "The generation, for `/generation`."}
GATE = {"X-Assay-Quality-Gate": "What the quality gate did, where that was known in time."}
THIS = {"id": "$response.body#/id"}
# What may come of asking a model.
ASKED = (402, 404, 422, 429, 502, 504)
_SESSION = header("X-Session-Id", {"type": "string", "maxLength": MOST_SESSION}, "As `session_id`.")
_PIN = header(
    PIN_HEADER,
    {"type": "string", "maxLength": 127},
    "The tag of the only endpoint that may serve, as `@tag` after the model is.",
)
HEADERS = (
    _SESSION,
    header(
        "X-OpenRouter-Metadata",
        {"type": "string", "enum": ["enabled", "disabled"]},
        "`enabled`: the answer says in `openrouter_metadata` why it went where it went.",
    ),
    _PIN,
    header("HTTP-Referer", str, "The app's address; kept with the generation."),
    header("X-OpenRouter-Title", str, "The app's name; kept with the generation."),
)
_HELLO = {"model": _MODEL, "messages": [{"role": "user", "content": "Hello"}]}
_EXAMPLES = {
    "Plain": _HELLO,
    "Stream": _HELLO | {"stream": True},
    "Tools": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
    },
    "Preferences": _HELLO
    | {"provider": {"ignore": ["cobalt"], "sort": "exacto", "quality_gate": True}},
}
OPERATIONS = (
    Operation(
        view=ChatCompletionsView,
        method="POST",
        id="sendChatCompletionRequest",
        tag=TAG,
        summary="Answer a conversation",
        description="Routes the request, and fails over to the next endpoint until the first"
        " content. With `:exacto` nobody is asked but the published allowlist.",
        parameters=HEADERS,
        body=ChatCompletionRequest,
        examples=_EXAMPLES,
        words=_WORDS,
        answers=(
            Answer(
                ChatCompletion,
                "The answer.",
                headers=GENERATION_ID,
                at_times=GATE,
                leads_to=dict.fromkeys(["getGeneration", "explainGeneration"], THIS),
            ),
            Answer(
                ChatCompletionChunk,
                "With `stream`: events, and comments that keep it alive.",
                media=EVENTS,
                ends_with="[DONE]",
            ),
        ),
        errors=ASKED,
    ),
    Operation(
        view=RoutePreviewView,
        method="POST",
        id="previewRoute",
        tag=TAG,
        summary="Say who would serve a request",
        description="Checks the request as a chat completion, and plans it with the same code."
        " Nothing is sent, spent or stored.",
        parameters=(_SESSION, _PIN),
        body=ChatCompletionRequest,
        examples=_EXAMPLES,
        answers=(Answer(RoutePreview, "The plan.", data=True),),
        errors=(404, 429),
    ),
)
