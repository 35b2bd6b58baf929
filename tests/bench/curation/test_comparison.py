"""The plain rules, the attacks' measures, the figures: each against a case worked by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.curation.__main__ import parse_arguments, run, seeds_of
from bench.curation.attacks import ATTACKS, attack_rows, kendall_tau
from bench.curation.baselines import far_below, first_tier, wilson_interval
from bench.curation.figures import static_figures
from bench.curation.methods import METHODS, SUBJECT
from bench.curation.report import calibration_table
from bench.curation.trial import Claim, Row, try_methods
from bench.curation.worlds import STATIC

BY_ROW = {a.row: a for a in ATTACKS}


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe (1998), table I: 81 of 263, and 15 of 148."""
    low, high = wilson_interval(np.array([81.0, 15.0]), np.array([263.0, 148.0]))

    assert low == pytest.approx([0.2553, 0.0624], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605], abs=5e-5)


def test_two_robust_deviations_below_the_median_is_far() -> None:
    values = np.array([0.99, 0.98, 0.97, 0.96, 0.90])
    everyone = np.ones(5, dtype=bool)

    # Median 0.97, MAD 0.01, so the cut-off is 0.97 - 2 x 0.014826.
    assert far_below(values, everyone).tolist() == [False] * 4 + [True]
    assert not far_below(values[:3], everyone[:3]).any()  # fewer than four providers
    assert not far_below(np.array([1.0, 1.0, 1.0, 0.5]), everyone[:4]).any()  # MAD is 0


def test_requests_reach_the_first_tier_that_has_anyone() -> None:
    nobody, somebody = np.zeros(2, dtype=bool), np.array([False, True])

    assert first_tier(nobody, somebody).tolist() == [False, True]


def test_kendalls_tau_by_hand() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])

    assert kendall_tau(one, one) == 1
    assert kendall_tau(one, -one) == -1
    assert kendall_tau(one, np.array([2.0, 1.0, 3.0, 4.0])) == pytest.approx(4 / 6)
    assert kendall_tau(np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])) == 1


@pytest.mark.parametrize("row", ["G8", "G9", "sybils"])
def test_what_is_not_counted_moves_nothing(row: str) -> None:
    mine = next(r for r in attack_rows(BY_ROW[row], 1) if r.method == SUBJECT)

    assert mine.shift == pytest.approx(0, abs=0.05)
    assert mine.tau == 1


def test_a_pinned_broken_client_moves_raw_rates_and_not_the_score() -> None:
    rows = {r.method: r for r in attack_rows(BY_ROW["G2p"], 1)}

    assert (rows["raw rates"].shift or 0) > 10
    assert rows[SUBJECT].shift == pytest.approx(0, abs=0.2)
    assert rows[SUBJECT].victims_kept == 1


@pytest.mark.parametrize("row", ["G4", "G5", "G7", "stuffing"])
def test_no_trick_gets_an_endpoint_in(row: str) -> None:
    mine = next(r for r in attack_rows(BY_ROW[row], 2) if r.method == SUBJECT)

    assert mine.suspects_kept == 0


def row(world: str, **changes: Any) -> Row:
    plain = Row(world, 0, SUBJECT, 5, 5, 5, 0, 5, 0.006, 0.04, 0.006)
    return replace(plain, **changes)


def test_figures_are_measured_on_whole_sets_only() -> None:
    rows = [row(w.name) for w in STATIC]

    assert all(f.met for f in static_figures(rows, SUBJECT))
    part = {f.name: f.met for f in static_figures(rows[:3], SUBJECT)}
    assert part["mean precision, S01 to S25"] is None
    assert part["good endpoints dropped in S15"] is None


def test_figures_are_missed_where_they_are() -> None:
    rows = [row(w.name, kept_good=3) if w.name == "S20" else row(w.name) for w in STATIC]
    missed = [f.name for f in static_figures(rows, SUBJECT) if f.met is False]

    assert missed == ["worst world's mean recall (S20)", "good endpoints dropped in S20"]


def test_precision_and_recall_of_nobody() -> None:
    nobody = row("S01", kept_good=0, kept_bad=0, kept=0)

    assert (nobody.precision, nobody.recall) == (1, 0)


def test_calibration_counts_every_claim_once() -> None:
    claims = [Claim("S01", p, true=p > 0.5) for p in (0.0, 0.05, 0.3, 0.8, 0.95, 1.0)]
    counted = [line.split("|")[2].strip() for line in calibration_table(claims).splitlines()[2:]]

    assert counted == ["1", "1", "1", "1", "2", "6"]


def test_every_method_answers_in_every_kind_of_world() -> None:
    for world in (w for w in STATIC if w.name in ("S04", "S08", "S11b")):
        rows, claims = try_methods(world, 1)
        assert [r.method for r in rows] == [*METHODS]
        assert all(0 <= c.probability <= 1 for c in claims)


def test_arguments_choose_worlds_and_seeds() -> None:
    arguments = parse_arguments(["--only", "S08,S20", "--seeds", "3-4", "--jobs", "1"])
    found = run(arguments.only, arguments.seeds, arguments.jobs)

    assert {(r.world, r.seed) for r in found.rows} == {
        (world, seed) for world in ("S08", "S20") for seed in (3, 4)
    }
    assert (found.live, found.attacks) == ([], [])
    assert list(seeds_of("7")) == [7]
