"""The mock provider where there is no C compiler: as upstream.c behaves, at a higher price.

Started as `python -m bench.upstream PORT ANSWER_FILE EVENTS_FILE`. The report says when it was
used, because it may then be the limit.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench.traffic import STAMP

GAP_SECONDS = 0.02
MARK = STAMP.encode()


class Upstream(asyncio.Protocol):
    """One client connection; requests on it are answered one after the other."""

    answer = b""
    events: list[bytes] = []
    counts = {"requests": 0, "streams": 0, "events": 0}

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        loop = asyncio.get_running_loop()
        if self.parser.get_method() == b"GET":
            self.send_json(json.dumps(self.counts).encode())
            return
        self.counts["requests"] += 1
        if b"bench-burst" in body or b"bench-paced" in body:
            self.start_stream(GAP_SECONDS if b"bench-paced" in body else 0.0)
        elif b"bench-slow" in body:
            self.timer = loop.call_later(GAP_SECONDS, self.send_json, self.answer)
        else:
            self.send_json(self.answer)

    def send_json(self, text: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(text) + text)

    def start_stream(self, gap: float) -> None:
        self.counts["streams"] += 1
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
        self.transport.write(head + b"\r\n\r\n")
        if gap:
            due = asyncio.get_running_loop().time() + gap
            self.timer = asyncio.get_running_loop().call_at(due, self.send_paced, 0, due)
        for index in range(0 if gap else len(self.events)):
            self.send_event(index)

    def send_paced(self, index: int, due: float) -> None:
        self.send_event(index)
        if index + 1 < len(self.events):
            due += GAP_SECONDS
            loop = asyncio.get_running_loop()
            self.timer = loop.call_at(due, self.send_paced, index + 1, due)

    def send_event(self, index: int) -> None:
        self.counts["events"] += 1
        event = self.events[index].replace(MARK, b"@%016d" % (time.monotonic_ns() // 1000))
        end = b"0\r\n\r\n" if index + 1 == len(self.events) else b""
        self.transport.write(b"%x\r\n%b\r\n%b" % (len(event), event, end))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    Upstream.answer = Path(sys.argv[2]).read_bytes()
    Upstream.events = [e + b"\n\n" for e in Path(sys.argv[3]).read_bytes().split(b"\n\n") if e]
    uvloop.run(serve(int(sys.argv[1])))
