"""Attempts to move a score, and how far each one moved it.

Owns the attacks and their measures. The rules others rely on: where owners attack, all else is
the same with and without them, to the last request, so that a shift is theirs alone; where an
endpoint attacks, it matters only who is in the pool; what never reaches the counters (second
attempts, feedback) is shown as what the counters then are: unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from bench.curation import baselines
from bench.curation.methods import SUBJECT
from bench.curation.observed import Observed, observe
from bench.curation.population import Array, Flags
from bench.curation.worlds import BAD, BASE, GOOD, Endpoint, Group, World
from telemetry.scoring.score import score_pool
from telemetry.scoring.standing import Past, decide


@dataclass(frozen=True, slots=True)
class Attack:
    """One row: the world without and with it.

    `victims` are honest endpoints that it tries to move, `suspects` those it is meant to help or
    that attack by their own behaviour. `hidden`: what the gateway does not count, so that only
    the naive figures see it. `newcomers`: endpoints added after the first list.
    """

    row: str
    title: str
    after: World
    before: World = BASE
    victims: tuple[int, ...] = (0, 1, 2, 3, 4)
    suspects: tuple[int, ...] = ()
    hidden: bool = False
    newcomers: tuple[int, ...] = ()


def _with(*groups: Group) -> World:
    return replace(BASE, groups=groups)


def _instead(index: int, **changes: Any) -> World:
    endpoints = list(BASE.endpoints)
    endpoints[index] = replace(endpoints[index], **changes)
    return replace(BASE, endpoints=tuple(endpoints))


def _beside(endpoint: Endpoint) -> World:
    return replace(BASE, endpoints=(*BASE.endpoints, endpoint))


KEYS = Group(200, 15_000, (GOOD,), on_target=0.5, fails_on_target=0.7)
NEWCOMER = Endpoint(0.0, popularity=6e-5)

ATTACKS: tuple[Attack, ...] = (
    Attack(
        "G2",
        "one owner's unsatisfiable schema, 5,000 requests a day, not pinned",
        _with(Group(1, 5_000, fails_on_target=0.98, fails_elsewhere=0.98)),
    ),
    Attack(
        "G2p",
        "the same, pinned to a good endpoint",
        _with(Group(1, 5_000, (GOOD,), 1.0, fails_on_target=0.98)),
        victims=(GOOD,),
    ),
    Attack(
        "G3",
        "an owner with one hard tool, all on a good endpoint (Simpson)",
        _with(Group(1, 10_000, (GOOD,), 1.0, difficulty=10.0)),
        victims=(GOOD,),
    ),
    Attack(
        "G4",
        "a bad endpoint breaks its replies off instead",
        _instead(BAD + 2, failure=0.003, loss=0.12),
        suspects=(BAD + 2,),
    ),
    Attack(
        "G5",
        "a bad endpoint answers in text instead",
        _instead(BAD + 2, failure=0.003, shift=-1.2),
        suspects=(BAD + 2,),
    ),
    Attack(
        "G7",
        "a newcomer with a handful of perfect calls",
        _beside(NEWCOMER),
        suspects=(len(BASE.endpoints),),
        newcomers=(len(BASE.endpoints),),
    ),
    Attack(
        "G8",
        "a good endpoint gets the hard requests that others failed, as second attempts",
        _with(Group(60, 8_000, (GOOD,), 1.0, difficulty=8.0)),
        victims=(GOOD,),
        hidden=True,
    ),
    Attack("G9", "500 angry feedback forms about a good endpoint", BASE, victims=(GOOD,)),
    Attack(
        "keys",
        "200 keys of one owner sabotage a good endpoint",
        _with(replace(KEYS, count=1)),
        victims=(GOOD,),
    ),
    Attack(
        "sybils",
        "200 new accounts do the same",
        _with(replace(KEYS, aged=False)),
        victims=(GOOD,),
    ),
    Attack(
        "stuffing",
        "300 new accounts send perfect calls to a bad endpoint",
        _with(Group(300, 60_000, (BAD,), 1.0, fails_on_target=0.0, aged=False)),
        suspects=(BAD,),
    ),
)


@dataclass(frozen=True, slots=True)
class AttackRow:
    """`shift`, `greatest`: mean and greatest change of the victims' rates, in percentage points.

    `bias`: mean distance of the victims' rates from the truth, in points. `tau`: Kendall's, of
    all endpoints' order before and after. `shift` to `tau` are None where an endpoint attacks.
    `victims_kept`, `suspects_kept`: shares in the pool.
    """

    row: str
    seed: int
    method: str
    shift: float | None
    greatest: float | None
    bias: float | None
    tau: float | None
    victims_kept: float
    suspects_kept: float | None


@dataclass(frozen=True, slots=True)
class _View:
    rates: Array
    pool: Flags


def _assay(seen: Observed, newcomers: tuple[int, ...]) -> _View:
    result = score_pool(seen.evidence)
    old = Past("member" if newcomers else "unlisted", inf)
    pasts = [Past("new") if k in newcomers else old for k in range(len(result.endpoints))]
    decided = decide(result, pasts).decisions
    rates = [e.accuracy.estimate for e in result.endpoints]
    pool = np.array([d.eligible for d in decided])
    return _View(np.array([np.nan if r is None else r for r in rates]), pool)


def _raw(seen: Observed, newcomers: tuple[int, ...]) -> _View:
    return _View(baselines.totals(seen.evidence).rate, baselines.raw_rates(seen))


def _router(seen: Observed, newcomers: tuple[int, ...]) -> _View:
    return _View(baselines.totals(seen.recent).rate, baselines.openrouter(seen))


VIEWS: dict[str, Callable[[Observed, tuple[int, ...]], _View]] = {
    SUBJECT: _assay,
    "raw rates": _raw,
    "OpenRouter": _router,
}


def attack_rows(attack: Attack, seed: int) -> list[AttackRow]:
    """Return how far each way of scoring was moved; the same for the same seed."""
    before, after = observe(attack.before, seed), observe(attack.after, seed)
    rows = []
    for method, view in VIEWS.items():
        seen = before if attack.hidden and method == SUBJECT else after
        rows.append(
            _row(attack, seed, method, (view(before, ()), view(seen, attack.newcomers)), after)
        )
    return rows


def _row(
    attack: Attack, seed: int, method: str, views: tuple[_View, _View], after: Observed
) -> AttackRow:
    before, now = views
    victims, suspects = list(attack.victims), list(attack.suspects)
    moved = 100 * np.abs(now.rates[: len(before.rates)] - before.rates)[victims]
    off = 100 * np.abs(now.rates - after.people.truth)[victims]
    tau = kendall_tau(before.rates, now.rates[: len(before.rates)])
    by_owners = attack.before.endpoints == attack.after.endpoints
    return AttackRow(
        attack.row,
        seed,
        method,
        float(moved.mean()) if by_owners else None,
        float(moved.max()) if by_owners else None,
        float(off.mean()) if by_owners else None,
        tau if by_owners else None,
        float(now.pool[victims].mean()),
        float(now.pool[suspects].mean()) if suspects else None,
    )


def kendall_tau(one: Array, two: Array) -> float:
    """Return Kendall's tau-b of two rankings (n,): 1 the same order, -1 the reverse.

    Source: Kendall (1945), Biometrika 33:239-251.

    >>> round(kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 3)
    0.333
    """
    upper = np.triu_indices(len(one), 1)
    left = np.sign(np.subtract.outer(one, one))[upper]
    right = np.sign(np.subtract.outer(two, two))[upper]
    return float((left * right).sum() / np.sqrt(np.abs(left).sum() * np.abs(right).sum()))
