"""Spending limits on the request path: reserved before the call, settled after it.

Owns when the figures are read and the 402. The arithmetic is `ledger`'s. The rules others rely
on: a caller without limits costs no query and no wait; the database is asked on the request path
only about a holder not seen for a while, in a thread; what is read is of one moment; while the
database is away the figures known last hold, and this process's own spending is added to them.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from datetime import date, datetime

from django.db import connection
from django.db.models import BigIntegerField, CharField, DateField, Value

from routing.errors import ApiError
from routing.gateway.ledger import Amount, Book, Budget, Hold, NotEnough, Page
from telemetry.models import Generation, Spending
from telemetry.periods import EVER, Period, end_of

_AT_ONCE = 500
_READ_S = 2.0
# A page that nobody has asked about for so long is not read again at every poll.
_KEEP_S = 600.0

Figures = tuple[dict[Page, int], set[str]]


def read_spending(pages: Collection[Page], generation_ids: Collection[str]) -> Figures:
    """Return what the pages hold, and which of the generations that includes.

    One statement, and so one moment, on every database.
    """
    wanted = set(pages)
    spending = Spending.objects.filter(
        holder_id__in={page.holder_id for page in wanted},
        starts_on__in={page.starts_on for page in wanted},
    ).values_list("holder", "holder_id", "period", "starts_on", "cost_pico", "own_cost_pico")
    counted = (
        Generation.objects.filter(pk__in=generation_ids)
        .annotate(
            no_holder=Value(0, BigIntegerField()),
            no_period=Value("", CharField()),
            no_start=Value(EVER, DateField()),
            no_cost=Value(0, BigIntegerField()),
            no_own=Value(0, BigIntegerField()),
        )
        .values_list("id", "no_holder", "no_period", "no_start", "no_cost", "no_own")
    )
    settled, known = dict.fromkeys(wanted, 0), set()
    for name, holder_id, period, starts_on, cost, own in spending.union(counted, all=True):
        if not period:
            known.add(name)
        for counts_own, spent in ((False, cost), (True, cost + own)):
            page = Page(name, holder_id, period, starts_on, counts_own)
            if page in settled:
                settled[page] = spent
    return settled, known


def read_spending_apart(pages: Collection[Page], ids: Collection[str]) -> Figures:
    """Read in a pool's thread, which is left without a connection."""
    try:
        return read_spending(pages, ids)
    finally:
        connection.close()


class Budgets:
    """One per process. `refresh` is the polling thread's, the rest the event loop's."""

    def __init__(
        self,
        read: Callable[[Collection[Page], Collection[str]], Figures] = read_spending,
        read_apart: Callable[[Collection[Page], Collection[str]], Figures] = read_spending_apart,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.book = Book()
        self._read = read
        self._read_apart = read_apart
        self._clock = clock
        self._asked_at: dict[Page, float] = {}

    async def reserve(self, budgets: Collection[Budget], day: date, estimate: Amount) -> Hold:
        """Hold an estimate. Raises ApiError: 402, or 503 if the figures cannot be read."""
        at = self._clock()
        pages = [budget.page(day) for budget in budgets]
        for page in pages:
            self._asked_at[page] = at
        while True:
            if missing := [page for page in pages if page not in self.book]:
                await self._open(missing)
            try:
                return self.book.reserve(budgets, day, estimate)
            except KeyError:
                continue  # closed meanwhile, for nobody had asked about it for long
            except NotEnough as short:
                raise not_enough(short) from None

    async def _open(self, pages: list[Page]) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                settled, _ = await asyncio.to_thread(self._read_apart, pages, [])
        except Exception:  # noqa: BLE001  # whatever ails the database, the money is in doubt
            raise ApiError(
                503,
                "The key's spending cannot be checked right now. Try again shortly.",
                error_type="server",
                headers={"Retry-After": "5"},
            ) from None
        for page in pages:
            self.book.open(page, settled[page])

    def refresh(self) -> bool:
        """Read what has been counted since; tell whether any of it was this process's."""
        long_ago = self._clock() - _KEEP_S
        # A list at once: requests add to it meanwhile.
        for page, asked_at in list(self._asked_at.items()):
            if asked_at < long_ago:
                self._asked_at.pop(page, None)
        self.book.forget(self._asked_at)
        if not (pages := self.book.pages()):
            return False
        found = False
        while True:
            ids = self.book.pending(_AT_ONCE)
            settled, counted = self._read(pages, ids)
            self.book.absorb(settled, counted)
            # Facts are counted in the order they were written, so later ones can wait for a poll.
            found = found or bool(counted)
            if len(counted) < _AT_ONCE:
                return found


def not_enough(short: NotEnough) -> ApiError:
    """Return the 402, saying whose limit it is, what is left of it, and what would help."""
    budget, limit = short.budget, short.budget.limit_pico
    whose = "This key's limit" if budget.holder == "key" else "This account's credit"
    each = {"total": "", "daily": " a day", "weekly": " a week", "monthly": " a month"}
    left = max(0, limit - short.spent)
    needs = f"The request may cost ${_usd(short.estimate):.6g}"
    cure = "Ask for fewer max_tokens, or have the limit raised."
    if left and short.reserved:
        cure = f"Running requests may need ${_usd(short.reserved):.6g} of it. {cure}"
    resets_at = reset_of(budget.period, short.page.starts_on)
    return ApiError(
        402,
        f"{whose} of ${_usd(limit):.6g}{each[budget.period]} has ${_usd(left):.6g} left. "
        f"{needs}. {cure}",
        metadata={
            "limit_source": "api_key" if budget.holder == "key" else "account",
            "limit": _usd(limit),
            "limit_remaining": _usd(left),
            "reserved": _usd(short.reserved),
            "needed": _usd(short.estimate),
            "resets_at": resets_at.isoformat() if resets_at else None,
        },
    )


def reset_of(period: Period, day: date) -> datetime | None:
    """Return when spending begins again at zero; None if it never does."""
    end = end_of(period, day)
    return datetime.fromisoformat(f"{end}T00:00:00+00:00") if end else None


def _usd(pico: int) -> float:
    return pico / 1e12
