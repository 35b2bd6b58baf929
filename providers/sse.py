"""Bytes of an event stream in, events out.

Owns the line and field rules of server-sent events and nothing above them: data stays bytes, JSON
is read elsewhere. Lines end at CR, LF or CRLF only, never at the Unicode line ends that occur
inside JSON strings. However the bytes are cut into chunks, the events are the same, and so is the
failure when one is too large. Source: WHATWG HTML, section 9.2.6; unlike there, finish() gives a
last event that lacks its blank line, an event whose data is empty is none (some providers keep
connections alive with those), and a field `error` is data of an event of that name (llama.cpp).
"""

from __future__ import annotations

from typing import NamedTuple

from providers.errors import UpstreamMalformed

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. A tuple, as the hot path makes one for every token."""

    data: bytes
    name: str = ""


_new = tuple.__new__  # without the call of a function per event that Event(...) is


class EventDecoder:
    def __init__(self, max_event_bytes: int = 1 << 20) -> None:
        self.most = max_event_bytes
        self._head: bytes | None = b""  # None once the place of a byte order mark is passed
        self._partial = bytearray()  # a line whose end has not come
        self._after_cr = False  # the last chunk ended in CR: a LF now belongs to it
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0  # bytes of the lines of the event being read
        self.idle = False  # nothing of any event or line is held, so the fast paths are open
        self._too_large = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that chunk completes.

        Raises UpstreamMalformed when an event is larger than the limit, but first gives the events
        before it: the error then waits for the next call.
        """
        if data := self.one_of(chunk):
            return [_new(Event, (data, ""))]
        if (
            self.idle
            and chunk.endswith(b"\n\n")
            and b"\r" not in chunk
            and b"data: \n" not in chunk  # empty data
            and len(chunk) <= self.most
        ):
            return self._blocks(chunk)
        events: list[Event] = []
        if chunk and not self._too_large:
            self._take_chunk(self._without_mark(chunk), events)
        return self._unless_too_large(events)

    def one_of(self, chunk: bytes) -> bytes | None:
        """Return the data of chunk if it is exactly one event without a name; else None or nothing.

        Nothing changes by it: whoever does not take the data feeds the chunk instead.
        """
        if (
            self.idle
            and chunk.endswith(b"\n\n")
            and chunk.startswith(b"data: ")
            and chunk.count(b"\n") == 2
            and b"\r" not in chunk
            and len(chunk) <= self.most
        ):
            return chunk[6:-2]
        return None

    def finish(self) -> list[Event]:
        """Return the last event if the stream ended inside it."""
        events: list[Event] = []
        if not self._too_large:
            self._take_chunk((self._head or b"") + b"\n\n", events)
        self._head = None
        return self._unless_too_large(events)

    def _unless_too_large(self, events: list[Event]) -> list[Event]:
        if self._too_large and not events:
            raise UpstreamMalformed(reason="event too large")
        return events

    def _blocks(self, chunk: bytes) -> list[Event]:
        """Read whole events without holding any state; the usual case beside a single one."""
        events = []
        for block in chunk[:-2].split(b"\n\n"):
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(_new(Event, (block[6:], "")))
            else:
                for line in block.split(b"\n"):
                    self._take_line(line, events)
                self._take_line(b"", events)
        return events

    def _without_mark(self, chunk: bytes) -> bytes:
        if self._head is None:
            return chunk
        chunk = self._head + chunk
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._head = chunk
            return b""
        self._head = None
        return chunk.removeprefix(_BOM)

    def _take_chunk(self, chunk: bytes, events: list[Event]) -> None:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return
        lines = chunk.splitlines()  # on bytes: at CR, LF and CRLF only
        rest = b"" if chunk[-1] in b"\r\n" else lines.pop()
        self._after_cr = chunk.endswith(b"\r")
        if self._partial and lines:
            self._partial += lines[0]
            lines[0] = bytes(self._partial)
            self._partial.clear()
        for line in lines:
            self._take_line(line, events)
            if self._too_large:
                return
        self._partial += rest
        self._too_large = self._size + len(self._partial) > self.most
        self.idle = not (self._partial or self._data or self._name or self._after_cr)

    def _take_line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            if any(self._data):
                events.append(Event(b"\n".join(self._data), self._name))
            self._data.clear()
            self._name = ""
            self._size = 0
            return
        if self._size + len(line) > self.most:
            self._too_large = True
            return
        field, _, value = line.partition(b":")
        if not field:
            return  # a comment; it costs nothing, or keep-alives would add up to a large event
        self._size += len(line)
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode(errors="replace")
        elif field == b"error":
            self._data.append(value.removeprefix(b" "))
            self._name = "error"
