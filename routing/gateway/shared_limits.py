"""Limits shared by all processes through Redis: rate, requests at once, and spending.

Owns the one script and what a process tells the others: absolute figures of its own, told again
at every change and every few seconds, so that a lost message, an emptied Redis or a killed
process sets itself right. The rules others rely on: only callers with limits cost a round trip,
one each; without an answer within REDIS_S the limits are each process's own until Redis answers
again (availability first; docs/limits.md says by how much a limit can be overshot then).
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from routing.gateway.keys import Caller
from routing.gateway.ledger import Book

logger = logging.getLogger(__name__)

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
# How often a process repeats what it holds, and after how long without that it counts as gone.
_BEAT_S = 5.0
_GONE_S = 15.0
_PAUSE_S = 1.0
_NANO = 1_000  # picodollars in a nanodollar: Lua counts exactly only to 9e15


class Verdict(NamedTuple):
    """What all processes together say of one request.

    kind: "ok", "rate" (wait_s), "flights", or "budget" (its holder, and its figures).
    """

    kind: str
    wait_s: float = 0.0
    holder: str = ""
    settled_pico: int = 0
    others_pico: int = 0


class SharedLimits:
    """One per event loop. `in_flight` tells how many requests of a key this process serves."""

    def __init__(
        self,
        url: str,
        answer_s: float,
        book: Book,
        in_flight: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer_s = answer_s
        self._book = book
        self._in_flight = in_flight
        self._clock = clock
        self._process = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._redis: Redis = Redis.from_url(
            url,
            socket_connect_timeout=answer_s,
            # A server that restarted costs one attempt, not the request.
            retry=Retry(NoBackoff(), 1),
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._away_until = float("-inf")
        self.away = False
        self._changed: dict[int, Caller] = {}
        self._told: dict[int, Caller] = {}
        self._wake = asyncio.Event()
        self._teller: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._teller = asyncio.create_task(self._tell_always())

    async def stop(self) -> None:
        if self._teller is not None:
            self._teller.cancel()
            with suppress(asyncio.CancelledError):
                await self._teller
        await self._redis.aclose()

    async def ask(self, caller: Caller, day: date) -> Verdict:
        """Say whether all processes together have room for a request that is counted here."""
        if self._clock() < self._away_until:
            return Verdict("ok")
        try:
            answer = await self._run(caller, day, asks=True)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return Verdict("ok")
        self._told[caller.api_key_id] = caller
        return _verdict(answer)

    def changed(self, caller: Caller) -> None:
        """Have the others told, soon, that a request ended or spending was counted."""
        if caller.api_key_id in self._told:
            self._changed[caller.api_key_id] = caller
            self._wake.set()

    def all_changed(self) -> None:
        self._changed.update(self._told)
        self._wake.set()

    # ------------------------------------------------------------------------------------------

    async def _run(self, caller: Caller, day: date, *, asks: bool) -> list[Any]:
        keys, values = self._figures(caller, day)
        flags: list[str | int] = [self._process, int(_GONE_S * 1000), int(asks)]
        limits = [caller.requests_per_minute, caller.max_in_flight]
        async with asyncio.timeout(self._answer_s):
            answer = await self._script(keys=keys, args=[*flags, *limits, *values])
        if self.away:
            self.away = False
            logger.warning("limits are shared again: Redis answers")
            self.all_changed()
        return cast(list[Any], answer)

    def _figures(self, caller: Caller, day: date) -> tuple[list[str], list[str | int]]:
        """Return the hashes of a caller's limits, and this process's figures for each."""
        # The braces keep both on one server of a Redis cluster.
        name = f"assay:limits:{{{caller.account_tag}}}"
        keys = [f"{name}:key:{caller.public_id}"]
        flights = self._in_flight(caller.api_key_id)
        values: list[str | int] = [flights, 0, "", 0, -1]
        for budget in caller.budgets:
            page = budget.page(day)
            entry = self._book.entry(page)
            figures: list[str | int] = [
                -(-entry.own // _NANO),
                # One that counts other calls is not added to, or compared with.
                f"{page.period} {page.starts_on}{' own' if page.counts_own else ''}",
                entry.settled // _NANO,
                budget.limit_pico // _NANO,
            ]
            if budget.holder == "key":
                values[1:5] = figures
            else:
                keys.append(f"{name}:account")
                values += [0, *figures]
        return keys, values

    def _lost(self, error: Exception) -> None:
        self._away_until = self._clock() + _PAUSE_S
        if not self.away:
            self.away = True
            logger.warning(
                "limits are per process until Redis answers again: %s", type(error).__name__
            )

    async def _tell_always(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._wake.wait()
            if not self._wake.is_set():
                self._changed.update(self._told)
            self._wake.clear()
            if self._clock() < self._away_until:
                await asyncio.sleep(max(0.0, self._away_until - self._clock()))
            try:
                await self._tell()
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
                self._wake.set()

    async def _tell(self) -> None:
        day = datetime.now(UTC).date()
        while self._changed:
            api_key_id, caller = self._changed.popitem()
            try:
                await self._run(caller, day, asks=False)
            except BaseException:
                self._changed.setdefault(api_key_id, caller)
                raise
            if not self._holds(caller, day):
                self._told.pop(api_key_id, None)

    def _holds(self, caller: Caller, day: date) -> bool:
        """Whether this process still has to say something of a caller."""
        own = any(self._book.entry(budget.page(day)).own for budget in caller.budgets)
        return own or self._in_flight(caller.api_key_id) > 0


def _verdict(answer: list[Any]) -> Verdict:
    kind = answer[0].decode()
    if kind == "rate":
        return Verdict(kind, wait_s=int(answer[1]) / 1000)
    if kind == "budget":
        settled, others = (int(nano) * _NANO for nano in answer[2:4])
        holder = "key" if answer[1] == 1 else "account"
        return Verdict(kind, holder=holder, settled_pico=settled, others_pico=others)
    return Verdict(kind)
