"""A model's last days: each endpoint's tool-call error by the hour, and what happened to it.

Owns reading the hourly scores and the quarantines into timelines and the table beside them. The
rules others rely on: DAYS days at most are read, never attempts; all endpoints share one scale of
time and one of values; what is marked in a plot is told in words beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.urls import reverse
from django.utils.safestring import SafeString

from providers.models import Endpoint
from routing.admin.workplace.doors import Doors, link
from routing.admin.workplace.evidence import Evidence
from routing.admin.workplace.measures import finite
from routing.models import Quarantine
from routing.plots import Moment, Scale, figure
from routing.timelines import Frame, Mark, timeline
from telemetry.models import EndpointScore, ScorePoint

DAYS = 7
_GAP = timedelta(hours=3)  # the job may miss an hour; longer than this, nothing was known
_MOST_MARKS = 6  # of one endpoint
_MOST_QUARANTINES = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One mark in words, leading to its page where it has one."""

    letter: str
    words: SafeString


@dataclass(frozen=True, slots=True)
class Line:
    """One endpoint over time."""

    tag: str
    plot: SafeString
    days: Sequence[SafeString]  # the last value of each day
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class History:
    lines: Sequence[Line]
    days: Sequence[date]
    scale: str

    @property
    def empty(self) -> bool:
        return not any(line.plot for line in self.lines)


def read_history(
    endpoints: Sequence[Endpoint], variant: str, evidence: Evidence, at: datetime, doors: Doors
) -> History:
    """Read the hours of all endpoints; two queries."""
    start = (at - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    moments = _moments(endpoints, start, at)
    aside = _quarantines(endpoints, variant, start)
    bounds = {one.pk: evidence.bounds.get(one.pk) for one in endpoints}
    scale = _scale(moments.values(), bounds.values())
    frame = Frame(start, at, scale)
    days = [(start + timedelta(days=number)).date() for number in range(DAYS)]
    lines = []
    for row in evidence.rows:
        one = row.endpoint
        marks = _marks(evidence.scores.get(one.pk), aside[one.pk], start, at, doors)
        lines.append(_line(frame, one, moments[one.pk], marks, bounds[one.pk], days, doors))
    ends = f"{figure('accuracy', scale.low)} to {figure('accuracy', scale.high)}"
    return History(lines, days, ends)


def _moments(
    endpoints: Sequence[Endpoint], start: datetime, at: datetime
) -> defaultdict[int, list[Moment]]:
    points = ScorePoint.objects.filter(endpoint__in=endpoints, hour__gte=start, hour__lte=at)
    rows = points.order_by("endpoint_id", "hour").values_list(
        "endpoint_id", "hour", "error_rate", "error_low", "error_high"
    )
    found: defaultdict[int, list[Moment]] = defaultdict(list)
    for pk, hour, rate, low, high in rows:
        if (value := finite(rate)) is not None:
            found[pk].append(Moment(hour, value, finite(low), finite(high)))
    return found


def _quarantines(
    endpoints: Sequence[Endpoint], variant: str, start: datetime
) -> defaultdict[int, list[Quarantine]]:
    rows = Quarantine.objects.filter(endpoint__in=endpoints, variant=variant).exclude(
        ended_at__lt=start
    )
    found: defaultdict[int, list[Quarantine]] = defaultdict(list)
    for row in rows.order_by("-started_at")[:_MOST_QUARANTINES]:
        found[row.endpoint_id].append(row)
    return found


def _scale(lines: Iterable[Sequence[Moment]], bounds: Iterable[float | None]) -> Scale:
    values = [moment.value for line in lines for moment in line]
    edges = [bound for bound in bounds if bound is not None]
    return Scale(0.0, min(max(1.2 * max(values, default=0), 2 * max(edges, default=0), 0.02), 1.0))


Told = tuple[Mark, str]  # a mark, and the address of its page or ""


def _marks(
    score: EndpointScore | None,
    aside: Sequence[Quarantine],
    start: datetime,
    at: datetime,
    doors: Doors,
) -> list[Told]:
    """Return what happened, oldest first: C a change that was found, Q set aside."""
    found: list[Told] = []
    may = doors.may("routing.view_quarantine")
    for row in aside:
        page = reverse("admin:routing_quarantine_change", args=[row.pk]) if may else ""
        found.append((Mark("Q", row.started_at, _aside_words(row), row.ended_at or at), page))
        if change := _alarm_since(row):
            found.append((Mark("C", change, "the change that set it aside began"), page))
    found += _set_aside_counters(score, {mark.at for mark, _ in found})
    shown = [one for one in found if one[0].at <= at and (one[0].until or one[0].at) >= start]
    shown.sort(key=lambda one: one[0].at)
    return shown[-_MOST_MARKS:]


def _set_aside_counters(score: EndpointScore | None, told: set[datetime]) -> Iterator[Told]:
    """Yield since when counters count, where a change is why and no quarantine tells of it."""
    if score is None:
        return
    for since, words in (
        (score.evidence_since, "it changed: older accuracy counters are set aside"),
        (score.propensity_since, "it changed: older propensity counters are set aside"),
    ):
        if since and since not in told:
            yield Mark("C", since, words), ""


def _aside_words(row: Quarantine) -> str:
    end = f", back {row.ended_at:%d %b %H:%M}" if row.ended_at else ", still"
    return f"set aside{end}: {row.reason}"


def _alarm_since(row: Quarantine) -> datetime | None:
    since = finite((row.evidence.get("alarm") or {}).get("since"))
    return datetime.fromtimestamp(since, UTC) if since is not None else None


def _line(
    frame: Frame,
    endpoint: Endpoint,
    moments: Sequence[Moment],
    marks: Sequence[Told],
    bound: float | None,
    days: Sequence[date],
    doors: Doors,
) -> Line:
    last = {moment.at.astimezone(UTC).date(): moment.value for moment in moments}
    shown = [
        doors.attempts(
            figure("accuracy", last[day]), "scored", when=str(DAYS), endpoint=endpoint.pk
        )
        if day in last
        else SafeString("-")
        for day in days
    ]
    plot = SafeString("")
    if moments or marks:
        plot = timeline(
            frame,
            _runs(moments),
            [mark for mark, _ in marks],
            bound=bound,
            title=f"Tool-call error of {endpoint.tag} by the hour, the last {DAYS} days",
            told=_told(moments, marks),
        )
    events = [
        Event(mark.letter, link(f"{mark.at:%d %b %H:%M} {mark.words}", page))
        for mark, page in marks
    ]
    return Line(endpoint.tag, plot, shown, events)


def _runs(moments: Sequence[Moment]) -> list[list[Moment]]:
    """Cut the hours where too long nothing was known."""
    runs: list[list[Moment]] = []
    for one in moments:
        if not runs or one.at - runs[-1][-1].at > _GAP:
            runs.append([])
        runs[-1].append(one)
    return runs


def _told(moments: Sequence[Moment], marks: Sequence[Told]) -> str:
    happened = "; ".join(f"{mark.letter} {mark.at:%d %b %H:%M} {mark.words}" for mark, _ in marks)
    if not moments:
        return f"No estimate. {happened}"
    values = [one.value for one in moments]
    ends = ", ".join(
        f"{word} {figure('accuracy', value)}"
        for word, value in (("now", values[-1]), ("least", min(values)), ("most", max(values)))
    )
    return f"{ends}. {happened}" if happened else f"{ends}."
