"""Small plots for the admin's pages, as inline SVG: estimates with intervals, lines over time.

Owns their drawing only; what is drawn comes as numbers. The rules others rely on: all endpoints
of one criterion are drawn on one scale; a plot says in words what it shows; no script is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _EDGE = 200.0, 22.0, 6.0
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
        parts.append(_dot(scale, estimate, low, high, _COLOURS[verdict]))
    return _svg(parts, words)


def _dot(scale: Scale, estimate: float, low: float, high: float, colour: str) -> SafeString:
    return format_html(
        '<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-width="3"'
        ' stroke-linecap="round" stroke-opacity=".45"/><circle cx="{}" cy="{}" r="4" fill="{}"/>',
        scale.place(low),
        scale.place(high),
        _HEIGHT / 2,
        _HEIGHT / 2,
        colour,
        scale.place(estimate),
        _HEIGHT / 2,
        colour,
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
    return _svg([drawn], words)


def _svg(parts: Sequence[SafeString], words: str) -> SafeString:
    return format_html(
        '<svg width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        int(_WIDTH),
        int(_HEIGHT),
        int(_WIDTH),
        int(_HEIGHT),
        words,
        words,
        SafeString("".join(parts)),
    )
