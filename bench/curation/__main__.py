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
from pathlib import Path
from typing import Any

from bench.curation import report
from bench.curation.figures import static_figures
from bench.curation.methods import METHODS, SUBJECT
from bench.curation.trial import Claim, Row, try_methods
from bench.curation.worlds import STATIC

RESULTS = Path(__file__).resolve().parents[1] / "results"
SEEDS = range(1000, 1025)
FRESH = range(5000, 5025)
STATIC_BY_NAME = {w.name: w for w in STATIC}


@dataclass
class Findings:
    """All rows of one run; written to results/ as they are."""

    rows: list[Row] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


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


def run(arguments: argparse.Namespace, seeds: range) -> Findings:
    found = Findings()
    names = [n for n in STATIC_BY_NAME if not arguments.only or n in arguments.only]
    tasks = [(name, seed) for name in names for seed in seeds]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for rows, claims in pool.map(_static_run, tasks, chunksize=5):
            found.rows += rows
            found.claims += claims
    return found


def render(found: Findings, seeds: range, figures: list[report.Figure]) -> str:
    names = {r.world for r in found.rows}
    titles = {n: w.title for n, w in STATIC_BY_NAME.items() if n in names}
    order = sorted(METHODS, key=lambda m: m != SUBJECT)
    parts = [f"Seeds {_span(seeds)}."]
    if titles:
        parts += [
            "## Static worlds: precision/recall",
            report.static_table(found.rows, titles, order),
        ]
    if found.claims:
        parts += ["## What P means", report.calibration_table(found.claims)]
    parts += ["## Figures to reach", report.figures_table(figures)]
    return "\n\n".join(parts)


def keep(found: Findings, started: datetime, text: str) -> Path:
    """Writes the report, and beside it all it was made of."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"curation-{started:%Y%m%dT%H%M%SZ}"
    content: dict[str, Any] = {"started_at": started.isoformat(), "command": sys.argv}
    path.with_suffix(".json").write_text(json.dumps(content | asdict(found)))
    path.with_suffix(".md").write_text(text + "\n")
    _write_csv(path.with_suffix(".csv"), [asdict(row) for row in found.rows])
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
    found = run(arguments, seeds)
    subject = SUBJECT if SUBJECT in METHODS else next(iter(METHODS))
    figures = static_figures(found.rows, subject)
    text = render(found, seeds, figures)
    path = keep(found, started, text)
    print(f"{text}\n\nKept with the rows: {os.path.relpath(path)}.md, .json and .csv")
    return 1 if any(f.met is False for f in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
