"""Who is trusted, who compares, and in which slot each owner is counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.models import Endpoint
from telemetry.models import OwnerSlot, OwnerUse
from telemetry.scoring.evidence import COMPARATIVE, EXCLUSIVE, LARGEST, UNTRUSTED
from telemetry.slots import OwnerProfile, SlotBook, assign_slots, hashed
from tests.catalog_rows import make_endpoint

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
OLD = NOW - timedelta(days=14)
YOUNG = OLD + timedelta(seconds=1)


@pytest.fixture
def other(endpoint: Endpoint) -> Endpoint:
    return make_endpoint("borealis")


def use(account: int, endpoint: Endpoint, requests: int, *, ago: int = 0, **fields: Any) -> None:
    OwnerUse.objects.create(
        account_id=account, endpoint=endpoint, day=(NOW - timedelta(days=ago)).date(),
        **{"requests": requests, "tool_calls": requests, **fields},
    )  # fmt: skip


def old(*accounts: int) -> list[OwnerProfile]:
    return [OwnerProfile(account, OLD) for account in accounts]


def kind(account: int, endpoint: Endpoint) -> str:
    """Return the class of the slot that an owner is counted in."""
    slot = SlotBook([(endpoint.model_id, account)]).slot(endpoint.model_id, account)
    ranges = {"largest": LARGEST, "compares": COMPARATIVE, "exclusive": EXCLUSIVE}
    return next(
        (name for name, slots in ranges.items() if slots.start <= slot < slots.stop), "untrusted"
    )


@pytest.mark.parametrize(
    ("profile", "calls", "expected"),
    [
        pytest.param(OwnerProfile(1, OLD), 20, "largest", id="old and in use"),
        pytest.param(OwnerProfile(1, YOUNG), 20, "untrusted", id="young"),
        pytest.param(OwnerProfile(1, YOUNG, vouched=True), 20, "largest", id="vouched for"),
        pytest.param(OwnerProfile(1, OLD), 19, "untrusted", id="hardly in use"),
        pytest.param(OwnerProfile(1, YOUNG, vouched=True), 19, "untrusted", id="idle, vouched for"),
        pytest.param(OwnerProfile(2, OLD), 20, "untrusted", id="no account"),
    ],
)
def test_trusts_owners_that_are_known_and_use_tools(
    endpoint: Endpoint, other: Endpoint, profile: OwnerProfile, calls: int, expected: str
) -> None:
    use(1, endpoint, 10)
    use(1, other, 10, tool_calls=calls - 10)

    assign_slots([profile], NOW)

    assert kind(1, endpoint) == expected


def test_tool_calls_of_any_model_make_an_owner_known_but_old_ones_do_not(
    endpoint: Endpoint, other: Endpoint
) -> None:
    elsewhere = make_endpoint("cobalt", "acme/kestrel-2")
    for account, ago in [(1, 29), (2, 30)]:
        use(account, elsewhere, 20, ago=ago)
        for one in (endpoint, other):
            use(account, one, 1, tool_calls=0)

    assert assign_slots(old(1, 2), NOW) == 2

    assert [kind(account, endpoint) for account in (1, 2)] == ["largest", "untrusted"]
    assert kind(1, elsewhere) == "exclusive"


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [(91, 9, "exclusive"), (90, 10, "largest"), (9, 91, "exclusive"), (100, 0, "exclusive")],
)
def test_an_owner_that_sends_nearly_all_to_one_endpoint_compares_nothing(
    endpoint: Endpoint, other: Endpoint, here: int, there: int, expected: str
) -> None:
    use(1, endpoint, here)
    use(1, other, there)
    use(1, other, 500, ago=7)

    assign_slots(old(1), NOW)

    assert kind(1, endpoint) == expected


def test_pins_make_an_owner_exclusive(endpoint: Endpoint, other: Endpoint) -> None:
    use(1, endpoint, 10, pinned=200)
    use(1, other, 10)

    assign_slots(old(1), NOW)

    assert kind(1, endpoint) == "exclusive"


def test_the_largest_have_slots_of_their_own_and_keep_them(
    endpoint: Endpoint, other: Endpoint
) -> None:
    for account in range(1, 21):
        for one in (endpoint, other):
            use(account, one, 100 + account)
    assign_slots(old(*range(1, 21)), NOW)
    slots = dict(OwnerSlot.objects.values_list("account_id", "slot"))
    assert {account for account, slot in slots.items() if slot < 16} == set(range(5, 21))
    assert sorted(slot for slot in slots.values() if slot < 16) == list(range(16))
    assert all(16 <= slots[account] < 48 for account in range(1, 5))

    for one in (endpoint, other):
        use(1, one, 1000, ago=1)
    assign_slots(old(*range(1, 21)), NOW)

    now = dict(OwnerSlot.objects.values_list("account_id", "slot"))
    assert now[1] == slots[5]
    assert {account: now[account] for account in range(6, 21)} == {
        account: slots[account] for account in range(6, 21)
    }
    assert 16 <= now[5] < 48


def test_who_is_gone_loses_the_slot(endpoint: Endpoint, other: Endpoint) -> None:
    OwnerSlot.objects.create(model=endpoint.model, account_id=9, slot=0)

    assert assign_slots(old(9), NOW) == 0

    assert kind(9, endpoint) == "untrusted"


def test_shared_slots_are_spread_and_salted(settings: Any) -> None:
    slots = [hashed(account, UNTRUSTED) for account in range(200)]
    assert set(slots) == set(range(56, 64))

    settings.API_KEY_PEPPER = "another"
    assert [hashed(account, UNTRUSTED) for account in range(200)] != slots
