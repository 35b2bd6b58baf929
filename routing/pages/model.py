"""/exacto/{author}/{slug}: who is on a model's allowlist and who is not, with the evidence.

Owns the words and plots of the page. The facts are `published`'s, the plots' drawing is
`routing.plots`'. The rule others rely on: what the page shows, its JSON and CSV tell too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from routing.api.few_owners import TOO_FEW
from routing.pages.answer import kept_page, not_found, switched_on
from routing.pages.feedback import form_address
from routing.pages.published import VARIANT, published, published_model
from routing.pages.scoreboard import FRESH_S
from routing.plots import CRITERIA, Scale, figure, interval, scales
from telemetry.models import Standing
from telemetry.scoring.sentences import NOUNS, count, parts

_CURATORS = {
    "kept": "kept by a curator against the evidence",
    "added": "added by a curator",
    "left_out": "left out by a curator",
}
TONES = {"verified": "good", "below_par": "bad", "quarantined": "warn"}


@require_safe
def model_page(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Show one model's endpoints, its method and its editions."""
    switched_on("PUBLIC_SCOREBOARD")
    model = published_model(author, slug)
    if model is None:
        return no_such_model(request, author, slug)
    return kept_page(request, "pages/model.html", _context(published(model)), fresh_s=FRESH_S)


def no_such_model(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Say that a model has no published allowlist."""
    what = f"No allowlist is published for {author}/{slug}."
    return not_found(request, what, "The scoreboard lists the models that have one.")


def _context(told: Mapping[str, Any]) -> dict[str, Any]:
    drawn = scales(one["criteria"] for one in told["endpoints"])
    rows = sorted(told["endpoints"], key=lambda row: not row["listed"])
    author, slug = told["id"].split("/", 1)
    return {
        **told,
        "published_at": _moment(told["published_at"]),
        "computed_at": _moment(told["computed_at"]),
        "columns": _columns(drawn),
        "rows": [_row(row, drawn) for row in rows],
        "listed": sum(row["listed"] for row in rows),
        "history": [_edition(one) for one in told["history"]],
        "partial": any(one["withheld"] for row in rows for one in row["criteria"].values()),
        "feedback_url": form_address(model=f"{told['id']}:{VARIANT}"),
        "benchmarks_url": reverse("model-benchmarks", args=[author, slug]),
        "files": {
            kind: reverse(f"model-{kind}", args=[author, slug]) for kind in ("json", "csv", "badge")
        },
    }


def _columns(drawn: Mapping[str, Scale]) -> list[dict[str, str]]:
    return [
        {
            "label": label,
            "scale": f"{figure(name, drawn[name].low)} to {figure(name, drawn[name].high)}",
        }
        for name, label in CRITERIA.items()
    ]


def _row(row: Mapping[str, Any], drawn: Mapping[str, Scale]) -> dict[str, Any]:
    return {
        **row,
        "words": Standing(row["standing"]).label,
        "tone": TONES.get(row["standing"], ""),
        "curator": _CURATORS.get(row["decision"], ""),
        "cells": [_cell(name, row["criteria"].get(name), drawn[name]) for name in CRITERIA],
        "failed": _failures(row["failures"]),
    }


def _cell(name: str, one: Mapping[str, Any] | None, scale: Scale) -> dict[str, Any]:
    """Return a criterion's plot, figure and sample, or why there is none."""
    if one is None or one["withheld"] or one["estimate"] is None:
        return {"nothing": TOO_FEW if one and one["withheld"] else "no data"}
    low, high = figure(name, one["low"]), figure(name, one["high"])
    return {
        "plot": _plot(name, one, scale),
        "figure": f"{figure(name, one['estimate'])} ({low} to {high})",
        "sample": _sample(name, one),
        "sentence": one["sentence"],
    }


def _plot(name: str, one: Mapping[str, Any], scale: Scale) -> SafeString:
    return interval(
        scale,
        estimate=one["estimate"],
        low=one["low"],
        high=one["high"],
        verdict=one["verdict"],
        bound=one["bound"] or (None, None),
        words=f"{CRITERIA[name]}: {one['sentence']}",
    )


def _sample(name: str, one: Mapping[str, Any]) -> str:
    owners = count(one["owners"], "owner", "owners")
    if name == "ignores":
        return owners
    return "".join(parts(one["requests"], one["owners"], one["benchmark_requests"] or 0))


def _failures(failures: Mapping[str, int]) -> Sequence[str]:
    ordered = sorted(failures.items(), key=lambda pair: -pair[1])
    return [count(number, *NOUNS.get(kind, (kind, kind))) for kind, number in ordered if number]


def _edition(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "published_at": _moment(one["published_at"]),
        "retired_at": _moment(one["retired_at"]),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
