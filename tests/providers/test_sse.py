from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.errors import UpstreamMalformed
from providers.sse import Event, EventDecoder

LIMIT = 24


def reference(stream: bytes, limit: int) -> tuple[list[Event], bool]:
    """Read a whole stream slowly and plainly: the events, and whether one was too large."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[Event] = []
    data: list[bytes] = []
    name, size = "", 0
    for line in [*lines, b""]:
        if line == b"":
            if any(data):
                events.append(Event(b"\n".join(data), name))
            data, name, size = [], "", 0
            continue
        if size + len(line) > limit:
            return events, True
        if line.startswith(b":"):
            continue
        size += len(line)
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        if field == b"event":
            name = value.decode("utf-8", "replace")
        if field == b"error":
            data.append(value)
            name = "error"
    return events, False


def decode(pieces: list[bytes], limit: int) -> tuple[list[Event], bool]:
    decoder = EventDecoder(limit)
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        # A failure may wait behind events; finish() is the latest moment it shows.
        last = decoder.finish()
        events += last
        if last:
            decoder.finish()
    except UpstreamMalformed:
        return events, True
    return events, False


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


TOKENS = st.sampled_from(
    [b"data: ", b"data:", b"data", b"event: x", b"event:", b"error: ", b"id: 1", b"retry: 5",
     b": ping", b":", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b" ", b"abc", b"{}",
     b"\xc3\xa9", b"\xff", b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\x0c", b"\xef\xbb\xbf",
     b"\xef\xbb", b"xxxxxxxxxx"]
)  # fmt: skip
STREAMS = st.lists(TOKENS, max_size=30).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12))
@example(b"data: a\n\n" * 3, [1])
@example(b"data: a\r", [8])
@example(b"data: a\r\n\r\n", [8, 9, 10])
def test_any_cutting_gives_the_same_events(stream: bytes, places: list[int]) -> None:
    assert decode(cut(stream, places), LIMIT) == reference(stream, LIMIT)


@given(STREAMS)
def test_byte_by_byte_gives_the_same_events(stream: bytes) -> None:
    pieces = [stream[i : i + 1] for i in range(len(stream))]

    assert decode(pieces, LIMIT) == reference(stream, LIMIT)


@given(st.lists(st.lists(TOKENS, max_size=4).map(b"".join), max_size=8))
def test_pieces_that_end_between_events_give_the_same_events(blocks: list[bytes]) -> None:
    # The decoder's short cut is open only for these.
    pieces = [b"\n", *(block + b"\n\n" for block in blocks)]

    assert decode(pieces, LIMIT) == reference(b"".join(pieces), LIMIT)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [Event(b"a"), Event(b"b")], id="two"),
        pytest.param(b"data:a\n\n", [Event(b"a")], id="no blank after the colon"),
        pytest.param(b"data:  a\n\n", [Event(b" a")], id="one blank is eaten"),
        pytest.param(b"data\n\ndata: \n\ndata:\ndata:\n\n", [], id="empty data"),
        pytest.param(b"data: \n\ndata: a\n\n", [Event(b"a")], id="empty data before some"),
        pytest.param(b"error: {}\n\n", [Event(b"{}", "error")], id="a field named error"),
        pytest.param(b"data: a\ndata: b\n\n", [Event(b"a\nb")], id="two lines"),
        pytest.param(b"event: error\ndata: a\n\n", [Event(b"a", "error")], id="named"),
        pytest.param(b"event: x\n\ndata: a\n\n", [Event(b"a")], id="name without data is dropped"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")], id="byte order mark"),
        pytest.param(b": ping\n\ndata: a\n\n", [Event(b"a")], id="comment"),
        pytest.param(b"data: a", [Event(b"a")], id="last event without its blank line"),
        pytest.param(b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")], id="CR"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"a"), Event(b"b")], id="CRLF"),
        pytest.param(
            "data: a\u2028b\u0085c\x0bd\n\n".encode(),
            [Event("a\u2028b\u0085c\x0bd".encode())],
            id="Unicode line ends are text",
        ),
    ],
)
def test_reads(stream: bytes, events: list[Event]) -> None:
    assert decode([stream], 1000) == (events, False)


def test_gives_the_events_before_the_one_that_is_too_large() -> None:
    decoder = EventDecoder(10)

    assert decoder.feed(b"data: a\n\ndata: " + b"x" * 100) == [Event(b"a")]
    with pytest.raises(UpstreamMalformed, match="event too large"):
        decoder.feed(b"x")


def test_an_event_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert EventDecoder(10).feed(b"data: 1234\n\n") == [Event(b"1234")]
    with pytest.raises(UpstreamMalformed):
        EventDecoder(10).feed(b"data: 12345\n\n")


def test_keep_alives_for_ever_cost_nothing() -> None:
    decoder = EventDecoder(32)

    for _ in range(1000):
        assert decoder.feed(b": still here\n") == []
    assert decoder.feed(b"data: a\n\n") == [Event(b"a")]
