"""When an endpoint is frequently ignored, and who cannot vote it out alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.scoring.evidence import IgnoreVotes
from telemetry.scoring.ignores import estimate_ignores
from telemetry.scoring.method import DEFAULT

USUAL = [IgnoreVotes(200, 6, 80.0, 0.03)] * 9


def frequent(votes: IgnoreVotes) -> float:
    return float(estimate_ignores([votes, *USUAL], DEFAULT).frequent[0])


@pytest.mark.parametrize(
    ("votes", "low", "high"),
    [
        pytest.param(IgnoreVotes(200, 60, 80.0, 0.30), 0.99, 1.0, id="a third of all"),
        pytest.param(IgnoreVotes(40, 20, 20.0, 0.50), 0.99, 1.0, id="half of forty"),
        pytest.param(IgnoreVotes(200, 6, 80.0, 0.03), 0.0, 0.01, id="as usual"),
        pytest.param(IgnoreVotes(400, 206, 80.0, 0.03), 0.0, 0.01, id="many who spend nothing"),
        pytest.param(IgnoreVotes(200, 7, 20.0, 0.60), 0.0, 0.02, id="one who spends most"),
        pytest.param(IgnoreVotes(2, 2, 2.0, 1.0), 0.0, 0.0, id="two owners only"),
        pytest.param(IgnoreVotes(), 0.0, 0.0, id="nobody at risk"),
    ],
)
def test_frequently_means_by_head_and_by_spend(votes: IgnoreVotes, low: float, high: float) -> None:
    assert low <= frequent(votes) <= high


def test_where_all_are_ignored_nobody_is_so_frequently() -> None:
    found = estimate_ignores([IgnoreVotes(200, 60, 80.0, 0.3)] * 10, DEFAULT)

    assert found.ceiling > 0.6
    assert float(found.frequent.max()) < 0.01


@given(st.integers(3, 200), st.integers(0, 199), st.floats(0, 1))
def test_more_who_ignore_never_make_it_rarer(at_risk: int, ignoring: int, share: float) -> None:
    fewer = IgnoreVotes(at_risk, min(ignoring, at_risk - 1), at_risk / 2, share)
    more = IgnoreVotes(at_risk, fewer.ignoring + 1, at_risk / 2, share)

    assert frequent(fewer) <= frequent(more) + 1e-12
