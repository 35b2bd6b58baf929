"""What a curator can do about a model from its page: links to the pages where it is done.

Owns which are offered, by what is there and by what the user may. It changes nothing: each
decision is confirmed on its own page, as from the edition's. The rule others rely on: what is not
permitted is not offered, and what is offered is checked again where it is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from providers.models import Model
from routing.admin.decisions import DECISIONS
from routing.admin.edition_words import story
from routing.admin.workplace.doors import Doors
from routing.admin.workplace.evidence import Row
from routing.models import Allowlist, Quarantine

_PAST_SHOWN = 5
_OPEN_SHOWN = 10
_WORDS = {
    Allowlist.Status.DRAFT: "draft",
    Allowlist.Status.IN_REVIEW: "in review",
    Allowlist.Status.PUBLISHED: "live",
    Allowlist.Status.RETIRED: "retired",
}
# What an endpoint and the model can be asked for, each with its right.
_SET_ASIDE = "routing.release_quarantine"
_VERIFY = "telemetry.add_verifierrun"
_DRAFT = "routing.add_allowlist"


@dataclass(frozen=True, slots=True)
class Deed:
    """One link; `of` completes the label for whoever hears it alone."""

    label: str
    url: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class EditionRow:
    """One edition with what can be done with it."""

    edition: Allowlist
    url: str
    state: str
    story: str
    deeds: Sequence[Deed]


@dataclass(frozen=True, slots=True)
class Editions:
    """The open editions, the live one, and those to roll back to."""

    open: Sequence[Allowlist]
    live: Allowlist | None
    past: Sequence[Allowlist]

    @classmethod
    def read(cls, model: Model, variant: str) -> "Editions":
        # Without the evidence: it is large, and nothing here shows it.
        rows = Allowlist.objects.filter(model=model, variant=variant).defer("evidence")
        known = rows.select_related(
            "model", "created_by", "changed_by", "sent_by", "published_by", "retired_by"
        ).order_by("-version")
        status = Allowlist.Status
        past = known.filter(status=status.RETIRED, published_at__isnull=False)
        return cls(
            open=list(known.filter(status__in=[status.DRAFT, status.IN_REVIEW])[:_OPEN_SHOWN]),
            live=known.filter(status=status.PUBLISHED).first(),
            past=list(past[:_PAST_SHOWN]),
        )

    def rows(self, doors: Doors, *, scored: bool) -> list[EditionRow]:
        """Return what is shown of them; nothing can be simulated before there are scores."""
        live = [self.live] if self.live else []
        return [_edition_row(one, doors, scored=scored) for one in (*self.open, *live, *self.past)]


def _edition_row(edition: Allowlist, doors: Doors, *, scored: bool) -> EditionRow:
    page = reverse("admin:routing_allowlist_change", args=[edition.pk])
    of = f"edition {edition.version}"
    deeds = []
    if edition.status in (Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW):
        deeds.append(Deed("Compare with the live edition", page, of))
        deeds += [Deed("Simulate", f"{page}#simulation", of)] if scored else []
    deeds += [
        Deed(
            f"{decision.label}…",
            reverse("admin:routing_allowlist_decide", args=[edition.pk, decision.name]),
            of,
        )
        for decision in DECISIONS
        if edition.status in decision.statuses and doors.may(decision.permission)
    ]
    words = _WORDS[Allowlist.Status(edition.status)]
    state = f"{words} (proposed)" if edition.untouched and words == "draft" else words
    return EditionRow(edition, page, state, story(edition).rstrip("."), deeds)


def model_deeds(model: Model, doors: Doors) -> list[Deed]:
    """Return what can be done about the model as a whole."""
    deeds = []
    if doors.may(_DRAFT):
        add = reverse("admin:routing_allowlist_add")
        deeds.append(Deed("Start an empty draft…", f"{add}?model={model.pk}"))
    if doors.may(_VERIFY):
        add = reverse("admin:telemetry_verifierrun_add")
        deeds.append(Deed("Verify all endpoints now…", f"{add}?model={model.pk}"))
    if doors.may("telemetry.view_benchmarkrun"):
        page = reverse("admin:providers_model_benchmarks", args=[model.pk])
        deeds.append(Deed("Benchmarks", page))
    return deeds


def endpoint_deeds(row: Row, editions: Editions, doors: Doors) -> list[Deed]:
    """Return what can be done about one endpoint."""
    pk, of = row.endpoint.pk, row.endpoint.tag
    deeds = [
        Deed(f"Decide on edition {one.version}…", _decide(one, pk), of)
        for one in editions.open
        if one.status == Allowlist.Status.DRAFT and doors.may("routing.change_allowlist")
    ]
    if doors.may(_SET_ASIDE):
        if row.quarantine:
            page = reverse("admin:routing_quarantine_release", args=[row.quarantine.pk])
            deeds.append(Deed("Let it back…", page, of))
        elif row.listed:
            add = reverse("admin:routing_quarantine_add")
            deeds.append(Deed("Set aside…", f"{add}?endpoint={pk}", of))
    if doors.may(_VERIFY) and row.serving:
        add = reverse("admin:telemetry_verifierrun_add")
        deeds.append(Deed("Verify now…", f"{add}?endpoint={pk}", of))
    return deeds


def _decide(edition: Allowlist, endpoint: int) -> str:
    return reverse("admin:routing_allowlist_endpoint", args=[edition.pk, endpoint])


def open_quarantines(model: Model, variant: str) -> dict[int, Quarantine]:
    rows = Quarantine.objects.filter(model=model, variant=variant, ended_at=None)
    return {row.endpoint_id: row for row in rows}
