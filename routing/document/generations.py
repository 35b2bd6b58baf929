"""What is said of generations: what was done, why, and what callers say of them."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.explain import GenerationExplainView
from routing.api.feedback import GenerationFeedbackView, Remark
from routing.api.generation import GenerationView
from routing.document.operation import Answer, Operation, query
from telemetry.models import AutoExacto, Outcome, QualityGate, Standing, Verdict

TAG = "Generations"


class ProviderResponse(Struct):
    """One attempt."""

    provider_name: str
    endpoint_id: str
    model_permaslug: str
    status: int | None
    is_byok: bool
    outcome: Outcome
    verdict: Verdict | None
    withheld: bool
    latency: int | UnsetType = UNSET


class Generation(Struct):
    """All that was done for one request. What is never known here is null."""

    id: str
    upstream_id: str | None
    api_type: str
    created_at: datetime
    model: str
    provider_name: str | None
    provider_responses: list[ProviderResponse]
    total_cost: float
    usage: float
    is_byok: bool
    upstream_inference_cost: float | None
    session_id: str | None
    preset_id: str | None
    service_tier: str | None
    streamed: bool
    cancelled: bool
    finish_reason: str | None
    native_finish_reason: str | None
    latency: int | None
    generation_time: int
    tokens_prompt: int | None
    tokens_completion: int | None
    native_tokens_prompt: int | None
    native_tokens_completion: int | None
    native_tokens_cached: int | None
    native_tokens_reasoning: int | None
    origin: str
    http_referer: str | None
    user_agent: str | None
    app_title: str | None
    app_categories: list[str]
    data_region: str
    requested_model: str
    variant: str | None
    allowlist_version: int | None
    auto_exacto: AutoExacto | None
    quality_gate: QualityGate | None
    app_id: int | None
    cache_discount: float | None
    external_user: str | None
    moderation_latency: float | None
    native_tokens_completion_images: int | None
    num_fetches: int | None
    num_input_audio_prompt: int | None
    num_media_completion: int | None
    num_media_prompt: int | None
    num_search_results: int | None
    request_id: str | None
    response_cache_source_id: str | None
    router: str | None
    web_search_engine: str | None
    workspace_id: str | None


class ExplainedCandidate(Struct):
    """An endpoint in the order to try. Names are null where it is gone."""

    provider: str | None
    endpoint: str | None
    model: str | None
    probability: float
    standing: Standing
    is_byok: bool
    health: list[str]


class ExplainedExclusion(Struct):
    provider: str | None
    endpoint: str | None
    model: str | None
    reason: str


class ExplainedAttempt(Struct):
    provider: str
    endpoint: str
    model: str
    outcome: Outcome
    status: int | None
    latency_ms: int | None
    duration_ms: int
    probability: float | None
    verdict: Verdict | None
    verdict_reason: str | None
    signs: list[str]
    call_errors: Annotated[list[Any], Meta(description="Kinds and argument paths, no contents.")]
    withheld: bool
    is_byok: bool
    cost: float | None


class Explanation(Struct):
    """Why a request went where it went, from what was kept at the time."""

    id: str
    created_at: datetime
    requested_model: str
    status: int
    allowlist_version: int | None
    allowlists: dict[str, int | None]
    snapshot: int | None
    seed: str | None
    auto_exacto: AutoExacto | None
    quality_gate: QualityGate | None
    candidates: list[ExplainedCandidate]
    not_used: list[ExplainedExclusion]
    left_out: int
    preset: str | None
    sticky: dict[str, str | None] | None
    attempts: list[ExplainedAttempt]


class Success(Struct):
    success: bool


_ID = (query("id", str, "The generation, such as `gen-…`.", required=True),)
OPERATIONS = (
    Operation(
        view=GenerationView,
        method="GET",
        id="getGeneration",
        tag=TAG,
        summary="Say what was done for a request",
        description="A generation is found a moment after its answer has ended.",
        parameters=_ID,
        answers=(Answer(Generation, "The generation.", data=True),),
        errors=(404,),
    ),
    Operation(
        view=GenerationExplainView,
        method="GET",
        id="explainGeneration",
        tag=TAG,
        summary="Say why a request went where it went",
        parameters=_ID,
        answers=(Answer(Explanation, "The explanation.", data=True),),
        errors=(404,),
    ),
    Operation(
        view=GenerationFeedbackView,
        method="POST",
        id="submitGenerationFeedback",
        tag=TAG,
        summary="Say what was wrong with a generation",
        description="It is kept for somebody to look at. Saying it again corrects it.",
        body=Remark,
        examples={
            "Wrong": {
                "generation_id": "gen-…",
                "category": "incorrect_response",
                "comment": "It called the wrong tool.",
            }
        },
        answers=(
            Answer(
                Success,
                "It has been kept.",
                data=True,
                at_times={
                    "Link": '`<address>; rel="status"`: the page that tells what came of it,'
                    " unless PUBLIC_FEEDBACK is false."
                },
            ),
        ),
        errors=(404,),
    ),
)
