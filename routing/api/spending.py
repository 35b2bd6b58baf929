"""GET /credits and /activity: what an account may spend, has spent, and on what.

Reads counters by day and by period, never generations. The rule others rely on: only management
keys see what other keys of their account have spent.
"""

from datetime import date, timedelta
from typing import Any

from django.db.models import Sum
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.bodies import bad_field
from routing.api.key_changes import key_among
from routing.api.key_rows import spent_by
from routing.api.permissions import Manages
from routing.models import Account, ApiKey
from telemetry.models import DailyUse
from telemetry.spending import COLUMNS

_DAYS = 30
# Clients subtract usage from credits: an account without a limit always has this much left.
_UNLIMITED_USD = 1_000_000


class CreditsView(APIView):
    permission_classes = [Manages]

    def get(self, request: Request) -> Response:
        account = Account.objects.get(pk=caller_of(request).account_id)
        used = spent_by("account", [account.pk], now())[account.pk]["total"].cost_pico / 1e12
        return Response({"data": credits_row(account, used)})


class ActivityView(APIView):
    """The 30 days before today, or one day of them; today by its date only: it is not over."""

    permission_classes = [Manages]

    def get(self, request: Request) -> Response:
        caller, asked = caller_of(request), request.query_params
        rows = DailyUse.objects.filter(account_id=caller.account_id)
        today = now().date()
        if text := asked.get("date", ""):
            rows = rows.filter(day=_day(text, today))
        else:
            rows = rows.filter(day__in=past_days(today))
        if key_hash := asked.get("api_key_hash", ""):
            key = key_among(ApiKey.objects.filter(account=caller.account_id), key_hash)
            rows = rows.filter(api_key_id=key.pk)
        names = ("day", "endpoint__model__slug", "endpoint__tag", "endpoint__provider__name")
        sums = rows.values(*names).annotate(**{f"sum_{name}": Sum(name) for name in COLUMNS})
        return Response({"data": [_row(row) for row in sums.order_by("-day", *names[1:])]})


def credits_row(account: Account, used: float) -> dict[str, Any]:
    """Return what an account may spend in all, given what it has spent, in USD."""
    credits = account.credits
    return {
        "total_credits": used + _UNLIMITED_USD if credits is None else float(credits),
        "total_usage": used,
        "unlimited": credits is None,
    }


def past_days(today: date) -> list[date]:
    """Return the days that are told of unless one is named, oldest first; today is not over."""
    return [today - timedelta(days=ago) for ago in range(_DAYS, 0, -1)]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    model = row["endpoint__model__slug"]
    return {
        "date": row["day"].isoformat(),
        "model": model,
        "model_permaslug": model,
        "endpoint_id": row["endpoint__tag"],
        "provider_name": row["endpoint__provider__name"],
        "usage": row["sum_cost_pico"] / 1e12,
        "byok_usage_inference": row["sum_own_cost_pico"] / 1e12,
        "requests": row["sum_requests"],
        "prompt_tokens": row["sum_prompt_tokens"],
        "completion_tokens": row["sum_completion_tokens"],
        "reasoning_tokens": row["sum_reasoning_tokens"],
        "cached_tokens": row["sum_cached_tokens"],
        "workspace_id": "default",
    }


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not today - timedelta(days=_DAYS) <= day <= today:
        raise bad_field("date", f"give a day of the last {_DAYS}, such as {today} (UTC).")
    return day
