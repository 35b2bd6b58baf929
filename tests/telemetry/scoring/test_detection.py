"""Changes within hours: found fast, by several owners, and the same at once or hour by hour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telemetry.scoring.detection import (
    HOUR,
    Alarm,
    Expected,
    HourlyCounts,
    Watch,
    detect,
    mass_incident,
)
from telemetry.scoring.evidence import (
    ATTEMPTS,
    FIELDS,
    FORCED,
    REQUESTS,
    SLOTS,
    STRATA,
    UNTRUSTED,
)
from tests.telemetry.scoring.pools import MISMATCH

START = 1_760_000_400.0 // HOUR * HOUR
IDS = (7, 8, 9)
RATES = (0.005, 0.006, 0.05)
CALLS = 0.5


def expected_of(rates: tuple[float, ...] = RATES, ids: tuple[int, ...] = IDS) -> Expected:
    flat = np.ones((len(ids), STRATA, SLOTS))
    votes = np.ones((len(ids), SLOTS))
    votes[:, UNTRUSTED] = 0.0
    failures = np.array(rates)[:, np.newaxis, np.newaxis] * flat
    return Expected(ids, failures, CALLS * flat, votes)


def traffic(
    seed: int,
    hours: int = 48,
    *,
    per_cell: float = 2.0,
    slots: tuple[int, ...] = tuple(range(24)),
    rates: tuple[float, ...] = RATES,
    calls: float = CALLS,
) -> NDArray[np.float64]:
    """Counters (K, H, STRATA, SLOTS, FIELDS) of endpoints that are as `expected_of` says."""
    source = np.random.default_rng(seed)
    counts = np.zeros((len(rates), hours, STRATA, SLOTS, len(FIELDS)))
    shape = (len(rates), hours, FORCED.start, len(slots))
    requests = source.poisson(per_cell, shape)
    attempts = source.binomial(requests, calls)
    failures = source.binomial(attempts, np.array(rates).reshape(-1, 1, 1, 1))
    for field, values in ((REQUESTS, requests), (ATTEMPTS, attempts), (MISMATCH, failures)):
        counts[:, :, : FORCED.start, list(slots), field] = values
    return counts


def hourly(counts: NDArray[np.float64], ids: tuple[int, ...] = IDS) -> HourlyCounts:
    hours = tuple(START + HOUR * index for index in range(counts.shape[1]))
    return HourlyCounts(ids, hours, counts)


def alarms_of(
    counts: NDArray[np.float64], members: frozenset[int] = frozenset({7, 8})
) -> tuple[Alarm, ...]:
    return detect(hourly(counts), expected_of(), RATES, members)


def test_endpoints_that_are_as_expected_raise_no_alarm() -> None:
    found = [alarm for seed in range(40) for alarm in alarms_of(traffic(seed))]

    assert found == []


@pytest.mark.parametrize(("rate", "hours"), [(0.08, 3), (0.2, 1), (0.6, 1)])
def test_a_member_that_breaks_is_found_within_hours(rate: float, hours: int) -> None:
    for seed in range(20):
        counts = traffic(seed)
        counts[:, -hours:] = traffic(seed + 100, hours, rates=(rate, *RATES[1:]))

        (alarm,) = alarms_of(counts)

        assert (alarm.endpoint_id, alarm.kind) == (7, "failures")
        broke = START + HOUR * (48 - hours)
        assert broke - 6 * HOUR <= alarm.since <= START + HOUR * 47
        assert alarm.owners_slots == 24
        assert alarm.sentence.startswith("tool-call errors rose: ")


def test_only_members_break() -> None:
    counts = traffic(1, rates=(0.6, 0.006, 0.05))

    assert alarms_of(counts, members=frozenset({8})) == ()


def test_an_endpoint_without_a_score_is_not_watched() -> None:
    counts = traffic(1, rates=(0.6, 0.006, 0.05))
    known = expected_of(RATES[1:], IDS[1:])

    assert detect(hourly(counts), known, (None, *RATES[1:]), frozenset(IDS)) == ()
    nobody = expected_of((), ())
    assert detect(hourly(counts), nobody, (None,) * 3, frozenset(IDS)) == ()


def test_few_owners_cannot_raise_an_alarm_where_there_are_many() -> None:
    counts = traffic(3)
    counts[0, -6:, 0, :3, ATTEMPTS] += 50
    counts[0, -6:, 0, :3, MISMATCH] += 50

    assert alarms_of(counts) == ()


def test_owners_without_a_vote_cannot_raise_an_alarm() -> None:
    counts = traffic(4)
    counts[0, -6:, 0, UNTRUSTED, ATTEMPTS] += 500
    counts[0, -6:, 0, UNTRUSTED, MISMATCH] += 500

    assert alarms_of(counts) == ()


def test_a_single_owner_is_enough_where_there_is_no_other_and_the_alarm_says_so() -> None:
    counts = traffic(5, per_cell=20, slots=(3,))
    counts[0, -2:] = traffic(6, 2, per_cell=20, slots=(3,), rates=(0.5, *RATES[1:]))[0]

    (alarm,) = alarms_of(counts)

    assert alarm.owners_slots == 1


def test_one_that_is_out_and_repaired_is_seen_to_recover() -> None:
    counts = traffic(7)
    counts[:, -24:] = traffic(8, 24, rates=(*RATES[:2], 0.004))

    (alarm,) = alarms_of(counts)

    assert (alarm.endpoint_id, alarm.kind) == (9, "recovery")
    assert START + 18 * HOUR <= alarm.since <= START + 30 * HOUR


@pytest.mark.parametrize(("calls", "word"), [(0.72, "more"), (0.28, "less")])
def test_a_shift_of_propensity_is_found_for_members_and_others(calls: float, word: str) -> None:
    counts = traffic(9)
    counts[:, -6:] = traffic(10, 6, calls=calls)

    found = alarms_of(counts)

    assert [(one.endpoint_id, one.kind) for one in found] == [(k, "propensity") for k in IDS]
    assert f"calls tools {word} often" in found[0].sentence


def test_a_mass_incident_needs_two_and_half_of_the_members() -> None:
    def alarms(*ids: int) -> tuple[Alarm, ...]:
        return tuple(Alarm(one, "failures", 0.0, 10.0, "", 9) for one in ids)

    assert not mass_incident(alarms(1), frozenset({1, 2}))
    assert mass_incident(alarms(1, 2), frozenset({1, 2, 3, 4}))
    assert not mass_incident(alarms(1, 2), frozenset({1, 2, 3, 4, 5}))
    assert not mass_incident(alarms(8, 9), frozenset({1, 2}))
    recovering = tuple(Alarm(one, "recovery", 0.0, 10.0, "", 9) for one in (1, 2))
    assert not mass_incident(recovering, frozenset({1, 2}))


def test_the_first_alarm_of_a_mass_incident_names_who_is_about_to_follow() -> None:
    counts = traffic(11)
    counts[:2, -1] = traffic(12, 1, rates=(0.3, 0.3, 0.05))[:2, 0]
    counts[1, -1, :, 6:] = 0.0  # a quarter of the traffic, and so of the evidence

    alarms = alarms_of(counts)

    assert [(one.endpoint_id, one.suspects) for one in alarms] == [(7, frozenset({8}))]
    assert mass_incident(alarms, frozenset({7, 8}))


def test_shapes_that_do_not_fit_are_refused() -> None:
    counts = traffic(1, 2)

    with pytest.raises(ValueError, match="2 rates for 3 endpoints"):
        detect(hourly(counts), expected_of(), RATES[:2], frozenset())
    with pytest.raises(ValueError, match="counters of shape"):
        detect(hourly(counts[:, :, :3]), expected_of(), RATES, frozenset())


@given(
    st.integers(0, 10**6),
    st.integers(1, 30),
    st.floats(0.0, 1.0),
    st.sets(st.sampled_from(IDS)),
    st.sampled_from([0.05, 2.0, 1e6]),
)
@settings(deadline=None, max_examples=40)
def test_hour_by_hour_gives_the_same_as_at_once(
    seed: int, hours: int, rate: float, members: set[int], per_cell: float
) -> None:
    counts = traffic(seed, hours, per_cell=per_cell)
    counts[:1, hours // 2 :] = traffic(
        seed + 1, hours - hours // 2, per_cell=per_cell, rates=(rate, *RATES[1:])
    )[:1]
    watch = Watch(IDS, expected_of(), RATES, frozenset(members))

    for index in range(hours):
        watch.advance(START + HOUR * index, counts[:, index])
        until_now = detect(hourly(counts[:, : index + 1]), expected_of(), RATES, frozenset(members))
        assert watch.alarms() == until_now
        assert all(np.isfinite(one.statistic) for one in until_now)


@given(st.integers(0, 10**6), st.permutations(range(3)))
@settings(deadline=None, max_examples=20)
def test_order_of_endpoints_does_not_matter(seed: int, order: list[int]) -> None:
    counts = traffic(seed, 12)
    counts[:, 9:] = traffic(seed + 1, 3, rates=(0.3, 0.3, 0.001))
    members = frozenset({7, 8})
    shuffled = HourlyCounts(tuple(IDS[k] for k in order), hourly(counts).hours, counts[list(order)])

    after = detect(shuffled, expected_of(), tuple(RATES[k] for k in order), members)

    assert sorted(after, key=lambda one: (one.endpoint_id, one.kind)) == sorted(
        alarms_of(counts, members), key=lambda one: (one.endpoint_id, one.kind)
    )
