"""One live gateway and one set of scripted providers for all tests of the chat route."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live import Answer, EventStream, LiveGateway
from tests.routing import live_catalog
from tests.scripted_upstream import ScriptedUpstream, Step, Visit

MODELS = 400
# Scaled down, so that a test of a time-out takes its time-out and no more; and far enough from what
# the scripts do in time that a busy machine does not confuse the two.
FAST = {
    "CONNECT_S": "1",
    "TTFT_S": "3",
    "IDLE_S": "3",
    "ANSWER_S": "6",
    "STREAM_S": "8",
    "MIN_ATTEMPT_S": "0.2",
    "KEEPALIVE_S": "0.4",
    "SEND_STALL_S": "2",
    "BODY_READ_S": "4",
    "BODY_IDLE_S": "2",
    "SNAPSHOT_POLL_S": "0.2",
    "GRACEFUL_STOP_S": "2",
    # Changes no order, and says of every request what it would have done.
    "AUTO_EXACTO": "shadow",
}


@dataclass(frozen=True, slots=True)
class Chat:
    """One request of a test: a model of its own, a nonce, and what the providers do with it."""

    gateway: LiveGateway
    upstream: ScriptedUpstream
    model: str
    nonce: str

    @property
    def pooled(self) -> str:
        return f"{self.model}:exacto"

    def script(self, **programs: tuple[Step, ...]) -> None:
        """Say what providers do; those off the allowlist must never be asked."""
        self.upstream.script(self.nonce, only=live_catalog.POOL, **programs)

    def on(self, gateway: LiveGateway, model: str) -> "Chat":
        """Return a request like this one, to another gateway."""
        return Chat(gateway, self.upstream, model, self.nonce)

    def body(self, **fields: Any) -> dict[str, Any]:
        return live_catalog.request(
            fields.pop("model", self.pooled), nonce=self.nonce, **{"provider": FIRST, **fields}
        )

    def post(self, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
        """Ask for JSON, first of amber and then of basalt."""
        return self.gateway.chat(self.body(**fields), headers=headers)

    def stream(self, headers: dict[str, str] | None = None, **fields: Any) -> EventStream:
        """Ask for a stream, first of amber and then of basalt."""
        return self.gateway.stream(self.body(stream=True, **fields), headers=headers)

    def seen(self, provider: str = "") -> list[Visit]:
        return self.upstream.seen(self.nonce, provider)


FIRST = {"order": ["amber", "basalt"]}


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(*live_catalog.PROVIDERS) as rig:
        yield rig


@pytest.fixture(scope="session")
def live(upstream: ScriptedUpstream) -> Iterator[LiveGateway]:
    catalog = live_catalog.catalog(upstream.ports, MODELS)
    with LiveGateway(catalog, FAST | live_catalog.credentials()) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def fresh_models() -> live_catalog.FreshModels:
    return live_catalog.FreshModels(MODELS)


@pytest.fixture
def chat(
    live: LiveGateway, upstream: ScriptedUpstream, fresh_models: live_catalog.FreshModels
) -> Iterator[Chat]:
    """Return a request on endpoints no other test has used."""
    yield Chat(live, upstream, fresh_models.take(), live_catalog.new_nonce())
    assert upstream.violations == []
