"""Plots of a model's page, as inline SVG: a rate over hours with what happened, and stacked shares.

Owns their drawing only, as `routing.plots` does for single figures. The rules others rely on: a
value that is not known or not finite leaves a gap, never a point; each picture has a title and a
description in words; which part of a stack is which does not depend on its colour alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from routing.plots import Moment, Scale

_WIDTH, _HEIGHT, _EDGE = 320.0, 72.0, 6.0
_BAR_WIDTH, _BAR_HEIGHT = 160.0, 18.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to an endpoint, at once or for a while; `letter` is drawn beside."""

    letter: str
    at: datetime
    words: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What all timelines of a page have in common: the time and the values that are drawn."""

    start: datetime
    end: datetime
    scale: Scale

    def x(self, at: datetime) -> float:
        """Return the place of a time; one outside is at the edge."""
        length = (self.end - self.start).total_seconds()
        share = (at - self.start).total_seconds() / length if length > 0 else 0.5
        return round(_EDGE + min(max(share, 0.0), 1.0) * (_WIDTH - 2 * _EDGE), 1)

    def y(self, value: float) -> float:
        return round(_EDGE + (1 - self.scale.share(value)) * (_HEIGHT - 2 * _EDGE), 1)


def timeline(
    frame: Frame,
    runs: Sequence[Sequence[Moment]],
    marks: Sequence[Mark],
    *,
    bound: float | None,
    title: str,
    told: str,
) -> SafeString:
    """Return lines with their intervals; between two of `runs` nothing is known.

    `bound` is drawn dashed: below it the criterion holds. Marks older than the frame are left out.
    """
    parts = [_spans(frame, marks), _bound(frame, bound)]
    parts += [part for run in runs if run for part in (_band(frame, run), _line(frame, run))]
    parts.append(_letters(frame, marks))
    return _picture(parts, _WIDTH, _HEIGHT, title, told)


def _spans(frame: Frame, marks: Sequence[Mark]) -> SafeString:
    known = [(frame.x(m.at), frame.x(m.until)) for m in marks if m.until and m.until > frame.start]
    return format_html_join(
        "",
        '<rect x="{}" width="{}" y="0" height="{}" class="plot-span"/>',
        ((first, max(round(last - first, 1), 1.0), int(_HEIGHT)) for first, last in known),
    )


def _bound(frame: Frame, bound: float | None) -> SafeString:
    if bound is None or bound > frame.scale.high:
        return SafeString("")
    return format_html(
        '<line x1="{}" x2="{}" y1="{y}" y2="{y}" class="plot-bound"/>',
        _EDGE,
        _WIDTH - _EDGE,
        y=frame.y(bound),
    )


def _band(frame: Frame, run: Sequence[Moment]) -> SafeString:
    known = [
        (frame.x(m.at), m.low, m.high) for m in run if m.low is not None and m.high is not None
    ]
    if len(known) < 2:
        return SafeString("")
    upper = [f"{x},{frame.y(high)}" for x, _, high in known]
    lower = [f"{x},{frame.y(low)}" for x, low, _ in reversed(known)]
    return format_html('<polygon points="{}" class="plot-band"/>', " ".join(upper + lower))


def _line(frame: Frame, run: Sequence[Moment]) -> SafeString:
    if len(run) == 1:  # a line of one point would not be seen
        return format_html(
            '<circle cx="{}" cy="{}" r="2.5" class="plot-dot"/>',
            frame.x(run[0].at),
            frame.y(run[0].value),
        )
    points = " ".join(f"{frame.x(one.at)},{frame.y(one.value)}" for one in run)
    return format_html('<polyline points="{}" class="plot-line"/>', points)


def _letters(frame: Frame, marks: Sequence[Mark]) -> SafeString:
    seen = [mark for mark in marks if frame.start <= mark.at <= frame.end]
    # On three lines in turn: what set an endpoint aside began shortly before it was.
    places = [(frame.x(mark.at), 11 + 12 * (number % 3)) for number, mark in enumerate(seen)]
    return format_html_join(
        "",
        '<line x1="{0}" x2="{0}" y1="0" y2="{1}" class="plot-mark"/>'
        '<text x="{2}" y="{3}" class="plot-letter">{4}</text>',
        (
            (x, int(_HEIGHT), min(x + 2, _WIDTH - 10), y, mark.letter)
            for (x, y), mark in zip(places, seen, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a stack."""

    words: str
    share: float  # of 1


def stack(shares: Sequence[Share], most: float, *, title: str) -> SafeString:
    """Return parts side by side on a line that ends at `most`; each has its place's pattern."""
    told = ", ".join(f"{one.words} {100 * one.share:.2f} %" for one in shares if one.share)
    line = format_html(
        '<line x1="0" x2="{}" y1="{y}" y2="{y}" class="plot-axis"/>',
        int(_BAR_WIDTH),
        y=_BAR_HEIGHT - 0.5,
    )
    return _picture(
        [line, *_segments(shares, most)], _BAR_WIDTH, _BAR_HEIGHT, title, told or "none"
    )


def _segments(shares: Sequence[Share], most: float) -> Iterator[SafeString]:
    ends = [0.0]
    for one in shares:
        share = one.share / most if most > 0 else 0.0
        ends.append(min(ends[-1] + share * _BAR_WIDTH, _BAR_WIDTH))
    for number, (first, last) in enumerate(pairwise(ends)):
        if last > first:
            yield format_html(
                '<rect x="{}" width="{}" y="2" height="{}" class="plot-kind-{}"/>',
                round(first, 1),
                round(max(last - first, 0.7), 1),
                int(_BAR_HEIGHT - 4),
                number,
            )


def swatch(number: int) -> SafeString:
    """Return the sample of a part's pattern for a legend; it says nothing by itself."""
    return format_html(
        '<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true"'
        ' class="plot-swatch">'
        '<rect width="12" height="12" class="plot-kind-{}"/></svg>',
        number,
    )


def _picture(
    parts: Sequence[SafeString], width: float, height: float, title: str, told: str
) -> SafeString:
    return format_html(
        '<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" class="plot"'
        ' aria-label="{2}. {3}"><title>{2}</title><desc>{3}</desc>{4}</svg>',
        int(width),
        int(height),
        title,
        told,
        SafeString("".join(parts)),
    )
