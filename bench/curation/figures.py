"""The figures that the scorer has to reach in these worlds.

Owns the thresholds. The rule others rely on: a figure is measured only if its whole set of worlds
was run; anything less is reported as not measured, never as met.
"""

from collections.abc import Sequence
from statistics import fmean

from bench.curation.report import Figure, mean_of, of
from bench.curation.trial import Row
from bench.curation.worlds import STATIC

PRECISION, RECALL, WORST_RECALL = 0.97, 0.96, 0.75
NOBODY_OUT = ("S04", "S15", "S20")
OF_ORACLE, OF_DEFAULT = 1.15, 0.4


def static_figures(rows: Sequence[Row], method: str) -> list[Figure]:
    """The figures of the static worlds, for one method's rows."""
    mine = [r for r in rows if r.method == method]
    worlds = {r.world for r in mine}
    whole = worlds == {w.name for w in STATIC}
    return [
        _mean(mine, method, "precision", PRECISION, whole),
        _mean(mine, method, "recall", RECALL, whole),
        _worst(mine, method, whole),
        *(_nobody(of(mine, method, name), name) for name in NOBODY_OUT),
        *_failures(of(mine, method, "S01")),
    ]


def _mean(rows: Sequence[Row], method: str, name: str, wanted: float, whole: bool) -> Figure:
    found = mean_of(rows, method, name) if whole else None
    return _at_least(f"mean {name}, S01 to S25", found, wanted)


def _worst(rows: Sequence[Row], method: str, whole: bool) -> Figure:
    means = {w.name: fmean(r.recall for r in of(rows, method, w.name)) for w in STATIC if whole}
    found = min(means.values(), default=None)
    where = f" ({min(means, key=lambda w: means[w])})" if means else ""
    return _at_least(f"worst world's mean recall{where}", found, WORST_RECALL)


def _nobody(rows: Sequence[Row], world: str) -> Figure:
    dropped = sum(r.good - r.kept_good for r in rows) if rows else None
    return _at_most(f"good endpoints dropped in {world}", dropped, 0)


def _failures(rows: Sequence[Row]) -> list[Figure]:
    ours = fmean(r.failure for r in rows) if rows else None
    oracle = ours / fmean(r.oracle for r in rows) if ours is not None else None
    default = ours / fmean(r.default for r in rows) if ours is not None else None
    return [
        _at_most("S01 failure of :exacto ÷ oracle", oracle, OF_ORACLE),
        _at_most("S01 failure of :exacto ÷ default", default, OF_DEFAULT),
    ]


def _at_least(name: str, found: float | None, wanted: float) -> Figure:
    met = None if found is None else found >= wanted
    return Figure(name, _number(found), f"≥ {wanted:g}", met)


def _at_most(name: str, found: float | None, wanted: float) -> Figure:
    met = None if found is None else found <= wanted
    return Figure(name, _number(found), f"≤ {wanted:g}", met)


def _number(found: float | None) -> str:
    return "not measured" if found is None else f"{found:.3f}".rstrip("0").rstrip(".")
