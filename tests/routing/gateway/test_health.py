"""Ejection, cool-down, uptime, speed and the retry budget, on a clock of the test's own."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.health import HEALTHY, EndpointHealth, HealthBook, RetryBudget, retry_after
from routing.limits import Limits

LIMITS = Limits()


class _Book:
    def __init__(self, **limits: float) -> None:
        self.book = HealthBook(Limits(**limits), Random(1))  # type: ignore[arg-type]  # as in env

    def fail(self, at: float, times: int = 1) -> None:
        for _ in range(times):
            self.book.failed(1, at)

    def succeed(self, at: float, times: int = 1, latency: float = 0.1, speed: float = 50) -> None:
        for _ in range(times):
            self.book.succeeded(1, at, latency_s=latency, tokens_per_s=speed)

    def at(self, now: float) -> EndpointHealth:
        return self.book.view([1], now).get(1, HEALTHY)


def test_ejects_after_five_failures_in_a_row_for_about_thirty_seconds() -> None:
    book = _Book()

    book.fail(0, times=4)
    assert not book.at(0).ejected
    book.fail(0)

    assert book.at(23).ejected
    assert not book.at(37).ejected


def test_starts_anew_after_a_success() -> None:
    book = _Book()

    book.fail(0, times=4)
    book.succeed(0)
    book.fail(0, times=4)

    assert not book.at(1).ejected


def test_ejects_when_more_than_half_of_twenty_fail() -> None:
    book = _Book()

    for _ in range(9):
        book.succeed(0)
        book.fail(0)
    assert not book.at(0).ejected
    book.fail(0, times=2)

    assert book.at(1).ejected


def test_ejects_longer_each_time_up_to_five_minutes() -> None:
    book, now, waits = _Book(), 0.0, []
    for _ in range(14):
        book.book.started(1, now)
        book.fail(now, times=5)
        back = now
        while book.at(back).ejected:
            back += 1
        waits.append(back - now)
        now = back

    assert waits[0] < 40
    assert waits[3] > 90
    assert max(waits) <= 300 * 1.2 + 1


def test_lets_one_probe_through_and_takes_its_word() -> None:
    book = _Book()
    book.fail(0, times=5)

    assert not book.at(40).ejected
    book.book.started(1, 40)
    assert book.at(40).ejected, "the others wait for the probe"
    book.fail(41)
    assert book.at(42).ejected

    book.book.started(1, 200)
    book.succeed(201)
    assert not book.at(201).ejected


def test_forgets_a_probe_whose_caller_left() -> None:
    book = _Book()
    book.fail(0, times=5)
    book.book.started(1, 40)

    book.book.abandoned(1)

    assert not book.at(40).ejected


def test_cools_down_for_as_long_as_was_asked_within_bounds() -> None:
    book = _Book()

    for asked, told in ((7, 7), (0, 1), (86_400, 60), (None, LIMITS.cooldown_s)):
        book.book.cooling(1, 100, asked)
        assert book.at(100).cooling_s == told
    assert book.at(200).cooling_s == 0


def test_calls_an_endpoint_unstable_for_thirty_seconds_after_a_failure() -> None:
    book = _Book()
    book.fail(0)

    assert not book.at(29).stable
    assert book.at(31).stable


def test_every_threshold_of_ejection_can_be_set() -> None:
    book = _Book(eject_share=0.1, eject_min_requests=3, eject_window_s=5, eject_jitter=0)
    book.succeed(0, times=2)
    book.fail(0)

    assert book.at(29.9).ejected
    assert not book.at(30).ejected
    assert not book.at(4.9).stable
    assert book.at(5).stable


def test_the_limits_of_a_cool_down_can_be_set() -> None:
    limits = Limits(retry_after_min_s=3, retry_after_max_s=7.5)
    book = _Book(retry_after_min_s=3, retry_after_max_s=7.5)

    book.book.cooling(1, 0, 100)
    longest = book.at(0).cooling_s
    book.book.cooling(1, 0, 0)

    assert (book.at(0).cooling_s, longest) == (3, 7.5)
    assert [retry_after(wait, limits) for wait in (0, 5, 100)] == [3, 5, 8]


def test_the_classes_of_uptime_can_be_set() -> None:
    limits = {"uptime_min_requests": 4, "uptime_normal": 0.5, "uptime_degraded": 0.25}
    book = _Book(**limits, uptime_window_s=10, eject_window_s=10)

    def after(failures: int) -> int:
        book.fail(1, times=failures)
        return book.at(2).uptime_class

    book.succeed(1, times=2)
    assert [after(1), after(1), after(1), after(4)] == [0, 0, 1, 2]
    assert book.at(12).uptime_class == 0


def test_tells_uptime_by_class_from_a_hundred_requests_on() -> None:
    book = _Book()
    book.succeed(0, times=89)
    book.fail(0, times=4)
    assert book.at(1).uptime_class == 0, "too few to tell"

    book.succeed(1, times=10)
    book.fail(1, times=4)
    assert book.at(1).uptime_class == 1

    book.fail(2, times=30)
    assert book.at(2).uptime_class == 2
    assert book.at(400).uptime_class == 0, "five minutes on, it is forgotten"


def test_measures_percentiles_of_the_last_five_minutes() -> None:
    book = _Book()
    for number in range(1, 101):
        book.succeed(10, latency=number, speed=number)

    seen = book.at(11)

    assert seen.latency is not None
    assert seen.throughput is not None
    assert 50 <= seen.latency["p50"] <= 51
    assert 99 <= seen.latency["p99"] <= 100
    assert 1 <= seen.throughput["p99"] <= 2
    assert book.at(400).latency is None


def test_keeps_retries_to_a_fifth_of_requests_and_at_least_three() -> None:
    budget = RetryBudget(LIMITS)
    assert [budget.start_retry("m") for _ in range(4)] == [True, True, True, False]

    for _ in range(50):
        budget.admitted("m", 100)
    assert [budget.start_retry("m") for _ in range(8)] == [True] * 7 + [False]

    budget.end_retry("m")
    assert budget.start_retry("m")
    assert budget.start_retry("another")


@given(st.lists(st.sampled_from(["ok", "fail", "start", "leave", "cool", "tick"]), max_size=60))
def test_never_keeps_an_endpoint_out_for_ever(happened: list[str]) -> None:
    book, now = _Book(), 0.0
    for what in happened:
        now += 20 if what == "tick" else 0.1
        if what == "ok":
            book.succeed(now)
        elif what == "fail":
            book.fail(now)
        elif what == "start":
            book.book.started(1, now)
        elif what == "leave":
            book.book.abandoned(1)
        elif what == "cool":
            book.book.cooling(1, now, 30)
    book.book.abandoned(1)

    later = book.at(now + 361)

    assert not later.ejected
    assert later.cooling_s == 0
    assert later.stable
