"""The scenarios, the warm-up, and the interleaved rounds in which every system gets the same load.

Within a round the systems take turns scenario by scenario, in an order drawn anew each round, so
that a slow minute of the machine falls on all of them. Only ratios within a round are formed.
"""

import random
from dataclasses import dataclass, replace

from bench.load import Outcome, Plan, encode_request, run_load
from bench.measure import Turn, calibrate, measure_turn
from bench.systems import System, Upstream
from bench.traffic import EVENTS_PER_STREAM, request_body


@dataclass(frozen=True)
class Scenario:
    """One kind of load; `kind` selects the mock upstream's behaviour by the model's name."""

    name: str
    title: str
    kind: str
    plan: Plan
    agentic: bool = False

    @property
    def units(self) -> float:
        """Units per request: CPU is given per request, or per 1,000 events of a stream."""
        return EVENTS_PER_STREAM / 1000 if self.plan.streamed else 1.0

    @property
    def unit(self) -> str:
        return "1,000 chunks" if self.plan.streamed else "request"

    def request_for(self, system: System) -> bytes:
        model = system.model.format(kind=self.kind)
        body = request_body(model, stream=self.plan.streamed, agentic=self.agentic)
        return encode_request(system.path, body, system.key)


def _streams(seconds: float, connections: int = 16) -> Plan:
    return Plan(seconds, connections, max_requests=1_500, streamed=True)


SCENARIOS = (
    Scenario("J-1", "3 KB request, 1 at a time", "json", Plan(2, 1, 10_000)),
    Scenario("J-32", "3 KB request, 32 at a time", "json", Plan(3, 32, 10_000)),
    Scenario("J-64", "3 KB request, 64 at a time", "json", Plan(3, 64, 10_000)),
    Scenario("JB-16", "60 KB request, 16 at a time", "json", Plan(3, 16, 5_000), agentic=True),
    Scenario("S-burst", "burst stream, 16 at a time", "burst", _streams(3)),
    Scenario("S-paced-4", "4 streams of 50 events/s", "paced", _streams(4, 4)),
    Scenario("S-paced", "16 streams of 50 events/s", "paced", _streams(4)),
    Scenario(
        "open", "20 requests/s, open loop, upstream takes 20 ms", "slow", Plan(4, 16, rate=20)
    ),
)
WARM_UP = {"json": Plan(60, 16, 400), "burst": _streams(2), "paced": _streams(1)}


async def warm_up(system: System) -> dict[str, int]:
    """At least 400 requests and some streams; returns the errors seen, by kind."""
    errors: dict[str, int] = {}
    for kind, plan in WARM_UP.items():
        scenario = next(s for s in SCENARIOS if s.kind == kind)
        outcome: Outcome = await run_load(system.port, scenario.request_for(system), plan)
        errors |= outcome.errors
    return errors


def shortened(scenario: Scenario) -> Scenario:
    return replace(scenario, plan=replace(scenario.plan, seconds=scenario.plan.seconds / 2))


async def run_rounds(
    systems: list[System], upstream: Upstream, scenarios: list[Scenario], rounds: int
) -> tuple[list[Turn], list[float]]:
    """All turns, and the calibration loop's time at the start of each round."""
    turns, calibrations = [], []
    for number in range(1, rounds + 1):
        calibrations.append(calibrate())
        order = random.Random(number).sample(systems, len(systems))
        for scenario in scenarios:
            for system in order:
                where = (scenario.name, number, system.name)
                target = (system.port, system.root, upstream.pid)
                request = scenario.request_for(system)
                turns.append(await measure_turn(where, target, request, scenario.plan))
        flagged = [
            f"{t.system} {t.scenario} {t.flags}"
            for t in turns[-len(scenarios) * len(systems) :]
            if t.flags
        ]
        print(
            f"round {number}/{rounds}, calibration {calibrations[-1]:.1f} ms",
            *flagged,
            sep="\n  ",
            flush=True,
        )
    return turns, calibrations
