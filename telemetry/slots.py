"""Which slot an owner's requests for one model are counted in.

Owns `OwnerSlot`. The rules others rely on: a slot is looked up when an attempt's row is made and
stays with the row; an owner without a row in the table is untrusted; who shares a slot with whom
follows from a salted hash, so a slot does not name its owner.
"""

import hashlib
from collections.abc import Collection

from django.conf import settings

from telemetry.models import OwnerSlot
from telemetry.scoring.evidence import UNTRUSTED

OwnerOfModel = tuple[int, int]  # model, account


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
