"""How a list follows the scorer hour by hour: decisions, quarantine, mass guard, evidence reset.

Owns the glue between the scorer's pure functions, as the product's curation has it with the
policy `auto` and no cap on changes per day; one module, so that the two can be laid side by side.
The rules others rely on: it sees the ledger and the answers to its own probes, never the truth;
while the mass guard holds, nothing changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
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
CONFIRMATIONS = 60  # probes, where too few owners stand behind an alarm
CONFIRMED = 0.05  # probability of so many failed probes had nothing changed

State = Literal["unlisted", "member", "out", "new", "quarantined"]
# Answers (calls, failures) of that many probes sent to one endpoint now.
Probe = Callable[[int, int], tuple[int, int]]


class Policy(Protocol):
    """Says each hour which of the endpoints present are in the pool, as flags (K,)."""

    quarantined: list[tuple[int, int]]  # (hour, endpoint) of every alarm acted on

    def step(self, ledger: Ledger, present: Flags, probe: Probe) -> Flags: ...


@dataclass
class Member:
    """What is remembered of one endpoint between hours."""

    state: State = "unlisted"
    since: float = -inf  # the hour it left the list, or was quarantined
    quarantines: list[int] = field(default_factory=list)

    def past(self, hour: int) -> Past:
        recent = sum(hour - h <= MONTH for h in self.quarantines)
        return Past(self.state, hour - self.since, recent)


class Assay:
    """The product's way."""

    def __init__(self, size: int, method: Method = DEFAULT) -> None:
        self.method = method
        self.endpoints = [Member() for _ in range(size)]
        self.known = np.zeros(size, dtype=bool)
        self.pool = np.zeros(size, dtype=bool)
        self.frozen_until = 0
        self.quarantined: list[tuple[int, int]] = []

    def step(self, ledger: Ledger, present: Flags, probe: Probe) -> Flags:
        if ledger.hour < FIRST_EDITION:
            return present
        self._welcome(present, first=ledger.hour == FIRST_EDITION)
        which = [int(k) for k in np.flatnonzero(present)]
        result = score_pool(of_endpoints(ledger.evidence(), which), self.method)
        if ledger.hour > FIRST_EDITION and self._react(ledger, result, which, probe):
            result = score_pool(of_endpoints(ledger.evidence(), which), self.method)
        if ledger.hour >= self.frozen_until:
            self._follow(result, ledger.hour)
        return self.pool.copy()

    def _welcome(self, present: Flags, *, first: bool) -> None:
        for k in np.flatnonzero(present & ~self.known):
            self.endpoints[k].state = "unlisted" if first else "new"
        self.known |= present

    def _react(self, ledger: Ledger, result: PoolResult, which: list[int], probe: Probe) -> bool:
        """Act on what changed within the hours kept; True if any evidence was set aside."""
        members = frozenset(int(k) for k in np.flatnonzero(self.pool))
        hours = tuple(h * HOUR for h in ledger.kept_hours())
        hourly = HourlyCounts(tuple(which), hours, ledger.hourly()[which])
        rates = [e.accuracy.estimate for e in result.endpoints]
        alarms = detect(hourly, result.expected, rates, members, self.method)
        if mass_incident(alarms, members, self.method):
            self.frozen_until = ledger.hour + FREEZE_HOURS
        if ledger.hour < self.frozen_until:
            return False
        acted = [self._act(ledger, alarm, result, probe) for alarm in alarms]
        return any(acted)

    def _act(self, ledger: Ledger, alarm: Alarm, result: PoolResult, probe: Probe) -> bool:
        endpoint, since = alarm.endpoint_id, alarm.since / HOUR
        if alarm.kind == "propensity":
            if since > ledger.propensity_since[endpoint]:
                ledger.set_propensity_aside(endpoint, since)
                return True
            return False
        if since <= ledger.since[endpoint]:
            return False
        if alarm.kind == "failures" and not self._quarantine(ledger, alarm, result, probe):
            return False
        ledger.set_aside(endpoint, since)
        return True

    def _quarantine(self, ledger: Ledger, alarm: Alarm, result: PoolResult, probe: Probe) -> bool:
        k = alarm.endpoint_id
        if alarm.owners_slots <= self.method.few_slots and not _confirmed(k, result, probe):
            return False
        member = self.endpoints[k]
        member.state, member.since = "quarantined", ledger.hour
        member.quarantines.append(ledger.hour)
        self.pool[k] = False
        self.quarantined.append((ledger.hour, k))
        return True

    def _follow(self, result: PoolResult, hour: int) -> None:
        pasts = [self.endpoints[e.endpoint_id].past(hour) for e in result.endpoints]
        for decision in decide(result, pasts, self.method).decisions:
            member = self.endpoints[decision.endpoint_id]
            if decision.eligible:
                member.state = "member"
            elif member.state in ("member", "unlisted"):
                member.state, member.since = "out", hour
            self.pool[decision.endpoint_id] = decision.eligible


def _confirmed(endpoint: int, result: PoolResult, probe: Probe) -> bool:
    """Whether probes, too, fail more than twice as often as the endpoint's traffic did."""
    rate = next(e.accuracy.estimate for e in result.endpoints if e.endpoint_id == endpoint)
    calls, failures = probe(endpoint, CONFIRMATIONS)
    return _upper_tail(failures, 2 * (rate or 0.0) * calls) < CONFIRMED


def _upper_tail(seen: int, expected: float) -> float:
    """Return the Poisson probability of at least `seen`."""
    below = np.cumprod([1.0, *(expected / i for i in range(1, seen))])[:seen].sum()
    return float(1 - np.exp(-expected) * below)
