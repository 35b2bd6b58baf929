"""One client request from plan to facts: the attempts, failover, and what is remembered.

Owns the attempt loop (at most ATTEMPTS, each endpoint once, retry budget, deadline), the place of
the quality gate in it, and that all is recorded at the end. It shapes no answer and knows no HTTP.
The rules others rely on: failover happens only until the first content (with the gate, until a
whole reply has passed); every attempt is framed into the spool by the time its generation ends,
and `finish` runs exactly once, before the caller is told that it is over. What the gate keeps
back is on no caller's bill: a generation costs what its one handed-over reply costs.
"""

import asyncio
import logging
import os
import string
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from providers.chat import Chunk, Reply
from providers.errors import ProviderError
from routing.errors import ApiError, without_frames
from routing.gateway.attempt import Attempt
from routing.gateway.bill import Bill, bill_of, most_of
from routing.gateway.extras import NO_EXTRAS, json_kind
from routing.gateway.failure import Failure, all_failed, own_credential_refused
from routing.gateway.generation_fact import fact_of
from routing.gateway.keys import Caller
from routing.gateway.ledger import Amount, Hold
from routing.gateway.model_request import ModelRequest
from routing.gateway.plan import NOT_STICKY, Candidate, NothingToTry, Plan, make_plan
from routing.gateway.quality_gate import badness, is_bad
from routing.gateway.sessions import session_seed
from routing.gateway.shapes.chat import without_reasoning
from telemetry.recorder import AttemptFact

if TYPE_CHECKING:
    from routing.gateway.runtime import Gateway

logger = logging.getLogger(__name__)

# The character for each value of a random byte; that some come a little oftener harms nothing.
_CHARACTERS = (5 * (string.digits + string.ascii_letters))[:256].encode()
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the caller's headers say of the application behind it."""

    app_title: str = ""
    http_referer: str = ""
    user_agent: str = ""
    app_categories: str = ""


class _NoRetry(Exception):
    """The retry budget is spent."""


class Generation:
    """All that is done for one client request."""

    def __init__(
        self,
        generation_id: str,
        gateway: "Gateway",
        caller: Caller,
        request: ModelRequest,
        attribution: Attribution,
    ) -> None:
        self.id = generation_id
        self.gateway = gateway
        self.caller = caller
        self.request = request.of_account(caller.wishes)
        self.created_at = time.time()
        self.attempts: list[Attempt] = []
        self.plan: Plan | None = None
        self.attribution = attribution
        self.started = time.monotonic()
        limits = gateway.limits
        self.deadline = self.started + (limits.stream_s if request.stream else limits.answer_s)
        self._finished = False
        self.quality_gate = ""
        # Replies that did not pass the gate, with what would be handed over.
        self._held: list[tuple[Attempt, Any]] = []
        self._handed_over: Attempt | None = None
        # Whether the answer's text was made JSON; None: nobody asked for it.
        self.healed: bool | None = None
        self._hold: Hold | None = None

    @property
    def service_tier(self) -> str | None:
        """The tier that served, if one was asked for or it is not the usual one."""
        tier = self.attempt.candidate.endpoint.tier if self.attempts else ""
        asked = self.request.body.get("service_tier") is not None
        return tier or ("default" if asked and self.attempts else None)

    @property
    def attempt(self) -> Attempt:
        """The attempt whose reply is handed over; until that is settled, the latest."""
        return self._handed_over or self.attempts[-1]

    # Attempts ------------------------------------------------------------------------------

    async def answer(self) -> dict[str, Any]:
        """Return the upstream body of the first attempt that succeeds. Raises ApiError.

        It is as the provider sent it but for what the caller wanted otherwise; the attempt's
        `reply`, which is judged and billed, was read before that.
        """
        body = await self._first_success(lambda attempt: attempt.answer(self.deadline))
        if self.request.extras is not NO_EXTRAS:
            await self._finish_message(body["choices"][0])
        return body

    async def _finish_message(self, choice: dict[str, Any]) -> None:
        extras = self.request.extras
        if extras.hide_reasoning:
            choice["message"] = without_reasoning(choice["message"])
        if extras.heal:
            text = choice["message"].get("content")
            kind = json_kind(self.request.body)
            mended = await self.gateway.healer.heal(text, kind) if isinstance(text, str) else None
            self.healed = mended is not None
            if mended is not None:
                choice["message"] = {**choice["message"], "content": mended}

    async def open_stream(self) -> list[Chunk]:
        """Return the first chunks of the first stream with content. Raises ApiError."""
        if self.request.gated:
            return await self._first_success(self._whole_stream)
        return await self._first_success(lambda attempt: attempt.open_stream(self.deadline))

    async def _first_success(self, ask: Callable[[Attempt], Awaitable[_T]]) -> _T:
        self.plan = self._make_plan()
        allowance = self.gateway.allowance
        if allowance.concerns(self.caller):
            self._hold = await allowance.take(self.caller, self._most(self.plan), self.created_at)
        failures: list[Failure] = []
        refused: set[str] = set()  # models: another one may take what they do not
        for candidate in self.plan.candidates:
            if candidate.endpoint.model_slug in refused or not self._may_try(candidate):
                continue
            try:
                with self._retry_place(candidate):
                    result = await self._try(candidate, ask)
                    if not self.request.gated or await self._passes(self.attempts[-1]):
                        return result
                    self._held.append((self.attempts[-1], result))
            except _NoRetry:
                break
            except ProviderError as error:
                failures.append((candidate.endpoint, without_frames(error)))
                if not error.retryable:
                    refused.add(candidate.endpoint.model_slug)
        if self._held:
            least_bad: _T = self._least_bad()
            return least_bad
        raise self._why_none(failures)

    def _why_none(self, failures: list[Failure]) -> ApiError:
        if not failures:
            return self._switched_off()
        if own := own_credential_refused(self.attempts):
            return own
        late = self.time_left() <= 0
        return all_failed(failures, self.request, self.gateway.limits, late=late)

    def _make_plan(self) -> Plan:
        try:
            plan = plan_for(self.gateway, self.caller, self.request)
        except NothingToTry as refusal:
            self.plan = refusal.plan
            raise
        model = plan.candidates[0].endpoint.model_slug
        self.gateway.retries.admitted(model, time.monotonic())
        return plan

    def _most(self, plan: Plan) -> Amount:
        """Return what the request may cost at most, wherever it may end up."""
        needs, limits = self.request.needs, self.gateway.limits
        asked, own = [0], [0]
        for candidate in plan.candidates:
            endpoint = candidate.endpoint
            tokens = needs.completion_tokens
            if tokens is None:
                most = endpoint.max_completion_tokens
                tokens = min(limits.reserve_tokens, most or limits.reserve_tokens)
            bounds = asked if candidate.own is None else own
            bounds.append(most_of(endpoint.prices, self.request.prompt_tokens, tokens))
        return Amount(max(asked), max(own))

    def _may_try(self, candidate: Candidate) -> bool:
        limits, tried = self.gateway.limits, len(self.attempts)
        if tried >= limits.attempts or (tried and self.time_left() < limits.min_attempt_s):
            return False
        # The switch of an endpoint works on requests that were admitted before it, too.
        return candidate.endpoint.id in self.gateway.snapshot.enabled

    async def _try(self, candidate: Candidate, ask: Callable[[Attempt], Awaitable[_T]]) -> _T:
        attempt = Attempt(self, candidate, len(self.attempts) + 1)
        self.attempts.append(attempt)
        self.gateway.health.started(candidate.endpoint.id, time.monotonic())
        try:
            return await ask(attempt)
        except ProviderError as error:
            if error.outcome != "client_error":
                self._forget_endpoint(attempt)
            if error.outcome == "auth" and not attempt.own:
                endpoint = candidate.endpoint
                logger.warning(
                    "%s refuses our credential (%s of %s)",
                    endpoint.provider_slug, endpoint.tag, endpoint.model_slug,
                )  # fmt: skip
            await self._record(attempt)
            raise

    @contextmanager
    def _retry_place(self, candidate: Candidate) -> Iterator[None]:
        """Hold a place in the retry budget, which a first attempt does not need."""
        if not self.attempts:
            yield
            return
        retries, model = self.gateway.retries, candidate.endpoint.model_slug
        if not retries.start_retry(model):
            raise _NoRetry
        try:
            yield
        finally:
            retries.end_retry(model)

    # The quality gate ----------------------------------------------------------------------

    async def _whole_stream(self, attempt: Attempt) -> list[Chunk]:
        """Return all chunks of a stream, read to its end. Raises ProviderError.

        A stream beyond GATE_BYTES is returned as far as it came, without a reply to judge.
        """
        limits, loop = self.gateway.limits, asyncio.get_running_loop()
        chunks = await attempt.open_stream(self.deadline)
        size = sum(map(_size, chunks))
        try:
            while not attempt.done and size <= limits.gate_bytes:
                patience = min(limits.idle_s, max(0.0, self.time_left()))
                async with asyncio.timeout_at(loop.time() + patience):
                    more = await attempt.more()
                size += sum(map(_size, more))
                chunks += more
            if attempt.done:
                attempt.finish_stream()
        except TimeoutError:
            attempt.salvage()
            raise attempt.stalled() from None
        except ProviderError:
            attempt.salvage()
            raise
        return chunks

    async def _passes(self, attempt: Attempt) -> bool:
        """Say whether a reply may be handed over: judged good, or not to be judged in time."""
        if attempt.reply is None:
            self.quality_gate = "unjudged"
            return True
        await attempt.close()
        self.bill()
        exchange = attempt.exchange_to_judge()
        assert exchange is not None  # noqa: S101  # gated requests offer tools, and there is a reply
        key = (self.id, attempt.ordinal)
        attempt.awaited = self.gateway.ask_judge(key, exchange, self.caller.account_id)
        judgement = await attempt.awaited.wait(self.gateway.limits.gate_s)
        if judgement is None or (judgement.verdict == "unjudged" and not is_bad(judgement)):
            self.quality_gate = "unjudged"
            return True
        if is_bad(judgement):
            return False
        self.quality_gate = "retried" if self._held else "passed"
        return True

    def _least_bad(self) -> Any:
        """Return the least bad of the replies that did not pass; of equals, the last."""
        self.quality_gate = "exhausted"
        self._handed_over, result = min(reversed(self._held), key=_badness)
        return result

    def time_left(self) -> float:
        return self.deadline - time.monotonic()

    def _switched_off(self) -> ApiError:
        return ApiError(
            404,
            f"No endpoints found for {self.request.refs[0].requested}: all are switched off.",
            availability={
                "code": "no_endpoints",
                "retryable": False,
                "requested_models": [ref.requested for ref in self.request.refs],
                "excluded_by": ["allowed_providers"],
            },
        )

    # The end -------------------------------------------------------------------------------

    def bill(self) -> Bill:
        """Compute what the latest attempt's reply costs, and note that it succeeded."""
        attempt = self.attempt
        assert attempt.reply is not None  # noqa: S101  # only a finished reply is billed
        bill = self._bill_of(attempt, attempt.reply)
        attempt.succeed(bill)
        return bill

    def bill_sent(self) -> None:
        """Bill what a caller was sent of a stream before leaving it, or leaving early were free."""
        attempt = self.attempt
        if attempt.bill is None:
            attempt.bill = self._bill_of(attempt, attempt.salvage())

    def _bill_of(self, attempt: Attempt, reply: Reply) -> Bill:
        prices = attempt.candidate.endpoint.prices
        return bill_of(prices, reply, self.request.prompt_tokens, own=attempt.own)

    async def finish(self, status: int, error_type: str = "", *, cancelled: bool = False) -> None:
        """Record the generation and its last attempt; hand the tool calls to the judge.

        Called once, on every way out, before the caller is told that the answer is over.
        """
        if self._finished:
            return
        self._finished = True
        last = self.attempt if self.attempts else None
        for attempt in self.attempts:
            if attempt is not last and not attempt.recorded:
                attempt.withheld = True
                await self._record(attempt)
        if last is None or last.recorded:
            # An attempt that failed before its first content was recorded by the loop.
            self._record_all(status, error_type, cancelled, last.fact() if last else None)
            return
        if cancelled and last.outcome != "ok":
            last.outcome = "client_cancelled"
        await last.close()
        last.note_health()
        last.recorded = True
        self._remember_endpoint(last)
        fact = last.fact()
        self._record_all(status, error_type, cancelled, fact, fact)
        self._judge(last)

    def _remember_endpoint(self, last: Attempt) -> None:
        """Note of a session which endpoint served it, or that one failed it."""
        session, endpoint = self.request.extras.session, last.candidate.endpoint
        if not session:
            return
        if last.outcome == "ok":
            self.gateway.sessions.keep(
                self.caller.account_id, session, endpoint.model_slug, endpoint.id
            )
        elif last.error is not None and last.error.outcome != "client_error":
            self._forget_endpoint(last)

    def _forget_endpoint(self, failed: Attempt) -> None:
        if session := self.request.extras.session:
            endpoint = failed.candidate.endpoint
            self.gateway.sessions.forget(
                self.caller.account_id, session, endpoint.model_slug, endpoint.id
            )

    def _record_all(
        self,
        status: int,
        error_type: str,
        cancelled: bool,
        about: AttemptFact | None,
        last_attempt: AttemptFact | None = None,
    ) -> None:
        """Record the generation, and settle what was reserved for it."""
        fact = fact_of(self, about, status=status, error_type=error_type, cancelled=cancelled)
        stored = self.gateway.recorder.generation(fact, last_attempt)
        if self._hold is not None:
            own = (fact.upstream_cost_pico or 0) if fact.own_credential else 0
            cost = Amount(fact.cost_pico or 0, own)
            self.gateway.allowance.settle(self.caller, self._hold, self.id, cost, stored=stored)

    async def _record(self, attempt: Attempt) -> None:
        """Record an attempt that is not the one handed over."""
        await attempt.close()
        attempt.note_health()
        self.gateway.recorder.attempt(attempt.fact())
        attempt.recorded = True
        self._judge(attempt)

    def _judge(self, attempt: Attempt) -> None:
        if attempt.awaited is not None:
            attempt.awaited.settle()
            return
        exchange = attempt.exchange_to_judge()
        if exchange is not None:
            key = (self.id, attempt.ordinal)
            self.gateway.judge.submit(key, exchange, owner=self.caller.account_id)


def _size(chunk: Chunk) -> int:
    return len(orjson.dumps(chunk))


def _badness(held: tuple[Attempt, Any]) -> int:
    awaited = held[0].awaited
    assert awaited is not None  # noqa: S101  # only what was judged is held
    assert awaited.judgement is not None  # noqa: S101  # likewise
    return badness(awaited.judgement)


def plan_for(gateway: "Gateway", caller: Caller, request: ModelRequest) -> Plan:
    """Plan a request as of now; with a fresh seed, or its session's. Raises as `make_plan` does."""
    session, account = request.extras.session, caller.account_id
    sticky = NOT_STICKY
    if session:
        found = {
            ref.slug: gateway.sessions.endpoint(account, session, ref.slug) for ref in request.refs
        }
        sticky = {slug: endpoint_id for slug, endpoint_id in found.items() if endpoint_id}
    return make_plan(
        gateway.snapshot,
        request,
        gateway.health,
        session_seed(account, session) if session else gateway.rng.getrandbits(63),
        time.monotonic(),
        auto_exacto=caller.wishes.auto_exacto or gateway.auto_exacto,
        sticky=sticky,
        own=gateway.holdings(account).credentials,
    )


def new_id() -> str:
    """Return `gen-`, the time in seconds, and 20 random base-62 characters."""
    return f"gen-{int(time.time())}-{os.urandom(20).translate(_CHARACTERS).decode()}"
