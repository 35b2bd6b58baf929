"""From a request to the program that answers it: faults chosen, reply made, spoiled, delivered.

Pure, given the random numbers and the time. A message's directives beat the fleet's probabilities.
"""

from dataclasses import dataclass, replace
from random import Random

from providers.simulator import misdelivery, programs, replies, spoiling
from providers.simulator.asked import ChatRequest
from providers.simulator.bodies import Speech
from providers.simulator.faults import Injected, Stage, parse
from providers.simulator.fleet import SimulatedEndpoint
from providers.simulator.programs import Program
from providers.simulator.replies import Reply

Faults = tuple[Injected, ...]

PLAIN_ERRORS = ("http_500", "http_502", "http_503")


@dataclass(frozen=True)
class Plan:
    program: Program
    faults: Faults  # those that show in it


def plan(
    request: ChatRequest,
    endpoint: SimulatedEndpoint,
    rng: Random,
    *,
    created: int,
    received_key: str = "",
) -> Plan:
    """Return what to do, and the faults that show in it: a bad call needs a call to be bad.

    created: Unix seconds, for the reply. received_key: what a 401 echoes.
    """
    forced = request.directives.faults
    chosen = drawn_faults(endpoint, rng) if forced is None else forced
    delay = time_to_first_token(endpoint, rng) + request.directives.delay_seconds
    must_call = forced is not None and any(injected.fault.needs_call for injected in chosen)
    refusals = [injected for injected in chosen if injected.fault.stage is Stage.STATUS]
    if refusals:
        program = programs.refusal(refusals[0], received_key)
        return Plan(replace(program, delay=delay), tuple(refusals[:1]))
    healthy = replies.answer(request, endpoint, rng, must_call=must_call)
    reply, spoilers = _spoiled(healthy, chosen, request, rng)
    program, hindrances = _delivered(Speech(request, endpoint, reply, created), chosen)
    return Plan(replace(program, delay=program.delay + delay), spoilers + hindrances)


def drawn_faults(endpoint: SimulatedEndpoint, rng: Random) -> Faults:
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


def _spoiled(
    reply: Reply, chosen: Faults, request: ChatRequest, rng: Random
) -> tuple[Reply, Faults]:
    effective = []
    for injected in chosen:
        if injected.fault.stage is Stage.ANSWER:
            before, reply = reply, spoiling.spoil(injected.name, reply, request, rng)
            effective += [injected] if reply != before else []
    return reply, tuple(effective)


def _delivered(speech: Speech, chosen: Faults) -> tuple[Program, Faults]:
    """Deliver with the first delivery fault that has a meaning here."""
    for injected in chosen:
        streams = speech.request.stream or not injected.fault.stream_only
        if injected.fault.stage is Stage.DELIVERY and streams:
            return misdelivery.misdeliver(injected, speech), (injected,)
    return programs.healthy(speech), ()
