"""A shift of the verifier: one process works on one run, until it is through or told to stop.

Owns the turn (a lease, renewed while it works), the claims and the budget. It decides nothing
about replies. The rules others rely on: of all processes one works on a model at a time; a probe
is claimed in the database before it is sent; who takes a turn over from the dead gives their
probes under way up as unknown and never sends them again; only `stop` and the end of a run end
anything, so any shift may be killed and another goes on.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError
from django.utils.timezone import now

from routing.errors import ApiError
from routing.gateway import snapshot as snapshots
from routing.gateway.chat_request import ChatRequest
from routing.gateway.generation import new_id
from routing.limits import Limits
from routing.models import Lease
from routing.verifier import asking
from routing.verifier.asking import Asked, JudgeDown, Line, Pinned
from telemetry.models import Probe, VerifierRun
from telemetry.verifier import claims, storing
from telemetry.verifier.claims import Budget
from telemetry.verifier.measures import NOT_THE_PROVIDERS
from telemetry.verifier.request_set import SetRequest, read_set

logger = logging.getLogger(__name__)

PICODOLLARS = 10**12
# So many probes in a row that never got there, and the endpoint is left alone for this run.
GIVE_UP_AFTER = 5
_NOT_THERE = frozenset({"unreachable", "credential refused", "model not found there"})
# Nothing was asked of the provider, or it said no: nothing to pay.
_UNPAID = frozenset({"connect_error", "timeout_connect", "busy", "rate_limited"})
_SIGNS = (
    "leaked_tool_text", "tool_choice_violated", "truncated_arguments", "empty_reply",
    "duplicate_ids",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A probe that is claimed, and all that is needed to send it."""

    probe: Probe
    pinned: Pinned
    chat: ChatRequest
    generation_id: str


@dataclass(slots=True)
class Turn:
    """The right to work on a model, held for VERIFY_HOLD_S and renewed."""

    name: str
    held_until: datetime
    hold: timedelta
    lost: bool = False

    @classmethod
    def take(cls, model_id: int, limits: Limits) -> "Turn | None":
        name, hold, at = f"verify {model_id}", timedelta(seconds=limits.verify_hold_s), now()
        if not Lease.take(name, at=at, every=timedelta(0), hold=hold):
            return None
        return cls(name, at + hold, hold)

    def renew(self) -> None:
        until = now() + self.hold
        if Lease.renew(self.name, held_until=self.held_until, until=until):
            self.held_until = until
        else:
            self.lost = True

    def give_back(self) -> None:
        # Only what is still held: another may have taken it meanwhile.
        Lease.renew(self.name, held_until=self.held_until, until=now())


def work(
    run: VerifierRun,
    limits: Limits,
    *,
    is_over: Callable[[], bool] = lambda: False,
    on_progress: Callable[[], None] = lambda: None,
) -> bool:
    """Work on a run until it is through, waits for its budget, or `is_over`; False if another does.

    `on_progress` is called after each probe.
    """
    turn = Turn.take(run.model_id, limits)
    if turn is None:
        return False
    try:
        if lost := claims.disown(run.model_id):
            logger.warning("%d probes of a killed process will stay unknown", lost)
        async_to_sync(_Shift(run, limits, turn, is_over, on_progress).work)()
        if not turn.lost and claims.is_through(run):
            storing.finish(run, now())
    finally:
        turn.give_back()
    return True


@dataclass(slots=True)
class _Shift:
    run: VerifierRun
    limits: Limits
    turn: Turn
    is_over: Callable[[], bool]
    on_progress: Callable[[], None]
    snapshot: snapshots.Snapshot = snapshots.EMPTY
    requests: dict[int, SetRequest] = field(default_factory=dict)
    # In a row, of each endpoint: probes that never got there.
    missed: Counter[int] = field(default_factory=Counter)

    async def work(self) -> None:
        try:
            async with Line.open(self.limits) as line:
                renewing = asyncio.create_task(self._keep_turn())
                lanes = [self._lane(line) for _ in range(max(1, self.limits.verify_lanes))]
                try:
                    await asyncio.gather(*lanes)
                finally:
                    renewing.cancel()
        except JudgeDown:
            await _in_database(self._wait_for, "a judge: its process does not start")

    async def _keep_turn(self) -> None:
        while True:
            await asyncio.sleep(self.turn.hold.total_seconds() / 3)
            try:
                await _in_database(self.turn.renew)
            except DatabaseError as error:
                # The next time may do; who took the turn meanwhile is found out then.
                logger.warning("a turn could not be renewed: %s", type(error).__name__)

    async def _lane(self, line: Line) -> None:
        while not (self.turn.lost or self.is_over()):
            job = await _in_database(self._claim)
            if job is None:
                return
            asked = await line.ask(job.pinned, job.chat, job.generation_id)
            await _in_database(self._settle, job, asked)

    # In the database ------------------------------------------------------------------------

    def _claim(self) -> Job | None:
        """Claim the next probe that may be sent; None if there is none for now."""
        self._refresh()
        while (probe := claims.waiting(self.run)) is not None:
            pinned = asking.pin(self.snapshot, self.run.model.slug, probe.endpoint_id)
            if pinned is None:
                claims.skip(self.run, self._why_absent(probe), endpoint=probe.endpoint_id)
                continue
            try:
                chat = self._chat(probe)
            except ApiError:  # the limits are others than when it was ordered
                claims.skip(self.run, "the gateway itself refuses it", request=probe.request)
                continue
            if why := asking.refusal(pinned, chat):
                claims.skip(self.run, f"the endpoint does not take it ({why})", pk=probe.pk)
                continue
            job = Job(probe, pinned, chat, new_id())
            reserve, budget = asking.most(pinned, chat, self.limits), self._budget()
            if budget.never_allows(reserve):
                claims.skip(self.run, "one request may cost more than VERIFY_USD", pk=probe.pk)
                continue
            if why := claims.used(self.run.model_id, now()).lack(budget, reserve):
                self._wait_for(why)
                return None
            if claims.claim(probe, generation_id=job.generation_id, reserve=reserve, at=now()):
                return job
            if not VerifierRun.objects.filter(pk=self.run.pk, state="open").exists():
                return None
        return None

    def _why_absent(self, probe: Probe) -> str:
        # Which variable it is that is not set is for operators; this is shown to everybody.
        if asking.problem_of(self.snapshot, probe.endpoint.provider.slug):
            return "its credential or address is missing here"
        return "the endpoint is not in service"

    def _chat(self, probe: Probe) -> ChatRequest:
        request = self.requests[probe.request]
        return asking.chat_of(request, self.run.model.slug, self.limits, streamed=probe.streamed)

    def _budget(self) -> Budget:
        return Budget(self.limits.verify_requests, round(self.limits.verify_usd * PICODOLLARS))

    def _refresh(self) -> None:
        """Follow the catalogue: what is switched off meanwhile is not asked."""
        if not self.requests:
            stored = self.run.request_set
            found = read_set(stored.content.encode(), stored.name).requests
            self.requests = {one.number: one for one in found}
            self._wait_for("")
        revision = snapshots.read_revisions().get("catalog", 0)
        if revision != self.snapshot.revision:
            self.snapshot = snapshots.build(self.limits.endpoint_in_flight, self.snapshot)

    def _wait_for(self, what: str) -> None:
        VerifierRun.objects.filter(pk=self.run.pk).update(waits_for=what)

    def _settle(self, job: Job, asked: Asked) -> None:
        claims.settle(job.probe, **columns(asked))
        self._give_up_on(job.probe.endpoint_id, asked.fact.outcome)
        self.on_progress()

    def _give_up_on(self, endpoint_id: int, outcome: str) -> None:
        """Leave an endpoint alone that cannot be reached: asking on would tell nothing more."""
        why = NOT_THE_PROVIDERS.get(outcome, "")
        self.missed[endpoint_id] = self.missed[endpoint_id] + 1 if why in _NOT_THERE else 0
        if self.missed[endpoint_id] >= GIVE_UP_AFTER:
            claims.skip(self.run, f"{why}, {GIVE_UP_AFTER} times in a row", endpoint=endpoint_id)


def columns(asked: Asked) -> dict[str, Any]:
    """Return what a probe's row keeps of how it ended."""
    fact, judgement = asked.fact, asked.judgement
    kept: dict[str, Any] = {
        "cost_pico": _cost(asked),
        "outcome": fact.outcome,
        "http_status": fact.http_status,
        "latency_ms": fact.latency_ms,
        "duration_ms": fact.duration_ms,
        "prompt_tokens": fact.prompt_tokens,
        "completion_tokens": fact.completion_tokens,
        "finish_reason": fact.finish_reason[:20],
    }
    if judgement is not None:
        kept |= {
            "verdict": judgement.verdict,
            "verdict_reason": judgement.reason[:40],
            "tool_calls": min(judgement.calls, 32_767),
        }
        kept |= {sign: getattr(judgement, sign) for sign in _SIGNS}
    return kept


def _cost(asked: Asked) -> int | None:
    """Return what a probe cost; None where a provider may ask for what never came to us whole."""
    fact = asked.fact
    if fact.outcome == "ok":
        return fact.cost_pico
    refused = fact.http_status is not None and fact.http_status >= 400
    return 0 if refused or fact.outcome in _UNPAID else None


async def _in_database(act: Callable[..., Any], *args: Any) -> Any:
    return await sync_to_async(act, thread_sensitive=True)(*args)


def work_due(limits: Limits) -> int:
    """Work on the runs that are open, for VERIFY_SWEEP_S in all; return how many had a turn.

    What is under way at the end is waited for, so one sweep may take VERIFY_ANSWER_S longer.
    """
    ends = time.monotonic() + limits.verify_sweep_s
    turns = 0
    for run in claims.open_runs():
        if time.monotonic() >= ends:
            break
        try:
            turns += work(run, limits, is_over=lambda: time.monotonic() >= ends)
        except Exception:
            # One run that breaks, whatever over, holds up no other; the next sweep tries again.
            logger.exception("verifier run %s broke", run.pk)
    return turns
