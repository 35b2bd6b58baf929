"""Shares with a ceiling, and who has a vote."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.scoring.evidence import COMPARATIVE, EXCLUSIVE, SLOTS, UNTRUSTED
from telemetry.scoring.method import DEFAULT
from telemetry.scoring.voters import BENCHMARK, base_votes, capped_shares, exclusive_votes


@given(
    st.lists(st.floats(0, 1e12, allow_subnormal=False), min_size=1, max_size=70), st.floats(0.01, 1)
)
def test_no_share_is_above_the_ceiling_where_there_are_enough(
    volumes: list[float], most: float
) -> None:
    given_ = np.array(volumes)

    shares = capped_shares(given_, most)

    active = np.count_nonzero(given_)
    assert (shares[given_ == 0.0] == 0.0).all()
    if active:
        assert abs(shares.sum() - 1.0) < 1e-9
        assert shares.max() <= max(most, 1 / active) + 1e-9
        assert (np.diff(shares[np.argsort(given_, kind="stable")]) >= -1e-12).all()


@given(st.lists(st.floats(1, 10), min_size=30, max_size=64))
def test_shares_below_the_ceiling_are_in_proportion(volumes: list[float]) -> None:
    given_ = np.array(volumes)

    shares = capped_shares(given_, 0.5)

    np.testing.assert_allclose(shares, given_ / given_.sum(), rtol=1e-9)


def test_untrusted_slots_vote_only_while_there_is_hardly_anyone_else() -> None:
    traffic = np.zeros((2, SLOTS))
    traffic[:, UNTRUSTED] = 10.0
    assert base_votes(traffic, DEFAULT)[UNTRUSTED].all()

    traffic[:, 0] = 34.0  # 29.8 % of all
    assert base_votes(traffic, DEFAULT)[UNTRUSTED].all()

    traffic[:, 0] = 35.0
    assert not base_votes(traffic, DEFAULT)[UNTRUSTED].any()
    assert base_votes(traffic, DEFAULT)[[0, 50, BENCHMARK]].all()


def test_exclusive_slots_fade_as_comparative_ones_speak() -> None:
    votes = np.ones(BENCHMARK + 1)
    information = np.zeros((2, BENCHMARK + 1))

    alone = exclusive_votes(votes, information, 1.0, 10.0)
    information[:, COMPARATIVE] = 0.2
    some = exclusive_votes(votes, information, 1.0, 10.0)
    information[:, COMPARATIVE] = 4.0
    plenty = exclusive_votes(votes, information, 1.0, 10.0)

    assert (alone[:, EXCLUSIVE] == 1.0).all()
    assert ((some[:, EXCLUSIVE] > 0.0) & (some[:, EXCLUSIVE] < 1.0)).all()
    assert (plenty[:, EXCLUSIVE] == 0.0).all()
    assert (plenty[:, COMPARATIVE] == 1.0).all()
