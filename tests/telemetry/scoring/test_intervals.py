"""Distribution functions against published tables, and their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.scoring.intervals import (
    beta_above,
    equivalence_probability,
    gamma_below,
    gamma_interval,
    mantel_haenszel_ratios,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "sample", "low", "high"),
    [
        pytest.param(81, 263, 0.2553, 0.3662, id="81/263"),
        pytest.param(15, 148, 0.0624, 0.1605, id="15/148"),
        pytest.param(0, 20, 0.0000, 0.1611, id="0/20"),
        pytest.param(1, 29, 0.0061, 0.1718, id="1/29"),
    ],
)
def test_wilson_matches_newcombe_1998_table_1_method_3(
    hits: int, sample: int, low: float, high: float
) -> None:
    found = wilson(hits, sample, tail=0.025)

    assert [round(float(bound), 4) for bound in found] == [low, high]


# Quantiles of chi-squared from any printed table (for example Abramowitz and Stegun 26.8):
# Gamma(df / 2, scale 2) is chi-squared with df degrees of freedom.
@pytest.mark.parametrize(
    ("df", "lower", "upper"), [(1, 0.00393, 3.841), (4, 0.711, 9.488), (10, 3.940, 18.307),
                               (30, 18.493, 43.773)]
)  # fmt: skip
def test_gamma_interval_matches_chi_squared_tables(df: int, lower: float, upper: float) -> None:
    low, high = gamma_interval(float(df), df / 2)

    assert float(low) == pytest.approx(lower, rel=2e-3)
    assert float(high) == pytest.approx(upper, rel=2e-4)
    assert float(gamma_below(upper, float(df), df / 2)) == pytest.approx(0.95, abs=1e-4)


# Upper 5 % points of Beta(a, b) by way of F tables: F(0.05; 2a, 2b), x = a F / (a F + b).
@pytest.mark.parametrize(
    ("a", "b", "f"), [(1, 5, 4.103), (3, 5, 3.217), (5, 10, 2.348), (10, 10, 2.124)]
)
def test_beta_tail_matches_f_tables(a: int, b: int, f: float) -> None:
    bound = a * f / (a * f + b)

    assert float(beta_above(bound, a, b)) == pytest.approx(0.05, abs=1e-4)


def test_equivalence_agrees_with_two_one_sided_tests_at_their_border() -> None:
    # Schuirmann 1987: with a 90 % interval that ends exactly at the margin, and the other margin
    # far off, the one-sided test has p = 0.05: the probability of equivalence is 0.95.
    assert float(equivalence_probability(0.3 - 1.644854 * 0.05, 0.05, 0.3)) == pytest.approx(
        0.95, abs=1e-6
    )
    # Both margins 1.644854 standard errors away: 5 % beyond either.
    assert float(equivalence_probability(0.0, 0.3 / 1.644854, 0.3)) == pytest.approx(0.90, abs=1e-6)


def test_mantel_haenszel_matches_the_published_rate_ratio() -> None:
    # Rothman and Greenland, Modern Epidemiology (2nd ed. 1998), table 15-2: deaths per person-year
    # under clozapine, current against past use, ages 10-54 and 55-94. Pooled rate ratio 0.47.
    deaths = np.array([[196.0, 167.0], [111.0, 157.0]])
    years = np.array([[62119.0, 6085.0], [15763.0, 2780.0]])

    ratio = mantel_haenszel_ratios(deaths, years)[0]

    assert ratio == pytest.approx(0.469, abs=0.002)


@given(st.floats(0, 1), st.floats(1, 1e12), st.floats(1.1, 1e3))
def test_more_data_narrow_wilson(share: float, sample: float, factor: float) -> None:
    low, high = wilson(share * sample, sample)
    nearer_low, nearer_high = wilson(share * sample * factor, sample * factor)

    assert 0.0 <= low <= high <= 1.0
    assert nearer_high - nearer_low <= high - low + 1e-12


@given(st.floats(1e-9, 1e3), st.floats(0.05, 1e4), st.floats(1.1, 100))
def test_more_data_narrow_the_gamma_interval(mean: float, shape: float, factor: float) -> None:
    low, high = gamma_interval(mean, shape)
    nearer_low, nearer_high = gamma_interval(mean, shape * factor)

    assert np.isfinite([low, high]).all()
    assert low <= high
    if shape >= 1.0:  # below, the upper quantile first grows as mass leaves zero
        assert nearer_high - nearer_low <= (high - low) * (1 + 1e-9)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_tails_are_probabilities(hits: float, misses: float, bound: float) -> None:
    assert 0.0 <= float(beta_above(bound, hits, misses)) <= 1.0
    assert 0.0 <= float(equivalence_probability(hits - misses, bound, 0.3)) <= 1.0
