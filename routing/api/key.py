"""GET /key (and /auth/key): what a key may do and has spent.

Spending is summed from the ingested generations of this key; nothing limits it, so every
budget is null. Weeks begin on Monday, in UTC.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Sum
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from routing.api.authentication import caller_of
from routing.api.permissions import MayRead
from routing.gateway.keys import Caller
from telemetry.models import Generation

_NOTE = "Requests per minute of this key, in each web process; -1 means no limit."
# Keys that clients require: budgets, members and own-key billing do not exist here.
_CONSTANT: dict[str, Any] = {
    "limit": None,
    "limit_remaining": None,
    "limit_reset": None,
    "include_byok_in_limit": False,
    "byok_usage": 0,
    "byok_usage_daily": 0,
    "byok_usage_weekly": 0,
    "byok_usage_monthly": 0,
    "is_free_tier": False,
    "is_management_key": False,
    "is_provisioning_key": False,
    "creator_user_id": None,
    "organization_id": None,
    "workspace_id": None,
    "allowed_data_regions": ["global"],
    "budgets": [],
    "effective_budget": None,
    "free_model_daily_requests": {"limit": 0, "remaining": 0, "used": 0},
}


class KeyView(APIView):
    permission_classes = [MayRead]

    def get(self, request: Request) -> Response:
        caller = caller_of(request)
        return Response({"data": key_row(caller, spent(caller.api_key_id, now()))})


def key_row(caller: Caller, usage: dict[str, float]) -> dict[str, Any]:
    expires_at = caller.expires_at
    return {
        **_CONSTANT,
        **usage,
        "label": caller.label,
        "expires_at": expires_at.isoformat() if expires_at else None,
        "rate_limit": {
            "requests": caller.requests_per_minute or -1,
            "interval": "60s",
            "note": _NOTE,
        },
    }


def spent(api_key_id: int, at: datetime) -> dict[str, float]:
    """Return the USD this key has spent: ever, and since the day, week and month began."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    since = {
        "usage_daily": day,
        "usage_weekly": day - timedelta(days=day.weekday()),
        "usage_monthly": day.replace(day=1),
    }
    sums = Generation.objects.filter(api_key_id=api_key_id).aggregate(
        usage=Sum("cost"),
        **{name: Sum("cost", filter=Q(created_at__gte=start)) for name, start in since.items()},
    )
    return {name: float(total or 0) for name, total in sums.items()}
