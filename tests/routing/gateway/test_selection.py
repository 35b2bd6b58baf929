"""The order of endpoints: balanced by price, or sorted as asked."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.health import EndpointHealth
from routing.gateway.preferences import NO_PREFERENCES, Preferences
from routing.gateway.selection import arrange, choose, first_chances, rank, state_words
from tests.routing.gateway.specs import make_endpoint

# The example of OpenRouter's documentation: 1, 2 and 3 dollars a million.
A, B, C = (make_endpoint(n, price=n * 1_000_000) for n in (1, 2, 3))
EJECTED, COOLING = EndpointHealth(ejected=True), EndpointHealth(cooling_s=5)
SHAKY = EndpointHealth(stable=False)


def _order(
    endpoints: Any = (A, B, C), health: Any = None, seed: int = 1, **wishes: Any
) -> list[int]:
    wished = replace(NO_PREFERENCES, **wishes)
    return [c.endpoint.id for c in choose(endpoints, wished, health or {}, Random(seed))]


def test_draws_by_the_inverse_square_of_the_price() -> None:
    rng = Random(7)
    first: Counter[int] = Counter(
        choose((A, B, C), NO_PREFERENCES, {2: SHAKY}, rng)[0].endpoint.id for _ in range(20_000)
    )

    # 9 to 1; of 20,000 draws the share of A has a standard deviation of 0.2 %.
    assert first[2] == 0
    assert first[1] / 20_000 == pytest.approx(0.9, abs=0.01)


def test_puts_whoever_failed_in_the_last_seconds_behind_the_others() -> None:
    orders = {tuple(_order(health={2: SHAKY}, seed=seed)) for seed in range(200)}

    assert orders == {(1, 3, 2), (3, 1, 2)}


def test_tells_how_likely_each_choice_was() -> None:
    told = {c.endpoint.id: c.probability for c in choose((A, C), NO_PREFERENCES, {}, Random(1))}

    assert told in ({1: pytest.approx(0.9), 3: 1.0}, {3: pytest.approx(0.1), 1: 1.0})


def test_spares_others_from_a_free_endpoint_taking_all() -> None:
    free, cheap = make_endpoint(1, price=0), make_endpoint(2, price=2_000)
    first = Counter(_order((free, cheap), seed=seed)[0] for seed in range(400))

    assert first[2] > 20


@pytest.mark.parametrize(
    ("wishes", "order"),
    [
        ({"sort": "price"}, [1, 2, 3]),
        ({"sort": "throughput"}, [3, 1, 2]),
        ({"sort": "latency"}, [1, 3, 2]),
        ({"order": ("p3", "p2")}, [3, 2, 1]),
        ({"order": ("p9", "p2"), "sort": "price"}, [2, 1, 3]),
        ({"order": ("p3", "p1", "p2"), "allow_fallbacks": False}, [3, 1, 2]),
        ({"sort": "price", "allow_fallbacks": False}, [1]),
        ({"sort": "price", "min_throughput": (("p50", 50.0),)}, [2, 3, 1]),
        ({"sort": "price", "max_latency": (("p90", 1.5),)}, [1, 2, 3]),
        ({"sort": "price", "max_latency": (("p90", 0.5),)}, [2, 1, 3]),
    ],
    ids=str,
)
def test_sorts_as_asked_with_the_unmeasured_last(wishes: dict[str, Any], order: list[int]) -> None:
    measured = {
        1: EndpointHealth(throughput={"p50": 40.0}, latency={"p50": 0.5, "p90": 1.0}),
        3: EndpointHealth(throughput={"p50": 90.0}, latency={"p50": 0.9, "p90": 1.2}),
    }

    assert _order(health=measured, **wishes) == order


def test_leaves_out_whoever_cools_down() -> None:
    assert _order(health={1: COOLING}, sort="price") == [2, 3]
    assert _order(health=dict.fromkeys((1, 2, 3), COOLING)) == []


def test_leaves_out_the_ejected_while_half_remain() -> None:
    assert _order(health={1: EJECTED}, sort="price") == [2, 3]


def test_uses_all_of_the_pool_when_fewer_than_half_are_well() -> None:
    assert _order(health={1: EJECTED, 2: EJECTED}, sort="price") == [3, 1, 2]
    assert sorted(_order(health=dict.fromkeys((1, 2, 3), EJECTED))) == [1, 2, 3]


def test_puts_whoever_is_often_down_last() -> None:
    health = {1: EndpointHealth(uptime_class=2), 2: EndpointHealth(uptime_class=1)}

    assert _order(health=health, sort="price") == [3, 2, 1]
    assert _order(health=health, order=("p1",))[0] == 1


GOOD, NEW = (make_endpoint(n, standing="verified", price=n * 1_000_000) for n in (11, 12)), C
PROVEN = tuple(GOOD)
POOR = make_endpoint(13, standing="below_par", price=1)
BROKEN = make_endpoint(14, standing="quarantined", price=2)
ALL_STANDINGS = (POOR, NEW, BROKEN, *PROVEN)


def test_groups_by_standing_for_exacto() -> None:
    wishes = replace(NO_PREFERENCES, sort="exacto")

    for seed in range(20):
        order = [c.endpoint for c in choose(ALL_STANDINGS, wishes, {}, Random(seed))]
        assert set(order[:2]) == set(PROVEN)
        assert order[2] is NEW
        assert set(order[3:]) == {POOR, BROKEN}


def test_keeps_the_order_inside_a_group_of_one_standing() -> None:
    for seed in range(50):
        ranked = rank(ALL_STANDINGS, NO_PREFERENCES, {}, Random(seed))
        plain = arrange(ranked, NO_PREFERENCES, {}, by_standing=False)
        grouped = arrange(ranked, NO_PREFERENCES, {}, by_standing=True)

        for group in ({11, 12}, {3}, {13, 14}):
            inside = [
                [c.endpoint.id for c in o if c.endpoint.id in group] for o in (plain, grouped)
            ]
            assert inside[0] == inside[1]


def test_leaves_the_named_first_whatever_their_standing() -> None:
    wishes = replace(NO_PREFERENCES, sort="exacto", order=("p13",))

    order = [c.endpoint.id for c in choose(ALL_STANDINGS, wishes, {}, Random(3))]

    assert order[0] == 13
    assert set(order[1:3]) == {11, 12}
    assert order[3:] == [3, 14]


def test_tells_the_probability_inside_its_group() -> None:
    for seed in range(20):
        order = choose((*PROVEN, POOR), NO_PREFERENCES, {}, Random(seed), by_standing=True)
        told = {c.endpoint.id: c.probability for c in order}
        chances = dict(zip([c.endpoint.id for c in order], first_chances(order), strict=True))

        # Prices of 11 and 12: 144 to 121 by the inverse square; the poor one is never first.
        assert told[order[0].endpoint.id] == pytest.approx(chances[order[0].endpoint.id])
        assert told[13] == 1.0
        assert chances == {
            11: pytest.approx(144 / 265), 12: pytest.approx(121 / 265), 13: 0.0,
        }  # fmt: skip


def test_says_in_words_what_moved_an_endpoint_back() -> None:
    slow = EndpointHealth(uptime_class=1, stable=False, throughput={"p50": 1.0})
    wishes = replace(NO_PREFERENCES, min_throughput=(("p50", 5.0),))

    assert state_words(A, wishes, {1: slow}) == ["slow", "degraded", "unstable"]
    assert state_words(B, wishes, {1: slow}) == []


health_states = st.builds(
    EndpointHealth,
    stable=st.booleans(),
    ejected=st.booleans(),
    cooling_s=st.sampled_from([0.0, 3.0]),
    uptime_class=st.integers(0, 2),
    throughput=st.none() | st.just({"p50": 10.0, "p75": 9.0, "p90": 8.0, "p99": 7.0}),
)
wishes_of_callers = st.builds(
    Preferences,
    order=st.lists(st.sampled_from(["p1", "p2", "p9"]), max_size=3).map(tuple),
    sort=st.sampled_from([None, "price", "throughput", "latency", "exacto"]),
    allow_fallbacks=st.booleans(),
    min_throughput=st.sampled_from([(), (("p50", 5.0),), (("p99", 50.0),)]),
)


@given(
    st.sets(st.integers(1, 6), min_size=1),
    st.dictionaries(st.integers(1, 6), health_states),
    wishes_of_callers,
    st.integers(),
)
def test_returns_a_permutation_of_a_subset_and_the_same_one_again(
    ids: set[int], health: dict[int, EndpointHealth], wishes: Preferences, seed: int
) -> None:
    endpoints = [make_endpoint(number, price=number) for number in sorted(ids)]

    chosen = choose(endpoints, wishes, health, Random(seed))

    order = [choice.endpoint.id for choice in chosen]
    assert len(order) == len(set(order))
    assert set(order) <= ids
    assert all(health.get(one, EndpointHealth()).cooling_s == 0 for one in order)
    assert all(0 < choice.probability <= 1 for choice in chosen)
    assert order == [c.endpoint.id for c in choose(endpoints, wishes, health, Random(seed))]
    warm = [one for one in ids if health.get(one, EndpointHealth()).cooling_s == 0]
    assert bool(order) == bool(warm)
