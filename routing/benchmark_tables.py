"""A model's benchmark table as pages and files show it: figures in words, plots, JSON and CSV.

Owns the wording and the choice of what is plotted; what is comparable is decided by
`telemetry.benchmarks.table`. The rules others rely on: the admin and the public see the same
figures; one part is drawn on one scale of values and one of time; who ran a benchmark is not told.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

from django.utils.safestring import SafeString

from routing.plots import Moment, Scale, over_time
from telemetry.benchmarks.reading import Figure
from telemetry.benchmarks.table import COLUMNS, Part, Row, Run, Table, as_rows
from telemetry.csv_cells import safe_cell

_DAY = "%-d %b %Y"


@dataclass(frozen=True, slots=True)
class RunView:
    """One run in words."""

    id: int
    measured_at: datetime
    figure: str
    sample: str
    bad_calls: str
    left_out: str


@dataclass(frozen=True, slots=True)
class RowView:
    """One endpoint of a part; `runs` are empty where nothing is known."""

    tag: str
    provider: str
    runs: Sequence[RunView]
    plot: SafeString
    figures: Sequence[tuple[str, str, str]]  # of the latest run: metric, value, sample

    @property
    def latest(self) -> RunView | None:
        return self.runs[0] if self.runs else None


@dataclass(frozen=True, slots=True)
class PartView:
    """All endpoints in one suite, version, judge and request set."""

    suite: str
    suite_version: str
    judge: str
    request_set: str
    metric: str
    scale: str
    rows: Sequence[RowView]
    measured: int
    left_out: int


def view(table: Table) -> list[PartView]:
    """Return the parts of a table in words and plots."""
    return [_part(part) for part in table.parts]


def as_csv(table: Table) -> bytes:
    """Return the table as CSV with a line of column names; no cell is taken for a formula."""
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    lines.writerows([safe_cell(cell) for cell in row] for row in as_rows(table))
    return text.getvalue().encode()


def words_of(one: Figure) -> str:
    """Return a figure as people read it: a share in percent, with its interval if it has one.

    >>> words_of(Figure("accuracy", 0.9, 50, 0.786, 0.957))
    '90.0 % (78.6 % to 95.7 %)'
    >>> words_of(Figure("duration_ms_median", 1250.0, 50))
    '1,250'
    """
    value = _value(one, one.value)
    if one.low is None or one.high is None:
        return value
    return f"{value} ({_value(one, one.low)} to {_value(one, one.high)})"


def _value(one: Figure, value: float) -> str:
    whole = one.metric.endswith(("_ms_median", "_mean", "_call"))  # of time, tokens and money
    if not whole and 0 <= one.value <= 1:
        return f"{100 * value:.1f} %"
    return f"{value:,.6g}"


def _part(part: Part) -> PartView:
    scale, times = _scale(part), [run.measured_at for run in part.runs]
    span = (min(times), max(times))
    return PartView(
        suite=part.suite,
        suite_version=part.suite_version,
        judge=part.judge,
        request_set=part.request_set[:12],
        metric=part.metric.replace("_", " "),
        scale=_scale_words(scale, span),
        rows=[_row(part, row, scale, span) for row in part.rows],
        measured=sum(bool(row.runs) for row in part.rows),
        left_out=sum(row.latest.left_out for row in part.rows if row.latest),
    )


def _scale(part: Part) -> Scale:
    """Return one scale for all runs of a part: a share's, of as much of 0 to 1 as is used."""
    known = [one for run in part.runs if (one := run.figure(part.metric))]
    lows = [one.value if one.low is None else one.low for one in known]
    highs = [one.value if one.high is None else one.high for one in known]
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    return Scale(max(low - 0.02, 0.0), min(high + 0.02, 1.0))


def _scale_words(scale: Scale, span: tuple[datetime, datetime]) -> str:
    days = " to ".join(dict.fromkeys(f"{at:{_DAY}}" for at in span))
    return f"{100 * scale.low:.0f} to {100 * scale.high:.0f} %, {days}"


def _row(part: Part, row: Row, scale: Scale, span: tuple[datetime, datetime]) -> RowView:
    latest = row.latest
    figures = latest.figures if latest else ()
    return RowView(
        tag=row.place.tag,
        provider=row.place.provider,
        runs=[_run(part, run) for run in row.runs],
        plot=_plot(part, row, scale, span),
        figures=[(f.metric.replace("_", " "), words_of(f), f"{f.sample:,}") for f in figures],
    )


def _run(part: Part, run: Run) -> RunView:
    one = run.figure(part.metric)
    reasons = [f"{number:,} x {why}" for why, number in run.excluded.items() if number]
    in_all = f"{run.left_out:,} in all: " if len(reasons) > 1 else ""
    return RunView(
        id=run.id,
        measured_at=run.measured_at,
        figure=words_of(one) if one else "no such figure",
        sample=f"{one.sample:,}" if one else "",
        bad_calls=f"{run.failures:,} of {run.tool_calls:,}" if run.tool_calls else "",
        left_out=in_all + ", ".join(reasons),
    )


def _plot(part: Part, row: Row, scale: Scale, span: tuple[datetime, datetime]) -> SafeString:
    moments = [
        Moment(run.measured_at, one.value, one.low, one.high)
        for run in reversed(row.runs)
        if (one := run.figure(part.metric))
    ]
    if not moments:
        return SafeString("")
    told = "; ".join(f"{one.at:{_DAY}}: {100 * one.value:.1f} %" for one in moments)
    words = f"{part.metric.replace('_', ' ')} of {row.place.tag} over time. {told}"
    return over_time(moments, span, scale, words=words)
