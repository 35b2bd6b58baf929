"""Whether an endpoint changed within the last hours: broke, recovered, or calls tools otherwise.

Owns three CUSUM detectors on hourly counters (Page, Biometrika 41, 1954), each capped per slot.
It acts on nothing. The rules others rely on: an alarm needs several slots to agree where there
are several; it is about the last hour given and names the hour its evidence starts; the same
hours give the same answer, whether at once or one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from telemetry.scoring.evidence import ATTEMPTS, FIELDS, FIRST_KIND, FORCED, REQUESTS, STRATA
from telemetry.scoring.method import DEFAULT, Method
from telemetry.scoring.sentences import count

Array = NDArray[np.float64]
Kind = Literal["failures", "recovery", "propensity"]

HOUR: Final = 3600.0  # seconds
LEAST_RATE: Final = 1e-4  # failures per attempt; nobody is expected to be better
ACTIVE_SHARE: Final = 0.005  # of an endpoint's traffic that makes a slot an active one


@dataclass(frozen=True, slots=True)
class Expected:
    """What a score expects of every cell of K endpoints; the detectors' basis.

    `failures` are per attempt, `calls` per request with free choice, both shape (K, STRATA,
    SLOTS); `votes` (K, SLOTS), 0 to 1, say how far a slot counts.
    """

    endpoint_ids: tuple[int, ...]
    failures: Array
    calls: Array
    votes: Array


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """Counters of K endpoints in H hours.

    `hours` are Unix times of each hour's start, ascending; the last may be partial. `counts` has
    shape (K, H, STRATA, SLOTS, len(FIELDS)), in the order of `endpoint_ids` and `hours`.
    """

    endpoint_ids: tuple[int, ...]
    hours: tuple[float, ...]
    counts: Array


@dataclass(frozen=True, slots=True)
class Alarm:
    """One endpoint's change. Evidence before `since` (Unix time) is to be set aside.

    `owners_slots` is the number of active slots: with `method.few_slots` or fewer, confirm with
    probes before acting. `suspects` are other members that have part of an alarm themselves.
    """

    endpoint_id: int
    kind: Kind
    since: float
    statistic: float
    sentence: str
    owners_slots: int
    suspects: frozenset[int] = frozenset()


def detect(
    hourly: HourlyCounts,
    expected: Expected,
    rates: Sequence[float | None],
    members: frozenset[int],
    method: Method = DEFAULT,
) -> tuple[Alarm, ...]:
    """Return the alarms that stand at the end of the last hour, at most one per endpoint and kind.

    `rates` are the endpoints' standardised error rates (shares of 1), in the order of
    `hourly.endpoint_ids`; None where there is no score yet. `expected` may list other endpoints
    or another order; an endpoint it does not know is not watched. Only members can break, only
    others recover; propensity is watched for all. Raises ValueError on shapes that do not fit.
    """
    watch = Watch(hourly.endpoint_ids, expected, rates, members, method)
    for index, hour in enumerate(hourly.hours):
        watch.advance(hour, hourly.counts[:, index])
    return watch.alarms()


def mass_incident(
    alarms: Sequence[Alarm], members: frozenset[int], method: Method = DEFAULT
) -> bool:
    """Return whether so many members broke at once that the model, not they, must have changed.

    Alarms of one incident come hours apart, for traffic differs; so members that have part of an
    alarm count as soon as one has a whole one.
    """
    alarmed = [alarm for alarm in alarms if alarm.kind == "failures"]
    broken = {one for alarm in alarmed for one in (alarm.endpoint_id, *alarm.suspects)} & members
    serious = any(alarm.endpoint_id in members for alarm in alarmed)
    needed = max(method.mass_members, method.mass_share * len(members))
    return serious and len(broken) >= needed


class Watch:
    """The detectors' state, advanced hour by hour."""

    def __init__(
        self,
        endpoint_ids: Sequence[int],
        expected: Expected,
        rates: Sequence[float | None],
        members: frozenset[int],
        method: Method = DEFAULT,
    ) -> None:
        if len(rates) != len(endpoint_ids):
            raise ValueError(f"{len(rates)} rates for {len(endpoint_ids)} endpoints: give one each")
        self.endpoint_ids = tuple(endpoint_ids)
        self.method = method
        self._basis = _basis_of(self.endpoint_ids, expected)
        member = np.array([one in members for one in endpoint_ids], dtype=bool)
        known = self._basis.known
        given = [LEAST_RATE if rate is None else max(rate, LEAST_RATE) for rate in rates]
        self._factors = _alternatives(np.array(given), method)
        size = len(self.endpoint_ids)
        slots = self._basis.votes.shape[1]
        self._rise = _Sum(2, size, slots, watched=known & member)
        self._recovery = _Sum(1, size, slots, watched=known & ~member)
        self._shift = _Sum(2, size, slots, watched=known)
        self._volume = np.zeros((size, slots))

    def advance(self, hour: float, counts: Array) -> None:
        """Take in one hour's counters, shape (K, STRATA, SLOTS, len(FIELDS)), from Unix `hour`."""
        size, slots = self._volume.shape
        if counts.shape != (size, STRATA, slots, len(FIELDS)):
            raise ValueError(
                f"counters of shape {counts.shape}: expected {(size, STRATA, slots, len(FIELDS))}"
            )
        seen = _Hour.of(counts, self._basis, self.method)
        self._volume += seen.attempts
        method, mu = self.method, seen.expected
        factor = self._factors[:, :, np.newaxis]
        rise = seen.failures * np.log(factor) - (factor - 1.0) * method.drift * mu
        less = method.recovery_factor
        fall = seen.failures * np.log(less) + (1.0 - less) * method.recovery_drift * mu
        step = method.propensity_shift
        pull = np.stack([seen.surplus, -seen.surplus]) * step
        told = np.stack([seen.attempts, seen.failures, mu])
        self._rise.add(rise, hour, told)
        self._recovery.add(np.minimum(fall, method.recovery_cap)[np.newaxis], hour, told)
        shift = pull - 0.5 * step * step * seen.information
        self._shift.add(shift, hour, np.stack([seen.free, seen.calls, np.zeros_like(seen.free)]))

    def alarms(self) -> tuple[Alarm, ...]:
        """Return the alarms that stand now, at most one per endpoint and kind."""
        method = self.method
        total = self._volume.sum(axis=1, keepdims=True)
        active = np.count_nonzero(self._volume > ACTIVE_SHARE * total, axis=1)
        cap = np.maximum(method.slot_cap, method.cap_total / np.maximum(active, 1))
        rise, fall = self._rise.capped(cap), self._recovery.total
        # Owners differ in how they take to an endpoint, for good: neither way may that add up.
        shift = self._shift.capped(cap, -cap)
        suspected = (rise.max(axis=0) > method.mass_suspicion * method.alarm_failures).tolist()
        watched = zip(self.endpoint_ids, suspected, self._rise.watched.tolist(), strict=True)
        suspects = frozenset(one for one, suspect, seen in watched if suspect and seen)
        broken = self._standing("failures", self._rise, rise, method.alarm_failures, active)
        return (
            *(replace(one, suspects=suspects - {one.endpoint_id}) for one in broken),
            *self._standing("recovery", self._recovery, fall, method.alarm_recovery, active),
            *self._standing("propensity", self._shift, shift, method.alarm_propensity, active),
        )

    def _standing(
        self,
        kind: Kind,
        sums: "_Sum",
        statistics: Array,
        threshold: float,
        active: NDArray[np.intp],
    ) -> Iterator[Alarm]:
        """Yield this kind's alarms; of an endpoint's variants, the one furthest up."""
        for k in np.flatnonzero(sums.watched & (statistics.max(axis=0) > threshold)):
            which = int(statistics[:, k].argmax())
            since = float(sums.since[which, k])
            sentence = _sentence(kind, since, sums.told[which, :, k], which)
            statistic, slots = float(statistics[which, k]), int(active[k])
            yield Alarm(self.endpoint_ids[k], kind, since, statistic, sentence, slots)


@dataclass(frozen=True, slots=True)
class _Basis:
    """`Expected` in the order of the endpoints watched."""

    known: NDArray[np.bool_]
    failures: Array
    calls: Array
    votes: Array


def _basis_of(endpoint_ids: tuple[int, ...], expected: Expected) -> _Basis:
    place = {one: index for index, one in enumerate(expected.endpoint_ids)}
    known = np.array([one in place for one in endpoint_ids], dtype=bool)
    order = [place.get(one, 0) for one in endpoint_ids]
    if not place:
        shape = (len(endpoint_ids), *expected.failures.shape[1:])
        nothing = np.zeros(shape)
        return _Basis(known, nothing, nothing, nothing.sum(axis=1))
    return _Basis(known, expected.failures[order], expected.calls[order], expected.votes[order])


def _alternatives(rates: Array, method: Method) -> Array:
    """Return the two factors by which failures may have risen, shape (2, K)."""
    rise = np.maximum(method.rise_factor, 1.0 + method.rise_points / rates)
    most = np.maximum(method.outage_rate / rates, 1.0)
    outage = np.minimum(np.maximum(4.0 * rise, method.outage_factor), most)
    return np.stack([rise, outage])


@dataclass(frozen=True, slots=True)
class _Hour:
    """One hour of counters against what was expected, each (K, SLOTS), times the slots' votes."""

    attempts: Array
    failures: Array
    expected: Array
    free: Array  # requests with free choice
    calls: Array
    surplus: Array  # calls beyond what was expected, damped
    information: Array  # their variance

    @classmethod
    def of(cls, counts: Array, basis: _Basis, method: Method) -> "_Hour":
        attempts, failures = counts[..., ATTEMPTS], counts[..., FIRST_KIND:] @ _ONES
        chances = basis.calls[:, : FORCED.start]
        requests = counts[:, : FORCED.start, :, REQUESTS]
        calls = counts[:, : FORCED.start, :, ATTEMPTS]
        information = (requests * chances * (1.0 - chances)).sum(axis=1)
        weights = basis.votes / (1.0 + method.vendor_variance * information)
        return cls(
            attempts.sum(axis=1) * basis.votes,
            failures.sum(axis=1) * basis.votes,
            (attempts * basis.failures).sum(axis=1) * basis.votes,
            requests.sum(axis=1) * basis.votes,
            calls.sum(axis=1) * basis.votes,
            weights * (calls - requests * chances).sum(axis=1),
            weights * information,
        )


_ONES: Final = np.ones(len(FIELDS) - FIRST_KIND)


class _Sum:
    """CUSUM statistics of V variants: total (V, K), and per slot since the total was last 0."""

    def __init__(self, variants: int, size: int, slots: int, watched: NDArray[np.bool_]) -> None:
        self.watched = watched
        self.total = np.zeros((variants, size))
        self.slots = np.zeros((variants, size, slots))
        self.since = np.zeros((variants, size))
        self.told = np.zeros((variants, 3, size))  # what was seen since, for the sentence

    def add(self, change: Array, hour: float, told: Array) -> None:
        self.since = np.where(self.total > 0.0, self.since, hour)
        self.total = np.maximum(0.0, self.total + change.sum(axis=2))
        running = self.total > 0.0
        self.slots = np.where(running[..., np.newaxis], self.slots + change, 0.0)
        seen = self.told + told.sum(axis=2)[np.newaxis]
        self.told = np.where(running[:, np.newaxis], seen, 0.0)

    def capped(self, most: Array, least: Array | None = None) -> Array:
        """Return the totals with no slot above `most` or below `least` (K,), shape (V, K)."""
        floor = None if least is None else least[np.newaxis, :, np.newaxis]
        return np.asarray(np.clip(self.slots, floor, most[np.newaxis, :, np.newaxis]).sum(axis=2))


def _sentence(kind: Kind, since: float, told: Array, which: int) -> str:
    start = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    seen, hits, expected = (float(figure) for figure in told)
    of_requests = f"in {count(seen, 'request', 'requests')} since {start}"
    if kind == "propensity":
        word = "more" if which == 0 else "less"
        return f"calls tools {word} often than before: {hits:,.0f} calls {of_requests}"
    word = "rose" if kind == "failures" else "fell"
    failed = count(hits, "failure", "failures")
    return f"tool-call errors {word}: {failed} {of_requests}, {expected:,.1f} expected"
