"""One probe: a request of a set, put to one endpoint as the gateway would put a caller's.

Owns what a probe borrows of the gateway (its request, its attempt, its client, its judge, its
recorder), so that a provider sees no difference between the two. It claims nothing and knows no
database. The rules others rely on: a probe goes to the endpoint named and nowhere else, once; the
fact of it is marked as a benchmark's and belongs to no account, so no score, vote, figure of
service or bill has it; whatever breaks on our side is `gateway_error`, never the provider's.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec

from providers.errors import ProviderError
from routing.errors import ApiError
from routing.gateway.admission import Admission, EndpointSpec, admit
from routing.gateway.attempt import Attempt
from routing.gateway.bill import most_of
from routing.gateway.chat_request import ChatRequest, parse_chat
from routing.gateway.filters import screen
from routing.gateway.generation import Attribution, Generation
from routing.gateway.keys import Caller
from routing.gateway.plan import Candidate
from routing.gateway.runtime import Gateway
from routing.gateway.selection import Choice
from routing.gateway.slugs import parse_model
from routing.gateway.snapshot import Snapshot
from routing.gateway.upstream_body import dumps
from routing.limits import Limits
from telemetry.benchmarks.errors import Unreadable
from telemetry.judge.rules import Judgement
from telemetry.recorder import AttemptFact
from telemetry.verifier.request_set import Requests, SetRequest

logger = logging.getLogger(__name__)

NOBODY = 0  # the account of probes: none has this number
_VERIFIER = Caller(
    account_id=NOBODY,
    api_key_id=NOBODY,
    label="verifier",
    digest="",
    requests_per_minute=0,
    max_in_flight=0,
    expires_at=None,
)
# The judge answers every job, also those it was killed over; this is for a judge that does not.
_JUDGE_S = 30.0


class JudgeDown(Exception):
    """The judge does not start: whatever was asked now could not be judged."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One endpoint of a model and the admission to ask it, and no other."""

    admission: Admission
    endpoint: EndpointSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """How a probe ended: its fact, and the judgement on its reply if there was one."""

    fact: AttemptFact
    judgement: Judgement | None


def pin(snapshot: Snapshot, model: str, endpoint_id: int) -> Pinned | None:
    """Return the way to one endpoint of a model, None if it is not in service."""
    spec = snapshot.models.get(model)
    if spec is None:
        return None
    admission = admit(spec, parse_model(model))
    found = [endpoint for endpoint in admission.endpoints if endpoint.id == endpoint_id]
    return Pinned(replace(admission, endpoints=tuple(found)), found[0]) if found else None


def problem_of(snapshot: Snapshot, provider: str) -> str:
    """Return why nobody can be asked at a provider that is on, as operators read it, or ""."""
    told = f"{provider} is left out: "
    return next((one for one in snapshot.problems if one.startswith(told)), "")


def chat_of(request: SetRequest, model: str, limits: Limits, *, streamed: bool) -> ChatRequest:
    """Return a set's request as the gateway reads it from a caller. Raises ApiError."""
    return parse_chat(dumps(request.body | {"model": model, "stream": streamed}), limits)


def check_set(requests: Requests, limits: Limits) -> None:
    """Refuse a set with a request that the gateway would refuse. Raises Unreadable."""
    for request in requests.requests:
        try:
            chat_of(request, "some/model", limits, streamed=False)
        except ApiError as error:
            place = f"request {request.number}"
            cure = "Every request must be one that this gateway takes."
            raise Unreadable(requests.name, place, error.message.rstrip("."), cure) from None


def refusal(pinned: Pinned, chat: ChatRequest) -> str:
    """Return why this request says nothing of the endpoint, or "".

    Either the router would never send it there, or it would not send all of it: who is not told
    of a `tool_choice` cannot comply with it.
    """
    supported = pinned.endpoint.supported_parameters
    if chat.tool_choice not in ("", "auto") and "tool_choice" not in supported:
        return "tool_choice"
    excluded = screen(pinned.admission, chat.needs, chat.wishes).excluded
    return next((reason for endpoint, reason in excluded if endpoint is pinned.endpoint), "")


def most(pinned: Pinned, chat: ChatRequest, limits: Limits) -> int:
    """Return what the probe may cost at most, in picodollars."""
    endpoint, tokens = pinned.endpoint, chat.needs.completion_tokens
    if tokens is None:
        tokens = min(limits.reserve_tokens, endpoint.max_completion_tokens or limits.reserve_tokens)
    return most_of(endpoint.prices, chat.needs.prompt_tokens, tokens)


class Line:
    """What probes are sent with: a gateway that serves nobody. Belongs to one event loop."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @classmethod
    @asynccontextmanager
    async def open(cls, limits: Limits) -> AsyncIterator["Line"]:
        """Have client, judge and recorder ready. Raises JudgeDown."""
        patience = min(limits.verify_answer_s, limits.answer_s)
        gateway = Gateway(replace(limits, answer_s=patience, stream_s=patience))
        try:
            await gateway.judge.start()
            if gateway.judge.pid is None:
                raise JudgeDown
            yield cls(gateway)
        finally:
            await gateway.client.close()
            await gateway.judge.stop(drain_s=2.0)
            gateway.spool.close()

    async def ask(self, pinned: Pinned, chat: ChatRequest, generation_id: str) -> Asked:
        """Send the request to the endpoint, once, and return how that ended."""
        generation = Generation(generation_id, self._gateway, _VERIFIER, chat, Attribution())
        attempt = Attempt(generation, Candidate(pinned.admission, Choice(pinned.endpoint, 1.0)), 1)
        generation.attempts.append(attempt)
        try:
            await self._read(generation, attempt)
            generation.bill()
        except ProviderError:
            pass  # the attempt has noted which
        except Exception as error:  # noqa: BLE001  # a bug of ours must not look like the provider's
            logger.error("a probe broke on our side: %s", type(error).__name__)
            attempt.outcome = "gateway_error"
        finally:
            await attempt.close()
        return await self._recorded(generation, attempt)

    async def _read(self, generation: Generation, attempt: Attempt) -> None:
        if not generation.request.stream:
            await attempt.answer(generation.deadline)
            return
        await attempt.open_stream(generation.deadline)
        try:
            while not attempt.done:
                patience = min(self._gateway.limits.idle_s, max(0.0, generation.time_left()))
                async with asyncio.timeout(patience):
                    await attempt.more()
        except TimeoutError:
            raise attempt.stalled() from None
        attempt.finish_stream()

    async def _recorded(self, generation: Generation, attempt: Attempt) -> Asked:
        """Put fact and verdict into the spool, and wait for the latter."""
        fact = as_benchmark(attempt.fact())
        self._gateway.recorder.attempt(fact)
        exchange = attempt.exchange_to_judge()
        if exchange is None:
            return Asked(fact, None)
        awaited = self._gateway.ask_judge((generation.id, attempt.ordinal), exchange, NOBODY)
        awaited.settle()
        return Asked(fact, await awaited.wait(_JUDGE_S))


def as_benchmark(fact: AttemptFact) -> AttemptFact:
    """Return a fact as a probe's: nobody's traffic, and not the router's choice."""
    return msgspec.structs.replace(
        fact, benchmark=True, pinned=True, router_assigned=False, probability=None
    )
