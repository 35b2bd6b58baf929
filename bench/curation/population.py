"""The owners of one world for one seed: what each sends where, and what then happens.

Owns the draws that stay for the whole run; `draws` makes the traffic of it. The rules others rely
on: ordinary owners come first and do not depend on the groups that follow, so a world with
attackers contains the same honest people as the one without; `truth` is what each endpoint's
failure rate would be if all ordinary owners sent it the same, none counting above 5 %.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.curation.worlds import Endpoint, Group, World
from telemetry.scoring.evidence import FORCED, STRATA

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

TURN_SHARES = (0.45, 0.48, 0.07)
BAND_SHARES = (0.40, 0.40, 0.20)
TURN_DIFFICULTY = (1.0, 1.2, 0.8)
BAND_DIFFICULTY = (0.7, 1.0, 1.6)
TURN_CALLS = (0.5, -0.1, 0.0)  # logit of a tool call where the choice is free
BAND_CALLS = (-0.2, 0.1, 0.3)
MIX_CONCENTRATION = 6.0
OWNER_CALLS_SIGMA = 0.8
NATURAL_SHIFT = 0.12  # endpoints within the normal range differ by as much
INTERACTION_CALLS_SIGMA = 0.12
STICKINESS = 0.7  # log, of owner x endpoint
VOLUME_SIGMA = 2.0
OWNER_CAP = 0.05
WORST = 0.97

STRATUM_SHARES = np.outer(TURN_SHARES, BAND_SHARES).ravel()
STRATUM_DIFFICULTY = np.outer(TURN_DIFFICULTY, BAND_DIFFICULTY).ravel()
STRATUM_CALLS = np.add.outer(TURN_CALLS, BAND_CALLS).ravel()


@dataclass(frozen=True, slots=True)
class Population:
    """T owners (the first `ordinary` of them ordinary), K endpoints, S strata.

    `volume` (T,): requests a day. `balanced`, `routing` (T, K): shares of an owner's requests by
    default balancing, and as they are sent, pins and sorting included. `mix` (T, S). `calls`,
    `fails` (T, K, S): probability of a tool call, and of failing if so. `shift`, `truth` (K,).
    `ignoring` (T, K). `aged`, `honest`, `pinned` (T,).
    """

    world: World
    ordinary: int
    volume: Array
    balanced: Array
    routing: Array
    mix: Array
    calls: Array
    fails: Array
    shift: Array
    truth: Array
    aged: Flags
    honest: Flags
    pinned: Flags
    ignoring: Flags
    benchmark_fails: Array

    def truth_of(self, fails: Array) -> Array:
        """Return each endpoint's failure rate (K,) over the ordinary mix, given `fails`."""
        return common_rate(self.volume[: self.ordinary], self.mix, fails)


def capped(volume: Array, cap: float = OWNER_CAP) -> Array:
    """Return shares of the volumes (T,), none above `cap` (or above equal shares, if larger)."""
    cap = max(cap, 1 / len(volume))
    shares = volume / volume.sum()
    for _ in range(50):
        over = shares >= cap
        rest = shares[~over].sum()
        if not over.any() or rest == 0:
            break
        shares = np.where(over, cap, shares * (1 - cap * over.sum()) / rest)
    capped_shares: Array = shares / shares.sum()
    return capped_shares


def logistic(x: Array) -> Array:
    chance: Array = 1 / (1 + np.exp(-x))
    return chance


def _field(world: World, name: str) -> Array:
    return np.array([getattr(e, name) for e in world.endpoints], dtype=float)


def populate(world: World, seed: int) -> Population:
    """Return the owners of `world` for one seed, groups behind the ordinary ones."""
    crowd = _Crowd(world, np.random.default_rng([seed, 0]))
    parts = [crowd.ordinary()]
    rng = np.random.default_rng([seed, 1])
    parts += [crowd.group(group, rng) for group in world.groups]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    first = parts[0]
    truth = common_rate(first["volume"], first["mix"], first["fails"])
    return Population(
        world, world.owners, **joined, shift=crowd.shift, truth=truth,
        benchmark_fails=crowd.benchmark,
    )  # fmt: skip


class _Crowd:
    """Draws owners; holds what they share: the endpoints' own noise."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        size = len(world.endpoints)
        self.world, self.rng = world, rng
        self.failure = _field(world, "failure")
        self.shift = _field(world, "shift") + rng.uniform(-NATURAL_SHIFT, NATURAL_SHIFT, size)
        if world.reference is not None:
            self.shift[world.reference] = 0.0
        self.wobble = _noise(rng, world.stratum_sigma, (size, STRATA))
        self.speed = rng.permutation(size)
        self.price = _field(world, "price") * _noise(rng, 0.1, (size,))
        self.popularity = _field(world, "popularity") * _noise(rng, world.popularity_sigma, (size,))
        self.benchmark = np.clip(self.failure * 1.2 * _noise(rng, 0.3, (size,)), 0, WORST)
        self.quality = np.where(self.failure <= np.median(self.failure), 1.0, -1.0)

    def ordinary(self) -> dict[str, Any]:
        world, rng, size = self.world, self.rng, self.world.owners
        volume = rng.lognormal(0.0, VOLUME_SIGMA, size)
        volume *= world.requests_per_day / volume.sum()
        hardness, calling = rng.normal(size=size), rng.normal(size=size)
        mix = rng.dirichlet(MIX_CONCENTRATION * STRATUM_SHARES, size)
        difficulty = np.exp(world.difficulty_sigma * hardness)
        shares = capped(volume) if volume.sum() else np.full(size, 1 / size)
        difficulty /= shares @ (difficulty * (mix @ STRATUM_DIFFICULTY))
        balanced = self._balanced(size, hardness, calling, rng)
        routing, pinned = self._sent(balanced, hardness, rng)
        met = rng.random((size, len(world.endpoints))) < _field(world, "disliked")
        yes = np.ones(size, dtype=bool)
        return {
            "volume": volume, "balanced": balanced, "routing": routing, "mix": mix,
            "calls": self._calls(calling, rng), "fails": self._fails(difficulty, rng),
            "aged": rng.random(size) < 0.93, "honest": yes, "pinned": pinned, "ignoring": met,
        }  # fmt: skip

    def group(self, group: Group, rng: np.random.Generator) -> dict[str, Any]:
        size, count = group.count, len(self.world.endpoints)
        hardness = np.zeros(size)
        mix = rng.dirichlet(MIX_CONCENTRATION * STRATUM_SHARES, size)
        balanced = self._balanced(size, hardness, hardness, rng)
        aim = np.zeros(count)
        aim[list(group.targets)] = 1 / max(1, len(group.targets))
        fails = self._fails(np.full(size, group.difficulty), rng)
        for rate, mine in ((group.fails_on_target, aim > 0), (group.fails_elsewhere, aim == 0)):
            if rate is not None:
                fails[:, mine] = rate
        flag = np.ones(size, dtype=bool)
        ignoring = np.zeros((size, count), dtype=bool)
        ignoring[:, list(group.ignores)] = True
        return {
            "volume": np.full(size, group.requests_per_day / size), "balanced": balanced,
            "routing": group.on_target * aim + (1 - group.on_target) * balanced, "mix": mix,
            "calls": self._calls(rng.normal(size=size), rng), "fails": fails,
            "aged": flag & group.aged, "honest": flag & group.honest,
            "pinned": flag & (group.on_target >= 1), "ignoring": ignoring,
        }  # fmt: skip

    def _balanced(
        self, size: int, hardness: Array, calling: Array, rng: np.random.Generator
    ) -> Array:
        """Default balancing: 1 / price², with what sessions make sticky."""
        weight = self.price**-2 * self.popularity
        first_half = np.where(np.arange(len(weight)) % 2, 1.0, -1.0)
        drift = self.world.affinity * np.outer(hardness, self.quality)
        drift += self.world.caller_affinity * np.outer(calling, first_half)
        weights = weight * np.exp(drift) * _noise(rng, STICKINESS, (size, len(weight)))
        shares: Array = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _sent(
        self, balanced: Array, hardness: Array, rng: np.random.Generator
    ) -> tuple[Array, Flags]:
        size, count = balanced.shape
        lot = rng.random(size)
        pinned = np.asarray(lot < self.world.pinned)
        sorting = ~pinned & (lot < self.world.pinned + self.world.sorters)
        routing = balanced.copy()
        taste = self.world.pin_bias * np.outer(hardness, self.quality) + rng.gumbel(
            size=(size, count)
        )
        routing[pinned] = np.eye(count)[taste.argmax(axis=1)][pinned]
        fastest = np.zeros(count)
        fastest[np.argsort(self.speed)[:3]] = (0.6, 0.25, 0.15)[: min(3, count)]
        routing[sorting] = fastest / fastest.sum()
        return routing, pinned

    def _calls(self, calling: Array, rng: np.random.Generator) -> Array:
        size = (len(calling), len(self.shift))
        own = OWNER_CALLS_SIGMA * calling[:, None] + self.shift
        own = own + INTERACTION_CALLS_SIGMA * rng.normal(size=size)
        calls = logistic(own[:, :, None] + STRATUM_CALLS)
        calls[:, :, FORCED] = 1.0
        return calls

    def _fails(self, difficulty: Array, rng: np.random.Generator) -> Array:
        """Failure probability (owners, K, S): the endpoint's, times (or plus) the owner's."""
        shape = (len(difficulty), len(self.failure))
        rates = self.failure[:, None] * self.wobble
        for index, endpoint in enumerate(self.world.endpoints):
            if endpoint.stratum is not None:
                rates[index, endpoint.stratum] = endpoint.stratum_failure
        noise = _noise(rng, self.world.interaction_sigma, shape)[:, :, None]
        owners = difficulty[:, None, None] * STRATUM_DIFFICULTY
        if self.world.additive:
            return np.clip(rates * STRATUM_DIFFICULTY * noise + 0.006 * owners, 0, WORST)
        return np.clip(rates * owners * noise, 0, WORST)


def common_rate(volume: Array, mix: Array, fails: Array) -> Array:
    """Return the failure rate (K,) if all of these owners sent every endpoint the same.

    By volume (T,), none above OWNER_CAP; `mix` and `fails` may hold more owners behind them.
    """
    size = len(volume)
    owners = capped(volume if volume.sum() else np.ones(size))
    rates: Array = np.einsum("t,ts,tks->k", owners, mix[:size], fails[:size])
    return rates


def shifted(calls: Array, shift: Array) -> Array:
    """Return the call probabilities (T, K, S) moved by `shift` logits (K,); forced ones stay."""
    odds = calls * np.exp(shift)[:, None]
    moved: Array = odds / (1 - calls + odds)
    moved[:, :, FORCED] = 1.0
    return moved


def _noise(rng: np.random.Generator, sigma: float, size: tuple[int, ...]) -> Array:
    """Log-normal factors with mean 1."""
    return rng.lognormal(-(sigma**2) / 2, sigma, size)


def endpoint_field(world: World, name: str) -> Array:
    """Return one number of every endpoint as an array (K,)."""
    return _field(world, name)


__all__ = ["Array", "Endpoint", "Flags", "Population", "capped", "endpoint_field", "populate"]
