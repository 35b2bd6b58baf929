"""What keys and accounts with a limit have spent, as one process sees it.

Owns the arithmetic, in whole picodollars: what the database has counted, what this process has
spent since, and what its running requests may still cost. It reads no database and no clock. The
rules others rely on: a request is admitted only if all of these and its own estimate fit the
limit; a cost leaves `unsettled` in the very step in which the database's figure grows by it; what
an account pays its own provider is spending only on pages that say so.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import NamedTuple

from telemetry.periods import Period, start_of


@dataclass(frozen=True, slots=True)
class Budget:
    """What a holder ("key" or "account") may spend in each period.

    `counts_own`: what the account pays its own provider counts, too.
    """

    holder: str
    holder_id: int
    period: Period
    limit_pico: int
    counts_own: bool = False

    def page(self, day: date) -> "Page":
        starts_on = start_of(self.period, day)
        return Page(self.holder, self.holder_id, self.period, starts_on, self.counts_own)


class Page(NamedTuple):
    """One holder in one period: what a row of `telemetry.models.Spending` counts.

    A limit that begins to count own calls, or ends to, has another page from then on.
    """

    holder: str
    holder_id: int
    period: str
    starts_on: date
    counts_own: bool = False


class Amount(NamedTuple):
    """Picodollars for one request: asked of the caller, or of its account by its own provider.

    An estimate has both, of which one will be: a cost has one.
    """

    asked: int = 0
    own: int = 0

    def on(self, page: Page) -> int:
        """Return what of it counts on a page."""
        return max(self.asked, self.own) if page.counts_own else self.asked


@dataclass(slots=True)
class Entry:
    """One page's figures in picodollars, all of this process but `settled`."""

    settled: int = 0
    unsettled: int = 0
    reserved: int = 0
    # Spent, but its record was lost: no database will ever count it.
    lost: int = 0
    running: int = 0

    @property
    def own(self) -> int:
        """What only this process knows of."""
        return self.unsettled + self.reserved + self.lost

    @property
    def committed(self) -> int:
        return self.settled + self.own


@dataclass(frozen=True, slots=True)
class Hold:
    """What one running request has reserved, on which pages."""

    pages: tuple[Page, ...]
    estimate: Amount


class NotEnough(Exception):
    """A budget has no room for the estimate."""

    def __init__(self, budget: Budget, page: Page, entry: Entry, estimate: int) -> None:
        super().__init__(budget.holder)
        self.budget = budget
        self.page = page
        self.spent = entry.committed - entry.reserved
        self.reserved = entry.reserved
        self.estimate = estimate


@dataclass(slots=True)
class _Pending:
    pages: tuple[Page, ...]
    cost: Amount


@dataclass(slots=True)
class Book:
    """All pages in use. Safe to use from the event loop and the polling thread at once."""

    _entries: dict[Page, Entry] = field(default_factory=dict)
    _pending: dict[str, _Pending] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __contains__(self, page: Page) -> bool:
        return page in self._entries

    def entry(self, page: Page) -> Entry:
        """Return a copy of the page's figures."""
        with self._lock:
            entry = self._entries.get(page) or Entry()
            return replace(entry)

    def open(self, page: Page, settled: int) -> None:
        """Begin a page, unless somebody was faster."""
        with self._lock:
            self._entries.setdefault(page, Entry(settled))

    def reserve(self, budgets: Collection[Budget], day: date, estimate: Amount) -> Hold:
        """Hold the estimate on every budget's page, or on none.

        Raises NotEnough, and KeyError if a page is not open (any more).
        """
        pages = tuple(budget.page(day) for budget in budgets)
        with self._lock:
            entries = [self._entries[page] for page in pages]
            for budget, page, entry in zip(budgets, pages, entries, strict=True):
                if entry.committed + estimate.on(page) > budget.limit_pico:
                    raise NotEnough(budget, page, entry, estimate.on(page))
            for page, entry in zip(pages, entries, strict=True):
                entry.reserved += estimate.on(page)
                entry.running += 1
        return Hold(pages, estimate)

    def release(self, hold: Hold) -> None:
        """Give back what a request held that never cost anything."""
        with self._lock:
            self._release(hold)

    def settle(self, hold: Hold, generation_id: str, cost: Amount, *, stored: bool) -> None:
        """Replace an estimate by the cost. `stored`: the database will count it one day."""
        with self._lock:
            self._release(hold)
            if not any(cost.on(page) for page in hold.pages):
                return
            for page in hold.pages:
                entry = self._entries[page]
                if stored:
                    entry.unsettled += cost.on(page)
                else:
                    entry.lost += cost.on(page)
            if stored:
                self._pending[generation_id] = _Pending(hold.pages, cost)

    def _release(self, hold: Hold) -> None:
        for page in hold.pages:
            entry = self._entries[page]
            entry.reserved -= hold.estimate.on(page)
            entry.running -= 1

    # Reading again what the database has counted ----------------------------------------------

    def pages(self) -> list[Page]:
        with self._lock:
            return list(self._entries)

    def pending(self, most: int) -> list[str]:
        """Return generations that the database had not counted, those asked for longest ago."""
        with self._lock:
            ids = list(islice(self._pending, most))
            if len(self._pending) > most:
                for generation_id in ids:
                    self._pending[generation_id] = self._pending.pop(generation_id)
            return ids

    def absorb(self, settled: Mapping[Page, int], counted: Collection[str]) -> None:
        """Take the database's figures, with the generations they are known to include.

        Both must be of one moment, else a cost would be seen twice or not at all.
        """
        with self._lock:
            for generation_id in counted:
                if (pending := self._pending.pop(generation_id, None)) is not None:
                    for page in pending.pages:
                        self._entries[page].unsettled -= pending.cost.on(page)
            for page, entry in self._entries.items():
                if page in settled:
                    entry.settled = settled[page]

    def forget(self, keep: Collection[Page]) -> None:
        """Drop pages that nothing of this process is on, unless they are to be kept."""
        with self._lock:
            for page, entry in list(self._entries.items()):
                if not entry.own and not entry.running and page not in keep:
                    del self._entries[page]
