"""One criterion of one endpoint in figure, interval, sample and plot, and where each leads.

Owns reading a score's criteria without trusting them: rows of another release, or of a method
that knows less, must not take a page down. It reads no rows. The rule others rely on: after
`cleaned`, a number is finite or None, and a bound has two ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from providers.admin.theme import badge
from providers.models import Endpoint
from routing.admin.review import VERDICTS
from routing.admin.workplace.doors import Doors
from routing.plots import CRITERIA, Scale, figure, interval
from telemetry.scoring.sentences import count, parts

WINDOW = "30"  # days of attempts behind a score that the lists of attempts can show


@dataclass(frozen=True, slots=True)
class Measure:
    """One criterion of one endpoint; `verdict` is "" where nothing is known."""

    label: str
    verdict: str
    figure: SafeString
    interval: str
    sample: SafeString | str
    sentence: str
    plot: SafeString

    @property
    def badge(self) -> SafeString:
        return badge(*VERDICTS[self.verdict]) if self.verdict in VERDICTS else badge("not known")


def finite(value: Any) -> float | None:
    """Return a number that can be drawn, or None.

    >>> finite(0.5), finite(float("nan")), finite(None), finite("0.5")
    (0.5, None, None, None)
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else None


def cleaned(criteria: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the known criteria with nothing in them that no plot could draw."""
    known = {name: criteria[name] for name in CRITERIA if isinstance(criteria.get(name), dict)}
    return {
        name: {
            **one,
            **{key: finite(one.get(key)) for key in ("estimate", "low", "high")},
            "bound": _edges(one.get("bound")),
        }
        for name, one in known.items()
    }


def _edges(bound: Any) -> list[float | None]:
    is_pair = isinstance(bound, list) and len(bound) == 2
    return [finite(edge) for edge in bound] if is_pair else [None, None]


def measures_of(
    endpoint: Endpoint,
    said: Mapping[str, Mapping[str, Any]],
    drawn: Mapping[str, Scale],
    doors: Doors,
) -> list[Measure]:
    if not said:
        return []
    return [
        _measure(endpoint, name, label, said.get(name, {}), drawn[name], doors)
        for name, label in CRITERIA.items()
    ]


def _measure(
    endpoint: Endpoint, name: str, label: str, one: Mapping[str, Any], scale: Scale, doors: Doors
) -> Measure:
    verdict = one.get("verdict", "")
    told = figure(name, one.get("estimate"))
    low, high = one.get("low"), one.get("high")
    both = low is not None and high is not None
    sentence = one.get("sentence", "not measured")
    plot = interval(
        scale,
        estimate=one.get("estimate"),
        low=low,
        high=high,
        verdict=verdict if verdict in VERDICTS else "insufficient",
        bound=one.get("bound") or [None, None],
        words=f"{label} of {endpoint.tag}: {sentence}",
    )
    return Measure(
        label=label,
        verdict=verdict,
        figure=_behind(name, told, endpoint, doors),
        interval=f"{figure(name, low)} to {figure(name, high)}" if both else "no interval",
        sample=_sample(name, one, endpoint, doors),
        sentence=sentence,
        plot=plot,
    )


def _behind(name: str, told: str, endpoint: Endpoint, doors: Doors) -> SafeString:
    if told == "-":
        return SafeString("not known")
    if name == "ignores":
        return doors.preferences(told)
    return doors.attempts(told, "scored", when=WINDOW, endpoint=endpoint.pk)


def _sample(
    name: str, one: Mapping[str, Any], endpoint: Endpoint, doors: Doors
) -> SafeString | str:
    requests, owners = finite(one.get("requests")), finite(one.get("owners"))
    if name == "ignores":  # of owners who could ignore it, whatever they sent
        at_risk = count(owners or 0, "owner", "owners")
        return doors.preferences(at_risk) if owners else at_risk
    if requests is None:
        return ""
    asked = finite(one.get("benchmark_requests")) or 0.0
    words, beside = parts(requests, owners or 0.0, asked)
    if requests <= asked:
        return words + beside
    rows = doors.attempts(words, "scored", when=WINDOW, endpoint=endpoint.pk)
    return format_html("{}{}", rows, beside)
