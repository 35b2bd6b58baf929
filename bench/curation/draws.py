"""Traffic of a population: how many replies, tool calls and failures of every kind.

Owns the lots drawn for one stretch of time. The rules others rely on: all numbers are whole and
not negative; what the judge cannot notice (some calls leaked as text) is in `failed` but in no
counter; the lots of ordinary owners come from a stream of their own, so they are the same
whatever groups are added.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.curation.population import Array, Population, endpoint_field
from telemetry.scoring.evidence import FORCED, KINDS, STRATA

Whole = NDArray[np.int64]

# How the failures that do not leak as text divide among the other kinds, before an endpoint's own
# taste. The gateway keeps the first sign that applies, so the shares are exclusive.
OTHER_KINDS = tuple(k for k in KINDS if k != "leaked_tool_text")
OTHER_SHARES = (0.25, 0.08, 0.40, 0.15, 0.0, 0.10, 0.02)
LEAKED = KINDS.index("leaked_tool_text")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Owner x endpoint x stratum cells with traffic: n rows, of which several may be one cell's.

    `owner`, `endpoint`, `stratum` (n,) say which cell; `requests`, `attempts`, `lost`, `leaked`,
    `other` (n,) are what the gateway counts there; `failed` (n,) what really failed.
    """

    owner: Whole
    endpoint: Whole
    stratum: Whole
    requests: Whole
    attempts: Whole
    lost: Whole
    leaked: Whole
    other: Whole
    failed: Whole


def draw(people: Population, expected: Array, rng: np.random.Generator, first: int = 0) -> Drawn:
    """Return traffic of the owners from `first` on, given `expected` requests (T, K, S) of them."""
    sent = rng.poisson(expected)
    owner, endpoint, stratum = np.nonzero(sent)
    count = sent[owner, endpoint, stratum]
    return _outcomes(people, (owner + first, endpoint, stratum), count, rng)


def draw_requests(
    people: Population, volume: Array, routing: Array, rng: np.random.Generator, first: int = 0
) -> Drawn:
    """Return the same one request a row: faster than `draw` where most cells are empty.

    `volume` (T,) requests are expected of the owners from `first` on, and go by `routing` (T, K).
    """
    sender = np.repeat(np.arange(len(volume)), rng.poisson(volume))
    endpoint = _lots(routing[sender], rng)
    stratum = _lots(people.mix[sender + first], rng)
    return _outcomes(people, (sender + first, endpoint, stratum), np.ones_like(sender), rng)


def _lots(shares: Array, rng: np.random.Generator) -> Whole:
    """Draw one column for each row of `shares` (n, m), rows summing to 1; returns (n,)."""
    upto = np.cumsum(shares, axis=1)[:, :-1]
    drawn: Whole = (rng.random((len(shares), 1)) >= upto).sum(axis=1)
    return drawn


def _outcomes(
    people: Population, cells: tuple[Whole, Whole, Whole], sent: Whole, rng: np.random.Generator
) -> Drawn:
    owner, endpoint, stratum = cells
    world = people.world
    lost = rng.binomial(sent, endpoint_field(world, "loss")[endpoint])
    requests = sent - lost
    calls = rng.binomial(requests, people.calls[cells])
    failed = rng.binomial(calls, people.fails[cells])
    leaks = rng.binomial(failed, endpoint_field(world, "leaks")[endpoint])
    free = (stratum < FORCED.start) | (stratum >= FORCED.stop)
    unseen = np.where(free, rng.binomial(leaks, 1 - world.sensitivity), 0)
    return Drawn(
        owner, endpoint, stratum, requests, calls - unseen, lost, leaks - unseen,
        failed - leaks, failed,
    )  # fmt: skip


def draw_period(people: Population, days: float, streams: "Streams") -> Drawn:
    """Return the traffic of `days` days, as the owners send it by themselves."""
    expected = days * np.einsum("t,tk,ts->tks", people.volume, people.routing, people.mix)
    cut = people.ordinary
    parts = [draw(people, expected[:cut], streams.ordinary)]
    if len(expected) > cut:
        parts.append(draw(people, expected[cut:], streams.groups, cut))
    return joined(parts)


def joined(parts: list[Drawn]) -> Drawn:
    names = Drawn.__slots__
    return Drawn(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


class Streams:
    """Random numbers of one run: separate ones for ordinary owners, groups, and the judge."""

    def __init__(self, seed: int) -> None:
        self.ordinary = np.random.default_rng([seed, 2])
        self.groups = np.random.default_rng([seed, 3])
        self.kinds = np.random.default_rng([seed, 4])
        self.benchmark = np.random.default_rng([seed, 5])


def split_kinds(other: Whole, rng: np.random.Generator) -> Whole:
    """Divide failures (...,) among OTHER_KINDS; returns (..., len(OTHER_KINDS)) summing to it."""
    return rng.multinomial(other, OTHER_SHARES)


__all__ = [
    "LEAKED",
    "OTHER_KINDS",
    "STRATA",
    "Drawn",
    "Streams",
    "Whole",
    "draw",
    "draw_period",
    "draw_requests",
]
