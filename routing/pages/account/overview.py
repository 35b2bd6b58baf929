"""/account/: the sign-in, or what the key may spend, has spent and, for its whole account, on what.

Reads what /key, /credits and /activity read. The rule others rely on: the account's money is shown
to management keys alone, an ordinary key sees its own and only with the scope read.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from routing.api.key_rows import own_key_row, spent_by, usage_columns
from routing.api.spending import credits_row, past_days
from routing.gateway.keys import Caller
from routing.models import Account, ApiKey
from routing.pages.account.amounts import usd
from routing.pages.account.answer import account_page, manages_keys, may_manage, may_read
from routing.pages.account.session import COOKIE, session_caller
from routing.pages.account.sign_in import sign_in, sign_in_page
from routing.pages.answer import switched_on
from routing.plots import bars
from telemetry.models import DailyUse

_MODELS = 50


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show the overview to whoever is signed in, the sign-in to others; POST signs in."""
    switched_on("ACCOUNT_PAGES")
    if request.method == "POST":
        return sign_in(request)
    caller = session_caller(request)
    if caller is None:
        return sign_in_page(request, ended=COOKIE in request.COOKIES)
    return _overview(request, caller)


def _overview(request: HttpRequest, caller: Caller) -> HttpResponse:
    at = now()
    context: dict[str, Any] = {"reads": may_read(caller), "manages": may_manage(caller)}
    if context["reads"]:
        context |= _own_key(caller, at)
    if manages_keys(caller):
        context["whole"] = _whole_account(caller.account_id, at)
    return account_page(request, caller, "overview", context)


def _own_key(caller: Caller, at: datetime) -> dict[str, Any]:
    row = own_key_row(caller, ApiKey.objects.get(pk=caller.api_key_id), at)
    calls = row["rate_limit"]["requests"]
    return {
        "label": row["label"],
        "public_id": caller.public_id,
        "expires_at": caller.expires_at,
        "calls": None if calls == -1 else calls,
        "management": row["is_management_key"],
        "spent": _spent(row),
        "limit": None if row["limit"] is None else usd(row["limit"]),
        "left": usd(row["limit_remaining"]),
        "limit_reset": row["limit_reset"],
    }


def _spent(row: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return what was spent in the periods of the page's tables, here and, if any, elsewhere."""
    names = ("usage_daily", "usage_weekly", "usage_monthly", "usage")
    lines = [("Here", [usd(row[name]) for name in names])]
    if row["byok_usage"]:
        own = [usd(row[f"byok_{name}"]) for name in names]
        lines.append(("At providers, on the account\u2019s own credentials", own))
    return lines


def _whole_account(account_id: int, at: datetime) -> dict[str, Any]:
    spent = spent_by("account", [account_id], at)[account_id]
    credits = credits_row(Account.objects.get(pk=account_id), spent["total"].cost_pico / 1e12)
    left = max(0.0, credits["total_credits"] - credits["total_usage"])
    return {
        "spent": _spent(usage_columns(spent)),
        "credits": None if credits["unlimited"] else usd(credits["total_credits"]),
        "left": usd(left),
        **_month(account_id, past_days(at.date())),
    }


def _month(account_id: int, days: list[date]) -> dict[str, Any]:
    """Return what the days before today cost, by day and by model: sums of what /activity tells."""
    rows = DailyUse.objects.filter(account_id=account_id, day__range=(days[0], days[-1]))
    by_day = dict(rows.values_list("day").annotate(Sum("cost_pico")))
    costs = [by_day.get(day, 0) / 1e12 for day in days]
    total = usd(sum(costs))
    words = f"{total} in the 30 days from {days[0]} to {days[-1]}; dearest day {usd(max(costs))}"
    return {
        "total": total,
        "plot": bars(costs, words),
        "days": [(day, usd(cost)) for day, cost in zip(days, costs, strict=True) if cost][::-1],
        **_by_model(account_id, days),
    }


def _by_model(account_id: int, days: list[date]) -> dict[str, Any]:
    rows = DailyUse.objects.filter(account_id=account_id, day__range=(days[0], days[-1]))
    sums = rows.values_list("endpoint__model__slug").annotate(
        Sum("requests"), Sum("prompt_tokens"), Sum("completion_tokens"), cost=Sum("cost_pico")
    )
    found = list(sums.order_by("-cost", "endpoint__model__slug")[: _MODELS + 1])
    return {
        "models": [_model(*one) for one in found[:_MODELS]],
        "most_models": _MODELS if len(found) > _MODELS else None,
    }


def _model(slug: str, requests: int, read: int, written: int, pico: int) -> tuple[str, ...]:
    return (slug, f"{requests:,}", f"{read:,}", f"{written:,}", usd(pico / 1e12))
