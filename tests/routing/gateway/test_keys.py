"""Callers from memory: how long they are believed, and what happens in doubt."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from routing.errors import ApiError
from routing.gateway.key_limits import KeyLimits
from routing.gateway.keys import Caller, KeyRing
from routing.limits import Limits
from tests.live import eventually


def _caller(digest: str = "d", **fields: object) -> Caller:
    defaults: dict[str, object] = {
        "account_id": 1, "api_key_id": 1, "label": "k", "digest": digest,
        "requests_per_minute": 0, "max_in_flight": 0, "expires_at": None,
    }  # fmt: skip
    return Caller(**{**defaults, **fields})  # type: ignore[arg-type]


class _Database:
    """The keys that exist, and a ring in front of them on a clock of the test's own."""

    def __init__(self, *callers: Caller) -> None:
        self.callers = {caller.digest: caller for caller in callers}
        self.reads = 0
        self.down = False
        self.now = 1000.0
        self.ring = KeyRing(Limits(), self._load, clock=lambda: self.now)

    def _load(self, digest: str) -> Caller | None:
        self.reads += 1
        if self.down:
            raise ConnectionError
        return self.callers.get(digest)

    def status(self, digest: str = "d") -> int:
        try:
            assert asyncio.run(self.ring.caller(digest)).digest == digest
        except ApiError as refused:
            return refused.status
        return 200


def test_reads_a_key_once_while_nothing_changes() -> None:
    database = _Database(_caller())

    for _ in range(20):
        assert database.status() == 200
        database.now += 1
        database.ring.confirm()

    assert database.reads == 1


def test_reads_again_when_nobody_confirmed_for_five_seconds() -> None:
    database = _Database(_caller())
    database.status()

    database.now += 6
    database.callers.clear()

    assert database.status() == 401


def test_asks_about_an_unknown_key_once_in_five_seconds() -> None:
    database = _Database()

    assert [database.status(), database.status()] == [401, 401]
    assert database.reads == 1
    database.callers["d"] = _caller()
    database.now += 6
    assert database.status() == 200


def test_believes_a_known_key_for_fifteen_minutes_without_a_database() -> None:
    database = _Database(_caller())
    database.status()
    database.down = True

    database.now += 890
    assert database.status() == 200
    database.now += 20
    assert database.status() == 503


def test_answers_503_and_never_401_in_doubt() -> None:
    database = _Database(_caller())
    database.down = True

    assert database.status("never seen") == 503
    database.down = False
    database.now += 2
    assert database.status() == 200


def test_asks_a_database_in_trouble_once_a_second() -> None:
    database = _Database(_caller())
    database.status()
    database.down = True
    database.now += 6

    for _ in range(10):
        assert database.status() == 200
        assert database.status("another") == 503
    assert database.reads == 2

    database.now += 1.5
    database.status()
    assert database.reads == 3


@pytest.mark.parametrize("revoked", [True, False])
def test_reads_again_what_was_read_while_keys_were_replaced(revoked: bool) -> None:
    database = _Database(_caller())
    read, go = threading.Event(), threading.Event()
    load = database._load

    def slow(digest: str) -> Caller | None:
        caller = load(digest)
        read.set()
        assert go.wait(5)
        return caller

    database.ring._load = slow

    async def replaced_meanwhile() -> Caller:
        asking = asyncio.create_task(database.ring.caller("d"))
        await asyncio.to_thread(read.wait)
        if revoked:
            database.callers.clear()
        database.ring.replace({})
        go.set()
        return await asking

    if revoked:
        with pytest.raises(ApiError, match="No usable API key"):
            asyncio.run(replaced_meanwhile())
    else:
        assert asyncio.run(replaced_meanwhile()) == _caller()

    assert database.reads == 2
    assert (database.ring.cached("d") is None) == revoked


def test_stops_a_key_the_moment_it_expires() -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    past = datetime.now(UTC) - timedelta(seconds=1)
    database = _Database(_caller("a", expires_at=soon), _caller("b", expires_at=past))

    assert database.status("a") == 200
    assert database.status("b") == 401


# Limits ------------------------------------------------------------------------------------


def _admit(limits: KeyLimits, caller: Caller) -> None:
    with limits.admit(caller):
        pass


def test_spreads_requests_per_minute_over_time() -> None:
    now = [0.0]
    limits = KeyLimits(clock=lambda: now[0])
    caller = _caller(requests_per_minute=60)

    for _ in range(60):
        _admit(limits, caller)
    with pytest.raises(ApiError) as refused:
        _admit(limits, caller)
    headers = refused.value.headers
    assert (headers["Retry-After"], headers["X-RateLimit-Limit"]) == ("1", "60")
    assert headers["X-RateLimit-Remaining"] == "0"
    assert int(headers["X-RateLimit-Reset"]) > 1e12  # milliseconds

    now[0] += 1
    _admit(limits, caller)
    with pytest.raises(ApiError):
        _admit(limits, caller)


def test_gives_a_place_back_however_a_request_ends() -> None:
    limits, caller = KeyLimits(), _caller(max_in_flight=1)

    def fail() -> None:
        with limits.admit(caller):
            with pytest.raises(ApiError):
                _admit(limits, caller)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    _admit(limits, caller)


def test_counts_each_key_by_itself() -> None:
    limits = KeyLimits()
    with limits.admit(_caller(max_in_flight=1)):
        _admit(limits, _caller(max_in_flight=1, api_key_id=2))


def test_knows_no_limit_of_zero() -> None:
    limits = KeyLimits()
    for _ in range(1000):
        _admit(limits, _caller())


def test_refuses_wrong_revoked_and_expired_keys_by_the_same_steps() -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    database = _Database(_caller("revoked"), _caller("expired", expires_at=soon))
    assert [database.status("revoked"), database.status("expired")] == [200, 200]
    del database.callers["revoked"]
    database.ring.replace({"expired": database.callers["expired"]})
    eventually(lambda: datetime.now(UTC) > soon)

    steps = []
    for digest in ("wrong", "revoked", "expired"):
        before = database.reads
        statuses = [database.status(digest), database.status(digest)]
        steps.append((statuses, database.reads - before))

    # One look-up, then none for a while.
    assert steps == [([401, 401], 1)] * 3
