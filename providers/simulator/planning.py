"""From a request to the program that answers it: faults chosen, reply made, spoiled, delivered.

Pure, given the random numbers and the time. A message's directives beat the fleet's probabilities.
"""

from dataclasses import dataclass, replace
from random import Random

from providers.simulator import bodies, misdelivery, programs, replies, spoiling
from providers.simulator.asked import ChatRequest
from providers.simulator.faults import Injected, Stage, parse
from providers.simulator.fleet import SimulatedEndpoint
from providers.simulator.programs import Program

PLAIN_ERRORS = ("http_500", "http_502", "http_503")


@dataclass(frozen=True)
class Plan:
    program: Program
    faults: tuple[Injected, ...]


def plan(
    request: ChatRequest,
    endpoint: SimulatedEndpoint,
    rng: Random,
    *,
    created: int,
    received_key: str = "",
) -> Plan:
    """Return what to do, and the faults that were chosen for it.

    created: Unix seconds, for the reply. received_key: what a 401 echoes.
    """
    forced = request.directives.faults
    chosen = drawn_faults(endpoint, rng) if forced is None else forced
    delay = time_to_first_token(endpoint, rng) + request.directives.delay_seconds
    program = _program(request, endpoint, rng, chosen, created, received_key)
    return Plan(replace(program, delay=program.delay + delay), chosen)


def drawn_faults(endpoint: SimulatedEndpoint, rng: Random) -> tuple[Injected, ...]:
    """Draw at most one fault; each has exactly its probability."""
    lot = rng.random()
    for injected, probability in endpoint.faults:
        if lot < probability:
            return (injected,)
        lot -= probability
    return (parse(rng.choice(PLAIN_ERRORS)),) if lot < endpoint.error_rate else ()


def time_to_first_token(endpoint: SimulatedEndpoint, rng: Random) -> float:
    """Draw seconds from a log-normal distribution around the endpoint's median."""
    factor = rng.lognormvariate(0, endpoint.ttft_spread) if endpoint.ttft_spread else 1.0
    return endpoint.ttft_median_ms / 1000 * factor


def _program(
    request: ChatRequest,
    endpoint: SimulatedEndpoint,
    rng: Random,
    chosen: tuple[Injected, ...],
    created: int,
    received_key: str,
) -> Program:
    for injected in chosen:
        if injected.fault.stage is Stage.STATUS:
            return programs.refusal(injected, received_key)
    forced_call = request.directives.faults is not None and any(
        injected.fault.needs_call for injected in chosen
    )
    reply = replies.answer(request, endpoint, rng, must_call=forced_call)
    for injected in chosen:
        if injected.fault.stage is Stage.ANSWER:
            reply = spoiling.spoil(injected.name, reply, request, rng)
    speech = bodies.Speech(request, endpoint, reply, created)
    for injected in chosen:
        if injected.fault.stage is Stage.DELIVERY:
            return misdelivery.misdeliver(injected, speech)
    return programs.healthy(speech)
