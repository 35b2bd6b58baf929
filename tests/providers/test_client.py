"""The client against a provider of raw bytes: what it sends, reads, keeps and gives up."""

import asyncio
import gzip
import logging
import socket
import ssl
from contextlib import ExitStack

import pytest

from providers.client import ClientLimits, Target, UpstreamClient
from providers.errors import ProviderError, UpstreamRejected
from providers.guard import AddressGuard
from providers.secrets import Secret
from providers.sse import Event
from tests.providers.conftest import Run
from tests.providers.raw_upstream import (
    JSON_BODY,
    Peer,
    RawUpstream,
    answer,
    answering,
    answering_once,
    head,
    opened,
    upstream,
)

KEY = "sk-very-secret"
SSE = "text/event-stream"
REFUSED = "endpoint 7: its address is refused by the guard"
CHUNKED = "Transfer-Encoding: chunked"


def target(raw: RawUpstream, **changes: object) -> Target:
    fields = {"endpoint_id": 7, "url": raw.url, "credential": Secret(KEY), **changes}
    return Target(**fields)  # type: ignore[arg-type]


async def read(client: UpstreamClient, to: Target, body: bytes = b"{}") -> bytes:
    async with client.open(to, body, stream=False) as response:
        return await response.read()


async def stream(client: UpstreamClient, to: Target) -> list[Event]:
    events: list[Event] = []
    async with client.open(to, b"{}", stream=True) as response:
        while together := await response.events():
            events += together
    return events


async def failure(client: UpstreamClient, to: Target, *, streamed: bool = False) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await (stream if streamed else read)(client, to)
    return caught.value


class TestRequest:
    def test_sends_what_is_needed_and_nothing_else(self, run: Run) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            seen.append(await peer.request())
            await peer.send(answer())

        async def main() -> None:
            async with upstream(script) as raw, opened() as client:
                await read(client, target(raw, headers=(("X-Extra", "1"),)), b'{"a":1}')

        run(main())

        top, _, body = seen[0].partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert first == "POST /v1/chat/completions HTTP/1.1"
        assert body == b'{"a":1}'
        assert headers.pop("Host").startswith("127.0.0.1:")
        assert headers == {
            "X-Extra": "1",
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {KEY}",
            "Content-Length": "7",
        }

    def test_keeps_no_cookies_and_asks_no_proxy(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            while True:
                seen.append(await peer.request())
                await peer.send(answer(JSON_BODY, "200 OK", "Set-Cookie: a=b; Path=/"))

        async def main() -> None:
            async with (
                upstream(script) as raw,
                upstream(answering(answer())) as proxy,
                opened() as client,
            ):
                monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
                # By name: cookie jars pass over addresses anyway.
                to = target(raw, url=raw.url.replace("127.0.0.1", "localhost"))
                for _ in range(2):
                    await read(client, to)
                assert proxy.connections == 0

        run(main())

        assert len(seen) == 2
        assert b"cookie" not in seen[1].lower()

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"credential": Secret(f"{KEY}\r\nX-Evil: 1")}, id="line end"),
            pytest.param({"credential": Secret(f"{KEY}\n")}, id="final line end"),
            pytest.param({"credential": Secret(f"{KEY}\x00")}, id="null"),
            pytest.param({"credential": Secret(f"{KEY}é")}, id="not ASCII"),
            pytest.param({"headers": (("X-A", f"{KEY}\r\nX-Evil: 1"),)}, id="header value"),
            pytest.param({"headers": (("X-A\r\nX-Evil", KEY),)}, id="header name"),
        ],
    )
    def test_refuses_to_send_a_header_with_control_characters(
        self, run: Run, caplog: pytest.LogCaptureFixture, changes: dict[str, object]
    ) -> None:
        async def main() -> None:
            async with upstream(answering(answer())) as raw, opened() as client:
                error = await failure(client, target(raw, **changes))
                assert error.outcome == "connect_error"
                assert KEY not in f"{error!r} {error} {error.message}"
                assert raw.connections == 0
                assert client.in_flight(7) == 0

        run(main())

        assert KEY not in caplog.text

    def test_takes_up_a_changed_target(self, run: Run) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            while True:
                seen.append(await peer.request())
                await peer.send(answer())

        async def main() -> None:
            async with upstream(script) as raw, opened() as client:
                await read(client, target(raw))
                await read(client, target(raw, credential=Secret("sk-2")))
                await read(client, target(raw, credential=None))

        run(main())

        assert b"Bearer sk-2\r\n" in seen[1]
        assert b"Authorization" not in seen[2]

    def test_a_closed_client_opens_nothing(self, run: Run) -> None:
        async def main() -> None:
            async with upstream(answering(answer())) as raw, opened() as client:
                await client.close()
                assert (await failure(client, target(raw))).outcome == "disconnected"
                assert raw.connections == 0
                assert client.in_flight(7) == 0

        run(main())


def sse(*events: bytes) -> bytes:
    return b"".join(b"data: " + event + b"\n\n" for event in events)


class TestAnswer:
    def test_reads_a_body(self, run: Run) -> None:
        async def main() -> None:
            async with upstream(answering(answer())) as raw, opened() as client:
                async with client.open(target(raw), b"{}", stream=False) as response:
                    assert (response.status, response.content_type) == (200, "application/json")
                    assert client.in_flight(7) == 1
                    assert await response.read() == JSON_BODY
                assert client.in_flight(7) == 0

        run(main())

    def test_gives_events_that_arrived_together_together(self, run: Run) -> None:
        data = head("200 OK", SSE) + sse(b"1", b"2") + b"event: x\ndata: 3"

        async def main() -> None:
            async with upstream(answering_once(data)) as raw, opened() as client:
                async with client.open(target(raw), b"{}", stream=True) as response:
                    assert response.is_event_stream
                    together = []
                    while events := await response.events():
                        together.append(events)
                assert together == [[Event(b"1"), Event(b"2")], [Event(b"3", "x")]]

        run(main())

    def test_a_json_answer_to_a_stream_request_is_told_apart(self, run: Run) -> None:
        async def main() -> None:
            async with (
                upstream(answering(answer())) as raw,
                opened() as client,
                client.open(target(raw), b"{}", stream=True) as response,
            ):
                assert not response.is_event_stream
                assert await response.read() == JSON_BODY

        run(main())

    @pytest.mark.parametrize("streamed", [True, False])
    def test_an_answer_without_content_type_is_taken_for_what_was_asked(
        self, run: Run, streamed: bool
    ) -> None:
        async def main() -> None:
            data = head("200 OK", "", "Content-Length: 2") + b"{}"
            async with (
                upstream(answering(data)) as raw,
                opened() as client,
                client.open(target(raw), b"{}", stream=streamed) as response,
            ):
                assert response.is_event_stream is streamed

        run(main())

    @pytest.mark.parametrize(
        ("data", "reset", "outcome"),
        [
            pytest.param(b"", False, "disconnected", id="closed without a word"),
            pytest.param(b"", True, "disconnected", id="reset without a word"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-", False, "disconnected", id="half a head"),
            pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", False, "malformed", id="not HTTP"),
            pytest.param(answer(b"", "204 No Content"), False, "malformed", id="204"),
            pytest.param(answer(JSON_BODY, "206 Partial"), False, "malformed", id="206"),
            pytest.param(answer(JSON_BODY, "304 Not Modified"), False, "malformed", id="304"),
            pytest.param(
                answer(gzip.compress(JSON_BODY), "200 OK", "Content-Encoding: gzip"),
                False, "malformed", id="gzip",
            ),
            pytest.param(
                head("200 OK", "text/html") + b"<html>", False, "malformed", id="html"
            ),
            pytest.param(
                head("200 OK", "text/plain") + b"{}", False, "malformed", id="plain text"
            ),
            pytest.param(
                head("200 OK", SSE) + sse(b"1"), False, "malformed", id="events not asked for"
            ),
            pytest.param(
                answer(JSON_BODY, "200 OK", *[f"X-{n}: {'x' * 1000}" for n in range(40)]),
                False, "malformed", id="headers too large together",
            ),
            pytest.param(
                answer(JSON_BODY, "200 OK", "X: " + "x" * 40_000),
                False, "malformed", id="one header too large",
            ),
            pytest.param(
                head("200 OK", "application/json", "Content-Length: 9", "Content-Length: 3")
                + b"{}       ", False, "malformed", id="two lengths",
            ),
            pytest.param(
                head("200 OK", "application/json", "Content-Length: -1"),
                False, "malformed", id="negative length",
            ),
            pytest.param(
                head("200 OK", "application/json", "Content-Length: 99") + b"{}",
                False, "truncated", id="shorter than declared",
            ),
            pytest.param(
                head("200 OK", "application/json", CHUNKED) + b"2\r\n{}\r\n",
                False, "truncated", id="no last chunk",
            ),
            pytest.param(
                head("200 OK", "application/json", CHUNKED) + b"zz\r\n{}\r\n",
                False, "malformed", id="chunk size is no number",
            ),
            pytest.param(
                head("200 OK", "application/json", "Content-Length: 99") + b"{}",
                True, "disconnected", id="reset in a body",
            ),
            pytest.param(
                head("200 OK", "application/json", CHUNKED) + b"2\r\n{}\r\n",
                True, "disconnected", id="reset in a chunked body",
            ),
            pytest.param(
                head("200 OK", "application/json") + b"{}",
                True, "disconnected", id="reset in a body without length",
            ),
            pytest.param(
                answer(b" " * 5000), False, "malformed", id="body too large",
            ),
        ],
    )  # fmt: skip
    def test_names_what_went_wrong(
        self, run: Run, caplog: pytest.LogCaptureFixture, data: bytes, reset: bool, outcome: str
    ) -> None:
        async def main() -> None:
            async with (
                upstream(answering_once(data, reset=reset)) as raw,
                opened(ClientLimits(body_bytes=4096)) as client,
            ):
                error = await failure(client, target(raw))
                assert (error.outcome, error.retryable) == (outcome, True)
                assert error.__cause__ is None
                assert error.__suppress_context__ or error.__context__ is None
                assert client.in_flight(7) == 0

        run(main())

        assert caplog.text == ""

    def test_reads_a_body_that_ends_with_the_connection(self, run: Run) -> None:
        async def main() -> None:
            data = head("200 OK", "application/json") + JSON_BODY
            async with upstream(answering_once(data)) as raw, opened() as client:
                assert await read(client, target(raw)) == JSON_BODY

        run(main())

    def test_a_complete_body_counts_although_the_connection_is_reset_then(self, run: Run) -> None:
        reset = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(answer()[: -len(JSON_BODY)])
            await asyncio.sleep(0.02)
            await peer.send(JSON_BODY)
            await asyncio.sleep(0.02)
            peer.reset()
            reset.set()

        async def main() -> None:
            async with (
                upstream(script) as raw,
                opened() as client,
                client.open(target(raw), b"{}", stream=False) as response,
            ):
                await reset.wait()
                await asyncio.sleep(0.02)
                assert await response.read() == JSON_BODY

        run(main())

    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    def test_follows_no_redirect(self, run: Run, status: str) -> None:
        async def main() -> None:
            async with upstream(answering(answer())) as canary:
                data = answer(b"", f"{status} Elsewhere", f"Location: {canary.url}")
                async with upstream(answering(data)) as raw, opened() as client:
                    assert (await failure(client, target(raw))).outcome == "malformed"
                assert canary.connections == 0

        run(main())


class TestStream:
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(head("200 OK", SSE) + sse(b"1") + b"data: 2", id="with the connection"),
            pytest.param(
                head("200 OK", SSE, CHUNKED) + b"d\r\ndata: 1\n\ndata\r\n", id="no last chunk"
            ),
        ],
    )
    def test_a_stream_may_just_end(self, run: Run, data: bytes) -> None:
        async def main() -> None:
            async with upstream(answering_once(data)) as raw, opened() as client:
                events = await stream(client, target(raw))
                # Only an end that may have been meant completes the last event.
                assert events == [Event(b"1"), *([Event(b"2")] if data.endswith(b"2") else [])]

        run(main())

    @pytest.mark.parametrize(
        ("data", "reset", "outcome"),
        [
            pytest.param(
                head("200 OK", SSE, CHUNKED) + b"9\r\ndata: 1\n\n\r\n", True, "disconnected",
                id="reset",
            ),
            pytest.param(
                head("200 OK", SSE) + sse(b"1"), True, "disconnected", id="reset, no length"
            ),
            pytest.param(
                head("200 OK", SSE, "Content-Length: 99") + sse(b"1"), False, "truncated",
                id="shorter than declared",
            ),
            pytest.param(
                head("200 OK", SSE, CHUNKED) + b"9\r\ndata: 1\n\n\r\nzz\r\n", False, "malformed",
                id="chunk size is no number",
            ),
            pytest.param(
                head("200 OK", SSE) + sse(b"1", b"x" * 2000), False, "malformed",
                id="event too large",
            ),
            pytest.param(
                head("200 OK", SSE) + sse(b"1") * 1000, False, "malformed", id="stream too large"
            ),
        ],
    )  # fmt: skip
    def test_names_how_it_broke_off(self, run: Run, data: bytes, reset: bool, outcome: str) -> None:
        async def main() -> None:
            async with (
                upstream(answering_once(data, reset=reset)) as raw,
                opened(ClientLimits(event_bytes=1000, body_bytes=4096)) as client,
            ):
                error = await failure(client, target(raw), streamed=True)
                assert error.outcome == outcome
                assert client.in_flight(7) == 0

        run(main())

    def test_gives_each_event_as_it_comes(self, run: Run) -> None:
        seen = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(head("200 OK", SSE, CHUNKED))
            for piece in [b"data", b": 1\n", b"\ndata: 2\n\nda"]:
                await peer.chunk(piece)
            await seen.wait()  # the next comes only after these were understood
            await peer.chunk(b"ta: [DONE]\n\n")
            await peer.send(b"0\r\n\r\n")

        async def main() -> None:
            got: list[Event] = []
            async with (
                upstream(script) as raw,
                opened() as client,
                client.open(target(raw), b"{}", stream=True) as response,
            ):
                while events := await response.events():
                    got += events
                    if len(got) == 2:
                        seen.set()
            assert got == [Event(b"1"), Event(b"2"), Event(b"[DONE]")]

        run(main())


class TestRejection:
    def test_explains_a_client_error_in_the_providers_words(self, run: Run) -> None:
        body = b'{"error":{"message":"no tool \\u0007' + KEY.encode() + b'","code":"bad_tool"}}'

        async def main() -> None:
            async with upstream(answering(answer(body, "400 Bad"))) as raw, opened() as client:
                error = await failure(client, target(raw))
                assert isinstance(error, UpstreamRejected)
                assert (error.outcome, error.retryable) == ("client_error", False)
                assert error.message == "no tool  ***"
                assert error.provider_code == "bad_tool"

        run(main())

    @pytest.mark.parametrize(
        ("data", "outcome", "status"),
        [
            (answer(b'{"error":{"message":"trace"}}', "500 X"), "http_5xx", 500),
            (answer(b"<html>", "401 X"), "auth", 401),
            (answer(b"x" * 100_000, "400 X"), "client_error", 400),
            (answer(b"", "404 X"), "not_found", 404),
            (head("503 X", "text/html", "Content-Length: 99") + b"a", "http_5xx", 503),
        ],
    )  # fmt: skip
    def test_the_status_counts_whatever_the_body(
        self, run: Run, data: bytes, outcome: str, status: int
    ) -> None:
        async def main() -> None:
            async with upstream(answering_once(data)) as raw, opened() as client:
                error = await failure(client, target(raw), streamed=True)
                assert (error.outcome, error.status) == (outcome, status)
                assert error.message == f"upstream answered {status}"

        run(main())

    def test_passes_on_when_to_come_again(self, run: Run) -> None:
        async def main() -> None:
            data = answer(b"{}", "429 X", "Retry-After: 7")
            async with upstream(answering(data)) as raw, opened() as client:
                error = await failure(client, target(raw))
                assert (error.outcome, error.retry_after) == ("rate_limited", 7.0)
                assert not error.health_fault

        run(main())

    def test_does_not_wait_for_an_error_body_that_does_not_come(self, run: Run) -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(head("503 X", "text/html", "Content-Length: 99"))
            await peer.closed()

        async def main() -> None:
            async with upstream(script) as raw, opened(ClientLimits(error_body_s=0.02)) as client:
                assert (await failure(client, target(raw))).outcome == "http_5xx"

        run(main())


class TestConnecting:
    def test_names_a_refused_connection(self, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        async def main() -> None:
            async with opened() as client:
                to = Target(7, f"http://127.0.0.1:{port}/", None)
                assert (await failure(client, to)).outcome == "connect_error"

        run(main())

    def test_names_a_connection_that_never_completes(self, run: Run) -> None:
        async def main(port: int) -> None:
            async with opened(ClientLimits(connect_s=0.1)) as client:
                to = Target(7, f"http://127.0.0.1:{port}/", None)
                assert (await failure(client, to)).outcome == "timeout_connect"
                assert client.in_flight(7) == 0

        with ExitStack() as sockets:
            full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):
                one = sockets.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            run(main(full.getsockname()[1]))

    def test_names_a_peer_that_does_not_speak_tls(self, run: Run) -> None:
        async def script(peer: Peer) -> None:
            await peer.send(answer())
            await peer.closed()

        async def main() -> None:
            async with upstream(script) as raw, opened() as client:
                to = target(raw, url=raw.url.replace("http:", "https:"))
                assert (await failure(client, to)).outcome == "connect_error"

        run(main())

    def test_trusts_no_certificate_it_cannot_verify(
        self, run: Run, self_signed: ssl.SSLContext, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def main() -> None:
            async with upstream(answering(answer()), self_signed) as raw, opened() as client:
                assert (await failure(client, target(raw))).outcome == "connect_error"

        run(main())

        assert "127.0.0.1" not in caplog.text

    def test_names_a_handshake_that_never_completes(self, run: Run) -> None:
        async def main() -> None:
            limits = ClientLimits(connect_s=0.05, tls_s=0.1)
            async with upstream(Peer.closed) as raw, opened(limits) as client:
                to = target(raw, url=raw.url.replace("http:", "https:"))
                assert (await failure(client, to)).outcome == "timeout_connect"

        run(main())

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
         "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "169.254.169.254"],
    )  # fmt: skip
    def test_the_guard_is_asked_about_every_address_dialled(
        self, run: Run, caplog: pytest.LogCaptureFixture, host: str, scheme: str
    ) -> None:
        async def main() -> None:
            async with (
                upstream(answering(answer())) as canary,
                opened(guard=AddressGuard()) as client,
            ):
                to = target(canary, url=f"{scheme}://{host}:{canary.port}/v1")
                assert (await failure(client, to)).outcome == "connect_error"
                assert canary.connections == 0

        with caplog.at_level(logging.WARNING):
            run(main())

        # The endpoint by its number only: the address came from a curator or from DNS.
        assert REFUSED in [record.getMessage() for record in caplog.records]
        assert host not in caplog.text

    @pytest.mark.parametrize(
        "host",
        ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "127.0.0.1.", "\u2460.0.0.1"],
    )
    def test_no_other_spelling_of_an_address_is_dialled(self, run: Run, host: str) -> None:
        async def main() -> None:
            async with (
                upstream(answering(answer())) as canary,
                opened(guard=AddressGuard()) as client,
            ):
                to = target(canary, url=f"http://{host}:{canary.port}/v1")
                assert (await failure(client, to)).outcome == "connect_error"
                assert canary.connections == 0

        run(main())

    def test_a_name_that_turns_private_is_refused_when_dialled(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        ports: list[int] = []

        def resolve(*_: object, **__: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", ports[-1]))]

        async def main() -> None:
            async with (
                upstream(answering(answer())) as canary,
                opened(guard=AddressGuard()) as refusing,
                opened() as allowing,
            ):
                ports.append(canary.port)
                to = target(canary, url=f"http://public.example:{canary.port}/v1")
                assert (await failure(refusing, to)).outcome == "connect_error"
                assert canary.connections == 0
                assert await read(allowing, to) == JSON_BODY

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with caplog.at_level(logging.WARNING):
            asyncio.run(main())

        assert [record.getMessage() for record in caplog.records] == [REFUSED]

    @pytest.mark.parametrize("url", ["ftp://a.example/", "http://u:p@a.example/", "nonsense"])
    def test_an_odd_url_is_not_dialled(self, run: Run, url: str) -> None:
        async def main() -> None:
            async with opened() as client:
                to = Target(7, url, None)
                assert (await failure(client, to)).outcome == "connect_error"
                assert client.in_flight(7) == 0

        run(main())
