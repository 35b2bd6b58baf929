"""What the scores say of a model's endpoints now, side by side: the first table of its page.

Owns turning `EndpointScore` into words, plots and links. It decides nothing, and computes no
estimate. The rules others rely on: one criterion is drawn on one scale for all endpoints; a value
that is missing or not finite is told as such, and takes nothing else with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.safestring import SafeString

from providers.admin.theme import badge, switch_badge
from providers.models import Endpoint
from routing.admin.review import STANDING_COLOURS
from routing.admin.workplace.doors import Doors, link
from routing.admin.workplace.measures import Measure, cleaned, measures_of
from routing.models import Allowlist, Quarantine
from routing.plots import CRITERIA, figure, scales
from telemetry.models import EndpointScore, Standing
from telemetry.models.scores import BENCHMARKS


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint: where it stands, and why."""

    endpoint: Endpoint
    name: SafeString
    serving: bool
    listed: bool
    eligible: bool | None  # None: not scored
    standing: SafeString
    sentence: str
    notes: Sequence[str]
    measures: Sequence[Measure]
    quarantine: Quarantine | None

    @property
    def place(self) -> SafeString:
        """Say whether it is on the live list."""
        return badge("on the live list", "info") if self.listed else badge("not on the list")

    @property
    def service(self) -> SafeString:
        return SafeString("") if self.serving else switch_badge(on=False)

    @property
    def differs(self) -> str:
        """Say where the live list is not what the evidence would have."""
        if self.eligible is None or self.eligible is self.listed:
            return ""
        return "The evidence would have it off." if self.listed else "The evidence would list it."


@dataclass(frozen=True, slots=True)
class Evidence:
    """All endpoints, and what the columns are drawn on."""

    rows: Sequence[Row]
    columns: Sequence[tuple[str, str]]  # label, and the plot's scale
    scores: Mapping[int, EndpointScore]
    bounds: Mapping[int, float | None]  # below which tool-call error it is good enough

    @property
    def newest(self) -> EndpointScore | None:
        """The score that was computed last, for its time and method."""
        return max(self.scores.values(), key=lambda one: one.computed_at, default=None)


def read_evidence(
    endpoints: Sequence[Endpoint],
    live: Allowlist | None,
    quarantines: Mapping[int, Quarantine],
    doors: Doors,
) -> Evidence:
    """Read the endpoints' scores; three queries, however many endpoints there are."""
    scores = {one.endpoint_id: one for one in EndpointScore.objects.filter(endpoint__in=endpoints)}
    listed = set(live.entries.values_list("endpoint_id", flat=True)) if live else set()
    said = {pk: cleaned(score.criteria or {}) for pk, score in scores.items()}
    drawn = scales(said.values())
    rows = [
        Row(
            endpoint=one,
            name=_name(one, live, doors),
            serving=one.enabled and one.provider.enabled,
            listed=one.pk in listed,
            eligible=scores[one.pk].eligible if one.pk in scores else None,
            standing=_standing(scores.get(one.pk)),
            sentence=scores[one.pk].sentence if one.pk in scores else "Nothing is known of it yet.",
            notes=_notes(scores.get(one.pk)),
            measures=measures_of(one, said.get(one.pk, {}), drawn, doors),
            quarantine=quarantines.get(one.pk),
        )
        for one in endpoints
    ]
    rows.sort(key=lambda row: (not row.listed, not row.serving, row.endpoint.tag))
    ends = {name: f"{figure(name, s.low)} to {figure(name, s.high)}" for name, s in drawn.items()}
    columns = [(label, ends[name]) for name, label in CRITERIA.items()]
    bounds = {pk: one["accuracy"]["bound"][1] for pk, one in said.items() if "accuracy" in one}
    return Evidence(rows, columns, scores, bounds)


def _name(endpoint: Endpoint, live: Allowlist | None, doors: Doors) -> SafeString:
    """Name the endpoint, with the way to its own page: failures by kind and place."""
    if live is not None:
        return link(
            endpoint.tag, reverse("admin:routing_allowlist_endpoint", args=[live.pk, endpoint.pk])
        )
    may = doors.may("providers.view_endpoint")
    page = reverse("admin:providers_endpoint_change", args=[endpoint.pk])
    return link(endpoint.tag, page if may else "")


def _standing(score: EndpointScore | None) -> SafeString:
    if score is None:
        return badge("not scored")
    known = score.standing in Standing.values
    colour = STANDING_COLOURS[Standing(score.standing)] if known else "plain"
    return badge(score.get_standing_display(), colour)


def _notes(score: EndpointScore | None) -> list[str]:
    if score is None:
        return []
    notes = []
    if score.disputed:
        notes.append("Disputed: most failures come from very few owners.")
    benchmarks = (score.criteria or {}).get(BENCHMARKS) or {}
    if benchmarks.get("verdict") == "fail":
        notes.append(f"May be gaming benchmarks: {benchmarks.get('sentence', '')}.")
    elif benchmarks.get("sentence"):
        notes.append(f"Benchmarks: {benchmarks['sentence']}.")
    return notes
