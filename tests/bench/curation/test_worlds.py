"""The simulated worlds: repeatable, true to their own rates, and counted as the gateway counts."""

from dataclasses import replace

import numpy as np
import pytest

from bench.curation.counting import Use, assign_slots
from bench.curation.draws import draw_requests
from bench.curation.observed import failure_of, label, observe
from bench.curation.population import capped, populate
from bench.curation.worlds import BASE, GOOD, STATIC, Endpoint, Group, World
from telemetry.scoring.evidence import (
    ATTEMPTS,
    COMPARATIVE,
    EXCLUSIVE,
    FIRST_KIND,
    FORCED,
    LARGEST,
    LOST,
    REQUESTS,
    UNTRUSTED,
)

WORLDS = {w.name: w for w in STATIC}
QUICK = replace(BASE, owners=80, requests_per_day=4_000.0, days=3)


def plain_world(endpoint: Endpoint) -> World:
    """One whose owners are all alike, so that its rates can be read off the counters."""
    alike = replace(BASE, difficulty_sigma=0.0, interaction_sigma=0.0, stratum_sigma=0.0)
    return replace(
        alike, endpoints=(endpoint,) * 4, days=2, pinned=0.0, sorters=0.0, requests_per_day=2e5
    )


def test_the_same_seed_is_the_same_world() -> None:
    one, two, other = observe(QUICK, 7), observe(QUICK, 7), observe(QUICK, 8)

    assert np.array_equal(one.evidence.counts, two.evidence.counts)
    assert np.array_equal(one.recent.counts, two.recent.counts)
    assert one.evidence.votes == two.evidence.votes
    assert one.evidence.benchmarks == two.evidence.benchmarks
    assert not np.array_equal(one.evidence.counts, other.evidence.counts)


def test_counters_are_whole_and_add_up() -> None:
    recorded = observe(QUICK, 3).evidence.recorded

    assert (recorded >= 0).all()
    assert np.array_equal(recorded, np.round(recorded))
    assert (recorded[..., ATTEMPTS] <= recorded[..., REQUESTS]).all()
    assert (recorded[..., FIRST_KIND:].sum(axis=-1) <= recorded[..., ATTEMPTS]).all()
    assert recorded[:, FORCED, :, REQUESTS].sum() == recorded[:, FORCED, :, ATTEMPTS].sum() > 0


def test_decay_only_takes_away() -> None:
    evidence = observe(QUICK, 3).evidence

    assert (evidence.counts <= evidence.recorded).all()
    kept = evidence.counts.sum() / evidence.recorded.sum()
    assert 0.85 < kept < 0.88  # three days: the mean of 2 ** (-age / 7) is 0.864


def test_failures_come_at_the_true_rate() -> None:
    seen = observe(plain_world(Endpoint(0.05, leaks=0.0, loss=0.02)), 1)
    sums = seen.evidence.recorded.sum(axis=(0, 1, 2))
    attempts, failures = sums[ATTEMPTS], sums[FIRST_KIND:].sum()

    assert seen.people.truth == pytest.approx([0.05] * 4)
    # Six standard errors of a binomial proportion, and what difficulty by stratum lets drift.
    assert failures / attempts == pytest.approx(0.05, abs=0.003)
    assert sums[LOST] / (sums[LOST] + sums[REQUESTS]) == pytest.approx(0.02, abs=0.002)


def test_what_the_judge_cannot_see_is_no_attempt() -> None:
    """All failures leak as text; with 70 % noticed, 0.7 x 0.1 / (1 - 0.3 x 0.1) are counted."""
    world = replace(plain_world(Endpoint(0.1, leaks=1.0)), sensitivity=0.7)
    counts = observe(world, 1).evidence.recorded
    free = np.delete(counts, FORCED, axis=1).sum(axis=(0, 1, 2))

    assert free[FIRST_KIND:].sum() / free[ATTEMPTS] == pytest.approx(0.07 / 0.97, abs=0.005)


def test_an_overcaller_calls_more_by_its_shift() -> None:
    world = plain_world(Endpoint(0.01))
    shifted = (*world.endpoints[1:], Endpoint(0.01, shift=0.8))
    seen = observe(replace(world, endpoints=shifted), 2)
    free = np.delete(seen.evidence.recorded, FORCED, axis=1).sum(axis=(1, 2))
    odds = free[:, ATTEMPTS] / (free[:, REQUESTS] - free[:, ATTEMPTS])
    found = np.log(odds[3] / odds[:3].mean())

    # Owners differ, so that the odds of all together move less than those of each.
    assert 0.5 < found < 0.95
    assert seen.people.shift[3] == pytest.approx(0.8, abs=0.12)


def test_slots_follow_the_classes() -> None:
    """Twenty who compare, one who keeps to one endpoint, one too young, one too small."""
    requests = np.full((23, 2), 100.0) + np.arange(23.0)[:, None]
    requests[20], requests[22] = (1000.0, 50.0), (5.0, 5.0)
    aged = np.ones(23, dtype=bool)
    aged[21] = False

    slots = assign_slots(Use(requests, requests), aged)

    assert sorted(slots[4:20]) == list(range(LARGEST.start, LARGEST.stop))
    assert all(LARGEST.stop <= s < COMPARATIVE.stop for s in slots[:4])
    assert EXCLUSIVE.start <= slots[20] < EXCLUSIVE.stop
    assert all(UNTRUSTED.start <= slots[t] < UNTRUSTED.stop for t in (21, 22))


def test_attackers_do_not_change_honest_people() -> None:
    quiet, loud = populate(QUICK, 5), populate(replace(QUICK, groups=(Group(9, 900.0),)), 5)

    assert np.array_equal(quiet.fails, loud.fails[: quiet.ordinary])
    assert np.array_equal(quiet.routing, loud.routing[: quiet.ordinary])
    assert np.array_equal(quiet.truth, loud.truth)


def test_new_accounts_stay_among_the_untrusted() -> None:
    quiet = observe(BASE, 4).evidence.recorded
    stuffed = observe(WORLDS["S17"], 4).evidence.recorded
    added = stuffed - quiet

    trusted = slice(0, UNTRUSTED.start)
    assert added[:, :, trusted, REQUESTS].sum() == 0
    assert added[:, :, UNTRUSTED, REQUESTS].sum() > 300_000


def test_new_accounts_have_no_vote() -> None:
    quiet, brigade = observe(BASE, 4), observe(WORLDS["S09"], 4)

    assert brigade.evidence.votes[GOOD] == quiet.evidence.votes[GOOD]
    assert brigade.accounts_ignoring[GOOD] > 0.4 > quiet.accounts_ignoring[GOOD]


def test_labels_are_those_of_the_world() -> None:
    people = populate(BASE, 0)
    labels = label(people)

    assert labels.good.tolist() == [True] * 5 + [False] * 7
    assert labels.bad[6:].all()
    assert failure_of(people, labels.good) < 0.4 * failure_of(people, np.ones(12, dtype=bool))


@pytest.mark.parametrize("name", ["S04", "S15", "S20"])
def test_where_all_are_good_none_is_labelled_bad(name: str) -> None:
    for seed in range(5):
        labels = label(populate(WORLDS[name], seed))
        assert labels.good.all()
        assert not labels.bad.any()


def test_capped_shares_keep_to_the_cap() -> None:
    shares = capped(np.array([1000.0, *[1.0] * 99]))

    assert shares.sum() == pytest.approx(1)
    assert shares[0] == pytest.approx(0.05)
    assert capped(np.ones(4)) == pytest.approx([0.25] * 4)


def test_requests_drawn_one_by_one_follow_the_same_rates() -> None:
    people = populate(plain_world(Endpoint(0.1, leaks=0.0, loss=0.0)), 6)
    volume = np.full(people.ordinary, 200.0)
    routing = np.tile([0.1, 0.2, 0.3, 0.4], (people.ordinary, 1))
    drawn = draw_requests(people, volume, routing, np.random.default_rng(1))

    sent = np.bincount(drawn.endpoint) / len(drawn.endpoint)
    assert sent == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.01)
    assert len(drawn.owner) == pytest.approx(200 * people.ordinary, rel=0.03)
    assert drawn.failed.sum() / drawn.attempts.sum() == pytest.approx(0.1, abs=0.01)
    assert set(np.unique(drawn.requests)) == {1}
