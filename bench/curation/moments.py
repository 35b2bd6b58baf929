"""The truth of a changing world at one hour, and who sends what then.

Owns how changes alter rates and how the pool alters routing. The rules others rely on: an owner
who pins keeps to its endpoint, within the pool for `:exacto`; an owner with no way into an empty
pool is balanced over all; `Moment` knows the truth and is never shown to a policy.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.curation.live_worlds import LiveWorld
from bench.curation.observed import Labels, label
from bench.curation.population import Array, Flags, Population, shifted

BURST_SHAPE = 1.5  # of a gamma: owners send in bursts, hour by hour
NIGHT = 0.5  # amplitude of the day's rhythm


@dataclass(frozen=True, slots=True)
class Moment:
    """One stretch of hours in which nothing changes: `people` with the rates of that time."""

    people: Population
    labels: Labels
    active: Flags
    sending: Flags


class Course:
    """The moments of one run; equal ones are computed once."""

    def __init__(self, live: LiveWorld, people: Population) -> None:
        self.live, self.people = live, people
        self._known: dict[tuple[float, ...], Moment] = {}
        self.group = _group_of_owner(people)
        self.starts = np.array([0.0, *live.group_starts])[self.group + 1]

    def at(self, hour: float) -> Moment:
        strengths = tuple(round(c.strength(hour), 2) for c in self.live.changes)
        present = tuple(float(hour >= start) for _, start in self.live.arrivals)
        sending = tuple(float(hour >= start) for start in self.live.group_starts)
        key = (*strengths, *present, *sending)
        if key not in self._known:
            self._known[key] = self._build(strengths, present, hour)
        return self._known[key]

    def _build(
        self, strengths: tuple[float, ...], present: tuple[float, ...], hour: float
    ) -> Moment:
        people, world = self.people, self.live.world
        fails, shift = people.fails.copy(), people.shift.copy()
        for change, strength in zip(self.live.changes, strengths, strict=True):
            mine = (
                slice(None)
                if change.endpoint is None
                else slice(change.endpoint, change.endpoint + 1)
            )
            rows = (
                np.flatnonzero(self.group == change.group)
                if change.group is not None
                else slice(None)
            )
            part = np.minimum(fails[rows, mine] * (1 + strength * (change.factor - 1)), 1.0)
            fails[rows, mine] = 1 - (1 - part) * (1 - strength * change.extra)
            shift[mine] += strength * change.shift
        active = np.ones(len(world.endpoints), dtype=bool)
        for (endpoint, _), there in zip(self.live.arrivals, present, strict=True):
            active[endpoint] = bool(there)
        now = replace(
            people,
            fails=fails,
            shift=shift,
            calls=shifted(people.calls, shift - people.shift),
            truth=people.truth_of(fails),
        )
        return Moment(now, _labels(now, active), active, self.starts <= hour)


def _labels(people: Population, active: Flags) -> Labels:
    labels = label(people)
    return Labels(labels.good & active, labels.bad & active)


def _group_of_owner(people: Population) -> np.ndarray:
    """Return the index of each owner's group, -1 for ordinary ones."""
    sizes = [g.count for g in people.world.groups]
    return np.repeat(np.arange(-1, len(sizes)), [people.ordinary, *sizes])


def shares(people: Population, pool: Flags, active: Flags, *, exacto: bool) -> Array:
    """Return where owners' requests go (T, K): by themselves, or with `:exacto` within `pool`."""
    routing = people.routing * active
    if exacto:
        inside = people.routing * pool
        stays = people.pinned & (inside.sum(axis=1) > 0)
        routing = np.where(stays[:, None], inside, people.balanced * pool)
    lost = routing.sum(axis=1) <= 0
    routing[lost] = (people.balanced * active)[lost]
    rows: Array = routing / routing.sum(axis=1, keepdims=True)
    return rows


def hourly_volume(moment: Moment, hour: int, rng: np.random.Generator) -> Array:
    """Return the requests (T,) expected of each owner in one hour, bursts included."""
    size = len(moment.people.volume)
    burst = rng.gamma(BURST_SHAPE, 1 / BURST_SHAPE, size)
    rhythm = 1 + NIGHT * np.sin(2 * np.pi * hour / 24)
    volume: Array = moment.people.volume / 24 * burst * rhythm * moment.sending
    return volume


def exacto_failure(moment: Moment, pool: Flags) -> tuple[float, float]:
    """Return (failed, all) tool calls a day if everybody used `:exacto` with this pool."""
    people = moment.people
    usable = pool & moment.active
    where = shares(people, usable, moment.active, exacto=True)
    volume = people.volume * people.honest * moment.sending
    calls = np.einsum("t,tk,ts,tks->tks", volume, where, people.mix, people.calls)
    return float((calls * people.fails).sum()), float(calls.sum())
