"""The load generator: raw HTTP/1.1 over keep-alive connections to 127.0.0.1, closed or open loop.

Every reply is checked (status, tool call, and for streams each content event and `[DONE]`); a
wrong one is counted as an error and never timed. Latency of the open loop is counted from the time
a request was due, not sent, so that a stalled server cannot hide its queue. A run ends at its time
limit plus GRACE_SECONDS at the latest.
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import httptools

from bench.traffic import CONTENT_EVENTS

GRACE_SECONDS = 60.0
MAX_ERRORS = 50  # then the run stops: a broken system must not be hammered
STAMP = re.compile(rb"@(\d{16})")


@dataclass(frozen=True)
class Plan:
    """One run: `connections` at a time, closed loop, or `rate` requests per second."""

    seconds: float
    connections: int
    max_requests: int = 1_000_000
    rate: float | None = None
    streamed: bool = False


@dataclass
class Outcome:
    """What one run saw; times in milliseconds."""

    requests: int = 0
    wall_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_events: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)  # of each content event, from its stamp
    errors: Counter[str] = field(default_factory=Counter)


class Client(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.due: float | None = None  # None: idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.run.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.lost(self)

    def send(self, due: float) -> None:
        self.due = due
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        self.scanned = 0
        self.first: float | None = None
        self.delays: list[float] = []
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, data: bytes) -> None:
        self.body += data
        if self.run.plan.streamed:
            self.scan_stamps()

    def scan_stamps(self) -> None:
        now = time.monotonic()
        for match in STAMP.finditer(self.body, self.scanned):
            self.scanned = match.end()
            self.delays.append(now * 1000 - int(match[1]) / 1000)
            self.first = self.first or now

    def on_message_complete(self) -> None:
        if not self.parser.should_keep_alive():
            self.transport.close()
        self.run.finished(self, self.fault())

    def fault(self) -> str | None:
        """What is wrong with the reply, if anything."""
        status = self.parser.get_status_code()
        if status != 200:
            return f"status {status}: {self.body[:200].decode(errors='replace')}"
        if b'"tool_calls"' not in self.body or b"get_weather" not in self.body:
            return "no tool call in the reply"
        if self.run.plan.streamed and len(self.delays) != CONTENT_EVENTS:
            return f"{len(self.delays)} of {CONTENT_EVENTS} content events"
        if self.run.plan.streamed and not self.body.rstrip().endswith(b"data: [DONE]"):
            return "no [DONE]"
        return None


class Run:
    """Drives the clients of one plan; `done` is set once nothing is in flight any more."""

    def __init__(self, port: int, request: bytes, plan: Plan) -> None:
        self.port, self.request, self.plan = port, request, plan
        self.outcome = Outcome()
        self.idle: list[Client] = []
        self.waiting: list[float] = []  # due times of the open loop that found no idle connection
        self.started = self.busy = 0
        self.closing = False
        self.done = asyncio.Event()
        self.begun = time.monotonic()

    def over(self) -> bool:
        return (
            self.closing
            or time.monotonic() - self.begun >= self.plan.seconds
            or self.started >= self.plan.max_requests
            or self.outcome.errors.total() >= MAX_ERRORS
        )

    def ready(self, client: Client) -> None:
        """Gives an idle client its next request, as the loop's kind has it."""
        if client.transport.is_closing():
            self.settle()  # lost() opens another
        elif self.waiting:
            self.launch(client, self.waiting.pop(0))
        elif self.plan.rate is None and not self.over():
            self.launch(client, time.monotonic())
        else:
            self.idle.append(client)
            self.settle()

    def launch(self, client: Client, due: float) -> None:
        self.started += 1
        self.busy += 1
        client.send(due)

    def finished(self, client: Client, fault: str | None) -> None:
        assert client.due is not None
        now, out = time.monotonic(), self.outcome
        self.busy -= 1
        if fault:
            out.errors[fault] += 1
        else:
            out.requests += 1
            out.latencies.append((now - client.due) * 1000)
            out.delays += client.delays
            if client.first:
                out.first_events.append((client.first - client.due) * 1000)
        client.due = None
        self.ready(client)

    def lost(self, client: Client) -> None:
        if client in self.idle:
            self.idle.remove(client)
        if client.due is not None:
            self.outcome.errors["connection lost"] += 1
            self.busy -= 1
        if not self.over():
            self.opening = asyncio.ensure_future(self.open())
        self.settle()

    def settle(self) -> None:
        if self.over() and not self.busy and not self.waiting:
            self.done.set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Client(self), "127.0.0.1", self.port)
        except OSError:
            self.outcome.errors["connection refused"] += 1
            self.settle()

    async def keep_rate(self, rate: float) -> None:
        """Open loop: one request each 1/rate seconds, whatever became of the earlier ones."""
        due = time.monotonic()
        while not self.over():
            if self.idle:
                self.launch(self.idle.pop(), due)
            else:
                self.waiting.append(due)
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        self.settle()

    async def complete(self) -> Outcome:
        for _ in range(self.plan.connections):
            await self.open()
        if self.plan.rate:
            await self.keep_rate(self.plan.rate)
        try:
            await asyncio.wait_for(self.done.wait(), self.plan.seconds + GRACE_SECONDS)
        except TimeoutError:
            self.outcome.errors["unfinished at the time limit"] += self.busy
        self.closing = True
        self.outcome.wall_seconds = time.monotonic() - self.begun
        for client in self.idle:
            client.transport.abort()
        await asyncio.sleep(0)
        return self.outcome


def encode_request(path: str, body: bytes, key: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run_load(port: int, request: bytes, plan: Plan) -> Outcome:
    return await Run(port, request, plan).complete()
