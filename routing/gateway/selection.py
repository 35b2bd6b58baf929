"""In which order the remaining endpoints are tried, and how likely each choice was.

Owns balancing, sorting, grouping by standing and preference of healthy endpoints. It removes no
endpoint that could serve (cooling ones aside) and adds none. The rules others rely on: the result
is a permutation of a subset of what came in (with own credentials, an endpoint may stand in it
twice: once for each key); with the same input and the same seed it is the same; grouping by
standing keeps the order inside a group.
Source: openrouter.ai provider routing (2026-08): stable ones first, 1/price², rest fallbacks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from random import Random

from routing.gateway.admission import EndpointSpec
from routing.gateway.health import HEALTHY, EndpointHealth
from routing.gateway.holdings import NO_CREDENTIALS, OwnCredentials
from routing.gateway.preferences import Cutoffs, Preferences

PRICE_POWER = 2  # twice as dear is drawn 1/2² as often
# A free endpoint would take all traffic for ever: it weighs as one at a cent per million.
_LEAST_PRICE = 10_000
_UPTIME_WORDS = ("", "degraded", "down")


@dataclass(frozen=True, slots=True)
class Choice:
    """An endpoint and the probability with which it came at its place (given those before).

    `own`: it is to be asked with the account's own credential.
    """

    endpoint: EndpointSpec
    probability: float
    own: bool = False


HealthView = Mapping[int, EndpointHealth]


@dataclass(frozen=True, slots=True)
class _Ranked:
    """An endpoint at its place within `tier`; `weight` decided a draw, None: it was certain."""

    endpoint: EndpointSpec
    tier: int
    weight: float | None
    own: bool = False


def choose(
    endpoints: Sequence[EndpointSpec],
    wishes: Preferences,
    health: HealthView,
    rng: Random,
    *,
    by_standing: bool = False,
    panic_share: float = 0.5,
    own: OwnCredentials = NO_CREDENTIALS,
    sticky: int | None = None,
) -> tuple[Choice, ...]:
    """Return the endpoints in the order to try.

    Endpoints cooling after a 429 are left out; ejected ones too, unless a share below
    `panic_share` would remain (then they come last). `by_standing` groups as `sort: "exacto"` does.
    """
    drawn = rank(endpoints, wishes, health, rng, panic_share, own)
    return arrange(drawn, wishes, health, by_standing=by_standing, sticky=sticky)


def rank(
    endpoints: Sequence[EndpointSpec],
    wishes: Preferences,
    health: HealthView,
    rng: Random,
    panic_share: float = 0.5,
    own: OwnCredentials = NO_CREDENTIALS,
) -> list[_Ranked]:
    """Return the usable endpoints as order, sort or balancing alone would have them."""
    shared = _ranked(available(endpoints, health, panic_share), wishes, health, rng)
    if not own:
        return shared
    # That others' requests are too many there says nothing of the account's own.
    mine = [e for e in endpoints if e.provider_slug in own and not _state(e, health).ejected]
    return [
        *(replace(one, own=True) for one in _ranked(mine, wishes, health, rng)),
        *(one for one in shared if _may_share(one.endpoint, own)),
    ]


def _may_share(endpoint: EndpointSpec, own: OwnCredentials) -> bool:
    credential = own.get(endpoint.provider_slug)
    return credential is None or credential.shared_too


def _ranked(
    usable: Sequence[EndpointSpec], wishes: Preferences, health: HealthView, rng: Random
) -> list[_Ranked]:
    if wishes.order:
        return _by_callers_order(usable, wishes, health, rng)
    if wishes.tier and wishes.sort is None:
        return _by_tier(usable, wishes, health, rng)
    if wishes.sort in ("price", "throughput", "latency"):
        return _certain(sorted_by(wishes.sort, usable, health), tier=0)
    return _balanced(usable, health, rng, tier=0)


def arrange(
    ranked: Sequence[_Ranked],
    wishes: Preferences,
    health: HealthView,
    *,
    by_standing: bool,
    sticky: int | None = None,
) -> tuple[Choice, ...]:
    """Return the ranked ones by health, the caller's cutoffs and, if asked, their standing.

    An own credential goes before everything but being ejected, and then the endpoint that is
    `sticky`, of which only an `order` knows better.
    """
    if wishes.order:
        sticky = None
    grouped = by_standing or wishes.sort == "exacto"

    def key(one: _Ranked) -> tuple[int | bool, ...]:
        state = _state(one.endpoint, health)
        named = bool(wishes.order) and one.tier == 0
        return (
            state.ejected,
            not one.own,
            one.endpoint.id != sticky,
            not _fast_enough(one.endpoint, wishes, health),
            0 if wishes.order else state.uptime_class,
            bool(wishes.order) and not named,
            one.endpoint.standing_rank if grouped and not named else 0,
            one.tier,
        )

    order: list[Choice] = []
    for _, alike in groupby(sorted(ranked, key=key), key):
        order += _with_probabilities(list(alike))
    # With an order and no fallbacks only the named are left, and all of them may be tried.
    return tuple(order if wishes.allow_fallbacks or wishes.order else order[:1])


def _with_probabilities(alike: Sequence[_Ranked]) -> list[Choice]:
    """Tell how likely each was among those that stood for the same place.

    A draw without replacement, looked at inside a group only, is the draw of that group alone.
    """
    choices: list[Choice] = []
    remaining = 0.0
    for one in reversed(alike):
        remaining += one.weight or 0.0
        probability = one.weight / remaining if one.weight else 1.0
        choices.append(Choice(one.endpoint, probability, one.own))
    return choices[::-1]


def first_chances(choices: Sequence[Choice]) -> list[float]:
    """Return each choice's probability to be the first, over all draws."""
    chances: list[float] = []
    left = 1.0
    for choice in choices:
        chances.append(left * choice.probability)
        left *= 1 - choice.probability
    return chances


def state_words(endpoint: EndpointSpec, wishes: Preferences, health: HealthView) -> list[str]:
    """Return what of its health moved an endpoint back, in words."""
    state = _state(endpoint, health)
    words = {
        "ejected": state.ejected,
        "slow": not _fast_enough(endpoint, wishes, health),
        _UPTIME_WORDS[state.uptime_class]: state.uptime_class > 0,
        "unstable": not state.stable,
    }
    return [word for word, applies in words.items() if applies]


def by_speed(wishes: Preferences) -> bool:
    """Say whether the order depends on how fast the endpoints have been."""
    sorted_so = wishes.sort in ("throughput", "latency") or wishes.tier == "priority"
    return sorted_so or bool(wishes.min_throughput or wishes.max_latency)


def available(
    endpoints: Sequence[EndpointSpec], health: HealthView, panic_share: float
) -> list[EndpointSpec]:
    """Return those not cooling and, while at least `panic_share` of all remain, not ejected."""
    warm = [e for e in endpoints if _state(e, health).cooling_s <= 0]
    kept = [e for e in warm if not _state(e, health).ejected]
    return kept if kept and len(kept) >= panic_share * len(endpoints) else warm


def _balanced(
    endpoints: Sequence[EndpointSpec], health: HealthView, rng: Random, *, tier: int
) -> list[_Ranked]:
    stable = [e for e in endpoints if _state(e, health).stable]
    unstable = [e for e in endpoints if not _state(e, health).stable]
    return _draw(stable, rng, tier) + _draw(unstable, rng, tier + 1)


def _draw(endpoints: Sequence[EndpointSpec], rng: Random, tier: int) -> list[_Ranked]:
    """Draw all, one after the other, each weighted by the inverse PRICE_POWER of its price.

    Waiting times that are exponential with the weights end in the order of such a draw. Source:
    Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006.
    """
    weights = [max(e.prices.blend, _LEAST_PRICE) ** -float(PRICE_POWER) for e in endpoints]
    waits = map(rng.expovariate, weights)
    drawn = sorted(zip(waits, endpoints, weights, strict=True), key=itemgetter(0))
    return [_Ranked(endpoint, tier, weight) for _, endpoint, weight in drawn]


def _by_tier(
    endpoints: Sequence[EndpointSpec], wishes: Preferences, health: HealthView, rng: Random
) -> list[_Ranked]:
    """Put the tier asked for first: the fastest of priority, the cheapest of flex."""
    key = "throughput" if wishes.tier == "priority" else "price"
    of_tier = sorted_by(key, [e for e in endpoints if e.tier == wishes.tier], health)
    rest = _balanced([e for e in endpoints if e.tier != wishes.tier], health, rng, tier=1)
    return _certain(of_tier, tier=0) + rest


def _by_callers_order(
    endpoints: Sequence[EndpointSpec], wishes: Preferences, health: HealthView, rng: Random
) -> list[_Ranked]:
    named: list[EndpointSpec] = []
    for name in wishes.order:
        matching = [e for e in endpoints if e not in named and e.named(name)]
        named += [one.endpoint for one in _balanced(matching, health, rng, tier=0)]
    rest = [e for e in endpoints if e not in named]
    if wishes.sort in ("price", "throughput", "latency"):
        return _certain([*named, *sorted_by(wishes.sort, rest, health)], tier=0)
    return _certain(named, tier=0) + _balanced(rest, health, rng, tier=1)


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


def _certain(endpoints: Sequence[EndpointSpec], *, tier: int) -> list[_Ranked]:
    return [_Ranked(endpoint, tier, None) for endpoint in endpoints]
