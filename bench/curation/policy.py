"""How a list follows the scorer hour by hour: decisions, quarantine, mass guard, evidence reset.

Owns the glue between the scorer's pure functions, as the product's curation has it with the
policy `auto` and no cap on changes per day; one module, so that the two can be laid side by side.
The product looks every five minutes; here the detectors look once an hour, and scores follow
every sixth hour, or every hour for a day after an alarm. The rules others rely on: it sees the
ledger and never the truth; while the mass guard holds, nothing changes; who is quarantined stays
on the list and comes back by proof.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, Protocol

import numpy as np

from bench.curation.ledger import Ledger, of_endpoints
from bench.curation.population import Flags
from telemetry.scoring.detection import Alarm, HourlyCounts, detect, mass_incident
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.score import PoolResult, score_pool
from telemetry.scoring.standing import Past, decide

HOUR = 3600.0
FIRST_EDITION = 72  # hours: until then there is no list, and :exacto routes as any request
FREEZE_HOURS = 6
MONTH = 720
SCORE_EVERY = 6  # hours, while nothing happens; alarms bring the next score at once
ALERT_HOURS = 24  # after an alarm, scores follow every hour for as long
# A glance at a few hours finds what breaks fast: a CUSUM that starts later is never higher. All
# the hours kept are watched each time that scores follow.
GLANCE_HOURS = 8

State = Literal["unlisted", "member", "out", "new", "quarantined"]


class Policy(Protocol):
    """Says each hour which of the endpoints present are in the pool, as flags (K,)."""

    quarantined: list[tuple[int, int]]  # (hour, endpoint) of every alarm acted on
    reads_cells: bool  # or only the ledger's totals

    def step(self, ledger: Ledger, present: Flags) -> Flags: ...


@dataclass
class Member:
    """What is remembered of one endpoint between hours."""

    state: State = "unlisted"
    since: float = -inf  # the hour it left the list, or was quarantined
    released: float = -inf  # the hour its last quarantine ended
    quarantines: list[int] = field(default_factory=list)

    def past(self, hour: int) -> Past:
        recent = sum(hour - h < MONTH for h in self.quarantines)
        return Past(self.state, hour - self.since, recent)


class Assay:
    """The product's way."""

    reads_cells = True

    def __init__(self, size: int, method: Method = DEFAULT) -> None:
        self.method = method
        self.endpoints = [Member() for _ in range(size)]
        self.known = np.zeros(size, dtype=bool)
        self.pool = np.zeros(size, dtype=bool)
        self.frozen_until = 0
        self.alert_until = 0
        self.result: PoolResult
        self.quarantined: list[tuple[int, int]] = []
        self._seen: set[tuple[int, str, float]] = set()  # alarms that wait for a second look

    def step(self, ledger: Ledger, present: Flags) -> Flags:
        if ledger.hour < FIRST_EDITION:
            return present
        first = ledger.hour == FIRST_EDITION
        arrived = self._welcome(present, first=first)
        which = [int(k) for k in np.flatnonzero(present)]
        if first or arrived or self._due(ledger, which):
            self._look(ledger, which, first=first)
        return self.pool.copy()

    def _due(self, ledger: Ledger, which: list[int]) -> bool:
        if ledger.hour < self.alert_until or ledger.hour % SCORE_EVERY == 0:
            return True
        return bool(self._alarms(ledger, which, GLANCE_HOURS))

    def _look(self, ledger: Ledger, which: list[int], *, first: bool) -> None:
        self.result = score_pool(of_endpoints(ledger.evidence(), which), self.method)
        if not first and self._react(ledger, which):
            # Evidence from before a change no longer counts.
            self.alert_until = ledger.hour + ALERT_HOURS
            self.result = score_pool(of_endpoints(ledger.evidence(), which), self.method)
        if ledger.hour >= self.frozen_until:
            self._follow(self.result, ledger.hour)

    def _welcome(self, present: Flags, *, first: bool) -> bool:
        """Remember who is there now; True if anybody is new."""
        arrived = np.flatnonzero(present & ~self.known)
        for k in arrived:
            self.endpoints[k].state = "unlisted" if first else "new"
        self.known |= present
        return len(arrived) > 0

    def _react(self, ledger: Ledger, which: list[int]) -> bool:
        """Act on the alarms that stand now; True if any evidence was set aside."""
        if ledger.hour < self.frozen_until:
            return False
        alarms = self._alarms(ledger, which, ledger.kept)
        if mass_incident(alarms, self._serving(), self.method):
            self.frozen_until = ledger.hour + FREEZE_HOURS
            return False
        surest = sorted(alarms, key=lambda alarm: -alarm.statistic)
        acted = [self._act(ledger, alarm, self.result) for alarm in surest]
        return any(acted)

    def _serving(self) -> frozenset[int]:
        return frozenset(int(k) for k in np.flatnonzero(self.pool))

    def _alarms(self, ledger: Ledger, which: list[int], hours: int) -> tuple[Alarm, ...]:
        """Return what stands after the last `hours`, without hours that were acted on."""
        released = [m.released for m in self.endpoints]
        floors = np.maximum(np.maximum(ledger.since, ledger.propensity_since), released)
        rows = ledger.hourly(floors, hours)
        if len(which) < len(rows):
            rows = rows[which]
        times = tuple(h * HOUR for h in ledger.kept_hours()[-hours:])
        hourly = HourlyCounts(tuple(which), times, rows)
        rate = {e.endpoint_id: e.accuracy.estimate for e in self.result.endpoints}
        rates = [rate.get(k) for k in which]
        return detect(hourly, self.result.expected, rates, self._serving(), self.method)

    def _act(self, ledger: Ledger, alarm: Alarm, result: PoolResult) -> bool:
        if alarm.kind == "propensity":
            return self._on_propensity(ledger, alarm, result)
        if alarm.kind == "failures" and not self._quarantine(ledger.hour, alarm):
            return False
        return ledger.set_aside(alarm.endpoint_id, alarm.since / HOUR)

    def _on_propensity(self, ledger: Ledger, alarm: Alarm, result: PoolResult) -> bool:
        """Set all counters so far aside first: one that came back to normal alarms as well."""
        k = alarm.endpoint_id
        news = ledger.propensity_since[k] < alarm.since / HOUR
        if news and ledger.set_propensity_aside(k, ledger.hour):
            return True
        normal = next(e.propensity.probability for e in result.endpoints if e.endpoint_id == k)
        if normal is not None and normal < self.method.leave_propensity:
            self._quarantine(ledger.hour, alarm)
        return False

    def _quarantine(self, hour: int, alarm: Alarm) -> bool:
        k = alarm.endpoint_id
        enough = self.pool.sum() > self.method.minimum_pool
        if not self.pool[k] or not enough or not self._confirmed(alarm):
            return False
        member = self.endpoints[k]
        member.state, member.since = "quarantined", hour
        member.quarantines.append(hour)
        self.pool[k] = False
        self.quarantined.append((hour, k))
        return True

    def _confirmed(self, alarm: Alarm) -> bool:
        """Whether enough owners stand behind an alarm, or this is the second look at it."""
        key = (alarm.endpoint_id, alarm.kind, alarm.since)
        second = key in self._seen
        self._seen.add(key)
        return second or alarm.owners_slots > self.method.few_slots

    def _follow(self, result: PoolResult, hour: int) -> None:
        pasts = [self.endpoints[e.endpoint_id].past(hour) for e in result.endpoints]
        proven = decide(result, pasts, replace(self.method, minimum_pool=0)).decisions
        decided = decide(result, pasts, self.method).decisions
        for proof, decision in zip(proven, decided, strict=True):
            member = self.endpoints[decision.endpoint_id]
            if member.state == "quarantined":
                self._release(member, hour, proven=proof.eligible)
            elif decision.eligible:
                member.state = "member"
            elif member.state in ("member", "unlisted"):
                member.state, member.since = "out", hour
            self.pool[decision.endpoint_id] = member.state == "member"

    @staticmethod
    def _release(member: Member, hour: int, *, proven: bool) -> None:
        if proven:
            member.state, member.released = "member", hour
