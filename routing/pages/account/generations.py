"""/account/generations/: recent requests, and for each why it went where it went.

Reads what /generation and /generation/explain read; the words for their codes are `reasons`'. The
rules others rely on: a page lists a bounded number, from an index, and the next page begins after
its last row; an ordinary key lists its own requests, a management key its account's; no content is
there to be shown.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from routing.api.explain import explained
from routing.api.generation import generation_of, generation_row
from routing.api.permissions import require
from routing.gateway.keys import Caller
from routing.models import Scope
from routing.pages.account.amounts import usd
from routing.pages.account.answer import account_page, manages_keys, signed_in
from routing.pages.account.reasons import in_words
from telemetry.models import Generation, Outcome, Verdict

_PAGE = 50
_SIGNS = {
    "leaked_tool_text": "tool call leaked as text",
    "tool_choice_violated": "tool_choice not heeded",
    "truncated_arguments": "arguments cut off",
    "empty_reply": "empty reply",
    "duplicate_ids": "ids used twice",
}


@signed_in
def generations(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the newest, or those before one; ?id= leads to one."""
    require(caller, Scope.READ)
    if asked := request.GET.get("id", "").strip():
        found = generation_of(caller, asked)
        return HttpResponseRedirect(reverse("account-generation", args=[found.pk]))
    before = request.GET.get("before", "")
    rows = _visible(caller)
    if before:
        last = generation_of(caller, before)
        earlier = Q(created_at__lt=last.created_at) | Q(pk__lt=last.pk)
        rows = rows.filter(earlier, created_at__lte=last.created_at)
    found_rows = list(rows.order_by("-created_at", "-pk")[: _PAGE + 1])
    context = {
        "rows": [_line(row) for row in found_rows[:_PAGE]],
        "next": found_rows[_PAGE - 1].pk if len(found_rows) > _PAGE else None,
        "before": before,
        "whole": manages_keys(caller),
    }
    return account_page(request, caller, "generations", context)


@signed_in
def generation(request: HttpRequest, caller: Caller, generation_id: str) -> HttpResponse:
    """Explain one."""
    require(caller, Scope.READ)
    found = generation_of(caller, generation_id)
    tries = list(
        found.tries.select_related("endpoint__provider", "endpoint__model").order_by("ordinal")
    )
    told = explained(found, tries)
    context = {
        **told,
        "row": generation_row(found, tries),
        "at": found.created_at,
        "cost": usd(float(found.cost or 0)),
        "not_used": [one | {"words": in_words(one["reason"])} for one in told["not_used"]],
        "candidates": [
            one | {"chance": _percent(one["probability"])} for one in told["candidates"]
        ],
        "attempts": [_tried(one) for one in told["attempts"]],
        "decided": found.decision is not None,
    }
    return account_page(request, caller, "generation", context)


def _visible(caller: Caller) -> QuerySet[Generation]:
    whose = (
        {"account_id": caller.account_id}
        if manages_keys(caller)
        else {"api_key_id": caller.api_key_id}
    )
    rows = Generation.objects.filter(**whose).select_related("endpoint__provider")
    # The decision is large, and told on the page of one.
    return rows.defer("decision")


def _line(row: Generation) -> dict[str, Any]:
    known = (row.prompt_tokens, row.completion_tokens)
    return {
        "id": row.pk,
        "at": row.created_at,
        "model": row.requested_model,
        "provider": row.endpoint.provider.name if row.endpoint else "",
        "tag": row.endpoint.tag if row.endpoint else "",
        "status": row.status,
        "tries": row.attempts,
        "tokens": "-" if known == (None, None) else f"{sum(one or 0 for one in known):,}",
        "cost": usd(float(row.cost or 0)),
    }


def _tried(told: dict[str, Any]) -> dict[str, Any]:
    cost = told["cost"]
    return told | {
        "outcome_words": _label(Outcome, told["outcome"]),
        "verdict_words": _label(Verdict, told["verdict"] or ""),
        "sign_words": [_SIGNS.get(sign, sign) for sign in told["signs"]],
        "cost_words": usd(cost) if cost is not None else "-",
        "chance": _percent(told["probability"]),
    }


def _label(kind: type[Outcome] | type[Verdict], code: str) -> str:
    return str(kind(code).label) if code in kind.values else code


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
