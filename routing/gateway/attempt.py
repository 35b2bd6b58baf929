"""One try at one endpoint: the open connection and all that is recorded of it.

Owns the time-outs of a try, reading its answer, and its `AttemptFact`. It neither chooses the
endpoint nor answers the caller. The rules others rely on: whatever goes wrong upstream comes out
as a `ProviderError` with the outcome already noted; the endpoint was asked for again at its
admission just before dialling; `close` may be called at any time and more than once.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from providers.answers import Taker
from providers.chat import (
    Chunk,
    Reply,
    ReplyAssembler,
    ended,
    error_of,
    has_content,
    loads,
    refused_reply,
    reply_of_body,
)
from providers.client import Target
from providers.errors import (
    ProviderError,
    UpstreamFailedGeneration,
    UpstreamMalformed,
    UpstreamUnavailable,
)
from providers.texts import Text, TextEvents
from providers.thinking import ThoughtfulStream, sorted_body
from routing.gateway.bill import Bill
from routing.gateway.compression import Compression, middle_out
from routing.gateway.plan import Candidate
from routing.gateway.quality_gate import AwaitedVerdict
from routing.gateway.upstream_body import dumps
from telemetry.judge.rules import ToolExchange
from telemetry.recorder import AttemptFact

if TYPE_CHECKING:
    from providers.answers import UpstreamResponse
    from providers.secrets import Secret
    from providers.sse import Event
    from routing.gateway.generation import Generation
    from routing.gateway.model_request import ModelRequest

_DONE = b"[DONE]"
# What is left free for an answer without a limit, where the prompt has to be cut anyway.
_ANSWER_TOKENS = 1_024
# Chunks without content that are kept while waiting for some: a provider may send them for ever.
_MOST_HELD = 1_000


class AdmissionBroken(Exception):
    """An endpoint was about to be dialled that its admission does not allow: our bug."""


class Attempt:
    """The `ordinal`-th try of a generation."""

    def __init__(self, generation: "Generation", candidate: Candidate, ordinal: int) -> None:
        self.candidate = candidate
        self.ordinal = ordinal
        self.outcome = "gateway_error"
        self.error: ProviderError | None = None
        self.reply: Reply | None = None
        self.bill: Bill | None = None
        self.done = False
        self.recorded = False
        # Of the quality gate: whether the reply was kept back, and the verdict it waited for.
        self.withheld = False
        self.awaited: AwaitedVerdict | None = None
        # What is needed of the generation, not itself: the two would hold each other, and with them
        # the bodies, until the garbage collector came.
        self._gateway = generation.gateway
        self._request = generation.request
        self._generation_id = generation.id
        self._account_id = generation.caller.account_id
        self._deadline = generation.deadline
        self._started_at = time.time()
        self._started = time.monotonic()
        self._first_content: float | None = None
        self._ended: float | None = None
        self._http_status: int | None = None
        self._assembler = ReplyAssembler(self._gateway.call_limits)
        self._texts = TextEvents()
        self._thoughts = ThoughtfulStream()
        self._response: UpstreamResponse | None = None
        self._trouble: ProviderError | None = None  # of an event that was offered
        endpoint = candidate.endpoint
        if not candidate.admission.admits(endpoint):
            raise AdmissionBroken(endpoint.tag)
        request = self._request
        # What was done to the prompt to make it fit; None: nothing.
        self.compressed: Compression | None = None
        self._target = _target(candidate)
        body = request.upstream_body(
            endpoint.upstream_model, endpoint.supported_parameters, self._replaced()
        )
        self.echo = body if request.extras.echo else None
        self._exchange = self._gateway.client.open(self._target, body, stream=request.stream)
        self._opened = False
        self._saw_done = False

    @property
    def own(self) -> bool:
        """Whether it is asked with the account's own credential."""
        return self.candidate.own is not None

    def _replaced(self) -> dict[str, Any] | None:
        """Return the fields that this endpoint gets otherwise than they were asked; mostly none."""
        endpoint, request = self.candidate.endpoint, self._request
        replaced: dict[str, Any] = {}
        if request.needs.tokens > endpoint.context_length:
            self.compressed = fit(request, endpoint.context_length)
            replaced["messages"] = self.compressed.messages
        if endpoint.tier:
            replaced["service_tier"] = endpoint.tier
        return replaced or None

    # Reading -------------------------------------------------------------------------------

    async def answer(self, deadline: float) -> dict[str, Any]:
        """Send, and return the whole body of a plain answer. Raises ProviderError."""
        request = self._request
        try:
            async with asyncio.timeout_at(_loop_time(deadline)):
                response = await self._open()
                gateway = self._gateway
                body, self.reply = await request.read_answer(
                    response, gateway.limits, gateway.call_limits
                )
        except TimeoutError:
            raise self._failed(UpstreamUnavailable("timeout_total")) from None
        except ProviderError as error:
            raise self._failed(error) from None
        self._first_content = time.monotonic()
        await self.close()
        return body

    async def open_stream(self, deadline: float) -> list[Chunk]:
        """Send, and return the chunks up to and with the first content. Raises ProviderError.

        What came before the content is held back, so that the next endpoint may still be tried.
        """
        endpoint, limits = self.candidate.endpoint, self._gateway.limits
        patience = self._started + (endpoint.first_token_s or limits.ttft_s)
        try:
            async with asyncio.timeout_at(_loop_time(min(patience, deadline))):
                return await self._until_content()
        except TimeoutError:
            late = "timeout_ttft" if patience <= deadline else "timeout_total"
            raise self._failed(UpstreamUnavailable(late)) from None
        except ProviderError as error:
            raise self._failed(error) from None

    async def _until_content(self) -> list[Chunk]:
        response = await self._open()
        if not response.is_event_stream:
            return [self._whole_as_chunk(loads(await response.read()))]
        self._response = response
        held: list[Chunk] = []
        while events := await response.events():
            chunks = self._chunks(events)
            if self._trouble is not None:
                raise self._trouble  # nothing was handed on yet: the next endpoint may be tried
            held += chunks
            if self._assembler.finished or any(map(has_content, chunks)):
                self._first_content = time.monotonic()
                return held
            if self.done or len(held) > _MOST_HELD:
                break
        raise UpstreamMalformed(reason="a stream without content")

    async def more(self) -> list[Chunk]:
        """Return the next chunks of the open stream; none when it has ended. Raises ProviderError.

        Comments and empty events do not return: whoever waits with a limit counts only chunks.
        """
        if self.done or self._response is None:
            return []
        try:
            if self._trouble is not None:
                raise self._trouble
            while events := await self._response.events():
                if (chunks := self._chunks(events)) or self.done:
                    return chunks
        except ProviderError as error:
            raise self._failed(error) from None
        self.done = True
        return []

    def offer(self, taker: Callable[[Chunk], None] | None) -> None:
        """Let taker have each chunk that comes alone while `more` waits, or nobody any more.

        It is called inside the loop's callback, so it must neither wait nor raise. `more` still
        tells the end, and whatever goes wrong.
        """
        if self._response is None:
            return
        if taker is None or self.done or self._trouble is not None:
            self._response.offer(None)
            return
        add_text = self._assembler.add_text

        def take_text(text: Text) -> None:
            add_text(text)
            taker(text)

        def take_data(data: bytes) -> bool:
            if data == _DONE:
                return False
            try:
                chunk = self._chunk(data, "")
            except ProviderError as error:
                self._trouble = error
                return False
            taker(chunk)
            return True

        self._response.offer(Taker(self._texts, take_text, take_data))

    def stalled(self) -> ProviderError:
        """Note that the open stream said nothing for too long, or has gone on for too long."""
        over = self._deadline <= time.monotonic()
        return self._failed(UpstreamUnavailable("timeout_total" if over else "timeout_idle"))

    def finish_stream(self) -> Reply:
        """Return what the ended stream spelt. Raises ProviderError if it ended too early."""
        reply = self._assembler.finish()
        self.reply = reply
        if not self._assembler.finished and not self._saw_done:
            raise self._failed(UpstreamMalformed("truncated", "the stream ended early"))
        self.reply = ended(reply)
        return self.reply

    def salvage(self) -> Reply:
        """Keep what a broken stream spelt so far, for the judge, the record or the bill."""
        self.reply = self._assembler.finish()
        return self.reply

    async def _open(self) -> "UpstreamResponse":
        response = await self._exchange.__aenter__()
        self._opened = True
        self._http_status = response.status
        return response

    def _chunks(self, events: "list[Event]") -> list[Chunk]:
        """Return the chunks of events. What came before an error is given out before it."""
        if self._trouble is not None:
            raise self._trouble
        chunks: list[Chunk] = []
        try:
            for data, name in events:
                # Nearly every event repeats the one before it with another text.
                if not name and (text := self._texts.event.match(data)) is not None:
                    self._assembler.add_text(text)
                    chunks.append(text)
                elif data == _DONE:
                    self._saw_done = self.done = True
                    chunks += self._rest()
                    break
                else:
                    chunks.append(self._chunk(data, name))
        except ProviderError as error:
            if not chunks:
                raise
            self._trouble = error
        return chunks

    def _chunk(self, data: bytes, name: str) -> dict[str, Any]:
        """Return the whole chunk of an event. Raises ProviderError for an error or nonsense."""
        chunk = loads(data)
        error = error_of(chunk, name)
        if error is not None:
            raise error
        shown = chunk
        if not self._thoughts.over and isinstance(chunk, dict):
            shown = self._thoughts.sorted(chunk)
        self._assembler.add(shown)
        if not name and shown is chunk:
            self._texts.learn(data, chunk)
        return cast(dict[str, Any], shown)  # the assembler accepts nothing else

    def _rest(self) -> list[Chunk]:
        """Return what was held back of a text that may have been half a tag."""
        rest = None if self._thoughts.over else self._thoughts.rest()
        if rest is None:
            return []
        self._assembler.add(rest)
        return [rest]

    def _whole_as_chunk(self, body: Any) -> dict[str, Any]:
        """Turn a plain answer to a streaming request into the one chunk it amounts to."""
        body = sorted_body(body)
        reply_of_body(body)
        choice = body["choices"][0]
        message = dict(choice["message"])
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            message["tool_calls"] = [
                {"index": at, **call} for at, call in enumerate(calls) if isinstance(call, dict)
            ]
        chunk = {**body, "choices": [{**choice, "delta": message}]}
        self._assembler.add(chunk)
        self._first_content = time.monotonic()
        # A whole body is its own proof of having ended, with a finish reason or without.
        self._saw_done = self.done = True
        return chunk

    # Ending --------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let go of the connection: back to the pool if read to its end, else closed."""
        if self._ended is None:
            self._ended = time.monotonic()
        self._response = None
        if self._opened:
            self._opened = False
            await self._exchange.__aexit__(None, None, None)

    def _failed(self, error: ProviderError) -> ProviderError:
        hide(self._target.credential, error)
        self.error = error
        self.outcome = error.outcome
        if error.status is not None:
            self._http_status = error.status
        return error

    def succeed(self, bill: Bill) -> None:
        self.bill = bill
        self.outcome = "ok"

    def note_health(self) -> None:
        """Tell the health book how it went."""
        health, endpoint_id = self._gateway.health, self.candidate.endpoint.id
        now = time.monotonic()
        if self.own and self.outcome in ("auth", "rate_limited"):
            # One account's key says nothing of how others fare there.
            health.abandoned(endpoint_id)
        elif self.outcome == "ok" and self.reply is not None:
            health.succeeded(
                endpoint_id,
                now,
                # A whole answer's time says nothing of how soon its first word was there.
                latency_s=self._latency_s() if self._request.stream else None,
                tokens_per_s=self._tokens_per_s(),
            )
        elif self.error is not None and self.error.health_fault:
            health.failed(endpoint_id, now)
        else:
            health.abandoned(endpoint_id)
            if self.outcome == "rate_limited":
                retry_after = self.error.retry_after if self.error else None
                health.cooling(endpoint_id, now, retry_after)

    def _latency_s(self) -> float | None:
        return None if self._first_content is None else self._first_content - self._started

    def _tokens_per_s(self) -> float | None:
        if self._ended is None or self.bill is None or self.bill.estimated:
            return None
        seconds, tokens = self._ended - self._started, self.bill.usage.completion_tokens
        return tokens / seconds if seconds > 0 and tokens else None

    # Facts ---------------------------------------------------------------------------------

    def fact(self) -> AttemptFact:
        """Return what is recorded of this try. No content is part of it."""
        request = self._request
        ended = self._ended if self._ended is not None else time.monotonic()
        usage = self.bill.usage if self.bill else None
        latency = self._latency_s()
        reply = self.reply
        return AttemptFact(
            generation_id=self._generation_id,
            ordinal=self.ordinal,
            endpoint_id=self.candidate.endpoint.id,
            account_id=self._account_id,
            started_at=self._started_at,
            outcome=self.outcome,
            duration_ms=round((ended - self._started) * 1000),
            streamed=request.stream,
            pinned=request.pinned,
            router_assigned=self._router_assigned(),
            tools_offered=request.tool_count,
            http_status=self._http_status,
            latency_ms=None if latency is None else round(latency * 1000),
            probability=self.candidate.choice.probability,
            finish_reason=(reply.finish_reason or "") if reply else "",
            native_finish_reason=(reply.native_finish_reason or "") if reply else "",
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            reasoning_tokens=usage.reasoning_tokens if usage else None,
            cost_pico=self.bill.upstream_pico if self.bill else None,
            tool_choice=_short_choice(request.tool_choice),
            tool_set=request.tool_set,
            verdict_reason=self._why_unjudged(),
            withheld=self.withheld,
            usage_estimated=self.bill.estimated if self.bill else False,
            own_credential=self.own,
            turn=request.turn,
        )

    def _router_assigned(self) -> bool:
        """Whether the choice, and what was asked, were those that scores compare."""
        plain = self.ordinal == 1 and not self.own and self.compressed is None
        return plain and self._request.router_assigned

    def _why_unjudged(self) -> str:
        if self.outcome == "client_cancelled":
            return "cancelled"
        return "no_reply" if self._judged_reply() is None else ""

    def _judged_reply(self) -> Reply | None:
        """Return what the model replied, whether or not its provider handed that out."""
        error = self.error
        if isinstance(error, UpstreamFailedGeneration) and error.refused != "json":
            return refused_reply(error)
        return self.reply

    def exchange_to_judge(self) -> ToolExchange | None:
        """Return what the judge needs, or None if there is nothing to judge."""
        request, reply = self._request, self._judged_reply()
        if not request.tools or reply is None or self.outcome == "client_cancelled":
            return None
        return ToolExchange(
            tools=request.tools,
            tool_choice=request.tool_choice,
            calls=reply.tool_calls,
            finish_reason=reply.finish_reason,
            content=reply.content,
            completed=self.outcome in ("ok", "failed_generation"),
        )


def _target(candidate: Candidate) -> Target:
    """Return where to ask, and with whose key."""
    shared = candidate.endpoint.target
    if candidate.own is None:
        return shared
    return replace(shared, credential=candidate.own.secret, passing=True)


def fit(request: "ModelRequest", context_length: int) -> Compression:
    """Return the request's messages, cut so that they leave room for the answer."""
    needs, messages = request.needs, request.body["messages"]
    answer = needs.completion_tokens or min(_ANSWER_TOKENS, context_length // 4)
    around = request.size - len(dumps(messages))
    return middle_out(messages, context_length - answer - max(0, around) // 4 - 1)


def _short_choice(choice: str) -> str:
    return "named" if choice.startswith("named:") else choice


def _loop_time(monotonic: float) -> float:
    # asyncio's clock is time.monotonic on the loops we run, but that is the loop's affair.
    return asyncio.get_running_loop().time() + (monotonic - time.monotonic())


def hide(credential: "Secret | None", error: ProviderError) -> None:
    """Take our credential out of what a provider says, wherever it repeats it."""
    if credential is None:
        return
    value = credential.reveal()
    error.message = error.message.replace(value, "***")
    # Codes are cut to a length: a beginning of the credential is enough to tell.
    if isinstance(error.provider_code, str) and value[:8] in error.provider_code:
        error.provider_code = None
