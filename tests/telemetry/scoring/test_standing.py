"""Who enters, stays and leaves a list, and with which standing and reason."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.scoring.detection import Expected
from telemetry.scoring.method import DEFAULT
from telemetry.scoring.score import Criterion, EndpointResult, PoolResult, score_pool
from telemetry.scoring.sentences import Verdict
from telemetry.scoring.standing import Decision, Past, PoolDecision, State, decide
from tests.telemetry.scoring.pools import Traffic, pool

NOTHING = np.zeros((0, 9, 64))
STATES: tuple[State, ...] = ("unlisted", "member", "out", "new", "quarantined")


def criterion(probability: float | None, verdict: Verdict, name: str) -> Criterion:
    return Criterion(verdict, 0.01, 0.005, 0.02, probability, 1000, 30, f"{name} sentence")


def endpoint(
    accuracy: float | None = 0.99,
    propensity: float | None = 0.99,
    ignored: float | None = 0.0,
    *,
    calls: float = 5_000.0,
    loses: bool = False,
    rate: float = 0.01,
    number: int = 1,
) -> EndpointResult:
    """A result with these probabilities and the verdicts that go with them."""

    def verdict(holds: bool, enough: bool = True) -> Verdict:
        return "insufficient" if not enough else "pass" if holds else "fail"

    enough = calls >= DEFAULT.enter_calls
    near = criterion(accuracy, verdict((accuracy or 0) >= 0.3, enough), "accuracy")
    return EndpointResult(
        number,
        replace(near, estimate=rate),
        criterion(
            propensity, verdict((propensity or 0) >= 0.3, propensity is not None), "propensity"
        ),
        criterion(ignored, verdict((ignored or 0) < 0.9), "ignores"),
        criterion(float(not loses), verdict(not loses), "losses"),
        {},
        calls,
        disputed=False,
    )


def decided(endpoints: Sequence[EndpointResult], *pasts: Past) -> PoolDecision:
    expected = Expected((), NOTHING, NOTHING, NOTHING[:, 0])
    return decide(PoolResult(tuple(endpoints), 0.01, expected), pasts)


def beside_a_good_one(one: EndpointResult, past: Past) -> Decision:
    return decided([one, endpoint(number=2)], past, Past("member")).decisions[0]


@pytest.mark.parametrize(
    ("state", "accuracy", "stays"),
    [
        ("unlisted", 0.31, True),
        ("unlisted", 0.29, False),
        ("member", 0.11, True),
        ("member", 0.09, False),
        ("out", 0.81, True),
        ("out", 0.79, False),
        ("new", 0.81, True),
        ("new", 0.79, False),
        ("quarantined", 0.81, True),
        ("quarantined", 0.79, False),
    ],
)
def test_accuracy_bars_by_state(state: State, accuracy: float, stays: bool) -> None:
    past = Past(state, 100.0, 1)

    assert beside_a_good_one(endpoint(accuracy), past).eligible is stays


@pytest.mark.parametrize(
    ("state", "propensity", "ignored", "stays"),
    [
        ("unlisted", 0.31, 0.89, True),
        ("unlisted", 0.29, 0.0, False),
        ("unlisted", 0.99, 0.91, False),
        ("member", 0.11, 0.89, True),
        ("member", 0.09, 0.0, False),
        ("member", 0.99, 0.91, False),
        ("out", 0.51, 0.49, True),
        ("out", 0.49, 0.0, False),
        ("out", 0.99, 0.51, False),
    ],
)
def test_propensity_and_ignore_bars_by_state(
    state: State, propensity: float, ignored: float, stays: bool
) -> None:
    one = endpoint(0.99, propensity, ignored)

    assert beside_a_good_one(one, Past(state, 100.0)).eligible is stays


@pytest.mark.parametrize("state", STATES)
def test_losing_replies_keeps_everyone_out(state: State) -> None:
    decision = beside_a_good_one(endpoint(loses=True), Past(state, 100.0))

    assert not decision.eligible
    assert decision.reasons[0] == "out: losses sentence"


@pytest.mark.parametrize(
    ("quarantines", "hours"), [(1, 2.0), (2, 8.0), (3, 24.0), (4, 72.0), (9, 72.0)]
)
def test_each_quarantine_waits_longer(quarantines: int, hours: float) -> None:
    early = beside_a_good_one(endpoint(), Past("quarantined", hours - 0.1, quarantines))
    due = beside_a_good_one(endpoint(), Past("quarantined", hours, quarantines))

    assert (early.eligible, due.eligible) == (False, True)
    assert (early.standing, due.standing) == ("quarantined", "verified")
    assert early.reasons[0].startswith("out: left ")


def test_who_left_waits_a_day() -> None:
    assert not beside_a_good_one(endpoint(), Past("out", 23.9)).eligible
    assert beside_a_good_one(endpoint(), Past("out", 24.0)).eligible


@pytest.mark.parametrize("state", ["out", "new", "quarantined"])
def test_nobody_enters_for_lack_of_data(state: State) -> None:
    few = beside_a_good_one(endpoint(0.99, calls=149), Past(state, 100.0, 1))
    none = beside_a_good_one(endpoint(None, None, None, calls=0), Past(state, 100.0, 1))

    assert (few.eligible, none.eligible) == (False, False)
    assert few.reasons[0] == "out: too few tool calls yet: 149 of the 150 needed to enter"
    assert few.standing == ("quarantined" if state == "quarantined" else "insufficient_data")


@pytest.mark.parametrize("state", ["unlisted", "member"])
def test_nobody_leaves_for_lack_of_data(state: State) -> None:
    none = beside_a_good_one(endpoint(None, None, None, calls=0), Past(state))

    assert none.eligible
    assert none.standing == "insufficient_data"


@pytest.mark.parametrize(
    ("accuracy", "rate", "stays"), [(0.06, 0.034, True), (0.04, 0.034, False), (0.29, 0.036, False)]
)
def test_a_few_failures_must_say_more_surely_that_an_endpoint_is_bad(
    accuracy: float, rate: float, stays: bool
) -> None:
    one = endpoint(accuracy, rate=rate, calls=200)

    assert beside_a_good_one(one, Past("unlisted")).eligible is stays


@pytest.mark.parametrize(
    ("accuracy", "rate", "stays"),
    [(0.07, 0.03, True), (0.04, 0.03, False), (0.07, 0.2, False), (0.11, 0.2, True)],
)
def test_a_member_stays_through_a_few_failures_that_may_be_chance(
    accuracy: float, rate: float, stays: bool
) -> None:
    one = endpoint(accuracy, rate=rate, calls=200)

    assert beside_a_good_one(one, Past("member")).eligible is stays


def test_a_newcomer_whose_few_calls_fail_is_insufficient_data() -> None:
    surely_bad = replace(endpoint(0.0, calls=40), accuracy=criterion(0.0, "fail", "accuracy"))

    decision = beside_a_good_one(surely_bad, Past("new"))

    assert (decision.eligible, decision.standing) == (False, "insufficient_data")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.99])
def test_a_newcomer_is_insufficient_data_never_below_par(state: State, accuracy: float) -> None:
    decision = beside_a_good_one(endpoint(accuracy, calls=20), Past(state, 100.0))

    assert decision.standing in ("insufficient_data", "quarantined")


def test_the_failing_criterion_is_named_first_and_the_others_follow() -> None:
    decision = beside_a_good_one(endpoint(0.25, 0.001), Past("unlisted"))

    assert decision.reasons == (
        "out: propensity sentence",
        "accuracy sentence",
        "ignores sentence",
        "losses sentence",
    )
    assert decision.standing == "below_par"


def test_what_is_not_proven_yet_says_so_on_either_side() -> None:
    doubtful = beside_a_good_one(endpoint(0.5), Past("out", 100.0))
    kept = beside_a_good_one(endpoint(0.25), Past("member"))

    assert doubtful.reasons[0] == "out: not sure enough yet: accuracy sentence"
    assert kept.reasons[0] == "in: stays until it is surer: accuracy sentence"
    assert kept.standing == "verified"


def test_a_pool_in_which_nobody_qualifies_keeps_the_least_bad_and_says_so() -> None:
    bad = [endpoint(0.0, rate=0.2, number=1), endpoint(0.0, rate=0.1, number=2),
           endpoint(0.0, 0.0, rate=0.01, number=3)]  # fmt: skip

    decision = decided(bad, *[Past("member")] * 3)

    assert decision.degraded
    assert [one.eligible for one in decision.decisions] == [False, True, False]
    assert decision.decisions[1].reasons[0] == (
        "in: the least bad, for nobody qualifies; accuracy sentence"
    )


def test_a_pool_of_good_ones_drops_nobody() -> None:
    traffic = [Traffic(20_000, 10_000, 10_000 * rate, slots=range(48)) for rate in (0.005,) * 10]
    result = score_pool(pool(traffic))

    for state in ("unlisted", "member"):
        decision = decide(result, [Past(state)] * 10)
        assert all(one.eligible and one.standing == "verified" for one in decision.decisions)


def test_each_endpoint_needs_its_past() -> None:
    with pytest.raises(ValueError, match="1 pasts for 2 endpoints"):
        decided([endpoint(), endpoint()], Past("member"))


probabilities = st.one_of(st.none(), st.floats(0, 1))
endpoints = st.builds(
    endpoint,
    probabilities,
    probabilities,
    probabilities,
    calls=st.floats(0, 1e6),
    loses=st.booleans(),
    rate=st.floats(0, 1),
)
pasts = st.builds(
    Past, st.sampled_from(STATES), st.floats(0, 1e4) | st.just(float("inf")), st.integers(0, 5)
)


@given(st.lists(st.tuples(endpoints, pasts), min_size=1, max_size=8))
def test_a_list_is_never_empty_and_every_decision_has_its_reasons(
    pairs: list[tuple[EndpointResult, Past]],
) -> None:
    decision = decided([one for one, _ in pairs], *[past for _, past in pairs])

    assert any(one.eligible for one in decision.decisions)
    for one in decision.decisions:
        assert one.reasons[0].startswith("in: " if one.eligible else "out: ")
        assert len(one.reasons) >= 4
        assert one.standing in ("verified", "insufficient_data", "below_par", "quarantined")
        if one.standing == "verified":
            assert one.eligible


@given(endpoints, st.floats(0, 1))
def test_better_accuracy_never_takes_an_endpoint_off(one: EndpointResult, better: float) -> None:
    if one.accuracy.probability is None:
        return
    raised = replace(
        one, accuracy=replace(one.accuracy, probability=max(better, one.accuracy.probability))
    )
    for state in STATES:
        if beside_a_good_one(one, Past(state, 100.0, 1)).eligible:
            assert beside_a_good_one(raised, Past(state, 100.0, 1)).eligible
