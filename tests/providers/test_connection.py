"""One connection, fed bytes by hand: framing, limits, and what must never become an answer."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.connection import MOST_HELD_BYTES, PIECE_BYTES, Connection
from tests.providers.raw_upstream import JSON_BODY, answer, head

CHUNKED = head("200 OK", "application/json", "Transfer-Encoding: chunked")
LIMIT = 8 * 1024


class Wire(asyncio.Transport):
    """A transport that only notes what is done to it; its socket is one end of a quiet pair."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = socket.socketpair()
        self.sent: list[bytes] = []
        self.reading = True
        self.aborted = False
        self.on_write: Callable[[], None] = lambda: None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.near if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))
        self.on_write()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def hang_up(self) -> None:
        self.near.close()
        self.far.close()


class Line:
    """A connection with a request on its way."""

    def __init__(self, body: bytes = b"{}") -> None:
        self.lost: list[Connection] = []
        self.wire = Wire()
        self.connection = Connection(LIMIT, self.lost.append)
        self.connection.connection_made(self.wire)
        self.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", body)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.hang_up()

    def hear(self, *pieces: bytes) -> bytes:
        for piece in pieces:
            self.connection.data_received(piece)
        return self.connection.take()


ANSWERS = [
    (answer(), JSON_BODY, True),
    (CHUNKED + b"2\r\n{\n\r\n1;ext=1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n", b"{\n}", True),
    (head("100 Continue", "") + head("103 Early", "", "Link: x") + answer(), JSON_BODY, True),
    (answer(JSON_BODY, "200 OK", "Connection: close"), JSON_BODY, False),
    (answer().replace(b"HTTP/1.1", b"HTTP/1.0"), JSON_BODY, False),
    (answer(b"", "429 Too Many"), b"", True),
]


@pytest.mark.parametrize(("data", "body", "reusable"), ANSWERS)
def test_an_answer_is_the_same_wherever_it_is_cut(data: bytes, body: bytes, reusable: bool) -> None:
    for at in range(1, len(data)):
        with Line() as line:
            assert line.hear(data[:at], data[at:]) == body
            assert (line.connection.ended, line.connection.spent) == ("complete", reusable)


@given(st.data())
def test_an_answer_is_the_same_in_any_pieces(data: st.DataObject) -> None:
    bytes_, body, reusable = data.draw(st.sampled_from(ANSWERS))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(bytes_) - 1), max_size=12)))
    pieces = [bytes_[a:b] for a, b in zip([0, *cuts], [*cuts, len(bytes_)], strict=True)]

    with Line() as line:
        assert line.hear(*pieces) == body
        assert (line.connection.ended, line.connection.spent) == ("complete", reusable)
        assert line.connection.usable is True or not reusable


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_make_it_raise(pieces: list[bytes]) -> None:
    with Line() as line:
        line.hear(*pieces)
        line.connection.connection_lost(None)

        assert line.connection.ended is not None
        assert line.lost == [line.connection]


@given(st.binary(min_size=1, max_size=60))
def test_bytes_after_an_answer_are_never_part_of_another(extra: bytes) -> None:
    with Line() as line:
        assert line.hear(answer() + extra) == JSON_BODY
        if line.connection.spent:
            # Blank lines between answers are all that is let pass.
            assert not extra.strip(b"\r\n")
            line.connection.rest()
            line.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"{}")
            assert line.hear(answer(b'{"next":1}')) == b'{"next":1}'


def test_bytes_between_two_requests_close_it() -> None:
    with Line() as line:
        line.hear(answer())
        line.connection.rest()

        line.connection.data_received(answer(b'{"stolen":1}'))

        assert line.wire.aborted
        assert not line.connection.usable


@pytest.mark.parametrize("said", [answer(), b""], ids=["bytes", "the end"])
def test_what_the_loop_has_not_read_yet_makes_it_unusable(said: bytes) -> None:
    with Line() as line:
        line.hear(answer())
        line.connection.rest()
        assert line.connection.usable

        if said:
            line.wire.far.send(said)
        else:
            line.wire.far.close()

        assert not line.connection.usable


def test_a_body_nobody_took_is_not_given_to_the_next() -> None:
    with Line() as line:
        line.connection.data_received(answer(b"{first}"))
        assert line.connection.spent
        line.connection.rest()
        line.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"{}")

        assert line.hear(answer(b"{second}")) == b"{second}"


@pytest.mark.parametrize(
    "data",
    [
        head("200 OK", "", "Content-Length: 2", "Transfer-Encoding: chunked") + b"{}",
        head("200 OK", "", "Transfer-Encoding: chunked", "Content-Length: 2") + b"{}",
        head("200 OK", "", "Transfer-Encoding: gzip, chunked") + b"2\r\n{}\r\n0\r\n\r\n",
        head("200 OK", "", "Transfer-Encoding: gzip") + b"{}",
        head("200 OK", "", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        head("200 OK", "", "Content-Length: 2", "Content-Length: 2") + b"{}",
        head("200 OK", "", "Content-Length: +2") + b"{}",
        head("200 OK", "", "Content-Length: 2, 2") + b"{}",
        head("200 OK", "", f"Content-Length: {10**30}") + b"{}",
        head("200 OK", "", "Content-Length : 2") + b"{}",
        head("200 OK", "", "X: a", " folded: b") + b"{}",
        head("200 OK", "", "X: a\rb") + b"{}",
        head("200 OK", "", "Content-Length: 2").replace(b"1.1", b"2.0") + b"{}",
        CHUNKED.replace(b"1.1", b"1.0") + b"2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"-2\r\n{}\r\n",
        CHUNKED + b"ffffffffffffffffff\r\n{}\r\n",
        CHUNKED + b"2\r\n{}{}\r\n0\r\n\r\n",
        head("101 Switching", "", "Upgrade: x", "Connection: upgrade") + b"{}",
    ],
)
def test_an_answer_with_two_meanings_is_none(data: bytes) -> None:
    with Line() as line:
        line.hear(data)
        line.connection.connection_lost(None)

        refused = line.connection.ended == "garbled" or line.connection.status == 101
        assert refused
        assert not line.connection.spent


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param((b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096), id="a header"),
        pytest.param((b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 500), id="headers"),
        pytest.param((b"", head("100 Continue", "") * 50), id="interim answers"),
        pytest.param((CHUNKED + b"1;", b"x" * 4096), id="a chunk's extension"),
        pytest.param((CHUNKED + b"0\r\nX: ", b"x" * 4096), id="a trailer"),
    ],
)
def test_what_is_no_body_is_bounded(endless: tuple[bytes, bytes]) -> None:
    with Line() as line:
        line.hear(endless[0])
        for _ in range(2 * (MOST_HELD_BYTES + LIMIT) // len(endless[1])):
            line.hear(endless[1])

        assert line.connection.ended == "headers too large"
        assert not line.connection.spent


def test_reads_no_more_than_is_taken() -> None:
    with Line() as line:
        line.hear(head("200 OK", "application/json"))
        seen = []
        for data in (b"x" * MOST_HELD_BYTES, b"x"):
            line.connection.data_received(data)
            seen.append(line.wire.reading)

        assert len(line.connection.take()) == MOST_HELD_BYTES + 1
        assert [*seen, line.wire.reading] == [True, False, True]


@pytest.mark.parametrize(
    ("data", "error", "ended"),
    [
        (b"", None, "cut"),
        (b"", ConnectionResetError(), "reset"),
        (head("200 OK", "") + b"{}", None, "complete"),
        (head("200 OK", "") + b"{}", ConnectionResetError(), "reset"),
        (answer()[:-1], None, "cut"),
        (CHUNKED + b"2\r\n{}\r\n", None, "cut"),
        (answer(), ConnectionResetError(), "complete"),
    ],
)
def test_tells_how_it_ended(data: bytes, error: Exception | None, ended: str) -> None:
    with Line() as line:
        line.hear(data)
        line.connection.connection_lost(error)

        assert line.connection.ended == ended
        assert not line.connection.usable


def test_a_request_on_a_closed_connection_is_not_sent() -> None:
    with Line() as line:
        line.hear(answer())
        line.connection.connection_lost(None)

        line.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"{}")

        assert (line.connection.ended, line.connection.headed) == ("cut", False)
        assert len(line.wire.sent) == 1


def test_a_long_body_goes_out_in_pieces_as_there_is_room() -> None:
    async def main() -> None:
        body = bytes(3 * PIECE_BYTES + 1)
        with Line(body) as line:
            assert len(line.wire.sent) == 2  # the head, and the first piece
            line.connection.pause_writing()
            await asyncio.sleep(0)
            assert len(line.wire.sent) == 2

            line.connection.resume_writing()
            for _ in range(4):
                await asyncio.sleep(0)

            assert b"".join(line.wire.sent[1:]) == body
            assert max(map(len, line.wire.sent)) == PIECE_BYTES

    asyncio.run(main())


def test_an_answer_before_all_is_sent_leaves_nothing_to_reuse() -> None:
    async def main() -> None:
        with Line(bytes(3 * PIECE_BYTES)) as line:
            line.connection.pause_writing()

            assert line.hear(answer(b"{}", "413 Too Large")) == b"{}"
            assert line.connection.ended == "complete"
            assert not line.connection.spent

            line.connection.abort()
            line.connection.resume_writing()
            await asyncio.sleep(0)
            assert len(line.wire.sent) == 2

    asyncio.run(main())


def test_wakes_whoever_waits() -> None:
    async def main() -> None:
        with Line() as line:
            waiting = asyncio.create_task(cast(Any, line.connection.head()))
            await asyncio.sleep(0)
            line.connection.data_received(head("200 OK", "")[:-2])
            await asyncio.sleep(0)
            assert not waiting.done()
            line.connection.data_received(b"\r\n")
            await waiting

            reading = asyncio.create_task(line.connection.read())
            await asyncio.sleep(0)
            line.connection.connection_lost(None)
            assert await reading == b""

    asyncio.run(main())


SPELLINGS = [b"%x\r\n%b\r\n", b"%X\r\n%b\r\n", b"0%x\r\n%b\r\n", b"%x;a=b\r\n%b\r\n"]
# What is inside a chunk may look like chunks itself.
PARTS = st.lists(st.sampled_from([b"1\r\n", b"a", b"\r\n", b"c\r\n", b"2\r\nab\r\n", b"x" * 11]))


@given(st.lists(st.tuples(PARTS, st.sampled_from(SPELLINGS))), st.data())
def test_chunks_cut_anywhere_give_the_same_body(
    chunks: list[tuple[list[bytes], bytes]], data: st.DataObject
) -> None:
    bodies = [(b"".join(parts), spelling) for parts, spelling in chunks if any(parts)]
    pieces = [spelling % (len(body), body) for body, spelling in bodies]
    at = [sum(map(len, pieces[:n])) for n in range(len(pieces) + 1)]
    sent = b"".join([*pieces, b"0\r\n\r\n"])
    cuts = sorted({*at, *data.draw(st.sets(st.integers(0, len(sent)), max_size=6))})

    with Line() as line:
        line.connection.data_received(CHUNKED)
        for a, b in zip(cuts, [*cuts[1:], len(sent)], strict=True):
            if a < b:
                line.connection.data_received(sent[a:b])

        assert line.connection.take() == b"".join(body for body, _ in bodies)
        assert line.connection.spent


@pytest.mark.parametrize("size", [b"0x2", b"+2", b" 2", b"3", b"1", b"2_", b"g"])
def test_a_chunk_with_a_wrong_size_is_garbled_after_others_as_well(size: bytes) -> None:
    with Line() as line:
        body = line.hear(CHUNKED, b"2\r\nab\r\n", size + b"\r\ncd\r\n", b"0\r\n\r\n")

        assert body.startswith(b"ab")
        assert line.connection.ended in (None, "garbled")


@given(
    st.integers(0, 300), st.sampled_from([b"", b"\r\n", b"0\r\n", b"f\r\n", b"10\r\n", b"ff\r\n"])
)
@example(17, b"\r\n")
@example(15, b"f\r\n")
@example(16, b"10\r\n")
def test_whatever_comes_between_chunks_is_content_only_as_a_chunk(size: int, head: bytes) -> None:
    """Of any length: some are no chunk's, such as 21 bytes, where the size gets another digit."""
    chunk = head + b"x" * size + b"\r\n"
    with Line() as told, Line() as whole:
        body = told.hear(CHUNKED, b"2\r\nab\r\n", chunk)

        # Together with what came before it, all goes through the parser.
        assert body == whole.hear(CHUNKED + b"2\r\nab\r\n" + chunk)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.booleans(), st.booleans())),
)
def test_taker_and_reader_together_get_each_byte_once_and_in_order(
    pieces: list[tuple[bytes, bool, bool]],
) -> None:
    """Each piece with whether the taker would have it, and whether the reader gets a turn then."""
    got: list[bytes] = []
    willing = False

    def taker(data: bytes) -> bool:
        if willing:
            got.append(data)
        return willing

    async def read_all(connection: Connection) -> None:
        while data := await connection.read():
            got.append(data)

    async def main() -> None:
        nonlocal willing
        with Line() as line:
            line.connection.data_received(CHUNKED)
            line.connection.offer(taker)
            reading = asyncio.create_task(read_all(line.connection))
            await asyncio.sleep(0)
            for piece, taken, turn in pieces:
                willing = taken
                line.connection.data_received(b"%x\r\n%b\r\n" % (len(piece), piece))
                if turn:
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            line.connection.data_received(b"0\r\n\r\n")
            await reading
            assert line.connection.spent

    asyncio.run(main())
    assert b"".join(got) == b"".join(piece for piece, *_ in pieces)


def test_a_taker_is_offered_nothing_of_the_next_answer() -> None:
    offered: list[bytes] = []

    def taker(data: bytes) -> bool:
        offered.append(data)
        return True

    async def main() -> None:
        with Line() as line:
            line.connection.offer(taker)
            line.hear(answer())
            line.connection.rest()
            line.connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"")
            reading = asyncio.create_task(line.connection.read())
            await asyncio.sleep(0)
            line.connection.data_received(answer())
            assert await reading == JSON_BODY

    asyncio.run(main())
    assert offered == []
