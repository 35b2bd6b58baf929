"""Limits over two web processes and one Redis: together they allow what one alone would."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.live import LiveGateway, eventually, free_port
from tests.routing import live_catalog
from tests.routing.conftest import FAST, Chat
from tests.routing.test_chat_spending import COST, ask, key_with, spend_all
from tests.scripted_upstream import ScriptedUpstream, answer, wait

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def pair(redis_url: str, upstream: ScriptedUpstream) -> Iterator[tuple[LiveGateway, LiveGateway]]:
    catalog = live_catalog.catalog(upstream.ports, 20)
    env = FAST | live_catalog.credentials() | {"REDIS_URL": redis_url, "REDIS_S": "2"}
    with LiveGateway(catalog, env) as gateway, gateway.sibling() as other:
        yield gateway, other


@pytest.fixture
def both(pair: tuple[LiveGateway, LiveGateway], upstream: ScriptedUpstream) -> tuple[Chat, Chat]:
    nonce, model = live_catalog.new_nonce(), live_catalog.model_slug(1)
    here, there = (Chat(gateway, upstream, model, nonce) for gateway in pair)
    return here, there


def spend_all_of_both(both: tuple[Chat, Chat], key: str) -> int:
    """Ask both until neither has room, and still has none a little later; count the answers.

    One hears of the end of the other's requests, which cost less than was reserved, with a delay.
    """
    spent = quiet = 0
    while quiet < 3:
        more = sum(spend_all(chat, key) for chat in both)
        spent, quiet = spent + more, 0 if more else quiet + 1
        time.sleep(0.1)
    return spent


def test_both_say_that_limits_are_shared(pair: tuple[LiveGateway, LiveGateway]) -> None:
    assert [gateway.readyz()["limits"] for gateway in pair] == ["shared", "shared"]


def test_a_rate_limit_is_for_both_together(both: tuple[Chat, Chat]) -> None:
    key = both[0].gateway.create_key("Busy", "shared rpm", rpm=4)

    answers = [ask(both[number % 2], key) for number in range(6)]

    assert [one.status for one in answers] == [200] * 4 + [429] * 2
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 15
    assert refused.headers["x-ratelimit-limit"] == "4"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert not any("x-ratelimit-limit" in one.headers for one in answers[:4])


def test_requests_at_once_are_counted_over_both(both: tuple[Chat, Chat]) -> None:
    here, there = both
    gate = threading.Event()
    here.script(amber=(wait(gate), answer()))
    key = here.gateway.create_key("Busy", "shared at once", rpm=0, in_flight=1)
    first = threading.Thread(target=ask, args=(here, key))
    first.start()
    eventually(lambda: here.seen("amber"))

    refused = ask(there, key)
    gate.set()
    first.join()

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    eventually(lambda: ask(there, key).status == 200, within_s=5)


def test_a_budget_is_spent_once_by_both(both: tuple[Chat, Chat]) -> None:
    here, there = both
    key = key_with(here.gateway, 0.0005)

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda n: ask(both[n % 2], key).status, range(40)))
    spent = statuses.count(200) + spend_all_of_both(both, key)

    assert set(statuses) == {200, 402}
    assert spent * COST <= 0.0005
    # Nothing of it was in the database: only Redis can have told.
    assert here.gateway.rows("SELECT * FROM telemetry_spending WHERE cost_pico > 0 AND holder_id ="
                             " (SELECT id FROM routing_apikey WHERE public_id = %s)",
                             key.split("-")[2]) == []  # fmt: skip

    here.gateway.ingest()

    refused = eventually(
        lambda: (one := ask(there, key)).error["metadata"]["reserved"] == 0 and one, within_s=5
    )
    told = refused.error["metadata"]
    assert told["limit_remaining"] == pytest.approx(0.0005 - spent * COST)
    assert told["needed"] > told["limit_remaining"]


def test_an_accounts_credits_are_for_both(both: tuple[Chat, Chat]) -> None:
    here, there = both
    account = f"sharing-{here.nonce}"
    keys = [here.gateway.create_key(account, name, rpm=0, in_flight=0) for name in ("one", "two")]
    here.gateway.execute("UPDATE routing_account SET credits = 0.0003 WHERE name = %s", account)

    def refused_everywhere() -> bool:
        asked = [ask(chat, key, 1000).status for chat in both for key in keys]
        return set(asked) == {402}

    eventually(refused_everywhere)

    answered = spend_all(here, keys[0])

    assert answered * COST <= 0.0003
    refused = ask(there, keys[1])
    assert (refused.status, refused.error["metadata"]["limit_source"]) == (402, "account")


@contextmanager
def forwarding(port: int, url: str) -> Iterator[None]:
    """Stand in for a Redis that comes back: pass what reaches the port on to the real one."""
    target = urlsplit(url)
    address = (target.hostname or "127.0.0.1", target.port or 6379)
    listener = socket.create_server(("127.0.0.1", port))
    sockets = [listener]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return

    def accept() -> None:
        try:
            while True:
                near, far = listener.accept()[0], socket.create_connection(address)
                sockets.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        for one in sockets:
            one.close()


def test_without_redis_limits_are_per_process_until_it_answers(
    redis_url: str, upstream: ScriptedUpstream
) -> None:
    port = free_port()
    away = urlsplit(redis_url)._replace(netloc=f"127.0.0.1:{port}").geturl()
    env = FAST | live_catalog.credentials()
    env |= {"REDIS_URL": away, "CELERY_BROKER_URL": "filesystem://", "REDIS_S": "1"}
    with LiveGateway(live_catalog.catalog(upstream.ports, 2), env) as gateway:
        chat = Chat(gateway, upstream, live_catalog.model_slug(0), live_catalog.new_nonce())
        key = gateway.create_key("Busy", "alone", rpm=2, in_flight=0, limit=0.01)

        assert [ask(chat, key).status for _ in range(3)] == [200, 200, 429]
        assert gateway.readyz()["limits"] == "per process"
        assert gateway.log().count("limits are per process until Redis answers again") == 1

        other = gateway.create_key("Busy", "again", rpm=0, in_flight=5)
        with forwarding(port, redis_url):
            eventually(
                lambda: ask(chat, other).status == 200 and gateway.readyz()["limits"] == "shared",
                within_s=10,
            )
            assert "limits are shared again" in gateway.log()
        assert ask(chat, other).status == 200
