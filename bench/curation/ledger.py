"""The counters of a run that goes on: by the hour, decayed, and set aside where a change was found.

Owns what the gateway's tables would hold. The rules others rely on: the last `kept` hours are
kept by the hour; an endpoint's evidence since a change is the sum of the hours from that change on;
slots are rebuilt once a day from the days before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.curation.counting import Use, assign_slots, votes
from bench.curation.draws import Drawn
from bench.curation.population import Array, Population
from telemetry.scoring.evidence import (
    FIELDS,
    SLOTS,
    STRATA,
    UNTRUSTED,
    BenchmarkCounts,
    Counts,
    IgnoreVotes,
    PoolEvidence,
)

KEPT = 72  # hours that detectors look back, as the product's
HALF_LIFE = 168.0
USE_DAYS = 30
SHARES_DAYS = 7


@dataclass
class Ledger:
    """Counters of K endpoints; hours count from the start of the run.

    `since` and `propensity_since` (K,): evidence of earlier hours is set aside. Without `cells`
    only `totals` are kept, for rules that read no more.
    """

    people: Population
    kept: int = KEPT
    cells: bool = True

    def __post_init__(self) -> None:
        size = len(self.people.truth)
        shape = (size, STRATA, SLOTS, len(FIELDS))
        self.hour = 0
        # Twice what is kept, so that the hours kept are one stretch of memory without copying.
        self._hours = np.zeros((size, 2 * self.kept, *shape[1:]))
        self._end = 0
        self.totals: list[Array] = []  # per hour (K, STRATA, FIELDS), for rules that need no slots
        self.counts, self.propensity = np.zeros(shape), np.zeros(shape)
        self.recorded = np.zeros(shape)
        self.since, self.propensity_since = np.zeros(size), np.zeros(size)
        self.probes = np.zeros((size, 3))
        self.days: list[Use] = [_no_use(self.people)]
        self.slots = np.full(len(self.people.volume), UNTRUSTED.start)
        self.slots += np.arange(len(self.slots)) % (UNTRUSTED.stop - UNTRUSTED.start)
        self.votes: tuple[IgnoreVotes, ...] = tuple(IgnoreVotes() for _ in range(size))

    def add(self, counts: Counts, drawn: Drawn) -> None:
        """Takes in one hour."""
        self.totals.append(counts.sum(axis=2))
        self.hour += 1
        if not self.cells:
            return
        self._add_cells(counts)
        today = self.days[-1]
        np.add.at(today.requests, (drawn.owner, drawn.endpoint), drawn.requests)
        np.add.at(today.calls, (drawn.owner, drawn.endpoint), drawn.attempts)
        if self.hour % 24 == 0:
            self._close_day()

    def _add_cells(self, counts: Counts) -> None:
        fade = 2 ** (-1 / HALF_LIFE)
        for state in (self.counts, self.propensity, self.probes):
            state *= fade
        self.counts += counts
        self.propensity += counts
        self.recorded += counts
        self._remember(counts)

    def _remember(self, counts: Counts) -> None:
        if self._end == 2 * self.kept:
            self._hours[:, : self.kept] = self._hours[:, self.kept :]
            self._end = self.kept
        self._hours[:, self._end] = counts
        self._end += 1

    def _close_day(self) -> None:
        long, week = _sum(self.days[-USE_DAYS:]), _sum(self.days[-SHARES_DAYS:])
        # Shares are of the last week; who calls enough to be believed, of the last month.
        self.slots = assign_slots(Use(week.requests, long.calls), self.people.aged)
        self.votes = votes(long, self.people)
        self.days.append(_no_use(self.people))

    def kept_hours(self) -> tuple[float, ...]:
        return tuple(float(h) for h in range(max(0, self.hour - self.kept), self.hour))

    def hourly(self, floors: Array, hours: int) -> Counts:
        """Return the last `hours` (K, H, STRATA, SLOTS, FIELDS), none before `floors` (K,)."""
        starts = np.array(self.kept_hours()[-hours:])
        rows = self._kept()[:, -hours:]
        lately = np.flatnonzero(floors > starts[0])
        if len(lately):
            rows = rows.copy()
        for k in lately:
            rows[k, starts < floors[k]] = 0.0
        return rows

    def _kept(self) -> Counts:
        return self._hours[:, self._end - len(self.kept_hours()) : self._end]

    def set_aside(self, endpoint: int, since: float) -> bool:
        """Replace an endpoint's counters by those from the hour `since` on; False if no news."""
        if since <= self.since[endpoint]:
            return False
        self.since[endpoint] = since
        self.counts[endpoint], self.recorded[endpoint] = self._from(endpoint, since)
        self.probes[endpoint] = 0.0
        return True

    def set_propensity_aside(self, endpoint: int, since: float) -> bool:
        if since <= self.propensity_since[endpoint]:
            return False
        self.propensity_since[endpoint] = since
        self.propensity[endpoint], _ = self._from(endpoint, since)
        return True

    def _from(self, endpoint: int, since: float) -> tuple[Array, Array]:
        hours = np.array(self.kept_hours())
        rows = self._kept()[endpoint, hours >= since]
        fade = 2 ** (-(self.hour - hours[hours >= since] - 1) / HALF_LIFE)
        return np.einsum("h,hsbf->sbf", fade, rows), rows.sum(axis=0)

    def add_probes(self, endpoint: int, requests: int, attempts: int, failures: int) -> None:
        self.probes[endpoint] += (requests, attempts, failures)

    def evidence(self) -> PoolEvidence:
        """Return what a scorer may see now, of all endpoints."""
        return PoolEvidence(
            endpoint_ids=tuple(range(len(self.since))),
            counts=self.counts,
            propensity_counts=self.propensity,
            recorded=self.recorded,
            owners=self._owners(),
            votes=self.votes,
            benchmarks=tuple(BenchmarkCounts(*map(float, row)) for row in self.probes),
            reference=self.people.world.reference,
        )

    def _owners(self) -> tuple[int, ...]:
        month = _sum(self.days[-USE_DAYS:])
        return tuple(int(n) for n in (month.requests > 0).sum(axis=0))


def of_endpoints(evidence: PoolEvidence, which: Sequence[int]) -> PoolEvidence:
    """Return the evidence of some endpoints (indices) only."""
    rows = list(which)
    reference = evidence.reference
    return replace(
        evidence,
        endpoint_ids=tuple(evidence.endpoint_ids[k] for k in rows),
        counts=evidence.counts[rows],
        propensity_counts=evidence.propensity_counts[rows],
        recorded=evidence.recorded[rows],
        owners=tuple(evidence.owners[k] for k in rows),
        votes=tuple(evidence.votes[k] for k in rows),
        benchmarks=tuple(evidence.benchmarks[k] for k in rows),
        reference=rows.index(reference) if reference in rows else None,
    )


def _no_use(people: Population) -> Use:
    return Use(np.zeros(people.routing.shape), np.zeros(people.routing.shape))


def _sum(days: Sequence[Use]) -> Use:
    requests = np.sum([d.requests for d in days], axis=0)
    return Use(requests, np.sum([d.calls for d in days], axis=0))
