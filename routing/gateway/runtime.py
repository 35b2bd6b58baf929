"""What one web process holds while it serves: snapshot, keys, upstream client, health, facts.

Owns the start and the stop of these in the right order; `routing.asgi` calls them from the
lifespan. It handles no request. The rule others rely on: there is one `Gateway` per event loop,
and once `start` returns, it serves a snapshot or says in `ready` that it has none.
"""

import asyncio
import logging
import os
import time
from functools import partial
from random import Random
from typing import Any

from django.conf import settings

from providers.chat import CallLimits
from providers.client import ClientLimits, UpstreamClient
from providers.guard import AddressGuard
from routing.gateway.allowance import Allowance
from routing.gateway.budgets import Budgets
from routing.gateway.healing import Healer
from routing.gateway.health import HealthBook, RetryBudget
from routing.gateway.holdings import NO_HOLDINGS, Holdings
from routing.gateway.key_limits import KeyLimits
from routing.gateway.keys import KeyRing
from routing.gateway.places import Places
from routing.gateway.plan import AutoExacto
from routing.gateway.process_state import ProcessState
from routing.gateway.quality_gate import AwaitedVerdict
from routing.gateway.refresh import Refresher, load_caller_apart
from routing.gateway.sessions import SessionBook
from routing.gateway.snapshot import Snapshot
from routing.limits import Limits
from routing.process_reports import Kind, Reporter
from telemetry.judge.limits import JudgeLimits
from telemetry.judge.pool import JobKey, JudgePool
from telemetry.judge.rules import Judgement, ToolExchange
from telemetry.recorder import Recorder
from telemetry.spool import SpoolWriter
from telemetry.spool_depth import spool_depth

logger = logging.getLogger(__name__)

_FIRST_SNAPSHOT_S = 5.0


class Gateway:
    """The shared parts of all requests of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.rng = Random()
        self.auto_exacto: AutoExacto = settings.AUTO_EXACTO
        self.health = HealthBook(limits, self.rng)
        self.retries = RetryBudget(limits)
        self.sessions = SessionBook(limits.sticky_sessions, limits.sticky_s)
        self.healer = Healer(limits.heal_s, limits.heal_bytes)
        self.keys = KeyRing(limits, load_caller_apart)
        self.budgets = Budgets()
        self.allowance = Allowance(self.budgets)
        self.key_limits = KeyLimits(ended=self.allowance.ended)
        self.places = Places(limits.in_flight)
        self.state = ProcessState(settings.ASSAY_HOME / "run", os.getpid())
        self.refresher = Refresher(limits, self.keys, self._snapshot_changed, self._read_spending)
        self.reporter = Reporter(Kind.WEB, self._tell_of_itself)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.client = UpstreamClient(
            AddressGuard.from_cidrs(settings.UPSTREAM_ALLOW_CIDRS),
            ClientLimits(
                connect_s=limits.connect_s,
                tls_s=limits.tls_s,
                queue_s=limits.endpoint_queue_s,
                error_body_bytes=limits.error_bytes,
                body_bytes=limits.answer_bytes,
                event_bytes=limits.event_bytes,
                header_bytes=limits.answer_header_bytes,
            ),
        )
        self.spool = SpoolWriter(
            settings.SPOOL_DIR,
            segment_bytes=limits.spool_segment_bytes,
            segment_s=limits.spool_segment_s,
            sync_s=limits.spool_sync_s,
            max_bytes=limits.spool_max_bytes,
            min_free_bytes=limits.spool_min_free_bytes,
        )
        self.recorder = Recorder(self.spool)
        self._awaited: dict[JobKey, AwaitedVerdict] = {}
        self.call_limits = CallLimits(
            argument_chars=limits.argument_bytes, calls=limits.answer_tool_calls
        )
        self.judge = JudgePool(
            wall_s=limits.judge_s,
            queue_size=limits.judge_queue,
            queue_bytes=limits.judge_queue_bytes,
            limits=_judge_limits(limits),
            lenient=settings.JUDGE_LENIENT,
            formats=settings.JUDGE_FORMATS,
            on_judgement=self._judged,
        )

    @property
    def snapshot(self) -> Snapshot:
        return self.refresher.snapshot

    def holdings(self, account_id: int) -> Holdings:
        """Return the account's presets and own credentials."""
        return self.snapshot.holdings.get(account_id, NO_HOLDINGS)

    @property
    def started(self) -> bool:
        """Whether there is a snapshot to serve; without one nobody's model is known."""
        return self.snapshot.revision >= 0

    @property
    def ready(self) -> bool:
        return self.started and not self.places.draining

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if settings.REDIS_URL:
            self._share_limits(settings.REDIS_URL)
        await self.judge.start()
        self.refresher.start()
        await asyncio.to_thread(self.refresher.polled.wait, _FIRST_SNAPSHOT_S)
        if not self.started:
            logger.warning("starting without a catalogue: the database does not answer")
        self.reporter.start()

    def report(self) -> dict[str, Any]:
        """Return what /readyz tells: this process, and which snapshot each one serves."""
        status = "ready" if self.ready else "draining" if self.places.draining else "starting"
        # What an operator should look at; requests are served all the same.
        amiss = (
            self.recorder.dropped
            or self.spool.sync_failures
            or self.refresher.age_s > self.limits.snapshot_alarm_s
        )
        return {
            "status": "degraded" if self.ready and amiss else status,
            "snapshot": self.snapshot.revision,
            "snapshot_age_s": round(self.refresher.age_s, 1) if self.started else None,
            "left_out": len(self.snapshot.problems),
            "in_flight": len(self.places),
            "facts": {"written": self.recorder.written, "dropped": self.recorder.dropped},
            "sync_failures": self.spool.sync_failures,
            "judge": self.judge.report(),
            "limits": self._limits_are(),
            "processes": self.state.processes(),
        }

    def _tell_of_itself(self) -> dict[str, Any]:
        """Return this process's word on itself; run by the reporter's thread."""
        depth = spool_depth(settings.SPOOL_DIR, now=time.time())
        return {
            "snapshot": self.snapshot.revision,
            "snapshot_age_s": self.refresher.age_s if self.started else None,
            "facts_dropped": self.recorder.dropped,
            "waiting_files": depth.files,
            "waiting_bytes": depth.bytes,
            "oldest_waiting_s": depth.oldest_s,
            "refused_bytes": depth.refused_bytes,
        }

    def drain(self) -> None:
        """Admit nothing more; cut off what still runs after GRACEFUL_STOP_S."""
        if not self.places.draining:
            self.places.draining = True
            loop = asyncio.get_running_loop()
            loop.call_later(self.limits.graceful_stop_s, self.places.cut)

    async def stop(self) -> None:
        """Stop in the order that loses nothing: judge (its verdicts are facts), then spool."""
        self.refresher.stop()
        await asyncio.to_thread(self.reporter.stop)
        await self.client.close()
        if self.allowance.shared is not None:
            await self.allowance.shared.stop()
        await self.judge.stop(drain_s=2.0)
        self.spool.close()
        self.state.remove()

    def _share_limits(self, url: str) -> None:
        # Imported here: a process without Redis should not pay for its client.
        from routing.gateway.shared_limits import SharedLimits

        shared = SharedLimits(
            url, self.limits.redis_s, self.budgets.book, self.key_limits.in_flight
        )
        shared.start()
        self.allowance.shared = shared

    def _limits_are(self) -> str:
        """Tell over what the limits of keys are counted."""
        shared = self.allowance.shared
        return "shared" if shared is not None and not shared.away else "per process"

    def _read_spending(self) -> None:
        """Run by the polling thread; what it counted anew is no longer this process's to tell."""
        shared, loop = self.allowance.shared, self._loop
        if self.budgets.refresh() and shared is not None and loop is not None:
            loop.call_soon_threadsafe(shared.all_changed)

    def ask_judge(self, key: JobKey, exchange: ToolExchange, owner: int) -> AwaitedVerdict:
        """Submit a job to somebody who waits for it, and has it recorded by `settle`."""
        awaited = AwaitedVerdict(partial(self.recorder.verdict, *key))
        self._awaited[key] = awaited
        self.judge.submit(key, exchange, owner, at_once=True)
        return awaited

    def _judged(self, key: JobKey, judgement: Judgement) -> None:
        awaited = self._awaited.pop(key, None)
        if awaited is not None:
            awaited.take(judgement)
        else:
            self.recorder.verdict(*key, judgement)

    def _snapshot_changed(self) -> None:
        self.state.write(self.refresher.snapshot.revision)


def _judge_limits(limits: Limits) -> JudgeLimits:
    return JudgeLimits(
        schema_bytes=limits.tool_schema_bytes,
        tools_bytes=limits.tool_schemas_bytes,
        schema_depth=limits.schema_depth,
        schema_references=limits.schema_references,
        schema_nodes=limits.schema_nodes,
        pattern_chars=limits.schema_pattern_chars,
        argument_bytes=limits.argument_bytes,
        memory_bytes=limits.judge_memory_bytes,
        cached_schemas=limits.judge_schemas,
        cached_bytes=limits.judge_schemas_bytes,
        owner_share=limits.judge_owner_share,
    )
