"""CPU and memory of whole process trees, read from /proc, and one measured turn of one system.

CPU is the scheduler's own account (schedstat, nanoseconds) of every thread of every descendant.
Threads and children that have ended are missing there, so utime+stime (ten-millisecond ticks, which
keep them) is read beside it and taken where it says clearly more. A turn ends only when the system
is quiet again: work put off until after the answer counts.
"""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.load import Outcome, Plan, run_load

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
QUIET_SECONDS, QUIET_LIMIT_SECONDS = 0.2, 5.0
QUIET_CPU = 0.02  # of a core: what an idle gateway's timers may use
OTHERS_LIMIT = 0.25  # of all cores, used by processes that are no part of the turn
UPSTREAM_LIMIT = 0.6  # of one core: beyond it the mock provider may be what is measured


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of a process tree by both accounts."""

    scheduler: float
    ticks: float

    def since(self, start: "Cpu") -> float:
        scheduler, ticks = self.scheduler - start.scheduler, self.ticks - start.ticks
        return ticks if ticks > scheduler * 1.05 + 0.05 else scheduler


@dataclass(frozen=True)
class Memory:
    """Mebibytes: of the largest process of a tree (the web process), and of all of it."""

    web_rss: float
    web_pss: float
    tree_pss: float
    processes: int


@dataclass(frozen=True)
class Turn:
    """One system in one round of one scenario. CPU in seconds, times in milliseconds."""

    scenario: str
    round: int
    system: str
    requests: int
    errors: dict[str, int]
    wall_seconds: float
    cpu: float
    upstream_cpu: float
    load_cpu: float
    others_share: float
    p50: float | None
    p99: float | None
    first_event_p50: float | None
    delay_p50: float | None
    delay_p99: float | None
    flags: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        return asdict(self)


def tree_of(root: int) -> list[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (the name before it may hold anything)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _scheduler_ns(pid: int) -> int:
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0])
        except OSError:
            continue  # the thread has just ended; the ticks keep its share
    return total


def cpu_of(root: int | None) -> Cpu:
    """CPU used so far by a tree; nothing for a system without processes of its own."""
    scheduler = ticks = 0
    for pid in tree_of(root) if root else []:
        fields = _stat(pid)
        scheduler += _scheduler_ns(pid)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return Cpu(scheduler / 1e9, ticks / TICKS_PER_SECOND)


def memory_of(root: int) -> Memory:
    sizes: list[tuple[float, float]] = []
    for pid in tree_of(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        values = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
        sizes.append((values["Rss"], values["Pss"]))
    rss, pss = max(sizes)
    return Memory(rss, pss, sum(size[1] for size in sizes), len(sizes))


def machine_busy() -> float:
    """CPU seconds used by everybody since boot, over all cores."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def calibrate() -> float:
    """Milliseconds of CPU for a fixed piece of pure Python: the machine's speed right now."""
    start, total = time.process_time(), 0
    for number in range(400_000):
        total += number * number % 7
    return (time.process_time() - start) * 1000


def wait_until_quiet(root: int | None) -> None:
    deadline = time.monotonic() + QUIET_LIMIT_SECONDS
    before = cpu_of(root)
    while root and time.monotonic() < deadline:
        time.sleep(QUIET_SECONDS)
        now = cpu_of(root)
        if now.scheduler - before.scheduler < QUIET_CPU * QUIET_SECONDS:
            return
        before = now


def quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class _Meter:
    """All clocks at one moment."""

    wall: float
    tree: Cpu
    upstream: Cpu
    own: float
    machine: float

    @classmethod
    def read(cls, root: int | None, upstream: int) -> "_Meter":
        own, wall = time.process_time(), time.monotonic()
        return cls(wall, cpu_of(root), cpu_of(upstream), own, machine_busy())


async def measure_turn(
    where: tuple[str, int, str], target: tuple[int, int | None, int], request: bytes, plan: Plan
) -> Turn:
    """Runs `plan`; `where` is scenario, round, system; `target` port, tree, upstream's pid."""
    port, root, upstream = target
    wait_until_quiet(root)
    start = _Meter.read(root, upstream)
    outcome = await run_load(port, request, plan)
    loaded = _Meter.read(root, upstream)
    wait_until_quiet(root)
    return _turn(where, outcome, (start, loaded, _Meter.read(root, upstream)))


def _turn(
    where: tuple[str, int, str], outcome: Outcome, meters: tuple[_Meter, _Meter, _Meter]
) -> Turn:
    start, loaded, end = meters
    cpu, wall = end.tree.since(start.tree), loaded.wall - start.wall
    upstream_cpu, load_cpu = loaded.upstream.since(start.upstream), loaded.own - start.own
    during = loaded.tree.since(start.tree)
    others = loaded.machine - start.machine - during - upstream_cpu - load_cpu
    flags = []
    if others > OTHERS_LIMIT * CORES * wall:
        flags.append("disturbed")
    if upstream_cpu > UPSTREAM_LIMIT * wall and where[2] != "upstream":
        flags.append("upstream-bound")
    if outcome.errors:
        flags.append("errors")
    return Turn(
        *where,
        requests=outcome.requests,
        errors=dict(outcome.errors),
        wall_seconds=outcome.wall_seconds,
        cpu=cpu,
        upstream_cpu=upstream_cpu,
        load_cpu=load_cpu,
        others_share=max(0.0, others / (CORES * wall)),
        p50=median(outcome.latencies) if outcome.latencies else None,
        p99=quantile(outcome.latencies, 0.99),
        first_event_p50=quantile(outcome.first_events, 0.5),
        delay_p50=quantile(outcome.delays, 0.5),
        delay_p99=quantile(outcome.delays, 0.99),
        flags=tuple(flags),
    )
