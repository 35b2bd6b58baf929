"""What is said of models, endpoints, providers, benchmarks, and of what `:exacto` rests on."""

from datetime import datetime
from typing import Annotated, Any, Literal

from drf_spectacular.utils import OpenApiParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from routing.api.benchmarks import SOURCES, BenchmarksView
from routing.api.catalogue import (
    EmbeddingsModelsView,
    ModelsCountView,
    ModelsView,
    ModelView,
    UserModelsView,
)
from routing.api.exacto import ModelExactoView
from routing.api.model_endpoints import ModelEndpointsView, ParametersView, ZdrEndpointsView
from routing.api.model_sorts import SORTS, UNMEASURED
from routing.api.providers import ProvidersView
from routing.document.operation import Answer, Operation, in_path, query
from routing.models import Quarantine
from telemetry.models import Standing

TAG = "Catalogue"
Price = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", description="USD, as decimal text.")]
_Decimal = Annotated[float, Meta(ge=0)]
_Share = Annotated[float, Meta(ge=0, le=1)]


# Models -----------------------------------------------------------------------------------


class Architecture(Struct):
    modality: str
    input_modalities: list[str]
    output_modalities: list[str]
    tokenizer: str
    instruct_type: str | None


class Pricing(Struct):
    """Per token, but `request`, which is per request. What is not asked for is 0."""

    prompt: Price
    completion: Price
    request: Price
    image: Price
    web_search: Price
    internal_reasoning: Price
    discount: float
    input_cache_read: Price | UnsetType = UNSET
    input_cache_write: Price | UnsetType = UNSET


class TopProvider(Struct):
    context_length: int
    max_completion_tokens: int | None
    is_moderated: bool


class ModelLinks(Struct):
    details: str


class Model(Struct):
    """A model, at the price of its cheapest endpoint; or, with `:exacto`, its published pool."""

    id: str
    canonical_slug: str
    name: str
    created: Annotated[int, Meta(description="Unix seconds; 0 where it is not known.")]
    description: str
    hugging_face_id: str | None
    architecture: Architecture
    context_length: int
    pricing: Pricing
    top_provider: TopProvider
    per_request_limits: dict[str, float] | None
    supported_parameters: list[str]
    default_parameters: dict[str, float] | None
    supported_voices: list[str] | None
    knowledge_cutoff: str | None
    expiration_date: str | None
    links: ModelLinks


class PageLinks(Struct):
    next: Annotated[str | None, Meta(description="The next page's address.")]


class ModelsPage(Struct):
    data: list[Model]
    links: PageLinks
    total_count: int


class ModelsCount(Struct):
    count: int


class ModelParameters(Struct):
    model: str
    supported_parameters: list[str]


# Endpoints --------------------------------------------------------------------------------


class ToolChoices(Struct):
    """The values of `tool_choice` with which the router would use the endpoint."""

    none: bool
    auto: bool
    required: bool
    function: bool


class Served(Struct):
    """What 50, 75, 90 and 99 % of requests were at least as good as."""

    p50: float
    p75: float
    p90: float
    p99: float


class Interval(Struct):
    """An estimate with its 90 % interval."""

    estimate: float
    low: float | None
    high: float | None


class Sample(Struct):
    requests: int
    owners: int


class Exacto(Struct):
    """What is known of the endpoint's tool calling, and what follows from it."""

    listed: bool
    serves: bool
    edition: int | None
    standing: Standing
    error_rate: Interval | None
    propensity: Interval | None
    sample: Sample | None


class Endpoint(Struct):
    """One provider's deployment of one model. Figures are null below the least sample."""

    name: str
    model_id: str
    model_name: str
    provider_name: str
    tag: str
    quantization: str
    context_length: int
    max_completion_tokens: int | None
    max_prompt_tokens: int | None
    pricing: Pricing
    supported_parameters: list[str]
    supports_tool_choice: ToolChoices
    supports_implicit_caching: bool
    supports_diarization: bool
    supports_voice_cloning: bool
    native_tools: dict[str, Any]
    service_tier: str | None
    status: Annotated[int, Meta(description="0 well, -1 degraded, -2 down; of 30 minutes.")]
    uptime_last_5m: float | None
    uptime_last_30m: float | None
    uptime_last_1d: float | None
    latency_last_30m: Served | None
    throughput_last_30m: Served | None
    exacto: Exacto


class ModelEndpoints(Struct):
    id: str
    name: str
    created: int
    description: str
    architecture: Architecture
    endpoints: list[Endpoint]


# What `:exacto` rests on ------------------------------------------------------------------


class Criterion(Struct):
    """One of the criteria, with its 90 % interval and its sample.

    It holds between the two ends of `bound`. `withheld`: too few owners to tell figures.
    `benchmark_requests` of the requests were benchmarks' and the verifier's, and no owner's.
    """

    verdict: str | None
    estimate: float | None
    low: float | None
    high: float | None
    probability: float | None
    requests: int | None
    owners: int | None
    benchmark_requests: int | None
    bound: list[float | None] | None
    sentence: str | None
    withheld: bool


class SetAside(Struct):
    since: datetime
    kind: Quarantine.Kind
    reason: str


class StandingRow(Struct):
    """An endpoint that could be on the list. `method` is null where nothing was scored yet."""

    provider_name: str
    tag: str
    listed: bool
    serves: bool
    decision: Literal["evidence", "kept", "added", "left_out"] | None
    standing: Standing
    standing_since: datetime | None
    eligible: bool
    sentence: str
    method: str | None
    criteria: Annotated[
        dict[str, Criterion], Meta(description="`accuracy`, `propensity` and `ignores`.")
    ]
    failures: Annotated[dict[str, float], Meta(description="Requests by kind of failure.")]
    quarantine: SetAside | None


class ModelExacto(Struct):
    """The live edition of a model's allowlist, and all who could be on it."""

    id: str
    variant: Literal["exacto"]
    edition: int | None
    published_at: datetime | None
    computed_at: datetime | None
    endpoints: list[StandingRow]


# Providers and benchmarks -----------------------------------------------------------------


class Provider(Struct):
    name: str
    slug: str
    privacy_policy_url: str | None
    terms_of_service_url: str | None
    status_page_url: str | None
    headquarters: str | None
    datacenters: list[str] | None


class MeasuredEndpoint(Struct):
    provider_name: str
    tag: str
    accuracy: _Share
    low: float | None
    high: float | None
    total_tasks: int
    measured_at: datetime
    results: dict[str, float]


class Benchmark(Struct):
    """Comparable runs of one model: `metric` is the figure that is told as `accuracy`."""

    source: Literal["openrouter"]
    model_permaslug: str
    display_name: str
    benchmark_type: str
    accuracy: _Share
    accuracy_stddev: float | None
    avg_cost_per_task: float | None
    total_tasks: int
    last_run_timestamp: datetime
    metric: str
    suite_version: str
    judge: str
    endpoints: list[MeasuredEndpoint]


class BenchmarksMeta(Struct):
    version: str
    as_of: datetime
    source: str | None
    source_url: str | None
    citation: str | None
    task_type: str | None
    model_count: int


class Benchmarks(Struct):
    data: list[Benchmark]
    meta: BenchmarksMeta


# The addresses ----------------------------------------------------------------------------

_AUTHOR = in_path("author", "Before the slash.", "moonshotai")
_SLUG = in_path("slug", "After it, with routing variants such as `:exacto`.", "kimi-k2-0905")
_NAMED = (_AUTHOR, _SLUG)
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_YES_OR_NO = {"type": "string", "enum": ["true", "false"]}


def _between(name: str, what: str) -> tuple[OpenApiParameter, ...]:
    return tuple(
        query(f"{end}_{name}", _Decimal, f"{what}, at {most}.")
        for end, most in (("min", "least"), ("max", "most"))
    )


_FILTERS = (
    query("q", str, "What the id or name has in it."),
    query("model_authors", str, "Authors, separated by commas."),
    query("providers", str, "Slugs or names of providers, one of which serves the model."),
    query("arch", str, "Tokenizers."),
    query("input_modalities", str, "All of these are taken, separated by commas."),
    query("output_modalities", str, "One of these is given; `all` for any. Left out: text."),
    query("supported_parameters", str, "All of these are taken, separated by commas."),
    query("zdr", _YES_OR_NO, "Whether somebody who keeps no data serves the model."),
    query("context", _WHOLE, "The shortest context length."),
    *_between("price", "USD per million prompt tokens"),
    *_between("output_price", "USD per million completion tokens"),
    *_between("age_days", "Days since the release"),
    *_between("tool_success_rate", "Measured share of requests without a bad tool call"),
    query("variants", {"type": "string", "enum": ["none", "exacto"]}, "Rows of `:exacto`."),
    query("sort", {"type": "string", "enum": sorted([*SORTS, *UNMEASURED])}, "The order."),
    # What Assay knows of no model: these let none pass, or are ignored.
    query("region", str, "Assay knows no regions: with this there is no row."),
    query("distillable", _YES_OR_NO, "Not known of any model: with `true` there is no row."),
    *_between("intelligence_index", "A third party's figure, which no model has here"),
    *_between("coding_index", "A third party's figure, which no model has here"),
    *_between("agentic_index", "A third party's figure, which no model has here"),
    query("category", str, "Ignored."),
)
_WITHOUT_OUTPUT = tuple(one for one in _FILTERS if one.name != "output_modalities")
_PAGE = (
    query("limit", _WHOLE, "The most rows of a page; at most, and left out, 1000."),
    query("offset", _WHOLE, "How many rows to leave out."),
)
OPERATIONS = (
    Operation(
        view=ModelsView,
        method="GET",
        id="getModels",
        tag=TAG,
        summary="List the models that somebody serves",
        description="Beside every model with a published pool stands its `:exacto`.",
        parameters=(
            *_PAGE,
            *_FILTERS,
            query("use_rss", _YES_OR_NO, "Answer with a feed (`application/rss+xml`)."),
        ),
        answers=(
            Answer(ModelsPage, "A page of models."),
            Answer(str, "With `use_rss`: a feed.", media="application/rss+xml"),
        ),
        cacheable=True,
    ),
    Operation(
        view=UserModelsView,
        method="GET",
        id="listModelsUser",
        tag=TAG,
        summary="List the models that the account's own preferences leave",
        parameters=(*_PAGE, *_FILTERS),
        answers=(Answer(ModelsPage, "A page of models."),),
        cacheable=True,
    ),
    Operation(
        view=EmbeddingsModelsView,
        method="GET",
        id="listEmbeddingsModels",
        tag=TAG,
        summary="List the models that make embeddings",
        parameters=(*_PAGE, *_WITHOUT_OUTPUT),
        answers=(Answer(ModelsPage, "A page of models."),),
        cacheable=True,
    ),
    Operation(
        view=ModelsCountView,
        method="GET",
        id="listModelsCount",
        tag=TAG,
        summary="Count the models that a query asks for",
        parameters=_FILTERS,
        answers=(Answer(ModelsCount, "How many rows `/models` has.", data=True),),
        cacheable=True,
    ),
    Operation(
        view=ModelView,
        method="GET",
        id="getModel",
        tag=TAG,
        summary="Look a model up",
        parameters=_NAMED,
        answers=(Answer(Model, "The model.", data=True),),
        errors=(404,),
        cacheable=True,
    ),
    Operation(
        view=ModelEndpointsView,
        method="GET",
        id="listEndpoints",
        tag=TAG,
        summary="List who serves a model, and how they do now",
        parameters=_NAMED,
        answers=(Answer(ModelEndpoints, "The endpoints, cheapest first.", data=True),),
        errors=(404,),
        cacheable=True,
    ),
    Operation(
        view=ModelExactoView,
        method="GET",
        id="getModelExacto",
        tag=TAG,
        summary="Say what a model's :exacto rests on",
        description="The live edition, and per endpoint its standing, criteria with intervals,"
        " samples, sentence, method and quarantine.",
        parameters=_NAMED,
        answers=(Answer(ModelExacto, "The live edition and its evidence.", data=True),),
        errors=(404,),
        cacheable=True,
    ),
    Operation(
        view=ZdrEndpointsView,
        method="GET",
        id="listEndpointsZdr",
        tag=TAG,
        summary="List the endpoints that keep no data",
        answers=(Answer(list[Endpoint], "The endpoints.", data=True),),
        cacheable=True,
    ),
    Operation(
        view=ParametersView,
        method="GET",
        id="getParameters",
        tag=TAG,
        summary="Say which parameters a model's endpoints take",
        parameters=(
            *_NAMED,
            query("provider", str, "Only this provider's: its slug or name, or a tag."),
        ),
        answers=(Answer(ModelParameters, "The parameters.", data=True),),
        errors=(404,),
        cacheable=True,
    ),
    Operation(
        view=ProvidersView,
        method="GET",
        id="listProviders",
        tag=TAG,
        summary="List who serves, and on which terms",
        answers=(Answer(list[Provider], "The providers.", data=True),),
        cacheable=True,
    ),
    Operation(
        view=BenchmarksView,
        method="GET",
        id="getBenchmarks",
        tag=TAG,
        summary="List what benchmark runs said of models and endpoints",
        parameters=(
            query("source", {"type": "string", "enum": list(SOURCES)}, "Others have no items."),
            query("benchmark_type", str, "Only this suite."),
            query("task_type", str, "`search` has no items; else ignored."),
            query("max_results", _WHOLE, "The most items."),
        ),
        answers=(Answer(Benchmarks, "The items, by suite, best first."),),
        cacheable=True,
    ),
)
