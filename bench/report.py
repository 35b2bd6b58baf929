"""Tables from turns: medians, paired ratios, and which of the project's numbers are met.

A ratio is formed within one round only; printed is the median of the rounds with the least and
the greatest. Turns with errors take no part. Absolute times are context: they depend on the
machine and on its minute.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.measure import Memory, Turn
from bench.rounds import Scenario

SUBJECT = "assay"
MEMORY_LIMIT_MIB = 150.0
LITELLM_RATIO = 10.0


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest of `count` values."""

    middle: float
    least: float
    greatest: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1], len(ordered)) if ordered else None

    def __str__(self) -> str:
        return f"{self.middle:.3g} [{self.least:.3g} to {self.greatest:.3g}]"


@dataclass(frozen=True)
class Check:
    """One of the numbers to reach; `met` is None when it could not be measured."""

    name: str
    found: str
    wanted: str
    met: bool | None


def cpu_per_unit(turn: Turn, scenario: Scenario) -> float | None:
    """Milliseconds of CPU of the system's web process tree per request or 1,000 events."""
    if not turn.requests or turn.errors or not turn.cpu:
        return None
    return turn.cpu * 1000 / (turn.requests * scenario.units)


def _by_round(
    turns: list[Turn], scenario: Scenario, system: str, value: Callable[[Turn], float | None]
) -> dict[int, float]:
    mine = (t for t in turns if t.scenario == scenario.name and t.system == system)
    return {t.round: found for t in mine if (found := value(t)) is not None}


def cpu(turns: list[Turn], scenario: Scenario, system: str) -> dict[int, float]:
    return _by_round(turns, scenario, system, lambda t: cpu_per_unit(t, scenario))


def ratio(turns: list[Turn], scenario: Scenario, peer: str) -> Spread | None:
    """Peer's CPU per unit divided by the gateway's, paired by round."""
    ours, theirs = cpu(turns, scenario, SUBJECT), cpu(turns, scenario, peer)
    return Spread.of(theirs[n] / ours[n] for n in ours.keys() & theirs.keys())


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _middle(values: dict[int, float]) -> str:
    return f"{median(values.values()):.3g}" if values else "none"


def cpu_table(turns: list[Turn], scenarios: list[Scenario], peers: list[str]) -> str:
    """Per scenario: CPU of each system, and each peer's ratio to the gateway."""
    rows = []
    for s in scenarios:
        cells = [_middle(cpu(turns, s, name)) for name in [SUBJECT, *peers]]
        ratios = [str(ratio(turns, s, peer) or "none") for peer in peers]
        rows.append([f"{s.title}, CPU per {s.unit}", *ratios, *cells])
    head = ["load", *(f"{p} ÷ {SUBJECT}" for p in peers), *(f"{n}, ms" for n in [SUBJECT, *peers])]
    return _table(head, rows)


_LATENCIES: dict[str, Callable[[Turn], float | None]] = {
    "requests/s": lambda t: t.requests / t.wall_seconds,
    "p50": lambda t: t.p50,
    "p99": lambda t: t.p99,
    "first event": lambda t: t.first_event_p50,
    "delay p50": lambda t: t.delay_p50,
    "delay p99": lambda t: t.delay_p99,
}


def latency_table(turns: list[Turn], scenarios: list[Scenario], names: list[str]) -> str:
    """Per scenario and system: requests per second, latency, and the delay of stream events."""
    rows = []
    for s in scenarios:
        for name in names:
            values = [_middle(_by_round(turns, s, name, value)) for value in _LATENCIES.values()]
            rows.append([s.name, name, *values])
    return _table(["load", "system", *_LATENCIES], rows)


def memory_table(memories: dict[str, Memory]) -> str:
    rows = [
        [name, f"{m.web_rss:.0f}", f"{m.web_pss:.0f}", f"{m.tree_pss:.0f}", str(m.processes)]
        for name, m in memories.items()
    ]
    head = ["system", "web process RSS, MiB", "its PSS", "PSS of its tree", "processes"]
    return _table(head, rows)


def checks(
    turns: list[Turn], scenarios: list[Scenario], memories: dict[str, Memory]
) -> list[Check]:
    """The issue's numbers, each met, missed or not measured."""
    found = []
    for s in (s for s in scenarios if s.plan.rate is None):
        spread = ratio(turns, s, "litellm")
        found.append(
            Check(
                f"LiteLLM ÷ {SUBJECT}, CPU per {s.unit}, {s.title}",
                str(spread or "not measured"),
                f"≥ {LITELLM_RATIO:g}",
                spread.middle >= LITELLM_RATIO if spread else None,
            )
        )
    memory = memories.get(SUBJECT)
    found.append(
        Check(
            "memory per web process",
            f"{memory.web_rss:.0f} MiB" if memory else "not measured",
            f"≤ {MEMORY_LIMIT_MIB:g} MiB",
            memory.web_rss <= MEMORY_LIMIT_MIB if memory else None,
        )
    )
    return found


def checks_table(found: list[Check]) -> str:
    words = {True: "met", False: "MISSED", None: "NOT MEASURED"}
    rows = [[c.name, c.found, c.wanted, words[c.met]] for c in found]
    return _table(["number", "found", "wanted", ""], rows)


def added_text(turns: list[Turn], scenarios: list[Scenario], names: list[str]) -> str:
    """What a system adds to the upstream's own time, paired by round."""
    lines = []
    for s in (s for s in scenarios if s.plan.rate or s.name == "S-paced"):
        what = "first event" if s.plan.streamed else "p50"
        value = _LATENCIES[what]
        alone = _by_round(turns, s, "upstream", value)
        for name in names:
            there = _by_round(turns, s, name, value)
            spread = Spread.of(there[n] - alone[n] for n in there.keys() & alone.keys())
            lines.append(f"- {name} adds {spread or 'an unknown time'} ms to the {what}, {s.title}")
    return "\n".join(lines)


def capacity_text(turns: list[Turn], names: list[str]) -> str:
    """Proof that neither the mock upstream nor the load generator was what was measured."""
    gateways = [t for t in turns if t.system in names and t.wall_seconds]
    share = max((t.upstream_cpu / t.wall_seconds for t in gateways), default=0.0)
    load = max((t.load_cpu / t.wall_seconds for t in gateways), default=0.0)
    fastest = max((t.requests / t.wall_seconds for t in gateways), default=0.0)
    alone = [t.requests / t.wall_seconds for t in turns if t.system == "upstream"]
    return (
        f"- under {' and '.join(names)} the mock upstream used at most {share:.0%} of a core, the "
        f"load generator {load:.0%}; without a gateway they do {max(alone, default=0):,.0f} "
        f"requests/s, the fastest gateway did {fastest:,.0f}"
    )


def noise_text(turns: list[Turn], calibrations: list[float], rounds: int) -> str:
    """How quiet the machine was, and what went wrong."""
    disturbed = [t for t in turns if "disturbed" in t.flags]
    hit = len({t.round for t in disturbed})
    errors = {
        f"{t.system} {t.scenario}: {e}, {n} times" for t in turns for e, n in t.errors.items()
    }
    return "\n".join(
        [
            f"- other processes used > 25 % of the cores in {len(disturbed)} of {len(turns)} turns "
            f"({hit} of {rounds} rounds)",
            f"- calibration loop: {Spread.of(calibrations)} ms",
            f"- errors: {'; '.join(sorted(errors)) or 'none'}",
        ]
    )
