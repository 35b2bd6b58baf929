"""What is said of embeddings. The models that make them are with the catalogue."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.embeddings import EmbeddingsView
from routing.document.chat import ASKED, GENERATION_ID, HEADERS, CostDetails
from routing.document.metadata import RoutingMetadata
from routing.document.operation import Answer, Operation, Words
from routing.gateway.embeddings_request import EmbeddingsBody

TAG = "Embeddings"

# The request ------------------------------------------------------------------------------


class EmbeddingsRequest(EmbeddingsBody, kw_only=True):
    """Fields that are not listed go to the provider as they are."""

    model: str
    models: Annotated[list[str], Meta(max_length=0)] | None = None


_WORDS: Words = {
    EmbeddingsRequest: {
        "input": "A text or a list of texts; a list of token ids or a list of such lists; or a list"
        " of objects with `content` parts. At most `MAX_INPUTS`.",
        "model": "`author/slug`, with routing variants if wanted.",
        "models": "None: vectors of two models cannot be compared.",
        "provider": "Which endpoints are wanted, and in which order.",
        "encoding_format": "How the vectors are told, whatever the provider makes of it.",
        "dimensions": "How long vectors are. Others are the provider's failure.",
        "input_type": "What the inputs are for, as `search_query`; sent on.",
    }
}


class EmbeddingsUsage(Struct):
    """Tokens, and what they cost in USD. `estimated` where the provider did not count."""

    prompt_tokens: int
    total_tokens: int
    cost: float
    is_byok: bool
    cost_details: CostDetails
    prompt_tokens_details: dict[str, int] | UnsetType = UNSET
    estimated: bool | UnsetType = UNSET


class Embedding(Struct):
    """The vector of the input at `index`: numbers, or float32 numbers as base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(Struct):
    """One vector per input, in their order."""

    id: Annotated[str, Meta(pattern="^gen-")]
    object: Literal["list"]
    model: str
    provider: str
    data: Annotated[list[Embedding], Meta(min_length=1)]
    usage: EmbeddingsUsage
    openrouter_metadata: RoutingMetadata | UnsetType = UNSET


_MODEL = "qwen/qwen3-embedding-8b"
OPERATIONS = (
    Operation(
        view=EmbeddingsView,
        method="POST",
        id="createEmbeddings",
        tag=TAG,
        summary="Make vectors of texts",
        description="Routes the request, and fails over, as a chat; an answer that is not what was"
        " asked for is a failure.",
        parameters=HEADERS,
        body=EmbeddingsRequest,
        words=_WORDS,
        examples={
            "Texts": {"model": _MODEL, "input": ["first text", "second text"]},
            "Short, as base64": {
                "model": _MODEL,
                "input": "a text",
                "dimensions": 256,
                "encoding_format": "base64",
            },
        },
        answers=(Answer(Embeddings, "The vectors.", headers=GENERATION_ID),),
        errors=ASKED,
    ),
)
