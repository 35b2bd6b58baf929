"""`python -m bench.curation`: lives the worlds through, prints the report and keeps it.

Exit status: 0 when every figure that was measured is met, 1 otherwise.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from bench.curation import report
from bench.curation.attacks import ATTACKS, VIEWS, AttackRow, attack_rows
from bench.curation.figures import live_figures, static_figures
from bench.curation.live import LiveRow, live_row
from bench.curation.live_worlds import LIVE
from bench.curation.methods import METHODS, SUBJECT
from bench.curation.rolling import POLICIES
from bench.curation.trial import Claim, Row, try_methods
from bench.curation.worlds import STATIC

RESULTS = Path(__file__).resolve().parents[1] / "results"
SEEDS = range(1000, 1025)
FRESH = range(5000, 5025)
STATIC_BY_NAME = {w.name: w for w in STATIC}
ATTACKS_BY_NAME = {a.row: a for a in ATTACKS}
LIVE_BY_NAME = {w.name: w for w in LIVE}
LIVE_SEEDS = 6  # a month hour by hour takes a thousand times longer than ten days at once


@dataclass
class Findings:
    """All rows of one run; written to results/ as they are."""

    rows: list[Row] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    attacks: list[AttackRow] = field(default_factory=list)
    live: list[LiveRow] = field(default_factory=list)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.curation", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, help=f"such as 5000-5024; {_span(SEEDS)}")
    parser.add_argument("--fresh", action="store_true", help=f"seeds {_span(FRESH)}")
    parser.add_argument("--only", type=lambda text: text.split(","), help="such as S01,T02")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    return parser.parse_args(arguments)


def seeds_of(text: str) -> range:
    """Return the seeds that "7" or "5000-5024" names.

    >>> list(seeds_of("7-9"))
    [7, 8, 9]
    """
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _span(seeds: range) -> str:
    return f"{seeds[0]}-{seeds[-1]}"


def _static_run(task: tuple[str, int]) -> tuple[list[Row], list[Claim]]:
    name, seed = task
    return try_methods(STATIC_BY_NAME[name], seed)


def _attack_run(task: tuple[str, int]) -> list[AttackRow]:
    name, seed = task
    return attack_rows(ATTACKS_BY_NAME[name], seed)


def _live_run(task: tuple[str, int, str]) -> LiveRow:
    name, seed, policy = task
    live = LIVE_BY_NAME[name]
    return live_row(live, seed, policy, POLICIES[policy](len(live.world.endpoints)))


def run(only: Sequence[str] | None, seeds: range, jobs: int) -> Findings:
    def chosen(names: Iterable[str]) -> list[str]:
        return [n for n in names if not only or n.split(",")[0] in only]

    static = list(product(chosen(STATIC_BY_NAME), seeds))
    attacks = list(product(chosen(ATTACKS_BY_NAME), seeds))
    live = list(product(chosen(LIVE_BY_NAME), seeds[:LIVE_SEEDS], POLICIES))
    found = Findings()
    with ProcessPoolExecutor(jobs) as pool:
        for rows, claims in pool.map(_static_run, static, chunksize=5):
            found.rows += rows
            found.claims += claims
        for of_attack in pool.map(_attack_run, attacks, chunksize=5):
            found.attacks += of_attack
        for number, row in enumerate(pool.map(_live_run, live), 1):
            found.live.append(row)
            print(f"{number}/{len(live)} {row.world} {row.policy}", file=sys.stderr, flush=True)
    return found


def render(found: Findings, seeds: range, figures: list[report.Figure]) -> str:
    parts = [f"Seeds {_span(seeds)}, live {_span(seeds[:LIVE_SEEDS])}."]
    parts += _static_parts(found) + _attack_parts(found) + _live_parts(found)
    return "\n\n".join([*parts, "## Figures to reach", report.figures_table(figures)])


def _static_parts(found: Findings) -> list[str]:
    names = {r.world for r in found.rows}
    titles = {n: w.title for n, w in STATIC_BY_NAME.items() if n in names}
    if not titles:
        return []
    table = report.static_table(found.rows, titles, [*METHODS])
    calibration = report.calibration_table(found.claims)
    return ["## Static worlds: precision/recall", table, "## What P means", calibration]


def _attack_parts(found: Findings) -> list[str]:
    names = {r.row for r in found.attacks}
    titles = {n: a.title for n, a in ATTACKS_BY_NAME.items() if n in names}
    if not titles:
        return []
    what = (
        "Shift of the victims' error rates in points, mean (greatest) · their distance from the "
        "truth in points · Kendall's tau of all, before and after · victims that stay in the pool."
    )
    methods = [*VIEWS]
    shifts = report.attack_table(found.attacks, titles, methods)
    return ["## Attacks", what, shifts, report.helped_table(found.attacks, titles, methods)]


def _live_parts(found: Findings) -> list[str]:
    names = {r.world for r in found.live}
    titles = {n: w.world.title for n, w in LIVE_BY_NAME.items() if n in names}
    if not titles:
        return []
    table = report.live_table(found.live, titles, [*POLICIES])
    reaction = report.reaction_table(found.live, titles, SUBJECT)
    head = "## Live worlds: failure % · precision/recall · needless changes per endpoint-month"
    return [head, table, f"## How {SUBJECT} reacts", reaction]


def keep(found: Findings, started: datetime, text: str) -> Path:
    """Writes the report, and beside it all it was made of."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"curation-{started:%Y%m%dT%H%M%SZ}"
    content: dict[str, Any] = {"started_at": started.isoformat(), "command": sys.argv}
    path.with_suffix(".json").write_text(json.dumps(content | asdict(found)))
    path.with_suffix(".md").write_text(text + "\n")
    _write_csv(path.with_suffix(".csv"), [asdict(row) for row in found.rows])
    _write_csv(path.with_suffix(".attacks.csv"), [asdict(row) for row in found.attacks])
    _write_csv(path.with_suffix(".live.csv"), [asdict(row) for row in found.live])
    return path


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0].keys() if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def main() -> int:
    arguments, started = parse_arguments(), datetime.now(UTC)
    seeds = arguments.seeds or (FRESH if arguments.fresh else SEEDS)
    found = run(arguments.only, seeds, arguments.jobs)
    figures = static_figures(found.rows, SUBJECT) + live_figures(found.live, SUBJECT)
    text = render(found, seeds, figures)
    path = keep(found, started, text)
    print(f"{text}\n\nKept with the rows: {os.path.relpath(path)}.md, .json and .csv")
    return 1 if any(f.met is False for f in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
