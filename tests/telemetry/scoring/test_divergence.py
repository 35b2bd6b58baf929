"""Benchmarks' own estimate, and who does better in them than for its users."""

from dataclasses import replace

import numpy as np
import pytest

from telemetry.scoring.divergence import Benchmarked, compare_benchmarks
from telemetry.scoring.evidence import BenchmarkCounts
from telemetry.scoring.method import DEFAULT
from telemetry.scoring.score import score_pool
from telemetry.scoring.standing import Past, decide
from tests.telemetry.scoring.pools import Traffic, pool

SLOTS = tuple(range(16))
FEW = int(DEFAULT.benchmark_requests) - 1


def live(rate: float, calls: float = 6_000) -> Traffic:
    return Traffic(2 * calls, calls, calls * rate, slots=SLOTS)


def suite(rate: float, calls: float = 400) -> BenchmarkCounts:
    return BenchmarkCounts(2 * calls, calls, calls * rate)


def compare(*pairs: tuple[Traffic, BenchmarkCounts]) -> tuple[Benchmarked, ...]:
    traffic, benchmarks = zip(*pairs, strict=True)
    return compare_benchmarks(pool(traffic, benchmarks=benchmarks))


def test_good_in_benchmarks_and_bad_live_is_possible_gaming() -> None:
    honest, gamer, bad = compare(
        (live(0.005), suite(0.005)), (live(0.08), suite(0.0)), (live(0.08), suite(0.08))
    )

    assert [one.verdict for one in (honest, gamer, bad)] == ["pass", "fail", "pass"]
    assert gamer.live == pytest.approx(0.08, rel=0.1)
    assert gamer.estimate == pytest.approx(0.5 / 400)
    assert gamer.sentence.startswith(
        "0.12 % (0.00\N{EN DASH}0.48) bad of 400 calls in benchmarks, 7."
    )
    assert "possible gaming" in gamer.sentence
    assert "gaming" not in honest.sentence + bad.sentence


def test_a_suite_that_is_easy_for_all_accuses_nobody() -> None:
    found = compare(*((live(0.06), suite(0.002)) for _ in range(4)))

    assert {one.verdict for one in found} == {"pass"}


def test_chance_and_small_differences_accuse_nobody() -> None:
    found = compare(
        (live(0.004), suite(0.0)), (live(0.012), suite(0.005)), (live(0.006), suite(0.0, 60))
    )

    assert {one.verdict for one in found} == {"pass"}


def test_worse_in_benchmarks_than_live_is_no_gaming() -> None:
    found = compare(
        (live(0.005), suite(0.3)), (live(0.005), suite(0.005)), (live(0.006), suite(0.006))
    )

    assert [one.verdict for one in found] == ["pass"] * 3


@pytest.mark.parametrize(
    ("traffic", "benchmark", "words"),
    [
        (live(0.2), BenchmarkCounts(), "unknown, which is not bad"),
        (live(0.2), BenchmarkCounts(FEW, FEW, 0), "too small or too old a benchmark"),
        (live(0.2, 20), suite(0.0), "too little traffic"),
        (Traffic(), suite(0.0), "too little traffic"),
    ],
    ids=["no benchmark", "a small one", "little traffic", "no traffic"],
)
def test_what_is_unknown_is_said_and_accuses_nobody(
    traffic: Traffic, benchmark: BenchmarkCounts, words: str
) -> None:
    one, _ = compare((traffic, benchmark), (live(0.005), suite(0.005)))

    assert one.verdict == "insufficient"
    assert words in one.sentence


def test_people_read_the_sample_as_it_was() -> None:
    evidence = pool([live(0.005)], benchmarks=(suite(0.0, 50),), measured=(suite(0.0, 800),))

    [one] = compare_benchmarks(evidence)
    accuracy = score_pool(evidence).endpoints[0].accuracy

    assert "of 800 calls in benchmarks" in one.sentence
    assert one.requests == 1_600
    assert "0 of 800 calls bad in benchmarks" in accuracy.sentence


def test_a_benchmark_below_the_minimum_says_nothing() -> None:
    bad = (BenchmarkCounts(FEW, FEW, FEW), BenchmarkCounts())
    traffic = [live(0.005, 100), live(0.006, 100)]

    with_it = score_pool(pool(traffic, benchmarks=bad))
    without = score_pool(pool(traffic))

    assert with_it.endpoints == without.endpoints


def test_who_games_is_judged_by_traffic_and_not_by_the_suspicion() -> None:
    traffic = [live(0.005), live(0.006), live(0.04)]
    gamed = (suite(0.005), suite(0.006), suite(0.0))
    members = [Past("member")] * 3

    accused = compare_benchmarks(pool(traffic, benchmarks=gamed))
    with_it = decide(score_pool(pool(traffic, benchmarks=gamed)), members)
    without = decide(score_pool(pool(traffic)), members)

    assert [one.verdict for one in accused] == ["pass", "pass", "fail"]
    assert [one.eligible for one in with_it.decisions] == [True, True, False]
    assert [one.standing for one in with_it.decisions] == [
        one.standing for one in without.decisions
    ]


def test_a_benchmark_alone_takes_no_proven_endpoint_off_the_list() -> None:
    traffic = [live(0.005), live(0.006), live(0.005)]
    benchmarks = (suite(0.005), suite(0.006), suite(1.0, 2_000))

    decided = decide(score_pool(pool(traffic, benchmarks=benchmarks)), [Past("member")] * 3)

    assert [one.eligible for one in decided.decisions] == [True, True, True]


@pytest.mark.parametrize("required", [False, True])
def test_a_missing_benchmark_is_unknown_and_bad_for_nobody(required: bool) -> None:
    method = replace(DEFAULT, benchmark_required=required)
    evidence = pool(
        [live(0.005), live(0.005), live(0.005)],
        benchmarks=(suite(0.005), BenchmarkCounts(), BenchmarkCounts()),
    )
    pasts = [Past("new"), Past("new"), Past("member")]

    measured, new, member = decide(score_pool(evidence, method), pasts, method).decisions

    assert (measured.eligible, member.eligible) == (True, True)
    assert new.eligible is not required
    assert new.standing == ("insufficient_data" if required else "verified")
    assert ("no benchmark has measured it" in new.reasons[0]) is required


def test_an_empty_pool_and_a_silent_one() -> None:
    assert compare_benchmarks(pool([Traffic()]))[0].verdict == "insufficient"
    nobody = replace(
        pool([Traffic()]), endpoint_ids=(), counts=np.zeros((0, 9, 64, 11)), benchmarks=()
    )
    assert compare_benchmarks(nobody) == ()
