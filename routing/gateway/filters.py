"""Which admitted endpoints can and may serve this request, and why the others may not.

Owns the hard filters of OpenRouter's provider routing, in one fixed order. It does not sort.
The rules others rely on: the result is a subset of the admission; every endpoint that is left
out has exactly one reason, in the vocabulary of `excluded_by`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from routing.gateway.admission import QUARANTINED, Admission, EndpointSpec
from routing.gateway.preferences import Preferences


@dataclass(frozen=True, slots=True)
class Needs:
    """What the request itself asks of an endpoint.

    parameters: names of the sampling and tool parameters sent. tool_choice: "", none, auto,
    required or function. prompt_tokens: an estimate; completion_tokens: the caller's limit.
    compress: whether the prompt may be cut to fit, None: by an endpoint of SMALL_CONTEXT or less.
    """

    parameters: frozenset[str]
    tools: bool
    tool_choice: str
    prompt_tokens: int
    completion_tokens: int | None
    compress: bool | None = None

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class Screening:
    """The endpoints that remain, and the others with their reasons."""

    kept: tuple[EndpointSpec, ...]
    excluded: tuple[tuple[EndpointSpec, str], ...]

    @property
    def reasons(self) -> list[str]:
        return sorted({reason for _, reason in self.excluded})


ACCOUNT_PREFERENCES = "account_preferences"
# Two names of one limit, which every endpoint takes by one of them.
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
# Asked for but not essential: if some endpoint has it only those serve, else it is dropped. Who
# wants a schema and finds nobody who keeps to it is better off with JSON of any form.
_SOFT_PARAMETERS = (
    ("response_format", ("response_format",)),
    ("structured_outputs", ("structured_outputs", "response_format")),
    ("verbosity", ("verbosity",)),
)
# A suffix that sorts admits the tier that is made for it.
_TIER_OF: Mapping[str | None, str] = {"throughput": "priority", "price": "flex"}
# The size of an endpoint whose prompts are cut to fit unless the caller says otherwise.
SMALL_CONTEXT = 8_192


def screen(admission: Admission, needs: Needs, wishes: Preferences) -> Screening:
    """Return which of the admitted endpoints may serve."""
    kept: list[EndpointSpec] = []
    excluded: list[tuple[EndpointSpec, str]] = [(e, "exacto_pool") for e in admission.outside]
    excluded += [(e, QUARANTINED) for e in admission.quarantined]
    for endpoint in admission.endpoints:
        reason = _refusal(endpoint, needs, wishes)
        tiers = (wishes.tier, _TIER_OF.get(admission.ref.sort))
        if endpoint.tier and endpoint.tier not in tiers and not wishes.pin:
            reason = reason or "service_tier"
        if reason is None:
            kept.append(endpoint)
        else:
            excluded.append((endpoint, reason))
    for parameter, alternatives in _SOFT_PARAMETERS:
        if parameter in needs.parameters:
            kept, dropped = _prefer(kept, alternatives)
            excluded += [(endpoint, f"unsupported:{parameter}") for endpoint in dropped]
    if wishes.tier == "flex" and any(endpoint.tier == "flex" for endpoint in kept):
        # Who asks for the cheap tier does not want to pay for another one instead.
        excluded += [(endpoint, "service_tier") for endpoint in kept if endpoint.tier != "flex"]
        kept = [endpoint for endpoint in kept if endpoint.tier == "flex"]
    if any(needs.tokens > endpoint.context_length for endpoint in kept):
        kept, dropped = _prefer_room(kept, needs.tokens)
        excluded += [(endpoint, "context_length") for endpoint in dropped]
    return Screening(tuple(kept), tuple(excluded))


def _refusal(endpoint: EndpointSpec, needs: Needs, wishes: Preferences) -> str | None:
    return (
        _refused_by_name(endpoint, wishes)
        or _refused_by_policy(endpoint, wishes)
        or _refused_by_price(endpoint, wishes)
        or _refused_by_ability(endpoint, needs, wishes)
    )


def _refused_by_name(endpoint: EndpointSpec, wishes: Preferences) -> str | None:
    if wishes.pin and endpoint.tag != wishes.pin:
        return "allowed_providers"
    if wishes.only is not None and not any(endpoint.named(name) for name in wishes.only):
        return "allowed_providers"
    if _account_refuses(endpoint, wishes):
        return ACCOUNT_PREFERENCES
    # Whoever names providers in order and wants no fallbacks gets no others.
    closed = wishes.order and not wishes.allow_fallbacks
    if closed and not any(endpoint.named(name) for name in wishes.order):
        return "allowed_providers"
    if any(endpoint.named(name) for name in wishes.ignore):
        return "ignored_providers"
    return None


def _account_refuses(endpoint: EndpointSpec, wishes: Preferences) -> bool:
    only = wishes.account_only
    return (only is not None and not any(endpoint.named(name) for name in only)) or any(
        endpoint.named(name) for name in wishes.account_ignore
    )


def _refused_by_policy(endpoint: EndpointSpec, wishes: Preferences) -> str | None:
    if wishes.deny_data_collection and endpoint.trains_on_data:
        return "data_policy:training"
    if wishes.zdr and not endpoint.zero_data_retention:
        return "data_policy:zdr"
    if wishes.quantizations is not None and endpoint.quantization not in wishes.quantizations:
        return "quantization"
    return None


def _refused_by_price(endpoint: EndpointSpec, wishes: Preferences) -> str | None:
    caps = (
        (endpoint.prices.prompt, wishes.max_prompt_price),
        (endpoint.prices.completion, wishes.max_completion_price),
        (endpoint.prices.request, wishes.max_request_price),
    )
    return "max_price" if any(cap is not None and price > cap for price, cap in caps) else None


def _refused_by_ability(endpoint: EndpointSpec, needs: Needs, wishes: Preferences) -> str | None:
    if needs.tools and "tools" not in endpoint.supported_parameters:
        return "tools"
    if needs.tools and not _obeys_choice(endpoint, needs.tool_choice):
        return "tool_choice"
    if needs.tokens > endpoint.context_length and not _may_compress(endpoint, needs):
        return "context_length"
    limit = endpoint.max_completion_tokens
    if (
        limit is not None
        and needs.completion_tokens is not None
        and needs.completion_tokens > limit
    ):
        return "context_length"
    if wishes.require_parameters and needs.parameters - endpoint.supported_parameters - _LIMITS:
        return "require_parameters"
    return None


def _obeys_choice(endpoint: EndpointSpec, choice: str) -> bool:
    """Whether the endpoint does what `tool_choice` asks; auto is what all do by themselves."""
    if choice in ("required", "function") and "tool_choice" not in endpoint.supported_parameters:
        return False
    return not choice or choice in endpoint.tool_choices


def _may_compress(endpoint: EndpointSpec, needs: Needs) -> bool:
    """Whether a prompt that is too long here may be cut, and would leave room for the answer."""
    by_size = endpoint.context_length <= SMALL_CONTEXT
    wanted = by_size if needs.compress is None else needs.compress
    return wanted and (needs.completion_tokens or 0) < endpoint.context_length


def _prefer_room(
    endpoints: list[EndpointSpec], tokens: int
) -> tuple[list[EndpointSpec], list[EndpointSpec]]:
    """Return (those to use, the rest): who takes it whole, or half of it, or else the largest."""
    largest = max(endpoint.context_length for endpoint in endpoints)
    least = next((size for size in (tokens, tokens / 2) if size <= largest), largest)
    can = [e for e in endpoints if e.context_length >= least]
    return can, [e for e in endpoints if e.context_length < least]


def _prefer(
    endpoints: list[EndpointSpec], alternatives: tuple[str, ...]
) -> tuple[list[EndpointSpec], list[EndpointSpec]]:
    """Return (those that support the first alternative that anyone does, the rest).

    If no one supports any of them: (all, none).
    """
    for parameter in alternatives:
        can = [e for e in endpoints if parameter in e.supported_parameters]
        if can:
            return can, [e for e in endpoints if e not in can]
    return endpoints, []
