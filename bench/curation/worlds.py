"""What is true in a world: its endpoints, its owners, and who tries to mislead.

Owns the parameters and nothing drawn from them (`population` draws). The rules others rely on:
rates and shares are fractions, never per cent; a world says nothing of how scoring works; two
worlds that differ in one parameter are the same in all else for the same seed.
"""

from dataclasses import dataclass, replace
from typing import Any

BASE_FAILURES = (0.004, 0.006, 0.007, 0.010, 0.006, 0.028, 0.032, 0.045, 0.07, 0.10)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The truth about one endpoint.

    `failure`: share of its tool calls that are bad, over the ordinary mix of owners. `shift`: how
    much likelier than normal it calls a tool, in logits. `disliked`: share of the owners who met
    it that ignore it. `leaks`: share of its failures that arrive as text. `loss`: share of its
    replies that break off. `stratum`, `stratum_failure`: the one stratum that it breaks in.
    `games`: it behaves when it recognises a benchmark. `popularity`: times the share that its price
    brings.
    """

    failure: float
    price: float = 1.0
    shift: float = 0.0
    disliked: float = 0.03
    leaks: float = 0.15
    loss: float = 0.004
    stratum: int | None = None
    stratum_failure: float = 0.0
    games: bool = False
    popularity: float = 1.0


@dataclass(frozen=True, slots=True)
class Group:
    """Owners beside the ordinary ones: a giant, a broken client, or accounts of one attacker.

    `requests_per_day` is of all of them together. `on_target` of their requests go to `targets`,
    the rest as the router balances. `fails_on_target` and `fails_elsewhere` replace the
    endpoints' own rates; None leaves them, times `difficulty`. `aged`: old, paying and active
    enough to be believed. `honest` owners are users: their failures hurt, whoever is to blame.
    """

    count: int = 1
    requests_per_day: float = 0.0
    targets: tuple[int, ...] = ()
    on_target: float = 0.0
    fails_on_target: float | None = None
    fails_elsewhere: float | None = None
    difficulty: float = 1.0
    aged: bool = True
    honest: bool = False
    ignores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """One installation's model: `days` of traffic to its endpoints."""

    name: str
    title: str
    endpoints: tuple[Endpoint, ...]
    groups: tuple[Group, ...] = ()
    owners: int = 300
    requests_per_day: float = 50_000.0
    days: int = 10
    reference: int | None = None  # index of the author's own endpoint, where one is named
    pinned: float = 0.15  # share of owners who name one endpoint for all they send
    sorters: float = 0.15  # share of owners who sort by throughput
    pin_bias: float = 0.0  # > 0: owners of hard requests pin good endpoints
    affinity: float = 0.0  # > 0: owners of hard requests drift to good endpoints
    caller_affinity: float = 0.0  # > 0: owners whose requests call much drift to the first half
    difficulty_sigma: float = 0.9  # of owners, log
    interaction_sigma: float = 0.5  # owner x endpoint, log
    stratum_sigma: float = 0.25  # endpoint x stratum, log
    popularity_sigma: float = 0.0  # of endpoints, log
    additive: bool = False  # owners add failures, where they otherwise multiply them
    benchmark_requests: int = 300
    sensitivity: float = 0.7  # share of leaked calls that the judge notices


def good_and_bad(failures: tuple[float, ...] = BASE_FAILURES) -> tuple[Endpoint, ...]:
    """Worse ones are cheaper, and some more disliked: that is why default routing meets them."""
    return tuple(Endpoint(f, price=_price(f), disliked=0.03 + min(0.03, 0.4 * f)) for f in failures)


def _price(failure: float) -> float:
    return 1.0 if failure <= 0.012 else 0.8 if failure < 0.04 else 0.7 if failure < 0.08 else 0.6


OVERCALLER = Endpoint(0.006, price=0.95, shift=0.8)
UNDERCALLER = Endpoint(0.005, price=0.95, shift=-0.9)
BASE = World("S01", "base", (*good_and_bad(), OVERCALLER, UNDERCALLER))
GOOD, BAD = 1, 6  # the endpoints that single-target worlds pick on


def _vary(name: str, title: str, **changes: Any) -> World:
    return replace(BASE, name=name, title=title, **changes)


def _change(endpoints: tuple[Endpoint, ...], index: int, **changes: Any) -> tuple[Endpoint, ...]:
    changed = replace(endpoints[index], **changes)
    return (*endpoints[:index], changed, *endpoints[index + 1 :])


def _all(endpoints: tuple[Endpoint, ...], **changes: Any) -> tuple[Endpoint, ...]:
    """Changes those that are clearly bad at tool calls."""
    return tuple(replace(e, **changes) if e.failure > 0.02 else e for e in endpoints)


GIANT = Group(
    requests_per_day=116_000, targets=(0, 1, 2, 3, 4), on_target=0.85, difficulty=6.0, honest=True
)
SABOTEURS = Group(100, 15_000, targets=(GOOD,), on_target=1.0, fails_on_target=0.6, aged=False)
ALL_BAD = (0.055, 0.06, 0.063, 0.10, 0.115, 0.13, 0.15, 0.18, 0.20, 0.25)
QUIET_BAD = (0.05, 0.06, 0.08, 0.125, 0.18)  # worse, or so few requests could not tell
LARGE_GOOD = (0.004, 0.005, 0.006, 0.006, 0.007, 0.007, 0.008, 0.008, 0.009, 0.009, 0.010, 0.010)
LARGE_BAD = (0.028, 0.03, 0.03, 0.035, 0.04, 0.05, 0.06, 0.07, 0.08, 0.10, 0.12)
MIXED_CALLERS = (
    *good_and_bad((0.004, 0.006, 0.007, 0.010, 0.006, 0.008, 0.005)),
    Endpoint(0.05, price=0.7),
    replace(OVERCALLER, shift=0.6),
    replace(UNDERCALLER, shift=-0.6),
    replace(UNDERCALLER, shift=-0.8, price=0.85),
)
MAJORITY_OVERCALLS = (
    *good_and_bad((0.004, 0.006, 0.007, 0.010)),
    *(replace(OVERCALLER, shift=0.6 + 0.05 * i, price=0.9) for i in range(6)),
    Endpoint(0.035, price=0.8),
)

STATIC: tuple[World, ...] = (
    BASE,
    _vary("S02", "pins confounded with difficulty", pinned=0.4, pin_bias=2.0),
    _vary("S03", "a giant owner, hard, on good endpoints", groups=(GIANT,)),
    _vary(
        "S04",
        "60 requests a day, all good",
        endpoints=good_and_bad((0.005, 0.006, 0.007, 0.008, 0.006, 0.007)),
        requests_per_day=60.0,
    ),
    _vary(
        "S05",
        "300 requests a day, mixed",
        endpoints=(
            *good_and_bad((*BASE_FAILURES[:5], *QUIET_BAD)),
            OVERCALLER,
            UNDERCALLER,
        ),
        requests_per_day=300.0,
    ),
    _vary("S06", "all bad", endpoints=good_and_bad(ALL_BAD)),
    _vary(
        "S07",
        "25 endpoints, heavy-tailed volumes",
        endpoints=(*good_and_bad((*LARGE_GOOD, *LARGE_BAD)), OVERCALLER, UNDERCALLER),
        popularity_sigma=1.5,
    ),
    _vary("S08", "three endpoints, one bad", endpoints=good_and_bad((0.005, 0.008, 0.06))),
    _vary(
        "S09",
        "200 new accounts ignore a good one",
        groups=(Group(200, 2_000, aged=False, ignores=(GOOD,)),),
    ),
    _vary(
        "S10",
        "disliked for what it says, fine at tools",
        endpoints=_change(BASE.endpoints, 4, disliked=0.4, price=0.85),
    ),
    _vary("S11", "bad ones recognise the benchmark", endpoints=_all(BASE.endpoints, games=True)),
    _vary("S11b", "cold start: a benchmark only", requests_per_day=0.0, benchmark_requests=2_000),
    _vary("S12", "failures leak as text", endpoints=_all(BASE.endpoints, leaks=0.95)),
    _vary(
        "S13",
        "propensity confounded by the mix",
        endpoints=MIXED_CALLERS,
        caller_affinity=0.7,
    ),
    _vary(
        "S14",
        "one owner's broken schema, mostly on a good endpoint",
        groups=(
            Group(1, 5_500, (GOOD,), 0.7, fails_on_target=0.9, fails_elsewhere=0.9, honest=True),
        ),
    ),
    _vary(
        "S15",
        "a million requests a day, tiny differences",
        endpoints=good_and_bad((0.0050, 0.0055, 0.006, 0.0062, 0.0065, 0.007, 0.0072, 0.0075)),
        requests_per_day=1_000_000.0,
    ),
    _vary("S16", "most over-call; reference named", endpoints=MAJORITY_OVERCALLS, reference=0),
    _vary(
        "S17",
        "300 accounts stuff a bad one",
        groups=(Group(300, 60_000, (BAD,), 1.0, fails_on_target=0.0, aged=False),),
    ),
    _vary("S18", "sabotage of a good one by new accounts", groups=(SABOTEURS,)),
    _vary("S18b", "the same by aged accounts", groups=(replace(SABOTEURS, aged=True),)),
    _vary(
        "S18c",
        "the same by aged accounts that use others, too",
        groups=(replace(SABOTEURS, aged=True, on_target=0.5),),
    ),
    _vary(
        "S19",
        "one breaks in one stratum only",
        endpoints=(
            *good_and_bad((0.004, 0.006, 0.007, 0.010, 0.006, 0.045)),
            Endpoint(0.006, price=0.8, stratum=4, stratum_failure=0.25),
            Endpoint(0.007, price=0.8, stratum=1, stratum_failure=0.30),
        ),
    ),
    _vary("S20", "ten identical", endpoints=good_and_bad((0.006,) * 10)),
    _vary("S21", "owners add failures", additive=True),
    _vary("S22", "strong owner x endpoint interaction", interaction_sigma=1.0),
    _vary("S23", "97 % pinned", pinned=0.97, sorters=0.0),
    _vary("S24", "soft confounding", affinity=1.0),
    _vary("S25", "soft confounding, reversed", affinity=-1.0),
)
