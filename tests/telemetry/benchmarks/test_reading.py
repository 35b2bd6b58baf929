"""Intervals against published values, and what they promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.benchmarks.reading import call_figures, rate, wilson_interval


@pytest.mark.parametrize(
    ("hits", "sample", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_the_published_ones(hits: int, sample: int, low: float, high: float) -> None:
    assert wilson_interval(hits, sample) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_rate_is_inside_its_interval(counts: tuple[int, int]) -> None:
    hits, sample = counts
    low, high = wilson_interval(hits, sample)

    assert 0 <= low <= hits / sample + 1e-12
    assert hits / sample - 1e-12 <= high <= 1


def test_impossible_counts_are_refused() -> None:
    for hits, sample in [(1, 0), (2, 1), (-1, 1)]:
        with pytest.raises(ValueError, match="need 0 <= hits"):
            wilson_interval(hits, sample)


def test_without_a_sample_there_is_no_figure() -> None:
    assert rate("accuracy", 0, 0) == ()
    assert call_figures(0, 0, {}) == ()
