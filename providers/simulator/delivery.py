"""What the actors of delivery faults share: the answer, and where to cut into it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from providers.simulator import programs
from providers.simulator.bodies import Speech
from providers.simulator.programs import EVENTS, JSON, Program, Send, Step


@dataclass(frozen=True)
class Delivery:
    speech: Speech
    value: float

    @property
    def stream(self) -> bool:
        return self.speech.request.stream

    @property
    def content_type(self) -> str:
        return EVENTS if self.stream else JSON

    def counted(self) -> Program:
        """Return the healthy program with steps in which tokens can be counted."""
        program = programs.healthy(self.speech)
        return program if self.stream else replace(program, steps=_slices(program.steps))

    def all_bytes(self) -> bytes:
        steps = programs.healthy(self.speech).steps
        return b"".join(step.data for step in steps if isinstance(step, Send))


def until(delivery: Delivery, tokens: float, *last: Step) -> Program:
    """Send the answer up to this many tokens, but never the last one, then these steps instead."""
    program = delivery.counted()
    steps = list(program.steps)
    available = sum(step.tokens for step in steps if isinstance(step, Send))
    return replace(program, steps=chain(_first_tokens(steps, min(tokens, available - 1)), last))


def inserting(delivery: Delivery, tokens: float, *steps: Step) -> Program:
    """Send the answer with these steps after so many tokens."""
    program = delivery.counted()
    rest = iter(program.steps)
    return replace(program, steps=chain(_first_tokens(rest, tokens), steps, rest))


def _first_tokens(steps: Iterable[Step], tokens: float) -> Iterator[Step]:
    """Yield steps until so many tokens are sent; at the latest, all."""
    sent = 0
    if tokens < 1:
        return
    for step in steps:
        yield step
        sent += step.tokens if isinstance(step, Send) else 0
        if sent >= tokens:
            return


def _slices(steps: Iterable[Step]) -> Iterator[Step]:
    """Cut a whole body into slices of a token each."""
    for step in steps:
        if isinstance(step, Send):
            for start in range(0, len(step.data), 4):
                yield Send(step.data[start : start + 4], tokens=1)
        else:
            yield step


def chain(*parts: Iterable[Step]) -> Iterator[Step]:
    for part in parts:
        yield from part
