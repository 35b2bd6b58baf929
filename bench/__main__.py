"""`python -m bench`: starts everything, runs the rounds, prints the report and keeps it.

Exit status: 0 when every number of the issue was measured and met, 1 otherwise.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench import report
from bench.gateway import Facts, count_facts, start_assay
from bench.measure import Memory, Turn, cpu_of, memory_of
from bench.processes import Processes, Unavailable
from bench.rounds import SCENARIOS, Scenario, run_rounds, shortened, warm_up
from bench.systems import System, Upstream, direct, start_litellm, start_nginx, start_upstream
from bench.traffic import write_canned

RESULTS = Path(__file__).resolve().parent / "results"
STARTERS: dict[str, Callable[[Processes, Upstream], System]] = {
    "assay": start_assay,
    "litellm": start_litellm,
    "nginx": start_nginx,
}


@dataclass
class Bench:
    """Everything one run found; written to results/ as it is."""

    scenarios: list[Scenario]
    rounds: int
    systems: list[System] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    calibrations: list[float] = field(default_factory=list)
    memories: dict[str, Memory] = field(default_factory=dict)
    worker_cpu: float | None = None
    facts: Facts | None = None


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds of half the length")
    parser.add_argument("--rounds", type=int, help="paired rounds (7, or 3 with --quick)")
    names = [s.name for s in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, help="only these loads")
    parser.add_argument("--without", nargs="+", choices=[*STARTERS], default=[], help="leave out")
    return parser.parse_args()


def start_systems(processes: Processes, upstream: Upstream, without: list[str]) -> Bench:
    bench = Bench([], 0, [direct(upstream)])
    for name, start in STARTERS.items():
        try:
            if name in without:
                raise Unavailable("left out by --without")
            bench.systems.append(start(processes, upstream))
            print(f"{name} {bench.systems[-1].version} started", flush=True)
        except (Unavailable, OSError, subprocess.SubprocessError) as error:
            bench.missing[name] = str(error)
            print(f"{name} is MISSING: {error}", flush=True)
    return bench


async def measure(bench: Bench, upstream: Upstream) -> None:
    for system in bench.systems:
        if errors := await warm_up(system):
            print(f"{system.name}: errors in the warm-up: {errors}", flush=True)
    bench.turns, bench.calibrations = await run_rounds(
        bench.systems, upstream, bench.scenarios, bench.rounds
    )
    bench.memories = {s.name: memory_of(s.root) for s in bench.systems if s.root}


def finish_facts(bench: Bench, folder: Path) -> None:
    """Lets the worker take in what is left, then counts rows: proof that telemetry was on."""
    assay = next((s for s in bench.systems if s.workers), None)
    if assay:
        served = sum(t.requests for t in bench.turns if t.system == assay.name)
        bench.facts = count_facts(folder, served)
        bench.worker_cpu = sum(cpu_of(pid).scheduler for pid in assay.workers)


def describe_machine() -> dict[str, Any]:
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, cwd=RESULTS.parent)
    return {
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def render(bench: Bench, machine: dict[str, Any], found: list[report.Check]) -> str:
    """Return the report as Markdown."""
    names = [s.name for s in bench.systems]
    peers = [name for name in names if name in ("litellm", "nginx")]
    gateways = [name for name in names if name in (report.SUBJECT, "litellm")]
    versions = ", ".join(f"{s.name} {s.version}" for s in bench.systems)
    parts = [
        f"## {bench.rounds} paired rounds on {machine['cpu']}, {machine['cores']} cores",
        f"Commit {machine['commit']}, Python {machine['python']}, Linux {machine['kernel']}; "
        + versions,
        *(f"**{name} is missing**: {reason}" for name, reason in bench.missing.items()),
        report.checks_table(found),
        report.cpu_table(bench.turns, bench.scenarios, peers),
        report.memory_table(bench.memories),
        "\n".join(
            [
                report.added_text(bench.turns, bench.scenarios, names[1:]),
                report.capacity_text(bench.turns, gateways),
                report.noise_text(bench.turns, bench.calibrations, bench.rounds),
                *facts_lines(bench),
            ]
        ),
        "Times in ms:",
        report.latency_table(bench.turns, bench.scenarios, names),
    ]
    return "\n\n".join(parts)


def facts_lines(bench: Bench) -> list[str]:
    if bench.facts is None or bench.worker_cpu is None:
        return []
    each = bench.worker_cpu * 1000 / max(1, bench.facts.attempts)
    return [f"- {bench.facts}; worker and beat used {each:.3g} ms of CPU per attempt"]


def keep(bench: Bench, machine: dict[str, Any], started: datetime, text: str) -> None:
    """Writes the report, and beside it all it was made of."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{started:%Y%m%dT%H%M%SZ}"
    content = {"started_at": started.isoformat(), "command": sys.argv, "machine": machine}
    path.with_suffix(".json").write_text(json.dumps(content | asdict(bench), indent=1))
    path.with_suffix(".md").write_text(text + "\n")
    print(f"\n{text}\n\nKept with the raw rows: {os.path.relpath(path)}.md and .json")


def main() -> int:
    arguments, started, machine = parse_arguments(), datetime.now(UTC), describe_machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by way of Processes.__exit__
    scenarios = [s for s in SCENARIOS if not arguments.only or s.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        with Processes(folder) as processes:
            upstream = start_upstream(processes, write_canned(folder))
            bench = start_systems(processes, upstream, arguments.without)
            bench.scenarios = [shortened(s) if arguments.quick else s for s in scenarios]
            bench.rounds = arguments.rounds or (3 if arguments.quick else 7)
            uvloop.run(measure(bench, upstream))
            finish_facts(bench, folder)
    found = report.checks(bench.turns, bench.scenarios, bench.memories)
    keep(bench, machine, started, render(bench, machine, found))
    return 0 if all(check.met for check in found) else 1


if __name__ == "__main__":
    sys.exit(main())
