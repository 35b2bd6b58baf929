"""What is left of a request once it is over: nothing that only the garbage collector would find.

A cycle keeps a request's bodies until then, some dozen requests long: memory, and time to look.
"""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import EventStream, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FAST, Chat
from tests.scripted_upstream import ScriptedUpstream, answer, begin_stream, delta, end_stream, hang

# Loaded by the server's interpreter at its start. On a first signal it lets the collector find what
# is there and then keep what it finds, on a second one it writes down what that came to.
_WATCH = """
import collections, gc, json, os, signal, sys

def begin(*_):
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.disable()
    open(os.environ["LEFTOVERS"], "w").close()

def tell(*_):
    gc.collect()
    kinds = collections.Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.garbage)
    gc.set_debug(0)
    gc.garbage.clear()
    with open(os.environ["LEFTOVERS"] + ".new", "w") as file:
        json.dump(kinds, file)
    os.rename(file.name, os.environ["LEFTOVERS"])

if "serve" in sys.argv:
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, tell)
"""
Leftovers = Callable[[Callable[[], Any]], dict[str, int]]


@pytest.fixture(scope="module")
def watched(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveGateway]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(_WATCH)
    catalog = live_catalog.catalog(upstream.ports, 20)
    watching = {"PYTHONPATH": str(folder), "LEFTOVERS": str(folder / "leftovers.json")}
    with LiveGateway(catalog, FAST | live_catalog.credentials() | watching) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def models() -> live_catalog.FreshModels:
    return live_catalog.FreshModels(20)


@pytest.fixture
def chat(
    watched: LiveGateway, upstream: ScriptedUpstream, models: live_catalog.FreshModels
) -> Chat:
    return Chat(watched, upstream, models.take(), live_catalog.new_nonce())


@pytest.fixture
def leftovers(watched: LiveGateway) -> Leftovers:
    """Return how many objects of which kind a piece of work leaves to the collector."""
    file = Path(watched.env["LEFTOVERS"])

    def left_by(work: Callable[[], Any]) -> dict[str, int]:
        assert watched.process is not None
        work()  # what is made once, by the first of its kind, is not meant
        file.unlink(missing_ok=True)
        watched.process.send_signal(signal.SIGUSR1)
        eventually(file.exists)
        work()
        watched.process.send_signal(signal.SIGUSR2)
        eventually(lambda: file.read_text())
        found: dict[str, int] = json.loads(file.read_text())
        return {kind: count for kind, count in found.items() if kind.startswith(_OURS)}

    return left_by


def read(stream: EventStream) -> None:
    with stream:
        for _ in stream.events():
            pass


_OURS = ("routing.", "providers.", "telemetry.", "uvicorn.", "rest_framework.", "django.")


def test_an_answer_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    assert leftovers(lambda: chat.post(tools=[live_catalog.WEATHER])) == {}


def test_a_stream_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    assert leftovers(lambda: read(chat.stream())) == {}


def test_a_stream_that_breaks_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    chat.script(amber=(begin_stream(), delta("Hel"), end_stream(done=False)))
    assert leftovers(lambda: read(chat.stream())) == {}


def test_a_stream_whose_caller_leaves_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    def leave() -> None:
        seen = len(chat.seen())
        with chat.stream() as stream:
            stream.next_chunk()
        eventually(lambda: all(visit.gone.is_set() for visit in chat.seen()[seen:]))

    chat.script(amber=(begin_stream(), delta("Hel"), hang))
    assert leftovers(leave) == {}


def test_a_timeout_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    chat.script(amber=(hang,))
    assert leftovers(lambda: read(chat.stream())) == {}


def test_a_failover_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    chat.script(amber=(answer({"error": "busy"}, 503),))
    assert leftovers(chat.post) == {}


def test_a_refusal_leaves_nothing(chat: Chat, leftovers: Leftovers) -> None:
    assert leftovers(lambda: chat.post(temperature="hot")) == {}


@pytest.mark.parametrize("path", ["/api/v1/messages", "/api/v1/responses"])
def test_another_shape_leaves_nothing(chat: Chat, leftovers: Leftovers, path: str) -> None:
    asked = {"model": chat.pooled, "max_tokens": 5, "metadata": {"user_id": chat.nonce}}
    asked["input" if path.endswith("responses") else "messages"] = [
        {"role": "user", "content": "Hello"}
    ]
    assert leftovers(lambda: chat.gateway.chat(asked, path=path)) == {}
