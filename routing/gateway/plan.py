"""From one request to the endpoints to try, in order, and why the others are not.

Owns the order of operations: admission (the allowlist) first, then filters, then selection, per
requested model; and when AUTO_EXACTO applies. It opens nothing and changes nothing, so the same
snapshot, health, seed and stickiness give the same plan. The rule others rely on: every candidate
carries the `Admission` it came from; a request that no endpoint may serve is a 404, one that all
must wait for is a 429, never a 5xx.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from routing.errors import ApiError
from routing.gateway import selection
from routing.gateway.admission import (
    QUARANTINED,
    Admission,
    EndpointSpec,
    ModelSpec,
    admit,
)
from routing.gateway.filters import ACCOUNT_PREFERENCES, Screening, screen
from routing.gateway.health import HealthBook, retry_after
from routing.gateway.holdings import NO_CREDENTIALS, OwnCredential, OwnCredentials
from routing.gateway.model_request import ModelRequest, invalid_model
from routing.gateway.preferences import Preferences
from routing.gateway.selection import Choice, HealthView
from routing.gateway.slugs import ModelRef
from routing.gateway.snapshot import Snapshot
from routing.limits import Limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint to try, how likely that choice was, and the admission that permits it.

    `own` is the account's credential to ask it with; None: the gateway's.
    """

    admission: Admission
    choice: Choice
    own: OwnCredential | None = None

    @property
    def endpoint(self) -> EndpointSpec:
        return self.choice.endpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be tried for a request; `excluded` are (endpoint, reason) pairs.

    `auto_exacto` says what AUTO_EXACTO did: "" (nothing), "applied", or in shadow whether another
    endpoint would have come first ("shadow_moved") or not ("shadow_same"). `sticky` are the
    endpoints that served the session last, by model.
    """

    candidates: tuple[Candidate, ...]
    admissions: tuple[Admission, ...]
    excluded: tuple[tuple[EndpointSpec, str], ...]
    revision: int
    seed: int
    health: HealthView
    auto_exacto: str = ""
    sticky: Mapping[str, int] = field(default_factory=dict)


class NothingToTry(ApiError):
    """No endpoint may serve the request now; `plan` says of each why not."""

    def __init__(self, refusal: ApiError, plan: Plan) -> None:
        super().__init__(
            refusal.status,
            refusal.message,
            error_type=refusal.error_type,
            metadata=refusal.metadata,
            availability=refusal.availability,
            headers=refusal.headers,
        )
        self.plan = plan


AutoExacto = Literal["off", "shadow", "on"]
Sticky = Mapping[str, int]
NOT_STICKY: Sticky = {}


def make_plan(
    snapshot: Snapshot,
    request: ModelRequest,
    health: HealthBook,
    seed: int,
    now: float,
    *,
    auto_exacto: AutoExacto = "off",
    sticky: Sticky = NOT_STICKY,
    own: OwnCredentials = NO_CREDENTIALS,
) -> Plan:
    """Return the plan. Raises ApiError if a model is unknown or nothing may serve.

    sticky: which endpoint served the session last, by model. own: the account's credentials.
    """
    admissions = tuple(_admission(snapshot, ref, request) for ref in request.refs)
    view = health.view(
        (e.id for a in admissions for e in a.endpoints),
        now,
        speeds=any(selection.by_speed(request.wishes_for(ref)) for ref in request.refs),
    )
    drafting = _Drafting(request, view, Random(seed), auto_exacto, health.limits, sticky, own)
    for admission in admissions:
        drafting.add(admission)
    if request.wishes.across_models:
        drafting.sort_across_models()
    plan = Plan(
        tuple(drafting.candidates),
        admissions,
        tuple(drafting.excluded),
        snapshot.revision,
        seed,
        view,
        drafting.auto_exacto_did,
        sticky,
    )
    if not plan.candidates:
        refusal = _nothing_to_try(admissions, drafting.screenings, request, view, health.limits)
        raise NothingToTry(refusal, plan)
    return plan


class _Drafting:
    """A plan in the making, model by model."""

    def __init__(
        self,
        request: ModelRequest,
        view: HealthView,
        rng: Random,
        auto_exacto: AutoExacto,
        limits: Limits,
        sticky: Sticky,
        own: OwnCredentials,
    ) -> None:
        self.candidates: list[Candidate] = []
        self.excluded: list[tuple[EndpointSpec, str]] = []
        self.screenings: list[Screening] = []
        self.auto_exacto_did = ""
        self._request = request
        self._view = view
        self._rng = rng
        self._auto_exacto = auto_exacto
        self._panic_share = limits.panic_share
        self._sticky = sticky
        self._own = own

    def add(self, admission: Admission) -> None:
        """Add what may serve of one model, in the order to try."""
        wishes = self._request.wishes_for(admission.ref)
        screening = screen(admission, self._request.needs, wishes)
        order = self._order(admission, screening, wishes)
        self.screenings.append(screening)
        # The same endpoint may stand behind two of the names: each is tried once.
        known = {candidate.endpoint.id for candidate in self.candidates}
        self.candidates += [
            self._candidate(admission, c) for c in order if c.endpoint.id not in known
        ]
        self.excluded += screening.excluded
        self.excluded += _left_out(screening.kept, order, self._view)

    def _candidate(self, admission: Admission, choice: Choice) -> Candidate:
        own = self._own[choice.endpoint.provider_slug] if choice.own else None
        return Candidate(admission, choice, own)

    def _order(
        self, admission: Admission, screening: Screening, wishes: Preferences
    ) -> tuple[Choice, ...]:
        view, sticky = self._view, self._sticky.get(admission.model.slug)
        ranked = selection.rank(
            screening.kept, wishes, view, self._rng, self._panic_share, self._own
        )
        plain = selection.arrange(ranked, wishes, view, by_standing=False, sticky=sticky)
        if self._auto_exacto == "off" or not _auto_exacto_applies(self._request, admission, wishes):
            return plain
        grouped = selection.arrange(ranked, wishes, view, by_standing=True, sticky=sticky)
        if self._auto_exacto == "on":
            self.auto_exacto_did = "applied"
            return grouped
        # What is remembered is the first model's: the others are fallbacks of it.
        if not self.candidates and plain:
            moved = plain[0].endpoint is not grouped[0].endpoint
            self.auto_exacto_did = "shadow_moved" if moved else "shadow_same"
        return plain

    def sort_across_models(self) -> None:
        """Sort over all models at once, as `partition: "none"` asks."""
        wishes = self._request.wishes
        if wishes.order or wishes.sort in (None, "exacto"):
            return
        of_endpoint = {candidate.endpoint.id: candidate for candidate in self.candidates}
        endpoints = [candidate.endpoint for candidate in of_endpoint.values()]
        order = selection.choose(
            endpoints,
            wishes,
            self._view,
            self._rng,
            panic_share=self._panic_share,
            own=self._own,
            sticky=self._sticky.get(self._request.refs[0].slug),
        )
        self.candidates = [self._candidate(of_endpoint[c.endpoint.id].admission, c) for c in order]
        self.excluded += _left_out(endpoints, order, self._view)


def _auto_exacto_applies(request: ModelRequest, admission: Admission, wishes: Preferences) -> bool:
    """Say whether standing may reorder: tools on a plain slug, and no wish of its own order."""
    plain = not admission.ref.variant and wishes.sort is None and not wishes.order
    return request.needs.tools and plain


def _admission(snapshot: Snapshot, ref: ModelRef, request: ModelRequest) -> Admission:
    model = snapshot.models.get(ref.slug)
    if model is None:
        raise _unknown_model(snapshot, ref, request.path_of(ref))
    if model.output != request.output:
        raise _wrong_endpoint(model, request.path_of(ref), ref)
    return admit(model, ref)


def _left_out(
    kept: Iterable[EndpointSpec], order: tuple[Choice, ...], view: HealthView
) -> list[tuple[EndpointSpec, str]]:
    """Say of what could serve but will not be tried, why not."""
    chosen = {choice.endpoint.id for choice in order}
    left = [endpoint for endpoint in kept if endpoint.id not in chosen]
    return [(endpoint, _state_word(endpoint, view)) for endpoint in left]


def _state_word(endpoint: EndpointSpec, view: HealthView) -> str:
    state = view.get(endpoint.id)
    if state is not None and state.cooling_s > 0:
        return "rate_limited"
    return "unhealthy" if state is not None and state.ejected else "fallbacks_off"


def _unknown_model(snapshot: Snapshot, ref: ModelRef, path: str) -> ApiError:
    near = difflib.get_close_matches(ref.slug, snapshot.models, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]}?" if near else ""
    return invalid_model(path, f"{ref.requested} is not a valid model ID.{hint}", [ref.requested])


def _wrong_endpoint(model: ModelSpec, path: str, ref: ModelRef) -> ApiError:
    """Return the 400 for a model that answers another API than the one that was asked."""
    embeds = model.output == "embeddings"
    said = "is an embeddings model" if embeds else "is not an embeddings model"
    where = "embeddings" if embeds else "chat/completions"
    message = f"{ref.requested} {said}: ask it at /api/v1/{where}."
    error = invalid_model(path, message, [ref.requested])
    error.availability = {**(error.availability or {}), "code": "wrong_endpoint"}
    return error


def _nothing_to_try(
    admissions: tuple[Admission, ...],
    screenings: list[Screening],
    request: ModelRequest,
    view: HealthView,
    limits: Limits,
) -> ApiError:
    kept = [endpoint for screening in screenings for endpoint in screening.kept]
    if kept:
        waits = [view[e.id].cooling_s for e in kept if e.id in view and view[e.id].cooling_s > 0]
        return rate_limited_everywhere(min(waits, default=1.0), request, limits)
    admission = admissions[0]
    reasons = _reasons(admissions, screenings)
    return ApiError(
        404,
        _why_no_pin(admission, request) or _why_nothing(admission, reasons),
        metadata=_named_providers(admission, request) if "allowed_providers" in reasons else None,
        availability={
            "code": _availability_code(reasons),
            "retryable": False,
            "requested_models": [ref.requested for ref in request.refs],
            "excluded_by": reasons,
        },
    )


def rate_limited_everywhere(wait_s: float, request: ModelRequest, limits: Limits) -> ApiError:
    """Return the 429 of a request whose every endpoint is rate limited."""
    seconds = retry_after(wait_s, limits)
    return ApiError(
        429,
        "Every endpoint that may serve this request is rate limited upstream.",
        availability={
            "code": "capacity_exhausted",
            "retryable": True,
            "retry_after": seconds,
            "requested_models": [ref.requested for ref in request.refs],
        },
        headers={"Retry-After": str(seconds)},
    )


def _reasons(admissions: tuple[Admission, ...], screenings: list[Screening]) -> list[str]:
    reasons = {reason for screening in screenings for reason in screening.reasons}
    if any(admission.ref.variant and not admission.endpoints for admission in admissions):
        # Clients know the older word; ours beside it says which list it was.
        reasons |= {"allowed_providers", "exacto_pool"}
    if "ignored_providers" in reasons:
        reasons = reasons - {"ignored_providers"} | {"allowed_providers"}
    if ACCOUNT_PREFERENCES in reasons:
        # As above: the word that clients know, and whose list it was.
        reasons = reasons | {"allowed_providers"}
    return sorted(reasons)


def _why_no_pin(admission: Admission, request: ModelRequest) -> str:
    """Return what is wrong with a pin that names nothing in the pool; "" if that is not it."""
    pin = request.wishes_for(admission.ref).pin
    tags = [endpoint.tag for endpoint in admission.endpoints]
    if not pin or pin in tags or not tags:
        return ""
    return f"{admission.ref.requested} has no endpoint {pin[:127]}; it has {', '.join(tags)}."


def _why_nothing(admission: Admission, reasons: list[str]) -> str:
    name = admission.ref.requested
    if admission.ref.variant and admission.version is None:
        return f"No endpoints found for {name}: it has no published allowlist."
    if admission.quarantined and not admission.endpoints:
        return f"No endpoints found for {name}: all of its allowlist is quarantined."
    if admission.ref.variant and not admission.endpoints:
        return f"No endpoints found for {name}: none of its allowlist is switched on."
    inside = [reason for reason in reasons if reason not in ("exacto_pool", QUARANTINED)]
    if ACCOUNT_PREFERENCES in inside:
        return (
            "No allowed providers are available for the selected model: your account's standing"
            " preferences leave none (see /api/v1/account/preferences)."
        )
    if inside == ["tools"]:
        return "No endpoints found that support tool use."
    if inside == ["tool_choice"]:
        return "No endpoints found that support the provided 'tool_choice' value."
    if inside == ["allowed_providers"]:
        return "No allowed providers are available for the selected model."
    if inside and all(reason.startswith("data_policy") for reason in inside):
        return "No endpoints found matching your data policy."
    because = f" (left out by: {', '.join(inside)})" if inside else ""
    return f"No endpoints found for {name}{because}."


def _availability_code(reasons: list[str]) -> str:
    if "allowed_providers" in reasons or not reasons:
        return "no_endpoints"
    inside = [reason for reason in reasons if reason not in ("exacto_pool", QUARANTINED)]
    private = inside and all(reason.startswith("data_policy") for reason in inside)
    return "privacy_restricted" if private else "constraint_filtered"


def _named_providers(admission: Admission, request: ModelRequest) -> dict[str, Any]:
    return {
        "available_providers": sorted({e.provider_slug for e in admission.endpoints}),
        "requested_providers": sorted(set(request.named)),
    }
