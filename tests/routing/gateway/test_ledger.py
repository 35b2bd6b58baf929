"""The arithmetic of budgets: no order of events overshoots a limit or loses a cost."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing.gateway.ledger import Amount, Book, Budget, Hold, NotEnough
from telemetry.periods import PERIODS, Period, end_of, start_of

DAY = date(2026, 7, 15)
LIMIT = 1_000
KEY = Budget("key", 1, "daily", LIMIT)
ACCOUNT = Budget("account", 7, "total", 3 * LIMIT)
AMOUNTS = st.builds(Amount, st.integers(0, 400), st.integers(0, 400))


class Spending(RuleBasedStateMachine):
    """Two keys of one account in one process, and a database that counts in its own time.

    The second key's limit counts what the account pays its own provider, too. A cost may exceed
    its estimate by what `overrun` says; the limit then breaks by no more than the sum of that over
    requests that ran at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        second = Budget("key", 2, "daily", LIMIT, counts_own=True)
        self.budgets = {1: (KEY, ACCOUNT), 2: (second, ACCOUNT)}
        self.running: list[tuple[int, Hold]] = []
        self.spool: list[tuple[str, Hold, Amount]] = []
        pages = [one.page(DAY) for one in (KEY, second, ACCOUNT)]
        self.counted = dict.fromkeys(pages, 0)
        self.spent = dict.fromkeys(pages, 0)
        self.overruns = 0
        self.unread: set[str] = set()
        self.number = 0
        for budget in (*self.budgets[1], self.budgets[2][0]):
            self.book.open(budget.page(DAY), 0)

    @rule(key=st.sampled_from([1, 2]), estimate=AMOUNTS)
    def begin(self, key: int, estimate: Amount) -> None:
        fits = all(estimate.on(one.page(DAY)) <= self._free(one) for one in self.budgets[key])
        try:
            hold = self.book.reserve(self.budgets[key], DAY, estimate)
        except NotEnough:
            assert not fits
        else:
            assert fits
            self.running.append((key, hold))

    def _free(self, budget: Budget) -> int:
        return budget.limit_pico - self.book.entry(budget.page(DAY)).committed

    @precondition(lambda self: self.running)
    @rule(data=st.data(), share=st.floats(0, 1), overrun=st.sampled_from([0, 0, 0, 50]),
          own=st.booleans(), stored=st.booleans())  # fmt: skip
    def end(self, data: st.DataObject, share: float, overrun: int, own: bool, stored: bool) -> None:
        _, hold = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        estimate = hold.estimate.own if own else hold.estimate.asked
        pico = int(estimate * share) + overrun
        cost = Amount(own=pico) if own else Amount(asked=pico)
        self.number += 1
        name = f"gen-{self.number}"
        self.book.settle(hold, name, cost, stored=stored)
        for page in hold.pages:
            self.spent[page] += cost.on(page)
        self.overruns += max(0, pico - estimate)
        if stored:
            self.spool.append((name, hold, cost))

    @precondition(lambda self: self.running)
    @rule()
    def give_up(self) -> None:
        self.book.release(self.running.pop()[1])

    @rule(count=st.integers(0, 5))
    def ingest(self, count: int) -> None:
        for name, hold, cost in self.spool[:count]:
            for page in hold.pages:
                self.counted[page] += cost.on(page)
            self.unread.add(name)
        del self.spool[:count]

    @rule(most=st.integers(1, 4))
    def read(self, most: int) -> None:
        self.book.pending(most)
        self.book.absorb(self.counted, sorted(self.unread))
        self.unread.clear()

    @invariant()
    def limits_hold(self) -> None:
        for budget in {one for pair in self.budgets.values() for one in pair}:
            assert self.spent[budget.page(DAY)] <= budget.limit_pico + self.overruns

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        for page, spent in self.spent.items():
            entry = self.book.entry(page)
            holds = [hold for _, hold in self.running if page in hold.pages]
            assert entry.reserved == sum(hold.estimate.on(page) for hold in holds)
            assert entry.running == len(holds)
            assert entry.committed - entry.reserved == spent


TestSpending = Spending.TestCase


def test_an_estimate_that_does_not_fit_holds_nothing_anywhere() -> None:
    book = Book()
    small = Budget("account", 7, "total", 10)
    for budget in (KEY, small):
        book.open(budget.page(DAY), 0)

    with pytest.raises(NotEnough) as short:
        book.reserve((KEY, small), DAY, Amount(11))

    assert short.value.budget is small
    assert book.entry(KEY.page(DAY)).committed == 0


def test_a_new_period_begins_at_zero() -> None:
    book = Book()
    book.open(KEY.page(DAY), LIMIT)
    book.open(KEY.page(DAY + timedelta(days=1)), 0)

    with pytest.raises(NotEnough):
        book.reserve([KEY], DAY, Amount(1))

    assert book.reserve([KEY], DAY + timedelta(days=1), Amount(LIMIT)).estimate == (LIMIT, 0)


def test_a_request_is_settled_in_the_period_it_began_in() -> None:
    book = Book()
    today, tomorrow = KEY.page(DAY), KEY.page(DAY + timedelta(days=1))
    book.open(today, 0)
    book.open(tomorrow, 0)
    hold = book.reserve([KEY], DAY, Amount(10))

    book.settle(hold, "gen-1", Amount(7), stored=True)

    assert (book.entry(today).committed, book.entry(tomorrow).committed) == (7, 0)


def test_a_page_with_a_running_request_is_kept_even_if_that_is_free() -> None:
    book = Book()
    page = KEY.page(DAY)
    book.open(page, 5)
    hold = book.reserve([KEY], DAY, Amount())

    book.forget(keep=())
    assert page in book
    book.release(hold)
    book.forget(keep=())
    assert page not in book
    with pytest.raises(KeyError):
        book.reserve([KEY], DAY, Amount(1))


def test_asks_in_turn_about_more_than_it_asks_at_once() -> None:
    book = Book()
    book.open(KEY.page(DAY), 0)
    for number in range(5):
        hold = book.reserve([KEY], DAY, Amount(1))
        book.settle(hold, f"gen-{number}", Amount(1), stored=True)

    asked = [*book.pending(2), *book.pending(2), *book.pending(2)]

    assert set(asked) == {f"gen-{number}" for number in range(5)}


@given(st.dates(date(2020, 1, 1), date(2100, 1, 1)), st.sampled_from(PERIODS))
def test_a_day_is_in_its_own_period(day: date, period: Period) -> None:
    start, end = start_of(period, day), end_of(period, day)

    assert start <= day
    assert start_of(period, start) == start
    if end is not None:
        assert day < end
        assert start_of(period, end) == end
        assert start_of(period, end - timedelta(days=1)) == start
