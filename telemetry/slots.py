"""Which slot an owner's requests for one model are counted in.

Owns `OwnerSlot` and who is trusted. It knows no accounts: how old they are and who vouches for
them comes as a parameter. The rules others rely on: a slot is looked up when an attempt's row is
made and stays with the row; an owner without a row in the table is untrusted; all keys of an
account are one owner; who shares a slot with whom follows from a salted hash, so a slot does not
name its owner.
Source: the classes of owners that the simulations behind `telemetry.scoring` settled on.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum

from telemetry.models import OwnerSlot, OwnerUse
from telemetry.scoring.evidence import COMPARATIVE, EXCLUSIVE, LARGEST, UNTRUSTED

KNOWN_AFTER = timedelta(days=14)
FEWEST_CALLS = 20  # tool calls in IN_USE, of any model
IN_USE = timedelta(days=30)
RECENT = timedelta(days=7)
NEARLY_ALL = 0.9  # of its requests for a model in RECENT: such an owner compares nothing

OwnerOfModel = tuple[int, int]  # model, account


@dataclass(frozen=True, slots=True)
class OwnerProfile:
    """What is known of an account that its use does not tell."""

    account_id: int
    created_at: datetime
    vouched: bool = False


@dataclass(slots=True)
class _Use:
    """An owner's requests for one model by endpoint: those in RECENT, and all in IN_USE."""

    recent: dict[int, int] = field(default_factory=dict)
    all: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.all.values())

    @property
    def exclusive(self) -> bool:
        requests = self.recent if any(self.recent.values()) else self.all
        return max(requests.values()) > NEARLY_ALL * sum(requests.values())


class SlotBook:
    """The slots of some owners, read at once."""

    def __init__(self, owners: Collection[OwnerOfModel]) -> None:
        rows = OwnerSlot.objects.filter(
            model__in={model_id for model_id, _ in owners},
            account_id__in={account_id for _, account_id in owners},
        )
        self._slots: dict[OwnerOfModel, int] = {
            (model_id, account_id): slot
            for model_id, account_id, slot in rows.values_list("model_id", "account_id", "slot")
        }

    def slot(self, model_id: int, account_id: int) -> int:
        """Return the owner's slot for this model: 0 to 63."""
        known = self._slots.get((model_id, account_id))
        return hashed(account_id, UNTRUSTED) if known is None else known


def assign_slots(owners: Iterable[OwnerProfile], now: datetime) -> int:
    """Rebuild the table from the last days' use; return how many owners of models have a slot.

    An owner is trusted that was there for KNOWN_AFTER or is vouched for, and made FEWEST_CALLS.
    """
    trusted = _trusted(owners, now)
    rows = [
        OwnerSlot(model_id=model_id, account_id=account_id, slot=slot)
        for model_id, uses in _uses(now.astimezone(UTC).date()).items()
        for account_id, slot in _slots(
            model_id, {owner: use for owner, use in uses.items() if owner in trusted}
        ).items()
    ]
    with transaction.atomic():
        OwnerSlot.objects.all().delete()
        OwnerSlot.objects.bulk_create(rows, batch_size=1_000)
    return len(rows)


def _trusted(owners: Iterable[OwnerProfile], now: datetime) -> set[int]:
    since = now.astimezone(UTC).date() - IN_USE
    calls = OwnerUse.objects.filter(day__gt=since).values_list("account_id")
    busy = calls.annotate(total=Sum("tool_calls")).filter(total__gte=FEWEST_CALLS)
    in_use = set(busy.values_list("account_id", flat=True))
    known = {
        owner.account_id
        for owner in owners
        if owner.vouched or now - owner.created_at >= KNOWN_AFTER
    }
    return known & in_use


def _uses(today: date) -> dict[int, dict[int, _Use]]:
    """Return {model: {account: its use}}; pinned requests show where an owner goes, and count."""
    requests = F("requests") + F("pinned")
    rows = (
        OwnerUse.objects.filter(day__gt=today - IN_USE)
        .values_list("endpoint__model_id", "account_id", "endpoint_id")
        .annotate(total=Sum(requests), recent=Sum(requests, filter=Q(day__gt=today - RECENT)))
    )
    uses: defaultdict[int, dict[int, _Use]] = defaultdict(dict)
    for model_id, account_id, endpoint_id, total, recent in rows:
        if total:
            use = uses[model_id].setdefault(account_id, _Use())
            use.all[endpoint_id] = total
            use.recent[endpoint_id] = recent or 0
    return uses


def _slots(model_id: int, uses: dict[int, _Use]) -> dict[int, int]:
    """Return {account: slot} of one model's trusted owners."""
    comparing = [account_id for account_id, use in uses.items() if not use.exclusive]
    comparing.sort(key=lambda account_id: (-uses[account_id].total, account_id))
    largest, others = comparing[: LARGEST.stop], comparing[LARGEST.stop :]
    shared = slice(LARGEST.stop, COMPARATIVE.stop)
    return {
        **{account: hashed(account, EXCLUSIVE) for account in uses.keys() - set(comparing)},
        **{account_id: hashed(account_id, shared) for account_id in others},
        **_own_slots(model_id, largest),
    }


def _own_slots(model_id: int, largest: list[int]) -> dict[int, int]:
    """Return {account: slot} of the largest; who had one of these slots keeps it."""
    had = OwnerSlot.objects.filter(
        model=model_id, account_id__in=largest, slot__lt=LARGEST.stop
    ).values_list("account_id", "slot")
    slots = dict(had)
    free = iter(sorted(set(range(LARGEST.stop)) - set(slots.values())))
    return slots | {owner: next(free) for owner in largest if owner not in slots}


def hashed(account_id: int, slots: slice) -> int:
    """Return the slot of a range that falls to this account."""
    choices = range(slots.start, slots.stop)
    digest = hashlib.blake2b(
        account_id.to_bytes(8, "little", signed=True), key=_salt(), digest_size=8
    ).digest()
    return choices[int.from_bytes(digest, "little") % len(choices)]


def _salt() -> bytes:
    """Return a secret of this installation; its keys' pepper is kept for as long as they are."""
    return hashlib.sha256(b"owner slots:" + settings.API_KEY_PEPPER.encode()).digest()
