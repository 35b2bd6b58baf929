"""Accounts as the owners whose traffic is evidence.

Owns what telemetry is told of an account: since when it is there and whether somebody vouches
for it. Who is trusted and counted where is `telemetry.slots`' affair.
"""

from collections.abc import Iterator
from datetime import datetime

from routing.models import Account
from telemetry.slots import OwnerProfile, assign_slots


def assign_owner_slots(now: datetime) -> int:
    """Rebuild the owners' slots; return how many owners of models have one."""
    return assign_slots(_profiles(), now)


def _profiles() -> Iterator[OwnerProfile]:
    for row in Account.objects.values_list("pk", "created_at", "vouched").iterator():
        yield OwnerProfile(*row)
