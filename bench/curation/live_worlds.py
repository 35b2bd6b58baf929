"""Worlds that change while they are lived in: what breaks, when, and who arrives.

Owns the parameters of the thirty-day worlds. The rules others rely on: hours count from the start
of the run; a change is in force from its first hour up to, not including, its last; nothing here
says how a change might be noticed.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Any

from bench.curation.worlds import BASE, OVERCALLER, Endpoint, Group, World, good_and_bad

DAY = 24.0
HOURS = 720
BREAKS, REPAIRED = 10 * DAY, 18 * DAY
ARRIVAL = 8 * DAY


@dataclass(frozen=True, slots=True)
class Change:
    """What is different for a while; `endpoint` None means all.

    `extra`: calls fail by it, independently, beside all else. `factor`: failures are that much
    more frequent. `shift`: logits. `ramp`: hours until all of it is in force. `period`: repeats
    every so many hours, in force for `lasting` each time. `owner`: only requests of that group's
    owners (index among groups).
    """

    starts: float
    ends: float = inf
    endpoint: int | None = None
    extra: float = 0.0
    factor: float = 1.0
    shift: float = 0.0
    ramp: float = 0.0
    period: float = inf
    lasting: float = inf
    group: int | None = None

    def strength(self, hour: float) -> float:
        """Return how much of it is in force, 0 to 1."""
        if not self.starts <= hour < self.ends:
            return 0.0
        since = hour - self.starts
        if self.period < inf and since % self.period >= self.lasting:
            return 0.0
        return min(1.0, since / self.ramp) if self.ramp else 1.0


@dataclass(frozen=True, slots=True)
class LiveWorld:
    """`world` lived for HOURS, with `changes`; `exacto` of unpinned requests carry the suffix.

    `arrivals`: the hour an endpoint is new at; others are there from the start. `group_starts`:
    the hour from which each group sends.
    """

    world: World
    changes: tuple[Change, ...] = ()
    exacto: float = 0.3
    arrivals: tuple[tuple[int, float], ...] = ()
    group_starts: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return self.world.name

    def changing(self) -> frozenset[int]:
        """Return the endpoints that are not the same all along."""
        changed = {c.endpoint for c in self.changes if c.endpoint is not None}
        return frozenset(changed | {k for k, _ in self.arrivals})


BROKEN = 1  # the good endpoint that things happen to
ENDPOINTS = (
    *good_and_bad((0.004, 0.006, 0.007, 0.010, 0.006, 0.008, 0.032, 0.07, 0.10)),
    OVERCALLER,
)
NEWCOMERS = (Endpoint(0.006, popularity=0.3), Endpoint(0.06, price=0.8, popularity=0.3))
BREAK = Change(BREAKS, REPAIRED, BROKEN, extra=0.075)
GIANT = Group(
    requests_per_day=75_000, targets=(0, BROKEN), on_target=0.8, difficulty=3.0, honest=True
)
CLIENT = Group(requests_per_day=8_800, honest=True)


def _live(name: str, title: str, changes: tuple[Change, ...] = (), **others: Any) -> LiveWorld:
    world = replace(BASE, name=name, title=title, endpoints=ENDPOINTS)
    return LiveWorld(world, changes, **others)


def _with(live: LiveWorld, **changes: Any) -> LiveWorld:
    return replace(live, world=replace(live.world, **changes))


LIVE: tuple[LiveWorld, ...] = (
    _live("T01", "stable"),
    _live("T02", "one breaks to 8 %, repaired after 8 days", (BREAK,)),
    _live("T03", "outage of 6 h", (Change(BREAKS, BREAKS + 6, BROKEN, extra=0.6),)),
    _live(
        "T04",
        "slow degradation to 5 % over 10 days",
        (Change(BREAKS, endpoint=BROKEN, extra=0.044, ramp=10 * DAY),),
    ),
    _with(
        _live("T05", "a good and a bad newcomer", arrivals=((10, ARRIVAL), (11, ARRIVAL))),
        endpoints=(*ENDPOINTS, *NEWCOMERS),
    ),
    _live("T06", "as T02, 95 % of traffic on :exacto", (BREAK,), exacto=0.95),
    _with(_live("T07", "as T02, 400 requests a day", (BREAK,)), requests_per_day=400.0),
    _with(
        _live("T08", "a hard giant arrives on two good ones", group_starts=(ARRIVAL,)),
        groups=(GIANT,),
    ),
    _live(
        "T09", "one calls tools more, for 8 days", (Change(BREAKS, REPAIRED, BROKEN, shift=0.9),)
    ),
    _live("T10", "model-wide incident of 12 h", (Change(BREAKS, BREAKS + 12, factor=8.0),)),
    _live(
        "T11",
        "one is flaky every other day",
        (Change(BREAKS, endpoint=BROKEN, extra=0.075, period=2 * DAY, lasting=12.0),),
    ),
    _with(
        _live(
            "T12",
            "one owner's bug for 48 h",
            (Change(BREAKS, BREAKS + 48, group=0, extra=0.9),),
            group_starts=(0.0,),
        ),
        groups=(CLIENT,),
    ),
)
