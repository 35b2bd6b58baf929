"""Judges replies beside the event loop: `submit` and forget, the judgement comes to a callback.

Owns one child process, the queue in front of it and the clock of the job in hand. Every submitted
job gets exactly one judgement: a real one, or `unjudged` with the reason (queue_full, unreadable,
timeout, failed_before, crashed, judge_down, stopped). `submit` never blocks and never raises.
A job that nobody waits for is kept for LINGER_S at most, to share a wake-up of the child. It does
not know what a verdict is for, nor what the rules are. Belongs to one event loop.
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from telemetry.judge.child import Child
from telemetry.judge.limits import JudgeLimits, encode_options
from telemetry.judge.rules import Judgement, ToolExchange
from telemetry.judge.worker import decode_judgement, encode_job

log = logging.getLogger(__name__)

JobKey = tuple[str, int]  # generation id, attempt ordinal

# A child woken for each job alone was a seventh of the CPU of a quiet gateway.
LINGER_S = 0.05
BATCH_JOBS = 64  # sent ahead of their answers
BATCH_BYTES = 1024 * 1024
LAG_S = 0.05  # a clock that rings later than this tells of a busy loop, not of a slow job
# Tools that cost a child are left alone for a while, lest they cost everyone's verdicts.
REST_S, RESTING_MOST = 60.0, 1_000
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 30.0
_COMMAND = (sys.executable, "-m", "telemetry.judge.worker")


@dataclass(frozen=True, slots=True)
class _Job:
    key: JobKey
    frame: bytes
    kind: int  # of owner and tools, to know them again


class JudgePool:
    """One judging child and the jobs waiting for it.

    `lenient` and `formats` are the rules' own switches, see `rules.judge` and `ValidatorCache`.
    The queue is bounded in bytes, too: with jobs of a MiB, their number alone bounds nothing.
    """

    def __init__(
        self,
        *,
        on_judgement: Callable[[JobKey, Judgement], None],
        wall_s: float = 0.25,
        queue_size: int = 5_000,
        queue_bytes: int = 64 * 1024 * 1024,
        limits: JudgeLimits | None = None,
        lenient: bool = True,
        formats: bool = False,
        command: tuple[str, ...] = _COMMAND,
    ) -> None:
        self._on_judgement = on_judgement
        self._wall_s = wall_s
        self._queue_size = queue_size
        self._queue_bytes = queue_bytes
        self._lenient = lenient
        self._command = (*command, encode_options(limits or JudgeLimits(), formats=formats))
        self._waiting: deque[_Job] = deque()
        self._sent: deque[_Job] = deque()  # the first is the job in hand
        self._bytes = 0  # of both
        self._bytes_sent = 0
        self._resting: dict[int, float] = {}  # kind of job → until when it is refused
        self._child: Child | None = None
        self._overdue: _Job | None = None  # for which the child was killed
        self._in_hand_since = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self._pump_due = False
        self._linger: asyncio.TimerHandle | None = None
        self._accepting = False
        self._keeper: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self.judged = self.timeouts = self.crashes = self.overflow = self.restarts = 0

    @property
    def depth(self) -> int:
        """Jobs without a judgement yet."""
        return len(self._waiting) + len(self._sent)

    def report(self) -> dict[str, int]:
        """Return what /readyz tells: jobs waiting, and what became of all so far."""
        return {
            "waiting": self.depth,
            "judged": self.judged,
            "overflow": self.overflow,
            "timeouts": self.timeouts,
            "crashes": self.crashes,
            "restarts": self.restarts,
        }

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Return when jobs are accepted, or when the first child has failed to start."""
        tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep_a_child(tried))
        await tried.wait()

    async def stop(self, drain_s: float) -> None:
        """Give the queued jobs `drain_s` to be judged, refuse new ones, and end the child."""
        if self.depth:
            self._pump()
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._idle.wait()
        self._accepting = False
        if self._child and self._sent:
            self._child.kill()
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        for timer in (self._clock, self._linger):
            if timer:
                timer.cancel()
        self._abandon_all("stopped")

    def submit(
        self, key: JobKey, exchange: ToolExchange, owner: int, *, at_once: bool = False
    ) -> bool:
        """Queue a job; False if it was refused, in which case it has its judgement already.

        at_once: somebody waits for the judgement.
        """
        if not self._accepting:
            return self._refuse(key, "judge_down")
        kind = hash((owner, exchange.tools))
        if self._resting and self._resting.get(kind, 0.0) > asyncio.get_running_loop().time():
            return self._refuse(key, "failed_before")
        try:
            job = _Job(key, encode_job(exchange, owner, self._lenient), kind)
        except (TypeError, ValueError, RecursionError):
            return self._refuse(key, "unreadable")
        if self.depth >= self._queue_size or self._bytes + len(job.frame) > self._queue_bytes:
            self.overflow += 1
            return self._refuse(key, "queue_full")
        self._waiting.append(job)
        self._bytes += len(job.frame)
        full = len(self._waiting) >= BATCH_JOBS or self._bytes - self._bytes_sent >= BATCH_BYTES
        if at_once or full:
            self._pump_soon()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._pump)
        return True

    def _refuse(self, key: JobKey, reason: str) -> bool:
        self._deliver(key, Judgement("unjudged", reason))
        return False

    async def _keep_a_child(self, tried: asyncio.Event) -> None:
        """Have a child running, whatever becomes of it, until cancelled."""
        delay = RETRY_FIRST_S
        while True:
            child = await self._start_child()
            tried.set()
            if child is None:
                self._accepting = False
                self._abandon_all("judge_down")
                await asyncio.sleep(delay)
                delay = min(2 * delay, RETRY_MOST_S)
                continue
            delay = RETRY_FIRST_S
            self._child, self._accepting = child, True
            self._pump()
            try:
                await asyncio.shield(child.ended)
            finally:
                self._child = None
                await child.end()
            self._settle_after_death()
            self.restarts += 1

    async def _start_child(self) -> Child | None:
        child = Child(self._take_answer)
        try:
            await child.start(self._command)
        except OSError as error:  # TimeoutError is one
            log.error("judge did not start: %s", type(error).__name__)
            await child.end()
            return None
        except asyncio.CancelledError:
            await child.end()
            raise
        return child

    def _settle_after_death(self) -> None:
        """Blame the job in hand, if any, and put the others back in their places."""
        overdue, self._overdue = self._overdue, None
        if self._sent and overdue in (None, self._sent[0]):
            reason = "crashed" if overdue is None else "timeout"
            log.warning("judge killed by a job: %s", reason)
            self.crashes += overdue is None
            self.timeouts += overdue is not None
            job = self._sent.popleft()
            self._rest(job.kind)
            self._settle(job, Judgement("unjudged", reason))
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._bytes_sent = 0

    def _rest(self, kind: int) -> None:
        while len(self._resting) >= RESTING_MOST:
            del self._resting[next(iter(self._resting))]
        self._resting[kind] = asyncio.get_running_loop().time() + REST_S

    def _pump_soon(self) -> None:
        # Once per turn of the loop, so that the jobs of one turn share a write.
        if not self._pump_due and self._child is not None:
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._child is None or self._overdue is not None or not self._waiting:
            return
        if not self._sent:
            self._in_hand_since = asyncio.get_running_loop().time()
        frames = []
        while self._waiting and len(self._sent) < BATCH_JOBS and self._bytes_sent < BATCH_BYTES:
            job = self._waiting.popleft()
            self._sent.append(job)
            self._bytes_sent += len(job.frame)
            frames.append(job.frame)
        if frames:
            self._child.write(b"".join(frames))
            self._wind_clock()

    def _wind_clock(self) -> None:
        if self._clock is None:
            due = self._in_hand_since + self._wall_s
            self._clock = asyncio.get_running_loop().call_at(due, self._ring, due)

    def _ring(self, due: float) -> None:
        self._clock = None
        now = asyncio.get_running_loop().time()
        if self._child is None or self._overdue is not None or not self._sent:
            return
        if now - due > LAG_S:
            self._in_hand_since = now
        if now < self._in_hand_since + self._wall_s:
            self._wind_clock()
            return
        self._overdue = self._sent[0]
        self._child.kill()

    def _take_answer(self, body: bytes) -> None:
        if not self._sent:
            return
        job = self._sent.popleft()
        self._bytes_sent -= len(job.frame)
        self._in_hand_since = asyncio.get_running_loop().time()
        try:
            judgement = decode_judgement(body)
        except (ValueError, TypeError, KeyError):
            judgement = Judgement("unjudged", "unreadable")
        self.judged += 1
        self._settle(job, judgement)
        # What lingers comes by itself; what waits for room does not.
        if len(self._sent) <= BATCH_JOBS // 2 and self._linger is None:
            self._pump_soon()

    def _settle(self, job: _Job, judgement: Judgement) -> None:
        self._bytes -= len(job.frame)
        self._deliver(job.key, judgement)
        if not self.depth:
            self._idle.set()

    def _abandon_all(self, reason: str) -> None:
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._bytes_sent = 0
        while self._waiting:
            self._settle(self._waiting.popleft(), Judgement("unjudged", reason))

    def _deliver(self, key: JobKey, judgement: Judgement) -> None:
        try:
            self._on_judgement(key, judgement)
        except Exception as error:  # noqa: BLE001 - a listener's fault must not stop the judge
            log.error("judgement not taken: %s", type(error).__name__)
