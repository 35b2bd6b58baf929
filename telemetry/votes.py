"""Who could have ignored an endpoint on requests with tools, and who does.

Owns the rules of eligibility and weight. It decides nothing. The rules others rely on: only
owners with a trusted slot for the model vote (old enough or vouched for, and in use); each
account counts once, whatever its number of keys; ignoring is a vote against, a pin is not one
for; naming other providers is not ignoring.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta

import numpy as np
from django.db.models import Sum
from numpy.typing import NDArray

from telemetry.models import OwnerSlot, OwnerUse, PreferenceSignal
from telemetry.scoring.evidence import UNTRUSTED, IgnoreVotes

AT_RISK = timedelta(days=90)
IGNORED = timedelta(days=30)
SPEND = timedelta(days=30)
MOST_WEIGHT = 0.05  # of one owner, in the vote weighted by spend
_ROUNDS = 40  # each cut lowers the sum that the next one is measured by; they soon agree


def ignore_votes(
    model_id: int,
    endpoint_ids: Collection[int],
    day: date,
    standing_ignores: Mapping[int, Collection[int]],
) -> tuple[IgnoreVotes, ...]:
    """Return the votes on each endpoint, in the order given, as of the end of `day` (UTC)."""
    eligible = set(
        OwnerSlot.objects.filter(model=model_id, slot__lt=UNTRUSTED.start).values_list(
            "account_id", flat=True
        )
    )
    tried = _accounts(
        OwnerUse.objects.filter(
            endpoint__in=endpoint_ids, day__range=(day - AT_RISK, day), tool_calls__gt=0
        ).values_list("endpoint_id", "account_id")
    )
    ignoring = _accounts(
        PreferenceSignal.objects.filter(
            endpoint__in=endpoint_ids, day__range=(day - IGNORED, day), ignored__gt=0
        ).values_list("endpoint_id", "account_id")
    )
    spend = _spend(endpoint_ids, day)
    votes = []
    for endpoint_id in endpoint_ids:
        against = (ignoring[endpoint_id] | set(standing_ignores.get(endpoint_id, ()))) & eligible
        votes.append(_votes(against | (tried[endpoint_id] & eligible), against, spend))
    return tuple(votes)


def _accounts(rows: Iterable[tuple[int, int]]) -> defaultdict[int, set[int]]:
    accounts: defaultdict[int, set[int]] = defaultdict(set)
    for endpoint_id, account_id in rows:
        accounts[endpoint_id].add(account_id)
    return accounts


def _spend(endpoint_ids: Collection[int], day: date) -> dict[int, int]:
    """Return what each owner spent on the model's endpoints, in picodollars."""
    uses = OwnerUse.objects.filter(endpoint__in=endpoint_ids, day__range=(day - SPEND, day))
    totals = uses.values_list("account_id").annotate(total=Sum("cost_pico"))
    return {account_id: int(total) for account_id, total in totals}


def _votes(at_risk: set[int], against: set[int], spend: dict[int, int]) -> IgnoreVotes:
    accounts = sorted(at_risk)
    if not accounts:
        return IgnoreVotes()
    shares = _shares([spend.get(account_id, 0) for account_id in accounts])
    is_against = np.array([account_id in against for account_id in accounts])
    return IgnoreVotes(
        at_risk=len(accounts),
        ignoring=len(against),
        spend_sample=float(1 / np.square(shares).sum()),
        spend_share=float(shares[is_against].sum()),
    )


def _shares(spend: list[int]) -> NDArray[np.float64]:
    """Return each owner's share of the vote: by root of spend, none above MOST_WEIGHT.

    Where nobody spent anything all are equal, and so are up to twenty who did.
    """
    weights: NDArray[np.float64] = np.sqrt(np.array(spend, float))
    if not weights.any():
        weights += 1.0
    for _ in range(_ROUNDS):
        weights = np.minimum(weights, MOST_WEIGHT * weights.sum())
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
