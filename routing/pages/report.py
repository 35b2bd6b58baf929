"""/exacto/report/{link}/: what one provider is shown of one endpoint, and where it answers.

Owns page, CSV and what is posted; the facts are `report_facts`', the link `provider_reports`'.
PROVIDER_REPORTS=false switches all off. The rules others rely on: an expired, revoked, forged or
unknown link gets one and the same answer; nothing here is kept by caches or found by search
engines; what is written is text for curators, and moves nothing.
"""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from routing.models import ProviderMessage, ProviderReport
from routing.pages.answer import form_page, not_found, switched_on
from routing.pages.model import TONES
from routing.pages.report_facts import DAYS, Facts, facts_of
from routing.plots import CRITERIA, figure, interval, scales
from routing.provider_reports import Closed, Refused, find, note_opened, open_retest, take_message
from telemetry.csv_cells import safe_cell
from telemetry.models import Standing
from telemetry.scoring.sentences import NOUNS, count, parts

_MESSAGES = 20  # of the newest that are shown
_COLUMNS = (
    "section", "name", "value", "low", "high", "bound_low", "bound_high", "verdict", "requests",
    "owners", "text", "request",
)  # fmt: skip


class MessageForm(forms.Form):
    use_required_attribute = True
    kind = forms.ChoiceField(
        label="What is it?",
        choices=[
            (ProviderMessage.Kind.ANSWER, "An answer or a question"),
            (ProviderMessage.Kind.RETEST, "It is mended: please test it again"),
        ],
        help_text="One re-test can be asked for at a time. A curator starts it.",
    )
    text = forms.CharField(
        label="What do you want to say?",
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Curators read it, and whoever has this link. Leave out what is secret.",
    )


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def report_page(request: HttpRequest, link: str) -> HttpResponse:
    """Show the report, or take what its provider writes."""
    switched_on("PROVIDER_REPORTS")
    report = find(link, now())
    if report is None:
        return _closed(request)
    if request.method != "POST":
        note_opened(report, now())
        return _show(request, report, link, MessageForm())
    form = MessageForm(request.POST)
    if not form.is_valid():
        return _show(request, report, link, form, status=400)
    return _take(request, report, link, form)


@require_safe
def report_csv(request: HttpRequest, link: str) -> HttpResponse:
    """Answer with the report, one line per figure, failure, lack and event."""
    switched_on("PROVIDER_REPORTS")
    report = find(link, now())
    if report is None:
        return _closed(request)
    note_opened(report, now())
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    for line in _lines(facts_of(report.endpoint, now())):
        lines.writerow([safe_cell(line.get(column, "")) for column in _COLUMNS])
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="report.csv"'
    answer["Cache-Control"] = "no-store"
    answer["Referrer-Policy"] = "no-referrer"
    return _hidden(answer)


def _take(
    request: HttpRequest, report: ProviderReport, link: str, form: MessageForm
) -> HttpResponse:
    said = form.cleaned_data
    try:
        take_message(report, ProviderMessage.Kind(said["kind"]), said["text"], now())
    except Closed:
        return _closed(request)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _show(request, report, link, form, status=429)
    answer = HttpResponseRedirect(f"{reverse('report', args=[link])}#messages")
    answer.status_code = 303
    answer["Cache-Control"] = "no-store"
    return _hidden(answer)


def _closed(request: HttpRequest) -> HttpResponse:
    what = "This link opens no report."
    cure = (
        "It may have expired, been withdrawn or been copied in part. Ask the curators who sent it"
        " for a new one."
    )
    return _hidden(not_found(request, what, cure))


def _show(
    request: HttpRequest, report: ProviderReport, link: str, form: MessageForm, *, status: int = 200
) -> HttpResponse:
    facts = facts_of(report.endpoint, now())
    context = {
        "report": report,
        "facts": facts,
        "days": DAYS,
        "standing": _standing(facts),
        "criteria": _criteria(facts),
        "failed": _failed(facts),
        "messages": ProviderMessage.objects.filter(report=report)[:_MESSAGES],
        "retest": open_retest(report.endpoint),
        "csv_url": reverse("report-csv", args=[link]),
        "form": form,
    }
    return _hidden(form_page(request, "pages/report.html", context, status=status))


def _hidden(answer: HttpResponse) -> HttpResponse:
    answer["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _standing(facts: Facts) -> dict[str, str]:
    name = facts.row["standing"] if facts.row else ""
    return {"words": Standing(name).label if name else "", "tone": TONES.get(name, "")}


def _criteria(facts: Facts) -> list[dict[str, Any]]:
    criteria = facts.row["criteria"] if facts.row else {}
    drawn = scales([criteria])
    return [
        {"label": label, **criteria[name], **_drawing(name, label, criteria[name], drawn[name])}
        for name, label in CRITERIA.items()
        if name in criteria
    ]


def _drawing(name: str, label: str, one: dict[str, Any], scale: Any) -> dict[str, Any]:
    """Return a criterion's plot and figures in words, or nothing where there are none."""
    if one["withheld"] or one["estimate"] is None:
        return {}
    low, high = one["bound"] or (None, None)
    edges = [figure(name, edge) if edge is not None else "" for edge in (low, high)]
    owners = count(one["owners"] or 0, "owner", "owners")
    seen = "".join(parts(one["requests"] or 0, one["owners"] or 0, one["benchmark_requests"] or 0))
    return {
        "plot": interval(
            scale,
            estimate=one["estimate"],
            low=one["low"],
            high=one["high"],
            verdict=one["verdict"],
            bound=(low, high),
            words=f"{label}: {one['sentence']}",
        ),
        "figure": f"{figure(name, one['estimate'])}"
        f" ({figure(name, one['low'])} to {figure(name, one['high'])})",
        "sample": owners if name == "ignores" else seen,
        "holds": " to ".join(edges) if all(edges) else f"up to {edges[1]}" if edges[1] else "",
    }


def _failed(facts: Facts) -> list[tuple[str, int]]:
    kinds = facts.row["failures"] if facts.row else {}
    found = [(NOUNS[kind][0] if kind in NOUNS else kind, n) for kind, n in kinds.items() if n]
    return sorted(found, key=lambda one: -one[1])


def _lines(facts: Facts) -> Iterator[dict[str, Any]]:
    endpoint, row = facts.endpoint, facts.row
    yield {"section": "endpoint", "name": endpoint.tag, "value": endpoint.model.slug}
    if row:
        yield {"section": "standing", "value": row["standing"], "text": row["sentence"]}
        yield {"section": "on the list", "value": row["listed"]}
        yield from (_criterion(name, row["criteria"].get(name)) for name in CRITERIA)
        for kind, number in _failed(facts):
            yield {"section": "live failures", "name": kind, "value": number}
    for failure in facts.verified.failures if facts.verified else ():
        yield {
            "section": "verifier failures",
            "name": failure.words,
            "value": failure.count,
            "text": "; ".join(failure.wrong),
            "request": failure.body,
        }
    yield from ({"section": "to be eligible", "text": lack} for lack in facts.lacks)
    for event in facts.history:
        yield {"section": "history", "name": event.at.isoformat(), "text": event.words}


def _criterion(name: str, one: dict[str, Any] | None) -> dict[str, Any]:
    if one is None:
        return {"section": "criterion", "name": name, "text": "no data"}
    low, high = one["bound"] or (None, None)
    figures = {key: one[key] for key in ("low", "high", "verdict", "requests", "owners")}
    return {
        "section": "criterion",
        "name": name,
        "value": one["estimate"],
        **figures,
        "bound_low": low,
        "bound_high": high,
        "text": one["sentence"],
    }
