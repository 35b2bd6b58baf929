"""One connection to a provider: a request goes out, one answer at a time comes in.

Owns the HTTP/1.1 of an answer (parsed by httptools): its framing, what was too much, how it ended,
and whether the connection may carry another request. It opens nothing, knows no JSON and no
time-outs, and raises nothing: how an answer ended is in `ended`. Rules: bytes nobody asked for make
the connection unusable, and never become an answer; what has arrived and was not taken is bounded;
an answer whose length is told twice is none. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

import httptools

if TYPE_CHECKING:
    from collections.abc import Awaitable

# A long body goes out in pieces: one write of megabytes holds up all other requests.
PIECE_BYTES = 512 * 1024
# Beyond this nothing more is read until what is there was taken.
MOST_HELD_BYTES = 256 * 1024

_MOST_SIZE_DIGITS = 8

# complete: to its end. cut: closed before. reset: so was the connection. garbled: not HTTP.
Ending = Literal["complete", "cut", "reset", "garbled", "headers too large"]


class Connection(asyncio.Protocol):
    """Made by the loop's create_connection; the methods that are no callbacks are the client's."""

    def __init__(self, header_bytes: int, on_lost: Callable[[Connection], None]) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.headed = False  # the head of the answer is complete
        self.ended: Ending | None = None
        self.until_close = False  # the body has no length: it ends with the connection
        self.length: int | None = None  # of the body, where it was told
        self.idle_since = 0.0  # for whoever keeps it
        self._header_bytes = header_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._between_chunks = False  # the parser has seen a chunk to its end, and nothing after
        self._pieces: list[bytes] = []
        self._held = 0
        self._paused = False
        self._spent = 0  # bytes that were no body, against header_bytes
        self._reusable = False
        self._broken = False  # bytes nobody asked for, or an answer that broke the rules
        self._waiter: asyncio.Future[None] | None = None
        self._taker: Callable[[bytes], bool] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsent = memoryview(b"")
        self._room_to_send = True

    # Asking --------------------------------------------------------------------------------

    def ask(self, head: bytes, body: bytes) -> None:
        """Send a request and be ready for its answer; `ended` at once if it is closed by now."""
        self.status, self.headers, self.headed, self.ended = 0, [], False, None
        self.until_close, self.length = False, None
        self._spent, self._reusable = 0, False
        self._between_chunks = False
        self._parser = httptools.HttpResponseParser(self)
        # All else stays strict; blanks here are common, and harmless.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        if self._transport is None or self._broken or self._transport.is_closing():
            self._end("cut")
            return
        if len(body) <= PIECE_BYTES:
            self._transport.write(head + body)
            return
        self._transport.write(head)
        self._unsent = memoryview(body)
        self._send_piece()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent: open, nothing on its way, and nothing has come unasked."""
        if self._transport is None or self._broken or self._transport.is_closing():
            return False
        # What the loop has not read yet, an end or stray bytes, counts as well.
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    @property
    def lost(self) -> bool:
        return self._transport is None

    @property
    def spent(self) -> bool:
        """Whether this answer leaves the connection as it should for the next."""
        return self.ended == "complete" and self._reusable and not self._broken

    def rest(self) -> None:
        """Between two answers: what was not taken goes, what comes now was not asked for."""
        self._parser = self._taker = None
        self.take()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self._broken = True
        self._unsent = memoryview(b"")
        if self._transport is not None:
            self._transport.abort()

    # Reading -------------------------------------------------------------------------------

    async def head(self) -> None:
        """Return when the head of the answer is there, or none will come."""
        while not self.headed and self.ended is None:
            await self.change()

    async def read(self) -> bytes:
        """Return the bytes of the body that have arrived, or wait for some; none at its end."""
        while not (data := self.take()) and self.ended is None:
            await self.change()
        return data

    def take(self) -> bytes:
        """Return the bytes of the body that have arrived, if any."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces, self._held = [], 0
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def offer(self, taker: Callable[[bytes], bool] | None) -> None:
        """Let taker have what comes while somebody waits: True if it took the bytes, all of them.

        What it leaves wakes whoever waits, as everything does without a taker. It is called inside
        the loop's callback: it must not wait, nor raise, nor call this connection.
        """
        self._taker = taker

    def header(self, name: bytes) -> bytes:
        """Return the first header of this (lower-case) name, or nothing."""
        return next((value for known, value in self.headers if known == name), b"")

    def change(self) -> Awaitable[None]:
        """Return what is done when something has come, or nothing more will. One waits at most."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # a system call each time, on Python 3.11
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _end(self, how: Ending) -> None:
        if self.ended is None:
            self.ended = how
            self._wake()

    # The transport's callbacks ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.abort()
            return
        piece = _whole_chunk(data) if self._between_chunks and self.ended is None else b""
        if piece:
            # Nearly every event of a slow stream: between chunks the parser need not see it.
            if not self._pieces and self._takes(piece):
                return
            self._pieces.append(piece)
            self._held += len(piece)
        else:
            self._parse(self._parser, data)
            if len(self._pieces) == 1 and self.ended is None and self._takes(self._pieces[0]):
                self._pieces.clear()
                self._held = 0
                return
        if self._held > MOST_HELD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _takes(self, piece: bytes) -> bool:
        """Offer what came alone to the taker, if somebody waits."""
        return bool(self._taker and self._waiter and self._taker(piece))

    def _parse(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        held = self._held
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._spoil("garbled")
        # Unless something of the next chunk's size came as well.
        self._between_chunks = self._between_chunks and data.endswith(b"\r\n")
        if self._held == held:
            self._count(len(data))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._parser = self._taker = None  # the parser holds this connection
        self._unsent = memoryview(b"")
        if isinstance(error, OSError):
            self._end("reset")
        else:
            self._end("complete" if self.headed and self.until_close else "cut")
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._room_to_send = False

    def resume_writing(self) -> None:
        self._room_to_send = True
        if self._unsent:
            self._send_piece()

    def _send_piece(self) -> None:
        """Write the next piece; the one after it when there is room, and the loop had a turn."""
        if not (self._unsent and self._room_to_send) or self._transport is None:
            return
        piece, self._unsent = self._unsent[:PIECE_BYTES], self._unsent[PIECE_BYTES:]
        self._transport.write(piece)
        if self._unsent and self._room_to_send:
            asyncio.get_running_loop().call_soon(self._send_piece)

    def _count(self, size: int) -> None:
        """Bound what is no body: a head, trailers, or the sizes of chunks."""
        self._spent += size
        if self._spent > self._header_bytes + MOST_HELD_BYTES:
            self._spoil("headers too large")

    def _spoil(self, how: Ending) -> None:
        self._broken = True
        self._end(how)

    # The parser's callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.ended is not None:
            self._broken = True  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.ended is None and not self.headed:
            self.headers.append((name.lower(), value))
            self._spent += len(name) + len(value)

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self.ended is not None:
            return
        status = parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self.headers.clear()  # an interim answer: the real one follows
            return
        self.status, self.headed = status, True
        if self._spent > self._header_bytes:
            self._spoil("headers too large")
        elif not self._framed(parser.get_http_version()):
            self._spoil("garbled")

    def _framed(self, version: str) -> bool:
        """Find out where the body ends; tell whether that is told at most once."""
        lengths = [value for name, value in self.headers if name == b"content-length"]
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if lengths:
            self.length = int(lengths[0])
        self.until_close = not lengths and not codings
        if codings and (lengths or codings != [b"chunked"] or version != "1.1"):
            return False
        return len(lengths) <= 1 and version in ("1.0", "1.1")

    def on_body(self, piece: bytes) -> None:
        if self.ended is None:
            self._pieces.append(piece)
            self._held += len(piece)

    def on_chunk_header(self) -> None:
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        self._between_chunks = True

    def on_message_complete(self) -> None:
        self._between_chunks = False
        if self.headed and self.ended is None and self._parser is not None:
            self._reusable = self._parser.should_keep_alive() and not self._unsent
            self._end("complete")


def _whole_chunk(data: bytes) -> bytes:
    """Return the content if data is just one chunk in its usual spelling, or nothing."""
    head = _chunk_head(len(data))
    if head and data.startswith(head) and data.endswith(b"\r\n"):
        return data[len(head) : -2]
    return b""


@lru_cache(maxsize=4096)
def _chunk_head(size: int) -> bytes:
    """Return what a chunk of `size` bytes has before its content; nothing if there is no such."""
    for digits in range(1, _MOST_SIZE_DIGITS + 1):
        content = size - digits - len(b"\r\n\r\n")
        if content > 0 and len(head := b"%x\r\n" % content) == digits + len(b"\r\n"):
            return head
    return b""
