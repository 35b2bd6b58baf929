"""An edition beside the live one, endpoint by endpoint, with the evidence: what a curator reads.

Owns turning rows into words and plots for the pages. It decides nothing. The rule others rely on:
what is shown of an edition with evidence is that evidence, as of then, whatever was counted since.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import now

from providers.admin.theme import badge
from providers.models import Endpoint
from routing.curation.against import evidence_of, open_points
from routing.curation.publishing import live_of, mark, second_person_needed
from routing.models import Allowlist, AllowlistEntry, LeftOut, Quarantine
from routing.plots import CRITERIA, Scale, figure, interval, scales, sparkline
from telemetry.models import ScorePoint, Standing
from telemetry.models.scores import BENCHMARKS

PLOTTED = timedelta(days=7)
STANDING_COLOURS = {
    Standing.VERIFIED: "good",
    Standing.INSUFFICIENT_DATA: "info",
    Standing.BELOW_PAR: "bad",
    Standing.QUARANTINED: "warn",
}
VERDICTS = {
    "pass": ("holds", "good"),
    "fail": ("fails", "bad"),
    "insufficient": ("too few", "plain"),
}


@dataclass(frozen=True, slots=True)
class CriterionView:
    """One criterion of one endpoint."""

    label: str
    verdict: str
    figure: str
    sentence: str
    plot: SafeString

    @property
    def badge(self) -> SafeString:
        return badge(*VERDICTS[self.verdict])


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint of the model: on the edition or not, on the live one or not, and why."""

    endpoint: Endpoint
    listed: bool
    live: bool
    criteria: Sequence[CriterionView]
    eligible: bool | None  # None: nothing is known
    standing: str
    standing_words: str
    sentence: str
    previous: str
    disputed: bool
    benchmarks: str  # what they say of it, beside traffic
    gaming: bool
    failures: Sequence[tuple[str, int]]
    decision: AllowlistEntry | LeftOut | None
    quarantine: Quarantine | None
    history: SafeString
    url: str

    @property
    def change(self) -> str:
        """Return what publishing would do to it: added, removed, or nothing."""
        if self.listed == self.live:
            return ""
        return "added" if self.listed else "removed"

    @property
    def against(self) -> bool:
        """Whether the edition says otherwise than the evidence."""
        return self.eligible is not None and self.eligible is not self.listed

    @property
    def standing_badge(self) -> SafeString:
        colours = STANDING_COLOURS
        return badge(
            self.standing_words, colours[Standing(self.standing)] if self.standing else "plain"
        )

    @property
    def gaming_badge(self) -> SafeString:
        """Say that it does better in benchmarks than for its users."""
        return badge("may be gaming benchmarks", "warn") if self.gaming else SafeString("")

    @property
    def place_badge(self) -> SafeString:
        """Say what publishing would do to it."""
        if self.change:
            words = "+ added" if self.listed else "\u2212 removed"
            return badge(words, "good" if self.listed else "bad")
        return badge("on the list", "info") if self.listed else badge("not on the list")


@dataclass(frozen=True, slots=True)
class Review:
    """All that a page shows of one edition."""

    live: Allowlist | None
    evidence: Mapping[str, Any] | None
    computed_at: datetime | None
    endpoints: Sequence[EndpointView]
    columns: Sequence[tuple[str, str]]  # of each criterion: its label and the plot's scale
    open_points: Sequence[str]
    second_person: bool
    mark: str

    @classmethod
    def of(cls, edition: Allowlist) -> "Review":
        live = live_of(edition)
        evidence = evidence_of(edition)
        draft = edition.status in (Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW)
        return cls(
            live=live,
            evidence=evidence,
            computed_at=datetime.fromisoformat(evidence["computed_at"]) if evidence else None,
            endpoints=_views(edition, live, evidence),
            columns=_columns((evidence or {}).get("endpoints", {})),
            open_points=open_points(edition, evidence) if draft else (),
            second_person=draft and second_person_needed(edition),
            mark=mark(edition),
        )

    def one(self, endpoint_id: int) -> EndpointView | None:
        return next((one for one in self.endpoints if one.endpoint.pk == endpoint_id), None)


def _views(
    edition: Allowlist, live: Allowlist | None, evidence: Mapping[str, Any] | None
) -> list[EndpointView]:
    rows = _Rows.read(edition, live, (evidence or {}).get("endpoints", {}))
    views = [rows.view(edition, endpoint) for endpoint in rows.endpoints]
    return sorted(views, key=lambda one: (not one.change, not one.listed, one.endpoint.tag))


@dataclass(frozen=True, slots=True)
class _Rows:
    """All that the views of one edition's endpoints are made of, read at once."""

    known: Mapping[str, Any]
    scales: Mapping[str, Scale]
    endpoints: Sequence[Endpoint]
    decisions: Mapping[int, AllowlistEntry | LeftOut]
    listed: frozenset[int]
    members: frozenset[int]
    quarantines: Mapping[int, Quarantine]
    history: Mapping[int, SafeString]

    @classmethod
    def read(cls, edition: Allowlist, live: Allowlist | None, known: Mapping[str, Any]) -> "_Rows":
        endpoints = list(edition.model.endpoints.select_related("provider").order_by("tag"))
        entries = list(edition.entries.select_related("decided_by"))
        left_out = list(edition.left_out.select_related("decided_by"))
        members = live.entries.values_list("endpoint_id", flat=True) if live else []
        open_ones = Quarantine.objects.filter(
            model=edition.model, variant=edition.variant, ended_at=None
        )
        return cls(
            known=known,
            scales=scales(one["criteria"] for one in known.values()),
            endpoints=endpoints,
            decisions={
                **{one.endpoint_id: one for one in left_out},
                **{entry.endpoint_id: entry for entry in entries},
            },
            listed=frozenset(entry.endpoint_id for entry in entries),
            members=frozenset(members),
            quarantines={row.endpoint_id: row for row in open_ones},
            history=_history(endpoints),
        )

    def view(self, edition: Allowlist, endpoint: Endpoint) -> EndpointView:
        pk = endpoint.pk
        said = self.known.get(str(pk), {})
        benchmarks = said.get("criteria", {}).get(BENCHMARKS, {})
        failures = [
            (kind.replace("_", " "), n) for kind, n in said.get("failures", {}).items() if n
        ]
        return EndpointView(
            endpoint=endpoint,
            listed=pk in self.listed,
            live=pk in self.members,
            criteria=_criteria(said.get("criteria", {}), self.scales),
            eligible=said.get("eligible"),
            standing=said.get("standing", ""),
            standing_words=str(Standing(said["standing"]).label) if said else "not scored",
            sentence=said.get("sentence", "Nothing is known of it yet."),
            previous=said.get("previous", ""),
            disputed=said.get("disputed", False),
            benchmarks=benchmarks.get("sentence", ""),
            gaming=benchmarks.get("verdict") == "fail",
            failures=sorted(failures, key=lambda pair: -pair[1]),
            decision=self.decisions.get(pk),
            quarantine=self.quarantines.get(pk),
            history=self.history.get(pk, SafeString("")),
            url=reverse("admin:routing_allowlist_endpoint", args=[edition.pk, pk]),
        )


def _columns(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    drawn = scales(one["criteria"] for one in known.values())
    ends = {name: (figure(name, one.low), figure(name, one.high)) for name, one in drawn.items()}
    return [(label, " to ".join(ends[name])) for name, label in CRITERIA.items()]


def _criteria(said: Mapping[str, Any], drawn: Mapping[str, Scale]) -> list[CriterionView]:
    views = []
    for name, label in CRITERIA.items():
        if name not in said:
            continue
        one = said[name]
        plot = interval(
            drawn[name],
            estimate=one["estimate"],
            low=one["low"],
            high=one["high"],
            verdict=one["verdict"],
            bound=one.get("bound", [None, None]),
            words=f"{label}: {one['sentence']}",
        )
        views.append(
            CriterionView(
                label, one["verdict"], figure(name, one["estimate"]), one["sentence"], plot
            )
        )
    return views


def _history(endpoints: Sequence[Endpoint]) -> dict[int, SafeString]:
    """Return each endpoint's error rate over the last days as a line."""
    since = now() - PLOTTED
    points = ScorePoint.objects.filter(endpoint__in=endpoints, hour__gte=since).order_by("hour")
    rows: dict[int, list[float | None]] = {}
    for pk, rate in points.values_list("endpoint_id", "error_rate"):
        rows.setdefault(pk, []).append(rate)
    words = f"tool-call error, hourly, the last {PLOTTED.days} days"
    return {pk: sparkline(values, words=words) for pk, values in rows.items()}


def due(today: date) -> tuple[QuerySet[AllowlistEntry], QuerySet[LeftOut]]:
    """Return what curators decided against the evidence on live editions and are to look at.

    Those listed and those left out, each the longest due first.
    """
    reached = Q(allowlist__status=Allowlist.Status.PUBLISHED, review_by__lte=today)
    with_names = ("endpoint__model", "allowlist__model")
    return (
        AllowlistEntry.objects.filter(reached).select_related(*with_names).order_by("review_by"),
        LeftOut.objects.filter(reached).select_related(*with_names).order_by("review_by"),
    )
