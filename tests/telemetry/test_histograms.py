"""Histograms: what a percentile read from one may differ by, and that merging loses nothing."""

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.histograms import (
    ERROR,
    HIGHEST,
    LOWEST,
    PERCENTILES,
    bucket,
    pack,
    percentiles,
    unpack,
)

values = st.lists(st.floats(LOWEST, HIGHEST), min_size=1, max_size=200)


def histogram(seen: list[float]) -> Counter[int]:
    return Counter(map(bucket, seen))


@given(values, st.booleans())
def test_a_percentile_is_nearly_the_true_one(seen: list[float], low_is_worse: bool) -> None:
    told = percentiles(histogram(seen), low_is_worse=low_is_worse)

    assert told is not None
    assert list(told) == [f"p{percent}" for percent in PERCENTILES]
    best_first = sorted(seen, reverse=low_is_worse)
    for percent in PERCENTILES:
        true = best_first[ceil(len(seen) * percent / 100) - 1]
        # Three digits are told, which may be half a per cent more.
        assert told[f"p{percent}"] == pytest.approx(true, rel=ERROR + 0.006)


@given(values, values)
def test_merging_is_seeing_all_values(one: list[float], other: list[float]) -> None:
    merged = Counter(unpack(pack(histogram(one)))) + Counter(unpack(pack(histogram(other))))

    assert merged == histogram(one + other)
    assert pack(merged) == pack(histogram(other + one))


@given(st.floats(LOWEST, HIGHEST), st.floats(LOWEST, HIGHEST))
def test_buckets_are_in_the_order_of_their_values(one: float, other: float) -> None:
    assert (bucket(one) <= bucket(other)) or one > other


def test_nothing_is_nothing() -> None:
    assert percentiles({}) is None
    assert (pack({}), pack({7: 0}), unpack(b"")) == (b"", b"", {})


@pytest.mark.parametrize("value", [0.0, -5.0, 1e-30])
def test_what_is_too_small_counts_as_the_smallest(value: float) -> None:
    assert bucket(value) == bucket(LOWEST)
    assert bucket(1e300) == bucket(HIGHEST)


@pytest.mark.parametrize("damaged", [b"AC", b"\xc0", b"\x81\xa1x\x01", b"\x81\x01"])
def test_damage_is_an_error(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="not a histogram"):
        unpack(damaged)
