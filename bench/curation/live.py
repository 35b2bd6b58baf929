"""One changing world lived through under one policy: hours, feedback, and what it came to.

Owns the loop and its measures. The rules others rely on: members of the pool get the `:exacto`
traffic, so what a policy decides is what it will see; all decisions are hourly, so a delay of
one hour is the least there is; measures start with the first edition; an endpoint is wrongly in
or out by the truth of that very hour.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from bench.curation.counting import count
from bench.curation.draws import Streams, draw_requests, joined
from bench.curation.ledger import Ledger
from bench.curation.live_worlds import HOURS, LiveWorld
from bench.curation.moments import Course, Moment, exacto_failure, hourly_volume, shares
from bench.curation.policy import FIRST_EDITION, Policy
from bench.curation.population import Array, Flags, populate

PROBES_A_DAY = 200
ENOUGH_TRAFFIC = 600  # tool calls in 24 h that make probes needless
MONTH = 720.0


@dataclass(frozen=True, slots=True)
class LiveRow:
    """What a policy came to in one run.

    `failure`, `default`, `oracle`: shares of tool calls, had all honest traffic used `:exacto`.
    `precision`, `recall`: means over hours. `needless`: changes away from the truth of that hour,
    and `flips`: all changes of endpoints that never change, both per endpoint-month. `detection`,
    `recovery`: hours from a member's break to its leaving, and from its repair to its return
    (inf: not within the run; None: nothing to detect). `false_alarms`: good endpoints put in
    quarantine, a month. `good_dropped`: good endpoints that were ever out after the first day.
    """

    world: str
    seed: int
    policy: str
    failure: float
    default: float
    oracle: float
    precision: float
    recall: float
    needless: float
    flips: float
    detection: float | None
    recovery: float | None
    false_alarms: float
    smallest_pool: int
    good_dropped: int


@dataclass
class History:
    """Per hour from the first edition on: who was in, who should have been (hours, K)."""

    pools: list[Flags]
    good: list[Flags]
    bad: list[Flags]
    failed: Array
    calls: Array


class Run:
    """One world, one seed, one policy."""

    def __init__(self, live: LiveWorld, seed: int, policy: Policy) -> None:
        self.live, self.policy = live, policy
        self.people = populate(live.world, seed)
        self.course = Course(live, self.people)
        self.streams = Streams(seed)
        self.bursts = np.random.default_rng([seed, 6])
        self.probing = np.random.default_rng([seed, 7])
        self.ledger = Ledger(self.people, cells=policy.reads_cells)
        self._failures: dict[tuple[int, bytes], tuple[float, float]] = {}

    def live_through(self, hours: int) -> History:
        past = History([], [], [], np.zeros(3), np.zeros(3))
        pool = self.course.at(0).active
        for hour in range(hours):
            moment = self.course.at(hour)
            if hour >= FIRST_EDITION:
                self._note(past, moment, pool)
            self._traffic(moment, pool, hour)
            self._probe_outsiders(moment, pool)
            pool = self.policy.step(self.ledger, moment.active)
        return past

    def _note(self, past: History, moment: Moment, pool: Flags) -> None:
        past.pools.append(pool)
        past.good.append(moment.labels.good)
        past.bad.append(moment.labels.bad)
        best = moment.labels.good if moment.labels.good.any() else moment.active
        for column, listed in enumerate((pool, moment.active, best)):
            failed, calls = self._failure(moment, listed)
            past.failed[column] += failed
            past.calls[column] += calls

    def _failure(self, moment: Moment, listed: Flags) -> tuple[float, float]:
        key = (id(moment), listed.tobytes())  # moments live as long as their course
        if key not in self._failures:
            self._failures[key] = exacto_failure(moment, listed)
        return self._failures[key]

    def _traffic(self, moment: Moment, pool: Flags, hour: int) -> None:
        people, share = moment.people, self.live.exacto
        plain = shares(people, pool, moment.active, exacto=False)
        suffixed = shares(people, pool, moment.active, exacto=True)
        routing = (1 - share) * plain + share * suffixed
        volume = hourly_volume(moment, hour, self.bursts)
        cut = people.ordinary
        parts = [draw_requests(people, volume[:cut], routing[:cut], self.streams.ordinary)]
        if len(volume) > cut:
            groups = (volume[cut:], routing[cut:])
            parts.append(draw_requests(people, *groups, self.streams.groups, cut))
        drawn = joined(parts)
        size = len(people.truth)
        self.ledger.add(count(drawn, self.ledger.slots, size, self.streams.kinds), drawn)

    def _probe_outsiders(self, moment: Moment, pool: Flags) -> None:
        """Sends outsiders with little traffic their share of the day's probes."""
        lately = np.sum(self.ledger.totals[-24:], axis=0)[:, :, 1].sum(axis=1)
        quiet = moment.active & ~pool & (lately < ENOUGH_TRAFFIC)
        for k in np.flatnonzero(quiet):
            requests = int(self.probing.poisson(PROBES_A_DAY / 24))
            calls, failures = self._probe(moment, int(k), requests)
            self.ledger.add_probes(int(k), requests, calls, failures)

    def _probe(self, moment: Moment, endpoint: int, requests: int) -> tuple[int, int]:
        now, before = moment.people.truth[endpoint], self.people.truth[endpoint]
        rate = min(1.0, self.people.benchmark_fails[endpoint] + max(0.0, now - before))
        calls = self.probing.binomial(
            requests, 1 / (1 + np.exp(-0.5 - moment.people.shift[endpoint]))
        )
        return int(calls), int(self.probing.binomial(calls, rate))


def live_row(live: LiveWorld, seed: int, name: str, policy: Policy, hours: int = HOURS) -> LiveRow:
    """Return what `policy` came to in `live`, the same for the same seed."""
    past = Run(live, seed, policy).live_through(hours)
    pools, good, bad = np.array(past.pools), np.array(past.good), np.array(past.bad)
    failure, default, oracle = (float(rate) for rate in past.failed / past.calls)
    months = len(pools) / MONTH
    steady = [k for k in range(pools.shape[1]) if k not in live.changing()]
    changed = pools[1:] != pools[:-1]
    wrong = changed & np.where(pools[1:], ~good[1:], ~bad[1:])
    return LiveRow(
        live.name,
        seed,
        name,
        failure,
        default,
        oracle,
        precision=_precision(pools, good, bad),
        recall=float(np.mean((pools & good).sum(1) / np.maximum(1, good.sum(1)))),
        needless=float(wrong.sum() / (months * pools.shape[1])),
        flips=float(changed[:, steady].sum() / (months * len(steady))),
        detection=_detection(live, pools),
        recovery=_recovery(live, pools),
        false_alarms=_false_alarms(policy, good) / months,
        smallest_pool=int(pools.sum(1).min()),
        good_dropped=_dropped(pools, good),
    )


def _precision(pools: Flags, good: Flags, bad: Flags) -> float:
    kept_bad = (pools & bad).sum(1)
    kept = kept_bad + (pools & good).sum(1)
    return float(np.mean(1 - kept_bad / np.maximum(1, kept)))


def _dropped(pools: Flags, good: Flags) -> int:
    """Endpoints that a change pushed off the list while they were good."""
    left = pools[:-1] & ~pools[1:] & good[1:] & good[:-1]
    return int(left.any(axis=0).sum())


def _detection(live: LiveWorld, pools: Flags) -> float | None:
    change = _watched(live)
    if change is None:
        return None
    start, _, endpoint = change
    if not pools[start, endpoint]:
        return None
    return _first(~pools[start:, endpoint])


def _recovery(live: LiveWorld, pools: Flags) -> float | None:
    change = _watched(live)
    if change is None or change[1] is None:
        return None
    _, end, endpoint = change
    return _first(pools[end:, endpoint])


def _watched(live: LiveWorld) -> tuple[int, int | None, int] | None:
    """Return (start, end, endpoint) of the one change of one endpoint, in hours of the lists."""
    single = [c for c in live.changes if c.endpoint is not None]
    if not single:
        return None
    change = single[0]
    end = None if change.ends == inf else int(change.ends) - FIRST_EDITION
    return int(change.starts) - FIRST_EDITION, end, int(change.endpoint or 0)


def _first(flags: Flags) -> float:
    return float(np.argmax(flags)) if flags.any() else inf


def _false_alarms(policy: Policy, good: Flags) -> int:
    def quiet(hour: int, endpoint: int) -> bool:
        at = hour - 1 - FIRST_EDITION
        return bool(good[max(0, at - 24) : at + 1, endpoint].all())

    return sum(quiet(hour, endpoint) for hour, endpoint in policy.quarantined)
