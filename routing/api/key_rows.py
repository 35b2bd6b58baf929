"""API keys as JSON: what they are, what they may spend, and what they have spent.

Owns the shapes of /key and /keys and reads the counters behind them, never generations one by
one. The rule others rely on: nothing of a secret is in a row; `hash` is the public part, the same
before and after a rotation.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery

from routing.gateway.keys import Caller, period_of
from routing.models import ApiKey
from telemetry.models import DailyUse, Generation, Spending
from telemetry.periods import PERIODS, Period, start_of
from telemetry.spending import Cost

_NAMES: dict[Period, str] = {
    "total": "usage",
    "daily": "usage_daily",
    "weekly": "usage_weekly",
    "monthly": "usage_monthly",
}
_WORKSPACE = "default"


def spent_by(holder: str, ids: Iterable[int], at: datetime) -> dict[int, dict[Period, Cost]]:
    """Return what each has spent, ever and in the periods that `at` is in."""
    day = at.astimezone(UTC).date()
    found: dict[int, dict[Period, Cost]] = {pk: dict.fromkeys(PERIODS, Cost()) for pk in ids}
    now_running = Q()
    for period in PERIODS:
        now_running |= Q(period=period, starts_on=start_of(period, day))
    rows = Spending.objects.filter(now_running, holder=holder, holder_id__in=list(found))
    for holder_id, name, *costs in rows.values_list("holder_id", "period", *Cost._fields):
        found[holder_id][period_of(name)] = Cost(*costs)
    return found


def usage_columns(spent: Mapping[Period, Cost]) -> dict[str, float]:
    """Return `usage` and `byok_usage`, in USD, ever and of each period."""
    asked = {name: spent[period].cost_pico / 1e12 for period, name in _NAMES.items()}
    own = {f"byok_{name}": spent[period].own_cost_pico / 1e12 for period, name in _NAMES.items()}
    return asked | own


def own_key_row(caller: Caller, key: ApiKey, at: datetime) -> dict[str, Any]:
    """Return what /key tells a key of itself."""
    expires_at = caller.expires_at
    shared = "over all web processes" if settings.REDIS_URL else "in each web process"
    return {
        **_money(key, spent_by("key", [key.pk], at)[key.pk]),
        "label": key.label,
        # Of the secret that was sent, which a rotation may end before the key.
        "expires_at": expires_at.isoformat() if expires_at else None,
        "rate_limit": {
            "requests": caller.requests_per_minute or -1,
            "interval": "60s",
            "note": f"Requests per minute of this key, {shared}; -1 means no limit.",
        },
        "is_free_tier": False,
        "is_management_key": key.management,
        "is_provisioning_key": key.management,
        "organization_id": None,
        "workspace_id": None,
        "allowed_data_regions": ["global"],
        "budgets": [],
        "effective_budget": None,
        "free_model_daily_requests": {"limit": 0, "remaining": 0, "used": 0},
    }


def key_rows(keys: list[ApiKey], at: datetime) -> list[dict[str, Any]]:
    """Return what /keys tells of keys, in their order."""
    ids = [key.pk for key in keys]
    spent = spent_by("key", ids, at)
    # Newest row by newest row from the index: a maximum by group reads all rows of all keys.
    newest = Generation.objects.filter(api_key_id=OuterRef("pk")).order_by("-created_at")
    # Generations go once they are old; the day stays.
    days = DailyUse.objects.filter(
        account_id=OuterRef("account_id"), api_key_id=OuterRef("pk")
    ).order_by("-day")
    used = ApiKey.objects.filter(pk__in=ids).annotate(
        moment=Subquery(newest.values("created_at")[:1]), day=Subquery(days.values("day")[:1])
    )
    last_used = {
        pk: moment or (day and datetime.combine(day, time(), UTC))
        for pk, moment, day in used.values_list("pk", "moment", "day")
    }
    return [_managed_row(key, spent[key.pk], last_used.get(key.pk)) for key in keys]


def _managed_row(
    key: ApiKey, spent: dict[Period, Cost], last_used: datetime | None
) -> dict[str, Any]:
    return {
        **_money(key, spent),
        "hash": key.public_id,
        "name": key.label,
        "label": key.masked,
        "disabled": key.disabled,
        "created_at": key.created_at.isoformat(),
        "updated_at": _iso(key.updated_at),
        "expires_at": _iso(key.expires_at),
        "last_used_at": _iso(last_used),
        "previous_expires_at": _iso(key.previous_until),
        "external_user": None,
        "workspace_id": _WORKSPACE,
    }


def _money(key: ApiKey, spent: dict[Period, Cost]) -> dict[str, Any]:
    limit = key.spend_limit
    left = None
    if limit is not None:
        cost = spent[period_of(key.limit_reset)]
        counted = sum(cost) if key.include_byok_in_limit else cost.cost_pico
        left = max(0, int(limit.scaleb(12)) - counted) / 1e12
    return {
        # Clients require it; members do not exist here.
        "creator_user_id": None,
        **usage_columns(spent),
        "limit": None if limit is None else float(limit),
        "limit_remaining": left,
        "limit_reset": key.limit_reset or None,
        "include_byok_in_limit": key.include_byok_in_limit,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
