"""Worlds that change: the ledger's sums, the moments of a change, and a list that follows."""

from dataclasses import replace

import numpy as np
import pytest

from bench.curation.draws import Streams, draw_period
from bench.curation.ledger import Ledger
from bench.curation.live import Run, live_row
from bench.curation.live_worlds import BROKEN, LIVE, Change, LiveWorld
from bench.curation.moments import Course, exacto_failure, shares
from bench.curation.policy import FIRST_EDITION, Assay
from bench.curation.population import Population, populate
from bench.curation.rolling import Raw, Router
from bench.curation.worlds import BASE, Endpoint
from telemetry.scoring.evidence import ATTEMPTS, FIELDS, SLOTS, STRATA

WORLDS = {w.name: w for w in LIVE}
SIZE = len(BASE.endpoints)


@pytest.fixture
def people() -> Population:
    return populate(replace(BASE, owners=40), 1)


def fill(ledger: Ledger, hours: int) -> None:
    nothing = draw_period(ledger.people, 0.0, Streams(1))
    for hour in range(hours):
        counts = np.zeros((SIZE, STRATA, SLOTS, len(FIELDS)))
        counts[:, 0, 0, ATTEMPTS] = hour + 1
        ledger.add(counts, nothing)


def test_the_ledger_decays_by_the_hour(people: Population) -> None:
    ledger = Ledger(people)
    fill(ledger, 3)

    expected = sum((h + 1) * 2 ** (-(2 - h) / 168) for h in range(3))
    assert ledger.evidence().counts[0, 0, 0, ATTEMPTS] == pytest.approx(expected)
    assert ledger.evidence().recorded[0, 0, 0, ATTEMPTS] == 6


def test_what_is_set_aside_stays_aside(people: Population) -> None:
    ledger = Ledger(people, kept=5)
    fill(ledger, 13)  # the store has been moved once

    assert ledger.set_aside(2, 11)
    assert not ledger.set_aside(2, 10)
    seen = ledger.evidence().recorded[:, 0, 0, ATTEMPTS]
    assert seen[2] == 12 + 13
    assert seen[1] == sum(range(1, 14))
    assert ledger.evidence().propensity_counts[2, 0, 0, ATTEMPTS] > 25


def test_hours_are_given_as_they_were_but_for_those_set_aside(people: Population) -> None:
    ledger = Ledger(people, kept=5)
    fill(ledger, 13)
    floors = np.zeros(SIZE)
    floors[3] = 11

    hours = ledger.hourly(floors, 4)[:, :, 0, 0, ATTEMPTS]
    assert ledger.kept_hours()[-4:] == (9.0, 10.0, 11.0, 12.0)
    assert hours[0].tolist() == [10, 11, 12, 13]
    assert hours[3].tolist() == [0, 0, 12, 13]
    assert ledger.hourly(np.zeros(SIZE), 4)[3, :, 0, 0, ATTEMPTS].tolist() == [10, 11, 12, 13]


def test_a_change_comes_and_goes() -> None:
    flaky = Change(10, 100, 0, extra=0.5, period=20, lasting=5)
    slow = Change(10, endpoint=0, ramp=10)

    assert [flaky.strength(h) for h in (9, 10, 14, 15, 30, 100)] == [0, 1, 1, 0, 1, 0]
    assert [slow.strength(h) for h in (9, 15, 20, 500)] == [0, 0.5, 1, 1]


def test_a_break_makes_a_good_endpoint_bad_and_only_that_one() -> None:
    live = WORLDS["T02"]
    course = Course(live, populate(live.world, 3))
    before, during = course.at(0), course.at(live.changes[0].starts)

    assert before.labels.good[BROKEN]
    assert during.labels.bad[BROKEN]
    others = [k for k in range(len(before.active)) if k != BROKEN]
    assert np.array_equal(before.people.truth[others], during.people.truth[others])
    assert during.people.truth[BROKEN] == pytest.approx(0.08, abs=0.01)
    assert course.at(live.changes[0].ends) is before


def test_one_owners_bug_changes_no_endpoint() -> None:
    live = WORLDS["T12"]
    course = Course(live, populate(live.world, 3))
    before, during = course.at(0), course.at(live.changes[0].starts)

    assert np.array_equal(before.people.truth, during.people.truth)
    assert (during.people.fails[-1] >= 0.9).all()


def test_exacto_keeps_to_the_pool(people: Population) -> None:
    active = np.ones(SIZE, dtype=bool)
    pool = np.arange(SIZE) < 3

    inside = shares(people, pool, active, exacto=True)
    assert inside[:, ~pool].sum() == 0
    assert inside.sum(axis=1) == pytest.approx(np.ones(40))
    assert shares(people, pool, active, exacto=False)[:, ~pool].sum() > 0


def test_a_better_pool_fails_less() -> None:
    live = WORLDS["T01"]
    moment = Course(live, populate(live.world, 0)).at(0)
    rates = [
        failed / calls
        for failed, calls in (
            exacto_failure(moment, pool) for pool in (moment.labels.good, moment.active)
        )
    ]
    assert rates[0] < 0.4 * rates[1]


BREAKING = LiveWorld(
    replace(
        BASE,
        name="small",
        endpoints=(*(Endpoint(0.006) for _ in range(4)), Endpoint(0.08)),
        owners=60,
        requests_per_day=20_000.0,
    ),
    (Change(FIRST_EDITION + 6.0, endpoint=BROKEN, extra=0.4),),
    exacto=0.5,
)


def test_the_list_drops_what_breaks_and_what_was_bad() -> None:
    policy = Assay(5)
    past = Run(BREAKING, 1, policy).live_through(FIRST_EDITION + 12)

    assert past.pools[2].tolist() == [True, True, True, True, False]
    assert past.pools[-1].tolist() == [True, False, True, True, False]
    assert [k for _, k in policy.quarantined] == [BROKEN]


def test_the_same_seed_is_the_same_life() -> None:
    lives = [Run(BREAKING, 2, Raw(24)).live_through(FIRST_EDITION + 4) for _ in range(2)]

    assert np.array_equal(lives[0].pools, lives[1].pools)
    assert np.array_equal(lives[0].failed, lives[1].failed)


def test_openrouters_rule_follows_two_hours_only() -> None:
    past = Run(BREAKING, 1, Router()).live_through(FIRST_EDITION + 12)

    assert not past.pools[-1][BROKEN]


def test_a_giant_sends_only_from_its_hour_on() -> None:
    live = WORLDS["T08"]
    course = Course(live, populate(live.world, 0))

    assert not course.at(0).sending[-1]
    assert course.at(live.group_starts[0]).sending.all()


def test_a_row_measures_from_the_first_edition() -> None:
    row = live_row(BREAKING, 1, "assay", Assay(5), hours=FIRST_EDITION + 10)

    assert row.detection == pytest.approx(1, abs=1)
    assert row.recovery is None
    assert row.oracle <= row.failure < row.default
    assert row.smallest_pool == 3
