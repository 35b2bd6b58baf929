"""What is said of text completions: chat's request and answer, but for what is text here."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.completions import CompletionsView
from routing.document.chat import (
    ASKED,
    GATE,
    GENERATION_ID,
    HEADERS,
    THIS,
    ChatCompletionRequest,
    FinishReason,
    UpstreamEcho,
    Usage,
)
from routing.document.errors import Error
from routing.document.metadata import RoutingMetadata
from routing.document.operation import EVENTS, Answer, Operation
from routing.document.schemas import struct_of

TAG = "Text completions"
_MODEL = "moonshotai/kimi-k2-0905:exacto"


# The request ------------------------------------------------------------------------------


class _Own(Struct, kw_only=True):
    """What chat calls otherwise, or has not."""

    prompt: Annotated[
        str | Annotated[list[str], Meta(min_length=1, max_length=1)],
        Meta(description="The text, as it is or as a list of one."),
    ]
    logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | bool | None,
        Meta(description="How many alternatives to tell beside each token. Not with `echo`."),
    ] = None
    best_of: Literal[1] | None = None
    echo: Annotated[bool | None, Meta(description="Put the prompt before the text.")] = None
    suffix: Annotated[
        Literal[""] | None, Meta(description="None: a chat model cannot be told what follows.")
    ] = None


TextCompletionRequest = struct_of(
    "TextCompletionRequest",
    "Other fields are chat's. Fields that are not listed go to the provider as they are.",
    _Own,
    ChatCompletionRequest,
    without=("messages", "tools", "tool_choice", "parallel_tool_calls"),
)


# The answer -------------------------------------------------------------------------------


class Logprobs(Struct):
    """One column per kind; `text_offset` counts characters of the answer."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(Struct):
    """`text` is the answer, or a piece of it in a stream."""

    index: Literal[0]
    text: str
    logprobs: Logprobs | None
    finish_reason: FinishReason | None
    native_finish_reason: str | UnsetType = UNSET
    reasoning: str | UnsetType | None = UNSET
    reasoning_details: list[Any] | UnsetType = UNSET


class TextCompletion(Struct):
    """The whole answer."""

    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["text_completion"]
    created: int
    model: str
    provider: str
    choices: Annotated[list[TextChoice], Meta(min_length=1, max_length=1)]
    usage: Usage
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


class TextCompletionChunk(Struct):
    """One event. The last one has `usage`, or the `error` that broke the stream."""

    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["text_completion"]
    created: int
    model: str
    provider: str
    choices: list[TextChoice]
    usage: Usage | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    debug: UpstreamEcho | UnsetType = UNSET
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


_CATS = {"model": _MODEL, "prompt": "Three names for a cat:", "max_tokens": 40}
OPERATIONS = (
    Operation(
        view=CompletionsView,
        method="POST",
        id="createCompletions",
        tag=TAG,
        summary="Answer a text",
        description="A chat with one message of a user, whose answer is text.",
        parameters=HEADERS,
        body=TextCompletionRequest,
        examples={"Plain": _CATS, "Stream": _CATS | {"stream": True}},
        answers=(
            Answer(
                TextCompletion,
                "The answer.",
                headers=GENERATION_ID,
                at_times=GATE,
                leads_to=dict.fromkeys(["getGeneration", "explainGeneration"], THIS),
            ),
            Answer(
                TextCompletionChunk,
                "With `stream`: events, and comments that keep it alive.",
                media=EVENTS,
                ends_with="[DONE]",
            ),
        ),
        errors=ASKED,
    ),
)
