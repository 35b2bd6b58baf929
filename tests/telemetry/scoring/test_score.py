"""What a score says of a pool: bias, attacks, lack of data, sentences; and its properties."""

from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telemetry.scoring.evidence import (
    ATTEMPTS,
    COMPARATIVE,
    EXCLUSIVE,
    FIELDS,
    FIRST_KIND,
    FORCED,
    LOST,
    REQUESTS,
    SLOTS,
    STRATA,
    UNTRUSTED,
    BenchmarkCounts,
    IgnoreVotes,
    PoolEvidence,
)
from telemetry.scoring.method import DEFAULT
from telemetry.scoring.score import Criterion, EndpointResult, score_pool
from tests.telemetry.scoring.pools import MISMATCH, Traffic, pool, pool_of

MANY = tuple(range(48))


def criteria(endpoint: EndpointResult) -> list[Criterion]:
    return [endpoint.accuracy, endpoint.propensity, endpoint.ignores, endpoint.losses]


def even(*rates: float, calls: float = 10_000.0) -> list[Traffic]:
    """Endpoints with these error rates and the same traffic from many owners."""
    return [Traffic(2 * calls, calls, calls * rate, slots=MANY) for rate in rates]


def test_clear_cases_are_told_apart_with_sentences_for_curators() -> None:
    evidence = pool(even(0.004, 0.006, 0.031), owners=(41, 40, 39))

    good, near, bad = score_pool(evidence).endpoints

    assert (good.accuracy.verdict, near.accuracy.verdict) == ("pass", "pass")
    assert bad.accuracy.verdict == "fail"
    assert bad.accuracy.probability is not None
    assert bad.accuracy.probability < 0.01
    assert bad.accuracy.sentence == (
        "tool-call error 3.1 % (2.4\N{EN DASH}3.8) against 0.41 % for the best; "
        "310 schema mismatches in 10,000 requests from 39 owners"
    )
    assert bad.failures["schema_mismatch"] == 310
    assert bad.propensity.verdict == "pass"
    assert "\N{MULTIPLICATION SIGN}1.00" in bad.propensity.sentence


def test_no_data_is_insufficient_everywhere_and_nothing_is_estimated() -> None:
    result = score_pool(pool([Traffic(), Traffic()], owners=(0, 0)))

    assert result.best_error_rate is None
    for endpoint in result.endpoints:
        assert {one.verdict for one in criteria(endpoint)} == {"insufficient"}
        assert {one.estimate for one in criteria(endpoint)} == {None}
        assert {one.probability for one in criteria(endpoint)} == {None}
        assert endpoint.accuracy.sentence == "too few tool calls to tell: no failure in 0 requests"


def test_an_empty_pool_has_an_empty_result() -> None:
    assert score_pool(pool_of(np.zeros((0, STRATA, SLOTS, len(FIELDS))))).endpoints == ()


def test_ten_perfect_calls_are_insufficient_not_better_than_a_proven_endpoint() -> None:
    newcomer = Traffic(20, 10, 0, slots=MANY)
    proven = Traffic(20_000, 9_900, 90, slots=MANY)

    result = score_pool(pool([newcomer, proven]))

    assert result.endpoints[0].accuracy.verdict == "insufficient"
    assert result.endpoints[1].accuracy.verdict == "pass"
    low, high = result.endpoints[0].accuracy.low, result.endpoints[0].accuracy.high
    assert low is not None
    assert high is not None
    assert low < 0.009 < high


def test_few_calls_can_be_enough_to_fail_with_the_rate_in_the_sentence() -> None:
    careless = Traffic(120, 84, 16, slots=MANY)
    others = [Traffic(160, 120, 0, slots=MANY)] * 3

    result = score_pool(pool([careless, *others])).endpoints

    assert [one.accuracy.verdict for one in result] == ["fail", *["insufficient"] * 3]
    assert result[0].accuracy.sentence.startswith("tool-call error 1")


def test_two_endpoints_known_before_the_others_do_not_set_the_normal_propensity_alone() -> None:
    rare, usual = Traffic(160, 96, 0, slots=MANY), Traffic(160, 144, 0, slots=MANY)
    unknown = [Traffic(50, 45, 0, slots=MANY)] * 4

    result = score_pool(pool([rare, usual, *unknown])).endpoints

    assert result[0].propensity.verdict == "fail"
    assert result[1].propensity.verdict == "pass"


def test_an_owner_with_hard_requests_on_one_endpoint_does_not_make_it_bad() -> None:
    # Simpson: three quarters of the first endpoint's calls come from owners who fail ten times
    # as often anywhere; the others see them, too, a little.
    hard, easy = (0, 1, 2, 3), tuple(range(4, 48))

    def endpoint(from_hard: float, factor: float) -> NDArray[np.float64]:
        hard_part = Traffic(2 * from_hard, from_hard, from_hard * 0.05 * factor, slots=hard)
        easy_calls = 10_000 - from_hard
        easy_part = Traffic(2 * easy_calls, easy_calls, easy_calls * 0.005 * factor, slots=easy)
        return hard_part.counts() + easy_part.counts()

    counts = np.stack([endpoint(7_500, 1.0), endpoint(500, 1.0), endpoint(500, 5.0)])

    burdened, same, bad = score_pool(pool_of(counts)).endpoints

    raw = counts[0][..., MISMATCH].sum() / counts[0][..., ATTEMPTS].sum()
    assert raw > 0.035
    assert burdened.accuracy.estimate == pytest.approx(same.accuracy.estimate, abs=0.005)
    assert (burdened.accuracy.verdict, bad.accuracy.verdict) == ("pass", "fail")


@pytest.mark.parametrize("slots", [UNTRUSTED, EXCLUSIVE], ids=["untrusted", "exclusive"])
@pytest.mark.parametrize("rate", [0.0, 0.9], ids=["stuffing", "sabotage"])
def test_owners_without_a_vote_move_nothing_between_good_and_bad(slots: slice, rate: float) -> None:
    honest = pool(even(0.005, 0.006, 0.04))
    target = 2 if rate == 0.0 else 0
    counts = honest.counts.copy()
    counts[target, 0, slots, REQUESTS] += 2_000
    counts[target, 0, slots, ATTEMPTS] += 2_000
    counts[target, 0, slots, MISMATCH] += 2_000 * rate

    attacked = score_pool(pool_of(counts)).endpoints

    assert [one.accuracy.verdict for one in attacked] == ["pass", "pass", "fail"]


@given(st.integers(0, 2), st.floats(0, 500), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_untrusted_traffic_leaves_probabilities_bit_equal(
    target: int, calls: float, rate: float
) -> None:
    before = pool(even(0.005, 0.006, 0.04), recorded=np.zeros((3, STRATA, SLOTS, len(FIELDS))))
    counts = before.counts.copy()
    counts[target, :, UNTRUSTED, REQUESTS] += 2 * calls
    counts[target, :, UNTRUSTED, ATTEMPTS] += calls
    counts[target, :, UNTRUSTED, MISMATCH] += calls * rate
    counts[target, :, UNTRUSTED, LOST] += calls
    after = replace(before, counts=counts, propensity_counts=counts)

    assert [asdict(one) for one in score_pool(before).endpoints] == [
        asdict(one) for one in score_pool(after).endpoints
    ]


def test_a_flood_of_new_accounts_does_not_bring_their_vote_back() -> None:
    counts = pool(even(0.005, 0.006, 0.04)).counts
    counts[2, :6, UNTRUSTED, REQUESTS] += 1e6
    counts[2, :6, UNTRUSTED, ATTEMPTS] += 1e6

    assert score_pool(pool_of(counts)).endpoints[2].accuracy.verdict == "fail"


def test_a_young_installation_counts_owners_that_nobody_vouches_for() -> None:
    untrusted = tuple(range(56, 64))
    traffic = [Traffic(20_000, 10_000, 10_000 * rate, slots=untrusted) for rate in (0.005, 0.06)]

    good, bad = score_pool(pool(traffic)).endpoints

    assert (good.accuracy.verdict, bad.accuracy.verdict) == ("pass", "fail")


def test_a_gamed_benchmark_does_not_outvote_traffic() -> None:
    benchmarks = (BenchmarkCounts(), BenchmarkCounts(4_000, 2_000, 0))

    _, bad = score_pool(pool(even(0.005, 0.06, calls=3_000), benchmarks=benchmarks)).endpoints

    assert bad.accuracy.verdict == "fail"


def test_a_benchmark_alone_says_something_and_a_missing_one_nothing() -> None:
    benchmarks = (BenchmarkCounts(4_000, 2_000, 5), BenchmarkCounts(4_000, 2_000, 300))
    nothing = BenchmarkCounts()

    good, bad, unknown = score_pool(
        pool([Traffic()] * 3, benchmarks=(*benchmarks, nothing))
    ).endpoints

    assert (good.accuracy.verdict, bad.accuracy.verdict) == ("pass", "fail")
    assert bad.accuracy.sentence.endswith("; 300 of 2,000 calls bad in benchmarks, no traffic")
    assert bad.propensity.sentence.endswith(
        "; 2,000 calls for 4,000 requests in benchmarks, no traffic"
    )
    assert unknown.accuracy.verdict == "insufficient"


def test_a_sentence_tells_traffic_and_benchmarks_apart() -> None:
    benchmarks = (BenchmarkCounts(), BenchmarkCounts(400, 200, 3))

    evidence = pool(even(0.004, 0.05), owners=(30, 30), benchmarks=benchmarks)

    plain, both = score_pool(evidence).endpoints

    assert "benchmarks" not in plain.accuracy.sentence + plain.propensity.sentence
    assert both.accuracy.sentence.endswith(
        "500 schema mismatches in 10,000 requests from 30 owners; 3 of 200 calls bad in benchmarks"
    )
    assert both.propensity.sentence.endswith(
        "10,000 calls in 20,000 requests from 30 owners; 200 calls for 400 requests in benchmarks"
    )
    told = [both.accuracy, both.propensity, both.losses, plain.accuracy]
    assert [one.benchmark_requests for one in told] == [200, 400, 0, 0]
    assert both.accuracy.requests == 10_200


def test_an_endpoint_that_avoids_tools_fails_propensity_and_does_not_define_the_best() -> None:
    avoiding = Traffic(20_000, 4_000, 0, slots=MANY)

    result = score_pool(pool([*even(0.010, 0.014), avoiding], reference=0))

    shy = result.endpoints[2]
    assert shy.propensity.verdict == "fail"
    assert shy.propensity.sentence.startswith("calls tools less often than normal: odds")
    assert shy.propensity.estimate == pytest.approx(0.25, abs=0.03)
    assert result.best_error_rate == pytest.approx(0.010, abs=0.002)


def test_the_reference_is_never_outside_its_own_range() -> None:
    traffic = [Traffic(20_000, 2_000, 0, slots=MANY), *even(0.0, 0.0, 0.0)]

    own, *others = score_pool(pool(traffic, reference=0)).endpoints

    assert own.propensity.verdict == "pass"
    assert {one.propensity.verdict for one in others} == {"fail"}


def test_breaking_off_instead_of_answering_badly_fails_the_losses() -> None:
    traffic = even(0.005, 0.005, 0.0)
    traffic[2] = replace(traffic[2], lost=3_000)

    *_, losing = score_pool(pool(traffic)).endpoints

    assert losing.accuracy.verdict == "pass"
    assert losing.losses.verdict == "fail"
    assert losing.losses.sentence.startswith("loses 13.0 %")


def test_a_pool_that_loses_much_everywhere_fails_nobody_for_it() -> None:
    traffic = [replace(one, lost=1_500) for one in even(0.005, 0.005, 0.005)]

    assert {one.losses.verdict for one in score_pool(pool(traffic)).endpoints} == {"pass"}


def test_each_criterion_tells_the_owners_that_it_rests_on() -> None:
    evidence = pool(even(0.004, 0.006), owners=(41, 40), calling=(3, 4), asking=(5, 6))

    first, _ = score_pool(evidence).endpoints

    assert (first.accuracy.owners, first.propensity.owners, first.losses.owners) == (3, 5, 41)
    assert "from 3 owners" in first.accuracy.sentence
    assert "from 5 owners" in first.propensity.sentence


def test_few_owners_failures_are_marked_as_disputed() -> None:
    traffic = even(0.005, 0.005)
    counts = np.stack([one.counts() for one in traffic])
    counts[0, 0, 5, MISMATCH] += 200

    first, second = score_pool(pool_of(counts)).endpoints

    assert (first.disputed, second.disputed) == (True, False)


@pytest.mark.parametrize("field", ["counts", "propensity_counts", "recorded"])
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_impossible_counters_are_refused(field: str, bad: float) -> None:
    evidence = pool(even(0.005, 0.005))
    counts = evidence.counts.copy()
    counts[0, 0, 0, ATTEMPTS] = bad

    with pytest.raises(ValueError, match=f"^{field} holds"):
        score_pool(replace(evidence, **cast("Any", {field: counts})))


def test_shapes_that_do_not_fit_are_refused() -> None:
    evidence = pool(even(0.005, 0.005))

    with pytest.raises(ValueError, match="counts of shape"):
        score_pool(replace(evidence, counts=evidence.counts[:1]))
    with pytest.raises(ValueError, match="votes needs one entry"):
        score_pool(replace(evidence, votes=()))
    with pytest.raises(ValueError, match="reference 7"):
        score_pool(replace(evidence, reference=7))


def random_counts(draw: st.DrawFn, size: int, largest: float) -> NDArray[np.float64]:
    """Counters of any kind: some endpoints silent, some slots unused, some all failures."""
    source = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1.0, 30.0, 1e4, largest]))
    counts = np.zeros((size, STRATA, SLOTS, len(FIELDS)))
    used = source.random((size, 1, SLOTS)) < draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    requests = np.floor(scale * source.random((size, STRATA, SLOTS)) ** 3) * used
    attempts = np.floor(requests * source.random((size, 1, 1)))
    rates = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0])) * source.random((size, 1, 1)) ** 0.1
    counts[..., REQUESTS], counts[..., ATTEMPTS] = requests, attempts
    counts[..., FIRST_KIND] = np.floor(attempts * np.minimum(rates, 1.0))
    counts[..., LOST] = np.floor(requests * source.random((size, 1, 1)) * 0.2)
    return counts


@st.composite
def pools(draw: st.DrawFn, largest: float = 1e12) -> PoolEvidence:
    size = draw(st.integers(1, 6))
    votes = [
        IgnoreVotes(n, min(n, y), float(n) / 2, share)
        for n, y, share in draw(
            st.lists(
                st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 1)),
                min_size=size,
                max_size=size,
            )
        )
    ]
    benchmark = st.sampled_from(
        [BenchmarkCounts(), BenchmarkCounts(300, 150, 2), BenchmarkCounts(1e9, 1e9, 1e9)]
    )
    return pool_of(
        random_counts(draw, size, largest),
        votes=tuple(votes),
        benchmarks=tuple(draw(st.lists(benchmark, min_size=size, max_size=size))),
        reference=draw(st.one_of(st.none(), st.integers(0, size - 1))),
    )


@given(pools())
@settings(deadline=None, max_examples=150)
def test_any_counters_give_finite_results_in_range(evidence: PoolEvidence) -> None:
    result = score_pool(evidence)

    assert np.isfinite(result.expected.failures).all()
    assert (result.expected.failures <= 1.0).all()
    assert ((result.expected.votes >= 0.0) & (result.expected.votes <= 1.0)).all()
    for endpoint in result.endpoints:
        for one in criteria(endpoint):
            assert one.verdict in ("pass", "fail", "insufficient")
            assert one.sentence
            assert "nan" not in one.sentence
            if one.estimate is None:
                continue
            assert one.low is not None
            assert one.high is not None
            assert one.probability is not None
            assert 0.0 <= one.low <= one.high
            assert np.isfinite([one.low, one.estimate, one.high]).all()
            assert 0.0 <= one.probability <= 1.0


def figures(result: Any, order: NDArray[np.intp]) -> NDArray[np.float64]:
    rows = [
        [
            np.nan if value is None else value
            for one in criteria(result.endpoints[k])
            for value in (one.estimate, one.low, one.high, one.probability)
        ]
        for k in order
    ]
    return np.array(rows, dtype=np.float64)


@given(pools(largest=1e6), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_order_of_endpoints_slots_and_strata_does_not_matter(
    evidence: PoolEvidence, seed: int
) -> None:
    source = np.random.default_rng(seed)
    size = len(evidence.endpoint_ids)
    endpoints = source.permutation(size)
    slots = np.arange(SLOTS)
    for kind in (COMPARATIVE, EXCLUSIVE, UNTRUSTED):
        slots[kind] = source.permutation(slots[kind])
    strata = np.concatenate(
        [source.permutation(FORCED.start), FORCED.start + source.permutation(3)]
    )
    counts = evidence.counts[endpoints][:, strata][:, :, slots]
    reference = evidence.reference
    shuffled = pool_of(
        counts,
        endpoint_ids=tuple(evidence.endpoint_ids[k] for k in endpoints),
        votes=tuple(evidence.votes[k] for k in endpoints),
        benchmarks=tuple(evidence.benchmarks[k] for k in endpoints),
        reference=None if reference is None else int(np.flatnonzero(endpoints == reference)[0]),
    )

    before, after = score_pool(evidence), score_pool(shuffled)

    assert [one.endpoint_id for one in after.endpoints] == list(shuffled.endpoint_ids)
    np.testing.assert_allclose(
        figures(after, np.arange(size)), figures(before, endpoints), rtol=1e-5, atol=1e-7
    )


@given(st.floats(0.001, 0.05), st.integers(3, 30), st.floats(2, 50))
@settings(deadline=None, max_examples=40)
def test_more_data_narrow_the_interval(rate: float, owners: int, factor: float) -> None:
    few = [Traffic(4_000, 2_000, 2_000 * rate, slots=range(owners))] * 3
    calls = 2_000 * factor
    many = [Traffic(2 * calls, calls, calls * rate, slots=range(owners))] * 3

    before = score_pool(pool(few)).endpoints[0].accuracy
    after = score_pool(pool(many)).endpoints[0].accuracy

    assert before.low is not None
    assert before.high is not None
    assert after.low is not None
    assert after.high is not None
    assert after.high - after.low <= (before.high - before.low) * (1 + 1e-6)


def test_cost_does_not_follow_traffic() -> None:
    small = score_pool(pool(even(0.004, 0.03, calls=1e3)))
    large = score_pool(pool(even(0.004, 0.03, calls=1e9)))

    # The same work on the same arrays: only the figures differ.
    assert [len(result.endpoints) for result in (small, large)] == [2, 2]
    assert large.endpoints[1].accuracy.verdict == "fail"


def test_verdicts_follow_the_first_list_s_rule() -> None:
    result = score_pool(pool(even(0.004, 0.006, 0.0135, 0.031)))

    for endpoint in result.endpoints:
        assert endpoint.accuracy.probability is not None
        assert endpoint.accuracy.estimate is not None
        failures = endpoint.accuracy.estimate * endpoint.effective_attempts
        passes = endpoint.accuracy.probability >= DEFAULT.first_bar(failures)
        assert endpoint.accuracy.verdict == ("pass" if passes else "fail")
