"""A benchmark run of the demo: what K2 Vendor Verifier would have written of the simulated fleet.

Owns the drawing of those rows, from a seed and the manners that the fleet file gives each provider,
and hands them to the importer as any other file. It is never part of a deployment.
"""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any, Final

import orjson

from providers.models import Endpoint
from providers.simulator import fleet
from providers.simulator.faults import Injected, Stage
from providers.simulator.fleet import SimulatedEndpoint
from telemetry.benchmarks.bundle import open_bundle
from telemetry.benchmarks.importing import Order, import_run

MODEL: Final = "moonshotai/kimi-k2-0905"
REQUESTS: Final = 200
# How replies end that were to call a tool and show one of these faults instead.
_FINISHES: Final = {
    "leaked_tool_text": "stop",
    "empty_reply": "stop",
    "truncated_arguments": "length",
}


def import_demo_runs(now: datetime) -> None:
    """Import one run per endpoint of MODEL that the demo's fleet simulates."""
    providers = fleet.load(fleet.DEMO_FLEET).providers
    for endpoint in Endpoint.objects.filter(model__slug=MODEL).select_related("provider"):
        provider = providers.get(endpoint.provider.slug)
        if provider and (simulated := provider.endpoints.get(endpoint.upstream_model)):
            content = b"\n".join(map(orjson.dumps, _rows(simulated, endpoint.tag, now)))
            files = open_bundle([("results.jsonl", content)])
            import_run(Order(endpoint, files, now=now, origin="The demo, simulated"))


def _rows(simulated: SimulatedEndpoint, tag: str, now: datetime) -> Iterator[dict[str, Any]]:
    # An endpoint's own seed: the same requests, but not the same luck.
    rng = Random(f"{MODEL} {tag}")
    for index in range(REQUESTS):
        finish, valid = _reply(simulated, rng)
        yield {
            "data_index": index + 1,
            "hash": f"demo request {index + 1}",
            "status": "success" if finish else "failed",
            "finish_reason": finish,
            "tool_calls_valid": valid,
            "last_run_at": now.isoformat(),
        }


def _reply(simulated: SimulatedEndpoint, rng: Random) -> tuple[str | None, bool]:
    """Draw a finish reason (None: the request failed), and whether the calls were sound."""
    fault = _fault(simulated, rng)
    calls = rng.random() < simulated.propensity
    if rng.random() < simulated.error_rate:
        return None, False
    if fault is None:
        return ("tool_calls", True) if calls else ("stop", False)
    if fault.fault.stage is not Stage.ANSWER:
        return None, False
    return (_FINISHES.get(fault.name, "tool_calls") if calls else "stop"), False


def _fault(simulated: SimulatedEndpoint, rng: Random) -> Injected | None:
    drawn = rng.random()
    for injected, probability in simulated.faults:
        drawn -= probability
        if drawn < 0:
            return injected
    return None
