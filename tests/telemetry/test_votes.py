"""Who may vote against an endpoint, who does, and with what weight."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import pytest

from providers.models import Endpoint
from telemetry.models import OwnerSlot, OwnerUse, PreferenceSignal
from telemetry.scoring.evidence import EXCLUSIVE, UNTRUSTED, IgnoreVotes
from telemetry.votes import ignore_votes
from tests.catalog_rows import make_endpoint

TODAY = date(2026, 11, 23)


def known(endpoint: Endpoint, accounts: Iterable[int], slot: int = 0) -> None:
    for account in accounts:
        OwnerSlot.objects.create(model=endpoint.model, account_id=account, slot=slot)


def use(
    endpoint: Endpoint, account: int, *, ago: int = 0, cost_pico: int = 100, tool_calls: int = 1
) -> None:
    OwnerUse.objects.create(
        endpoint=endpoint, account_id=account, day=TODAY - timedelta(days=ago),
        tool_calls=tool_calls, cost_pico=cost_pico,
    )  # fmt: skip


def ignore(endpoint: Endpoint, account: int, *, ago: int = 0) -> None:
    PreferenceSignal.objects.create(
        endpoint=endpoint, account_id=account, day=TODAY - timedelta(days=ago), ignored=1
    )


def votes(endpoint: Endpoint, standing: Mapping[int, frozenset[int]] | None = None) -> IgnoreVotes:
    (found,) = ignore_votes(endpoint.model_id, [endpoint.pk], TODAY, standing or {})
    return found


def test_counts_who_tried_or_ignores_it(endpoint: Endpoint) -> None:
    known(endpoint, range(1, 6))
    use(endpoint, 1)
    use(endpoint, 2, ago=90)
    use(endpoint, 3, tool_calls=0)
    ignore(endpoint, 2)
    ignore(endpoint, 4)

    found = votes(endpoint)

    assert (found.at_risk, found.ignoring) == (3, 2)


@pytest.mark.parametrize(("slot", "counted"), [(EXCLUSIVE.start, 1), (UNTRUSTED.start, 0)])
def test_only_trusted_owners_vote(endpoint: Endpoint, slot: int, counted: int) -> None:
    known(endpoint, [1], slot)
    use(endpoint, 1)
    ignore(endpoint, 1)
    ignore(endpoint, 2)  # an owner without a slot

    assert (votes(endpoint).at_risk, votes(endpoint).ignoring) == (counted, counted)


def test_a_vote_is_an_owner_however_often_it_says_so(endpoint: Endpoint) -> None:
    known(endpoint, [1])
    for ago in range(5):
        ignore(endpoint, 1, ago=ago)

    assert votes(endpoint, {endpoint.pk: frozenset({1})}).ignoring == 1


def test_old_ignores_and_pins_are_no_votes(endpoint: Endpoint) -> None:
    known(endpoint, [1, 2])
    ignore(endpoint, 1, ago=31)
    PreferenceSignal.objects.create(endpoint=endpoint, account_id=2, day=TODAY, pinned=9)

    assert votes(endpoint) == IgnoreVotes()


def test_standing_ignores_of_known_owners_count(endpoint: Endpoint) -> None:
    other = make_endpoint("borealis")
    known(endpoint, [1, 2])
    use(other, 1)

    both = ignore_votes(
        endpoint.model_id, [endpoint.pk, other.pk], TODAY, {endpoint.pk: frozenset({1, 7})}
    )

    assert [(one.at_risk, one.ignoring) for one in both] == [(1, 1), (1, 0)]


def test_weighs_by_the_root_of_what_the_owner_spent_on_the_model(endpoint: Endpoint) -> None:
    other = make_endpoint("borealis")
    known(endpoint, range(60))
    for account in range(60):
        use(endpoint, account, cost_pico=100)
    use(other, 0, cost_pico=300)  # with the other, twice the weight: 20 to 10
    use(endpoint, 1, ago=31, cost_pico=10**9)
    ignore(endpoint, 0)

    found, _ = ignore_votes(endpoint.model_id, [endpoint.pk, other.pk], TODAY, {})

    assert found.spend_share == pytest.approx(20 / 610)
    assert found.spend_sample == pytest.approx(610**2 / (59 * 100 + 400))


def test_weights_below_the_cap_are_left_alone(endpoint: Endpoint) -> None:
    known(endpoint, range(100))
    for account in range(100):
        use(endpoint, account, cost_pico=100 if account else 900)
    ignore(endpoint, 0)

    found = votes(endpoint)

    assert found.spend_share == pytest.approx(3 / 102)
    assert found.spend_sample == pytest.approx(102**2 / (99 + 9))


def test_a_giant_has_one_vote_in_twenty_at_most(endpoint: Endpoint) -> None:
    known(endpoint, range(200))
    for account in range(200):
        use(endpoint, account, cost_pico=1 if account else 10**15)
    ignore(endpoint, 0)

    assert votes(endpoint).spend_share == pytest.approx(0.05, rel=1e-3)


def test_owners_that_spent_nothing_are_equal(endpoint: Endpoint) -> None:
    known(endpoint, range(4))
    for account in range(4):
        use(endpoint, account, cost_pico=0)
    ignore(endpoint, 0)

    found = votes(endpoint)

    assert (found.spend_sample, found.spend_share) == pytest.approx((4, 0.25))
