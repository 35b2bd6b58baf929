"""In which order the remaining endpoints are tried, and how likely each choice was.

Owns balancing, sorting and preference of healthy endpoints. It removes no endpoint that could
serve (cooling ones aside) and adds none. The rules others rely on: the result is a permutation
of a subset of what came in; with the same input and the same seed it is the same.
Source: openrouter.ai provider routing (2026-08): stable ones first, 1/price², rest fallbacks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from routing.gateway.admission import EndpointSpec
from routing.gateway.health import HEALTHY, EndpointHealth
from routing.gateway.preferences import Cutoffs, Preferences

# A free endpoint would take all traffic for ever: it weighs as one at a cent per million.
_LEAST_PRICE = 10_000


@dataclass(frozen=True, slots=True)
class Choice:
    """An endpoint and the probability with which it came at its place (given those before)."""

    endpoint: EndpointSpec
    probability: float


HealthView = Mapping[int, EndpointHealth]


def choose(
    endpoints: Sequence[EndpointSpec],
    wishes: Preferences,
    health: HealthView,
    rng: Random,
    *,
    good: Collection[int] = (),
    panic_share: float = 0.5,
) -> tuple[Choice, ...]:
    """Return the endpoints in the order to try.

    `good` are the ids that `sort: "exacto"` puts first. Endpoints cooling after a 429 are left
    out; ejected ones too, unless a share below `panic_share` would remain (then they come last).
    """
    usable = available(endpoints, health, panic_share)
    if wishes.order:
        order = _by_callers_order(usable, wishes, health, rng)
    elif wishes.sort in ("price", "throughput", "latency"):
        order = _certain(sorted_by(wishes.sort, usable, health))
    else:
        order = _balanced(usable, health, rng)
    if wishes.sort == "exacto":
        order.sort(key=lambda choice: choice.endpoint.id not in good)
    if not wishes.order:
        order.sort(key=lambda choice: _state(choice.endpoint, health).uptime_class)
    order.sort(key=lambda choice: not _fast_enough(choice.endpoint, wishes, health))
    order.sort(key=lambda choice: _state(choice.endpoint, health).ejected)
    # With an order and no fallbacks only the named are left, and all of them may be tried.
    return tuple(order if wishes.allow_fallbacks or wishes.order else order[:1])


def by_speed(wishes: Preferences) -> bool:
    """Say whether the order depends on how fast the endpoints have been."""
    return wishes.sort in ("throughput", "latency") or bool(
        wishes.min_throughput or wishes.max_latency
    )


def available(
    endpoints: Sequence[EndpointSpec], health: HealthView, panic_share: float
) -> list[EndpointSpec]:
    """Return those not cooling and, while at least `panic_share` of all remain, not ejected."""
    warm = [e for e in endpoints if _state(e, health).cooling_s <= 0]
    kept = [e for e in warm if not _state(e, health).ejected]
    return kept if kept and len(kept) >= panic_share * len(endpoints) else warm


def _balanced(endpoints: Sequence[EndpointSpec], health: HealthView, rng: Random) -> list[Choice]:
    stable = [e for e in endpoints if _state(e, health).stable]
    unstable = [e for e in endpoints if not _state(e, health).stable]
    return _draw(stable, rng) + _draw(unstable, rng)


def _draw(endpoints: Sequence[EndpointSpec], rng: Random) -> list[Choice]:
    """Draw all, one after the other, each weighted by the inverse square of its price."""
    remaining = list(endpoints)
    weights = [max(e.prices.blend, _LEAST_PRICE) ** -2.0 for e in remaining]
    drawn: list[Choice] = []
    while remaining:
        total = sum(weights)
        [at] = rng.choices(range(len(remaining)), weights=weights)
        drawn.append(Choice(remaining.pop(at), weights.pop(at) / total))
    return drawn


def _by_callers_order(
    endpoints: Sequence[EndpointSpec], wishes: Preferences, health: HealthView, rng: Random
) -> list[Choice]:
    named: list[EndpointSpec] = []
    for name in wishes.order:
        matching = [e for e in endpoints if e not in named and e.named(name)]
        named += [choice.endpoint for choice in _balanced(matching, health, rng)]
    rest = [e for e in endpoints if e not in named]
    if wishes.sort in ("price", "throughput", "latency"):
        return _certain([*named, *sorted_by(wishes.sort, rest, health)])
    return _certain(named) + _balanced(rest, health, rng)


def sorted_by(
    key: str, endpoints: Sequence[EndpointSpec], health: HealthView
) -> list[EndpointSpec]:
    """Sort best first; an endpoint whose speed is unknown comes after the known ones."""
    if key == "price":
        return sorted(endpoints, key=lambda e: e.prices.blend)

    def badness(endpoint: EndpointSpec) -> tuple[bool, float]:
        state = _state(endpoint, health)
        measured = state.throughput if key == "throughput" else state.latency
        value = (measured or {}).get("p50", 0.0)
        return not measured, -value if key == "throughput" else value

    return sorted(endpoints, key=badness)


def _fast_enough(endpoint: EndpointSpec, wishes: Preferences, health: HealthView) -> bool:
    state = _state(endpoint, health)
    return _meets(state.throughput, wishes.min_throughput, higher=True) and _meets(
        state.latency, wishes.max_latency, higher=False
    )


def _meets(measured: Mapping[str, float] | None, cutoffs: Cutoffs, *, higher: bool) -> bool:
    """Say whether what was measured holds every cutoff; the unmeasured are not blamed."""
    if measured is None:
        return True
    return all(
        measured[name] >= value if higher else measured[name] <= value for name, value in cutoffs
    )


def _state(endpoint: EndpointSpec, health: HealthView) -> EndpointHealth:
    return health.get(endpoint.id, HEALTHY)


def _certain(endpoints: Sequence[EndpointSpec]) -> list[Choice]:
    return [Choice(endpoint, 1.0) for endpoint in endpoints]
