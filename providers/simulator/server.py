"""The simulated providers' HTTP server: one port, every provider under its own path.

Owns the paths, keys and the request log. Prompts, answers and keys are never logged: of a body
only its SHA-256 is kept. `create_app` is for tests, `running` for an event loop that has other
things to do, `serve` for a process of its own.
"""

import asyncio
import hashlib
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random
from typing import Any

import orjson
from aiohttp import web

from providers.simulator import asked, bodies, vectors
from providers.simulator.asked import BadRequest
from providers.simulator.fleet import Fleet, SimulatedProvider
from providers.simulator.performing import HungUp, Performance, Stopping
from providers.simulator.planning import Plan, plan

BODY_LIMIT = 64 * 2**20
LOG_LENGTH = 10_000
MODEL_SHOWN = 100  # characters
SHUTDOWN_SECONDS = 1.0


@dataclass
class LogEntry:
    """One request; times are milliseconds since it came in, None for what did not happen."""

    path: str
    provider: str
    model: str
    received_at: float  # Unix seconds
    body_sha256: str
    stream: bool = False
    faults: list[str] = field(default_factory=list)
    outcome: str = "running"  # then answered, refused, hung_up, peer_closed or stopped
    status: int | None = None
    first_byte_ms: float | None = None
    ended_ms: float | None = None
    closed_by_peer_ms: float | None = None
    bytes_sent: int = 0
    _started: float = field(default_factory=time.perf_counter, repr=False)

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 3)

    def sent(self, size: int) -> None:
        if self.first_byte_ms is None:
            self.first_byte_ms = self.elapsed_ms()
        self.bytes_sent += size

    def end(self, outcome: str) -> None:
        self.outcome = outcome
        self.ended_ms = self.elapsed_ms()
        if outcome == "peer_closed":
            self.closed_by_peer_ms = self.ended_ms

    def shown(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}


@dataclass(frozen=True)
class _Asked:
    """A request of either kind: of which model, and what makes the plan once that is known."""

    model: str
    stream: bool
    embeds: bool
    plan: Callable[..., Plan]


class Simulator:
    """The request handlers, with the fleet, the seed and the log they share."""

    def __init__(self, fleet: Fleet, seed: int | None) -> None:
        self.fleet = fleet
        self.seed = Random().getrandbits(64) if seed is None else seed
        self.log: deque[LogEntry] = deque(maxlen=LOG_LENGTH)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.stopping = False

    def rng_for(self, provider: str, model: str) -> Random:
        """Return the random numbers of this endpoint's next request, whatever the others do."""
        self.counts[provider, model] += 1
        return Random(f"{self.seed}/{provider}/{model}/{self.counts[provider, model]}")

    async def stop(self, _: web.Application) -> None:
        self.stopping = True

    async def healthz(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok", "providers": list(self.fleet.providers)})

    async def canary(self, request: web.Request) -> web.StreamResponse:
        entry = self.logged(request, "", await request.read())
        entry.end("answered")
        return web.json_response({"canary": True})

    async def show_log(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"requests": [entry.shown() for entry in self.log]})

    async def clear_log(self, request: web.Request) -> web.StreamResponse:
        self.log.clear()
        return web.json_response({"requests": []})

    async def models(self, request: web.Request) -> web.StreamResponse:
        provider = self.admitted(request)
        if isinstance(provider, web.Response):
            return provider
        listed = [
            {"id": model, "object": "model", "created": 0, "owned_by": provider.slug}
            for model in provider.endpoints
        ]
        return web.json_response({"object": "list", "data": listed})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        def read(body: Any, provider: str) -> _Asked:
            chat = asked.read(body, provider)
            planned = partial(plan, chat, created=int(time.time()))
            return _Asked(chat.model, chat.stream, embeds=False, plan=planned)

        return await self.answered(request, read)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        def read(body: Any, provider: str) -> _Asked:
            embedded = vectors.read(body, provider)
            planned = partial(vectors.plan, embedded)
            return _Asked(embedded.model, stream=False, embeds=True, plan=planned)

        return await self.answered(request, read)

    async def answered(
        self, request: web.Request, read: Callable[[Any, str], "_Asked"]
    ) -> web.StreamResponse:
        body = await request.read()
        entry = self.logged(request, request.match_info["provider"], body)
        provider = self.admitted(request)
        if isinstance(provider, web.Response):
            return self.refused(entry, provider)
        try:
            wanted = read(orjson.loads(body), provider.slug)
            entry.model, entry.stream = wanted.model[:MODEL_SHOWN], wanted.stream
            endpoint = provider.endpoints.get(wanted.model)
            if endpoint is None or wanted.embeds != (endpoint.dimensions > 0):
                message = f"The model {wanted.model[:MODEL_SHOWN]!r} does not exist here."
                return self.refused(entry, _error(404, message, "model_not_found"))
            rng = self.rng_for(provider.slug, wanted.model)
            chosen = wanted.plan(endpoint=endpoint, rng=rng, received_key=_bearer(request))
        except orjson.JSONDecodeError:
            return self.refused(entry, _error(400, "The body is no JSON."))
        except BadRequest as error:
            return self.refused(entry, _error(400, str(error)))
        return await self.perform(request, chosen, entry)

    async def perform(
        self, request: web.Request, chosen: Plan, entry: LogEntry
    ) -> web.StreamResponse:
        entry.faults = [str(injected) for injected in chosen.faults]
        head = chosen.program.head
        entry.status = head.status if head else None
        performance = Performance(request, lambda: self.stopping, entry.sent)
        try:
            response = await performance.run(chosen.program)
            entry.end("refused" if head and head.status >= 400 else "answered")
        except HungUp:
            entry.end("hung_up")
        except Stopping:
            _close(request)
            entry.end("stopped")
        except ConnectionError:  # noticed by the performance, or by aiohttp first
            entry.end("peer_closed")
        except asyncio.CancelledError:
            entry.end("stopped" if self.stopping else "peer_closed")
            raise
        else:
            return response
        # The connection is closed: aiohttp finds that out and drops this.
        return web.Response()

    def logged(self, request: web.Request, provider: str, body: bytes) -> LogEntry:
        digest = hashlib.sha256(body).hexdigest()
        entry = LogEntry(request.path, provider, "", time.time(), digest)
        self.log.append(entry)
        return entry

    def refused(self, entry: LogEntry, response: web.Response) -> web.Response:
        entry.status = response.status
        entry.end("refused")
        return response

    def admitted(self, request: web.Request) -> SimulatedProvider | web.Response:
        """Return the addressed provider, or the answer for whoever may not talk to it."""
        provider = self.fleet.providers.get(request.match_info["provider"])
        if provider is None:
            return _error(404, "No such provider is simulated.")
        if provider.api_key is not None and _bearer(request) != provider.api_key:
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        return provider


def create_app(fleet: Fleet, seed: int | None = 0) -> web.Application:
    """Return the simulated providers as an aiohttp application; without a seed, unrepeatable."""
    simulator = Simulator(fleet, seed)
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_get("/healthz", simulator.healthz)
    app.router.add_get("/_log", simulator.show_log)
    app.router.add_delete("/_log", simulator.clear_log)
    app.router.add_route("*", "/_canary", simulator.canary)
    app.router.add_get("/{provider}/v1/models", simulator.models)
    app.router.add_post("/{provider}/v1/chat/completions", simulator.chat)
    app.router.add_post("/{provider}/v1/embeddings", simulator.embeddings)
    app.on_shutdown.append(simulator.stop)
    return app


@asynccontextmanager
async def running(
    fleet: Fleet, host: str = "127.0.0.1", port: int = 0, seed: int | None = 0
) -> AsyncIterator[str]:
    """Serve while the context lasts; gives the base URL. Raises OSError if the port is taken."""
    runner = web.AppRunner(
        create_app(fleet, seed), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{bound}"
    finally:
        await runner.cleanup()


def serve(
    fleet: Fleet,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int | None = None,
    *,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called with the base URL once it listens."""
    asyncio.run(_serve(fleet, host, port, seed, announce))


async def _serve(
    fleet: Fleet, host: str, port: int, seed: int | None, announce: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with running(fleet, host, port, seed) as url:
        announce(url)
        await stop.wait()


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _error(status: int, message: str, code: str | None = None) -> web.Response:
    kind = "invalid_request_error" if status != 401 else "authentication_error"
    return web.json_response(bodies.error(message, kind, code), status=status)


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
