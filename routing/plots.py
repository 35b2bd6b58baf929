"""Small plots for pages, as inline SVG: estimates with intervals, lines over time.

Owns their drawing only; what is drawn comes as numbers. The rules others rely on: all endpoints
of one criterion are drawn on one scale; a plot says in words what it shows; no script is needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _EDGE = 200.0, 22.0, 6.0
_TALL = 64.0  # of plots over time
CRITERIA = {
    "accuracy": "Tool-call error",
    "propensity": "Calls tools, odds",
    "ignores": "Ignored by owners",
    "losses": "Replies lost",
}
_COLOURS = {"pass": "#15803d", "fail": "#b91c1c", "insufficient": "#6b7280"}


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to a place on the line, from `low` to `high`; `ratio` for odds ratios."""

    low: float
    high: float
    ratio: bool = False

    def share(self, value: float) -> float:
        """Return how far along the line a value is, 0 to 1; one beyond an end is at that end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.ratio:
            low, high, at = log(low), log(high), log(at)
        return (at - low) / (high - low)

    def place(self, value: float) -> float:
        """Return the x of a value."""
        return round(_EDGE + self.share(value) * (_WIDTH - 2 * _EDGE), 1)


def scales(endpoints: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Scale]:
    """Return one scale per criterion for all of these endpoints' criteria.

    Each is wide enough for all but far outliers.
    """
    known = list(endpoints)

    def most(name: str, least: float) -> float:
        seen = [one.get(name, {}) for one in known]
        ends = [one.get("estimate") or 0.0 for one in seen]
        edges = [edge for one in seen for edge in one.get("bound") or [] if edge is not None]
        return max(1.2 * max(ends, default=0.0), 2.0 * max(edges, default=0.0), least)

    return {
        "accuracy": Scale(0.0, min(most("accuracy", 0.02), 1.0)),
        "propensity": Scale(0.33, 3.0, ratio=True),
        "ignores": Scale(0.0, min(most("ignores", 0.2), 1.0)),
        "losses": Scale(0.0, min(most("losses", 0.1), 1.0)),
    }


def figure(name: str, estimate: float | None) -> str:
    """Return a criterion's estimate as people read it."""
    if estimate is None:
        return "-"
    return f"\u00d7{estimate:.2f}" if name == "propensity" else f"{100 * estimate:.1f} %"


def interval(
    scale: Scale,
    *,
    estimate: float | None,
    low: float | None,
    high: float | None,
    verdict: str,
    bound: Sequence[float | None],
    words: str,
) -> SafeString:
    """Return a dot with its interval; where the criterion holds is shaded up to its bound."""
    middle = _HEIGHT / 2
    parts = [_shade(scale, bound)]
    parts.append(
        format_html(
            '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="currentColor" stroke-opacity=".25"/>',
            _EDGE,
            _WIDTH - _EDGE,
            middle,
            middle,
        )
    )
    if estimate is not None and low is not None and high is not None:
        parts.append(_dot(scale, estimate, low, high, verdict))
    return svg(parts, words)


def _dot(scale: Scale, estimate: float, low: float, high: float, verdict: str) -> SafeString:
    # The classes let a style sheet choose other colours, as for a dark page.
    colour = _COLOURS[verdict]
    return format_html(
        '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-width="3" class="line-{}"'
        ' stroke-linecap="round" stroke-opacity=".45"/>'
        '<circle cx="{}" cy="{}" r="4" fill="{}" class="dot-{}"/>',
        scale.place(low),
        scale.place(high),
        _HEIGHT / 2,
        _HEIGHT / 2,
        colour,
        verdict,
        scale.place(estimate),
        _HEIGHT / 2,
        colour,
        verdict,
    )


def _shade(scale: Scale, bound: Sequence[float | None]) -> SafeString:
    """Draw where the criterion holds, with a dashed line at each of its bounds."""
    known = [edge for edge in bound if edge is not None]
    if not known:
        return SafeString("")
    first = _EDGE if bound[0] is None else scale.place(bound[0])
    last = _WIDTH - _EDGE if bound[1] is None else scale.place(bound[1])
    band = format_html(
        '<rect x="{}" width="{}" y="2" height="{}" fill="#15803d" fill-opacity=".1"/>',
        first,
        round(last - first, 1),
        _HEIGHT - 4,
    )
    lines = format_html_join(
        "",
        '<line x1="{0}" x2="{0}" y1="1" y2="{1}" stroke="currentColor"'
        ' stroke-opacity=".6" stroke-dasharray="3 2"/>',
        ((scale.place(edge), _HEIGHT - 1) for edge in known),
    )
    return band + lines


def sparkline(values: Sequence[float | None], *, words: str) -> SafeString:
    """Return a line through hourly values, oldest first; None leaves a gap."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return SafeString("")
    scale = Scale(0.0, max(*known, 0.01))
    step = (_WIDTH - 2 * _EDGE) / max(len(values) - 1, 1)
    lines: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            lines.append([])
            continue
        y = 2 + (1 - scale.share(value)) * (_HEIGHT - 4)
        lines[-1].append(f"{_EDGE + number * step:.1f},{y:.1f}")
    drawn = format_html_join(
        "",
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"/>',
        ((" ".join(points),) for points in lines if len(points) > 1),
    )
    return svg([drawn], words)


@dataclass(frozen=True, slots=True)
class Moment:
    """A value measured at a time, with its interval if it has one."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None


def over_time(
    moments: Sequence[Moment], span: tuple[datetime, datetime], scale: Scale, *, words: str
) -> SafeString:
    """Return dots with their intervals at their times, joined by a line; oldest first."""
    length = (span[1] - span[0]).total_seconds()

    def x(one: Moment) -> float:
        share = (one.at - span[0]).total_seconds() / length if length else 0.5
        return round(_EDGE + share * (_WIDTH - 2 * _EDGE), 1)

    def y(value: float) -> float:
        return round(_EDGE + (1 - scale.share(value)) * (_TALL - 2 * _EDGE), 1)

    line = format_html(
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-opacity=".5"/>',
        " ".join(f"{x(one)},{y(one.value)}" for one in moments),
    )
    bars = format_html_join(
        "",
        '<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" stroke="currentColor" stroke-width="3"'
        ' stroke-opacity=".35"/>',
        ((x(m), y(m.low), y(m.high)) for m in moments if m.low is not None and m.high is not None),
    )
    dots = format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="3" fill="currentColor"/>',
        ((x(one), y(one.value)) for one in moments),
    )
    return svg([line, bars, dots], words, _TALL)


def bars(values: Sequence[float], words: str) -> SafeString:
    """Return one bar per value on a common scale from zero, in their order."""
    most, wide = max([*values, 0.0]) or 1.0, (_WIDTH - 2 * _EDGE) / max(len(values), 1)
    room = _TALL - 2 * _EDGE
    foot = format_html(
        '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="currentColor" stroke-opacity=".5"/>',
        _EDGE,
        _WIDTH - _EDGE,
        _TALL - _EDGE,
        _TALL - _EDGE,
    )
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" fill="currentColor" fill-opacity=".7"/>',
        (
            (
                round(_EDGE + (at + 0.1) * wide, 1),
                round(_TALL - _EDGE - room * value / most, 1),
                round(0.8 * wide, 1),
                round(room * value / most, 1),
            )
            for at, value in enumerate(values)
        ),
    )
    return svg([foot, drawn], words, _TALL)


def svg(parts: Sequence[SafeString], words: str, height: float = _HEIGHT) -> SafeString:
    """Return a picture of these parts that says in words what it shows."""
    return format_html(
        '<svg width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        int(_WIDTH),
        int(height),
        int(_WIDTH),
        int(height),
        words,
        words,
        SafeString("".join(parts)),
    )
