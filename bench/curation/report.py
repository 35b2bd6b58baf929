"""Tables of what the worlds showed, and the figures to reach, met or missed.

Owns how rows become means and Markdown. The rule others rely on: a mean over worlds is a mean of
the worlds' means, so that no world counts for more because it has more endpoints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from bench.curation.trial import Claim, Row

BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the figures to reach; `met` is None when it was not measured in this run."""

    name: str
    found: str
    wanted: str
    met: bool | None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def of(rows: Iterable[Row], method: str, world: str) -> list[Row]:
    return [r for r in rows if r.method == method and r.world == world]


def static_table(rows: Sequence[Row], titles: dict[str, str], methods: Sequence[str]) -> str:
    """Per world: failure by default, of the subject and of the oracle; precision/recall of all."""
    body = [
        _static_line(f"{world} {title}", [of(rows, m, world) for m in methods])
        for world, title in titles.items()
    ]
    body.append(["**mean**", *_means(rows, titles, methods)])
    head = ["world", "failure %: default, " + methods[0] + ", oracle", *methods]
    return table(head, body)


def _static_line(name: str, by_method: list[list[Row]]) -> list[str]:
    return [name, _failures(by_method[0]), *(_pair(rows) for rows in by_method)]


def _failures(rows: Sequence[Row]) -> str:
    values = (fmean(getattr(r, n) for r in rows) for n in ("default", "failure", "oracle"))
    return " → ".join(f"{100 * v:.2f}" for v in values)


def _pair(rows: Sequence[Row]) -> str:
    return f"{fmean(r.precision for r in rows):.2f}/{fmean(r.recall for r in rows):.2f}"


def _means(rows: Sequence[Row], titles: Iterable[str], methods: Sequence[str]) -> list[str]:
    kept = [r for r in rows if r.world in set(titles)]
    pairs = [
        f"**{mean_of(kept, m, 'precision'):.3f}/{mean_of(kept, m, 'recall'):.3f}**" for m in methods
    ]
    return [_failures([r for r in kept if r.method == methods[0]]), *pairs]


def mean_of(rows: Sequence[Row], method: str, name: str) -> float:
    """Return the mean over worlds of a row's property."""
    worlds = sorted({r.world for r in rows})
    return fmean(fmean(getattr(r, name) for r in of(rows, method, w)) for w in worlds)


def calibration_table(claims: Sequence[Claim]) -> str:
    """How often what was said with a probability came true."""
    body = []
    for low, high in pairwise(BINS):
        inside = [c for c in claims if low <= c.probability < high or c.probability == high == 1]
        if inside:
            said, true = fmean(c.probability for c in inside), fmean(c.true for c in inside)
            body.append([f"{low:g} to {high:g}", str(len(inside)), f"{said:.3f}", f"{true:.3f}"])
    brier = fmean((c.probability - c.true) ** 2 for c in claims)
    body.append(["Brier score", str(len(claims)), "", f"{brier:.3f}"])
    return table(["said", "endpoints", "mean said", "true"], body)


def figures_table(figures: Sequence[Figure]) -> str:
    words = {True: "met", False: "**MISSED**", None: "not measured"}
    return table(
        ["figure", "found", "wanted", ""],
        [[f.name, f.found, f.wanted, words[f.met]] for f in figures],
    )
