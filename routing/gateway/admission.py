"""Which endpoints a request may use at all: the only door to candidates.

Owns the in-memory form of endpoints, models and published editions, and `admit`, the one
constructor of an `Admission`. It applies no preference. The rule everything relies on: whatever
filters, sorts or retries later works on `Admission.endpoints` and can only make it smaller;
`Admission.admits` is asked again where the connection is opened. A quarantine only ever takes
an endpoint out of a pool, and an empty pool stays empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from routing.gateway.slugs import ModelRef

if TYPE_CHECKING:
    from providers.client import Target

PICODOLLARS = 10**12
PROMPT_PARTS = 3  # agents send about three tokens for each they get
VERIFIED, INSUFFICIENT_DATA = "verified", "insufficient_data"
BELOW_PAR, QUARANTINED = "below_par", "quarantined"
_RANKS = {VERIFIED: 0, INSUFFICIENT_DATA: 1, BELOW_PAR: 2, QUARANTINED: 2}


@dataclass(frozen=True, slots=True)
class Prices:
    """Picodollars (1e-12 USD) per token, or per request."""

    prompt: int
    completion: int
    request: int = 0
    cache_read: int | None = None
    cache_write: int | None = None

    @property
    def blend(self) -> int:
        """One figure to compare by: so many parts prompt to one part completion."""
        return PROMPT_PARTS * self.prompt + self.completion


@dataclass(frozen=True, slots=True, eq=False)
class EndpointSpec:
    """An endpoint as the gateway uses it; identity is the object's, `id` the row's."""

    id: int
    tag: str
    provider_slug: str
    provider_name: str
    model_slug: str
    upstream_model: str
    target: "Target"
    quantization: str
    context_length: int
    max_completion_tokens: int | None
    prices: Prices
    supported_parameters: frozenset[str]
    tool_choices: frozenset[str]
    trains_on_data: bool
    zero_data_retention: bool
    first_token_s: float | None = None
    # What the evidence says, by which method; without a score there is too little of it.
    standing: str = INSUFFICIENT_DATA
    method: str = ""
    # flex or priority, for those whose tag ends so; "" is what every provider has.
    tier: str = ""

    @property
    def standing_rank(self) -> int:
        """0 proven good, 1 not known, 2 known to be worse: the groups of `sort: "exacto"`."""
        return _RANKS.get(self.standing, 2)

    def named(self, name: str) -> bool:
        """Whether a caller's `name` means this endpoint: tag, provider slug or display name.

        An endpoint of a tier is meant by its tag only.
        """
        if self.tier:
            return name == self.tag
        return name in (self.tag, self.provider_slug, self.provider_name.lower())


@dataclass(frozen=True, slots=True)
class Edition:
    """A published allowlist: its version and the ids of its endpoints."""

    version: int
    endpoint_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, its enabled endpoints, and per variant the live edition and who is set aside.

    `output` is "embeddings" for a model that is asked for these and nothing else, or "text".
    """

    slug: str
    name: str
    context_length: int
    endpoints: tuple[EndpointSpec, ...]
    editions: Mapping[str, Edition] = field(default_factory=dict)
    quarantined: Mapping[str, frozenset[int]] = field(default_factory=dict)
    output: str = "text"


@dataclass(frozen=True, slots=True)
class Admission:
    """The endpoints one request may use for one of its models, as of one snapshot.

    `version` is the edition enforced; None where the caller asked for no pool. `outside` are
    the model's endpoints that the edition leaves out, `quarantined` those on it that are set
    aside for now; both are kept only to say so.
    """

    model: ModelSpec
    ref: ModelRef
    version: int | None
    endpoints: tuple[EndpointSpec, ...]
    outside: tuple[EndpointSpec, ...] = ()
    quarantined: tuple[EndpointSpec, ...] = ()

    def admits(self, endpoint: EndpointSpec) -> bool:
        return any(endpoint.id == admitted.id for admitted in self.endpoints)


def admit(model: ModelSpec, ref: ModelRef) -> Admission:
    """Return what `ref` may use of `model`: its published pool, or all if it asks for none.

    A variant with no published edition admits nothing, and neither does one whose endpoints
    are all quarantined.
    """
    if not ref.variant:
        return Admission(model, ref, None, model.endpoints)
    edition = model.editions.get(ref.variant)
    if edition is None:
        return Admission(model, ref, None, (), model.endpoints)
    aside = model.quarantined.get(ref.variant, frozenset())
    listed = [e for e in model.endpoints if e.id in edition.endpoint_ids]
    return Admission(
        model,
        ref,
        edition.version,
        tuple(e for e in listed if e.id not in aside),
        tuple(e for e in model.endpoints if e.id not in edition.endpoint_ids),
        tuple(e for e in listed if e.id in aside),
    )
