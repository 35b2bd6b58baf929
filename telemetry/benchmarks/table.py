"""Benchmark runs of one model as a table: endpoints by suites, each with its runs over time.

Owns what may stand side by side, which figure of a run is its headline, and the rows that page,
CSV and JSON are made of. It reads no database and draws nothing. The rules others rely on: scores
stand in one part only if suite, version, judge and request set are all equal; every endpoint is
in every part, and one without a run is unknown, never bad.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from telemetry.benchmarks.reading import Figure

# What a run is known for, best first; else the first figure that is some accuracy.
_HEADLINES = ("accuracy", "pass^1", "tool_call_f1", "schema_accuracy", "passed", "mean")
COLUMNS = (
    "model", "endpoint", "provider", "suite", "suite_version", "judge", "request_set", "state",
    "measured_at", "metric", "value", "low", "high", "sample", "replies", "tool_calls",
    "bad_calls", "left_out", "left_out_reasons",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint, as a reader knows it."""

    id: int
    tag: str
    provider: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run at one endpoint. `excluded`: what says nothing of the endpoint, by reason."""

    id: int
    endpoint_id: int
    suite: str
    suite_version: str
    judge: str
    request_set: str
    measured_at: datetime
    replies: int
    tool_calls: int
    failures: int
    excluded: Mapping[str, int] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()

    @property
    def comparable(self) -> tuple[object, ...]:
        """Return what all runs that may stand beside this one have in common."""
        # A run that does not tell what was asked is comparable with itself only.
        return (self.suite, self.suite_version, self.judge, self.request_set or self.id)

    @property
    def left_out(self) -> int:
        return sum(self.excluded.values())

    def figure(self, metric: str) -> Figure | None:
        return next((one for one in self.figures if one.metric == metric), None)


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint in one part: its comparable runs, the latest first; none if it is unknown."""

    place: Place
    runs: tuple[Run, ...]

    @property
    def latest(self) -> Run | None:
        return self.runs[0] if self.runs else None


@dataclass(frozen=True, slots=True)
class Part:
    """All endpoints beside each other in one suite, version, judge and request set."""

    suite: str
    suite_version: str
    judge: str
    request_set: str
    metric: str  # the headline; "" if no run has a figure to be known for
    rows: tuple[Row, ...]

    @property
    def runs(self) -> list[Run]:
        return list(chain.from_iterable(row.runs for row in self.rows))


@dataclass(frozen=True, slots=True)
class Silence:
    """A run of the verifier that gave no evidence of an endpoint, and why."""

    tag: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """All that benchmarks say of one model's endpoints."""

    model: str
    name: str
    parts: tuple[Part, ...]
    silences: tuple[Silence, ...] = ()


def headline(figures: Sequence[Figure]) -> Figure | None:
    """Return the figure that a run is known for: a share, the more the better."""
    shares = {one.metric: one for one in figures if 0 <= one.value <= 1}
    known = [shares[name] for name in _HEADLINES if name in shares]
    others = [one for name, one in sorted(shares.items()) if name.endswith("accuracy")]
    return next(iter([*known, *others]), None)


def make_parts(places: Sequence[Place], runs: Iterable[Run]) -> tuple[Part, ...]:
    """Return one part for each set of comparable runs, by suite, the latest measured first."""
    groups: defaultdict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.comparable].append(run)
    newest_first = [sorted(group, key=_when, reverse=True) for group in groups.values()]
    newest_first.sort(key=lambda group: group[0].measured_at, reverse=True)
    newest_first.sort(key=lambda group: group[0].suite)
    return tuple(_part(places, group) for group in newest_first)


def _when(run: Run) -> tuple[datetime, int]:
    return (run.measured_at, run.id)


def _part(places: Sequence[Place], runs: Sequence[Run]) -> Part:
    known = [found.metric for run in runs if (found := headline(run.figures))]
    rows = [Row(p, tuple(run for run in runs if run.endpoint_id == p.id)) for p in places]
    rows.sort(key=lambda row: (not row.runs, row.place.tag))
    one = runs[0]
    metric = known[0] if known else ""
    return Part(one.suite, one.suite_version, one.judge, one.request_set, metric, tuple(rows))


def as_json(table: Table) -> dict[str, Any]:
    """Return the table as the JSON that is handed out."""
    return {
        "model": table.model,
        "name": table.name,
        "suites": [_part_json(part) for part in table.parts],
        "without_evidence": [
            {"endpoint": one.tag, "at": _time(one.at), "why": one.why} for one in table.silences
        ],
    }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "suite": part.suite,
        "suite_version": part.suite_version,
        "judge": part.judge,
        "request_set": part.request_set or None,
        "metric": part.metric or None,
        "endpoints": [
            {
                "endpoint": row.place.tag,
                "provider": row.place.provider,
                "state": _state(row),
                "runs": [_run_json(run) for run in row.runs],
            }
            for row in part.rows
        ],
    }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "measured_at": _time(run.measured_at),
        "replies": run.replies,
        "tool_calls": run.tool_calls,
        "bad_calls": run.failures,
        "left_out": dict(run.excluded),
        "figures": [
            {
                "metric": one.metric,
                "value": one.value,
                "low": one.low,
                "high": one.high,
                "sample": one.sample,
            }
            for one in run.figures
        ],
    }


def as_rows(table: Table) -> list[list[object]]:
    """Return the table as lines of COLUMNS: one for each figure, or for what is unknown."""
    return [
        [table.model, row.place.tag, row.place.provider, *_names(part), _state(row), *rest]
        for part in table.parts
        for row in part.rows
        for rest in _figure_lines(row)
    ]


def _names(part: Part) -> list[str]:
    return [part.suite, part.suite_version, part.judge, part.request_set]


def _state(row: Row) -> str:
    return "measured" if row.runs else "unknown"


def _figure_lines(row: Row) -> list[list[object]]:
    lines: list[list[object]] = []
    for run in row.runs:
        reasons = "; ".join(f"{number} x {why}" for why, number in run.excluded.items())
        counts = [run.replies, run.tool_calls, run.failures, run.left_out, reasons]
        figures = run.figures or (None,)
        lines += [[_time(run.measured_at), *_cells(one), *counts] for one in figures]
    return lines or [[None] * (len(COLUMNS) - 8)]


def _cells(one: Figure | None) -> list[object]:
    return [one.metric, one.value, one.low, one.high, one.sample] if one else [None] * 5


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
