"""Whether a caller's limits allow one more request: its own process first, then all together.

Owns the order of the questions and what a refusal says. The rules others rely on: `concerns` is
asked first, and a caller whom no limit concerns never waits; what `take` returned is given to
`settle` exactly once, whatever became of the request.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routing.gateway.budgets import Budgets, not_enough
from routing.gateway.key_limits import too_fast, too_many_at_once
from routing.gateway.keys import Caller
from routing.gateway.ledger import Amount, Hold, NotEnough

if TYPE_CHECKING:
    from routing.gateway.shared_limits import SharedLimits, Verdict


class Allowance:
    """`shared` is set once the event loop runs, where Redis is configured."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self.shared: SharedLimits | None = None

    def concerns(self, caller: Caller) -> bool:
        if caller.budgets:
            return True
        limited = caller.requests_per_minute or caller.max_in_flight
        return self.shared is not None and bool(limited)

    def ended(self, caller: Caller) -> None:
        if self.shared is not None:
            self.shared.changed(caller)

    async def take(self, caller: Caller, estimate: Amount, created_at: float) -> Hold:
        """Reserve what a request may cost at most. Raises ApiError: 402, 429 or 503."""
        day = datetime.fromtimestamp(created_at, UTC).date()
        hold = await self._budgets.reserve(caller.budgets, day, estimate)
        if self.shared is None:
            return hold
        try:
            verdict = await self.shared.ask(caller, day)
            if verdict.kind != "ok":
                raise self._refusal(caller, hold, verdict)
        except BaseException:
            self._budgets.book.release(hold)
            raise
        return hold

    def settle(
        self, caller: Caller, hold: Hold, generation_id: str, cost: Amount, *, stored: bool
    ) -> None:
        """Replace the reservation by the cost; `stored`: its record is in the spool."""
        self._budgets.book.settle(hold, generation_id, cost, stored=stored)
        self.ended(caller)

    def _refusal(self, caller: Caller, hold: Hold, verdict: "Verdict") -> Exception:
        if verdict.kind == "rate":
            return too_fast(caller, verdict.wait_s)
        if verdict.kind == "flights":
            return too_many_at_once(caller)
        budget, page = next(
            (budget, page)
            for budget, page in zip(caller.budgets, hold.pages, strict=True)
            if budget.holder == verdict.holder
        )
        own, estimate = self._budgets.book.entry(page), hold.estimate.on(page)
        # What others spent and what they hold is told as one: both are reserved as seen from here.
        entry = replace(
            own,
            settled=verdict.settled_pico,
            reserved=own.reserved - estimate + verdict.others_pico,
        )
        return not_enough(NotEnough(budget, page, entry, estimate))
