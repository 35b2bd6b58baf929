"""Requests that cannot be read or are too much: one JSON error each, and the server lives on."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import CHAT, Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FAST, FIRST, Chat
from tests.scripted_upstream import ScriptedUpstream, answer, wait

HELLO = [{"role": "user", "content": "Hello"}]


def _tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": function}


def _refused(answered: Answer, status: int, kind: str) -> None:
    assert answered.status == answered.error["code"] == status
    assert answered.error["metadata"]["error_type"] == kind
    assert answered.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"", {"line": 1, "column": 1}, id="empty"),
        pytest.param(b"{", {"line": 1, "column": 2}, id="cut"),
        pytest.param(b"[]", {"path": "body"}, id="a list"),
        pytest.param(b"null", {"path": "body"}, id="null"),
        pytest.param(b'"x"', {"path": "body"}, id="text"),
        pytest.param(b'{"messages": NaN}', {"path": "messages"}, id="NaN"),
        pytest.param(
            b'{"messages": [], "temperature": Infinity}', {"path": "temperature"}, id="Infinity"
        ),
        pytest.param(
            b'{"messages": [], "temperature": 1e400}',
            {"path": "temperature"},
            id="too large a number",
        ),
        pytest.param(
            b'{"messages": [], "seed": ' + b"9" * 5_000 + b"}",
            {"path": "seed"},
            id="endless number",
        ),
        pytest.param(b'{"model": "a/b", "model": "a/c"}', {"path": "model"}, id="a key twice"),
        pytest.param(
            b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", {"line": 1, "column": 69}, id="too deep"
        ),
        pytest.param(b"[" * 100_000, {"line": 1, "column": 65}, id="far too deep"),
        pytest.param(b'{"x": [' + b"1," * 300_001 + b"1]}", {"path": "body"}, id="too many values"),
        pytest.param(b'{"messages": "\xff\xfe"}', {"byte": 14}, id="not UTF-8"),
        pytest.param(b'{"messages": "\\ud800"}', {"path": "messages"}, id="half a surrogate pair"),
        pytest.param(b"\xef\xbb\xbf{}", {"line": 1, "column": 1}, id="BOM"),
        pytest.param(b'{"messages": "a\x00b"}', {"line": 1, "column": 16}, id="NUL in text"),
    ],
)
def test_answers_400_for_a_body_that_is_not_strict_json(
    live: LiveGateway, body: bytes, place: dict[str, Any]
) -> None:
    refused = live.chat(body)

    _refused(refused, 400, "invalid_request")
    metadata = refused.error["metadata"]
    assert {name: metadata.get(name) for name in place} == place, refused.error
    assert refused.headers["x-generation-id"].startswith("gen-")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "robot"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": HELLO * 2_001}, "messages"),
        ({"model": 5}, "model"),
        ({"model": None}, "model"),
        ({"models": "a/b"}, "models"),
        ({"models": ["a/b", 3]}, "models[1]"),
        ({"models": ["a/b", "nonsense"]}, "models[1]"),
        ({"models": ["a/b:exacto", "acme/varied:magic"]}, "models[1]"),
        ({"model": "acme/varied:magic"}, "model"),
        ({"models": ["acme/varied", "acme/unheard-of"]}, "models[1]"),
        ({"model": "acme/unheard-of"}, "model"),
        ({"models": [f"a/b{n}" for n in range(9)]}, "models"),
        ({"stream": "yes"}, "stream"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"n": "1"}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": 10**30 // 7}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": [1]}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"frequency_penalty": -2.5}, "frequency_penalty"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"reasoning": "high"}, "reasoning"),
        ({"reasoning": {"effort": "utmost"}}, "reasoning.effort"),
        ({"reasoning": {"max_tokens": "many"}}, "reasoning.max_tokens"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"plugins": ["web"]}, "plugins[0]"),
        ({"modalities": "text"}, "modalities"),
        ({"seed": "x"}, "seed"),
        ({"stop": [1]}, "stop[0]"),
        ({"stop": {"a": 1}}, "stop"),
        ({"logit_bias": {"a": "b"}}, "logit_bias"),
        ({"response_format": "json"}, "response_format"),
        ({"user": 1}, "user"),
        ({"metadata": []}, "metadata"),
        ({"session_id": "x" * 257}, "session_id"),
        ({"provider": []}, "provider"),
        ({"provider": {"only": "amber"}}, "provider.only"),
        ({"provider": {"only": [1]}}, "provider.only[0]"),
        ({"provider": {"order": ["a"] * 65}}, "provider.order"),
        ({"provider": {"ignore": {"a": 1}}}, "provider.ignore"),
        ({"provider": {"allow_fallbacks": "no"}}, "provider.allow_fallbacks"),
        ({"provider": {"data_collection": "maybe"}}, "provider.data_collection"),
        ({"provider": {"sort": "cheapest"}}, "provider.sort"),
        ({"provider": {"sort": {"by": "x"}}}, "provider.sort.by"),
        ({"provider": {"max_price": {"prompt": "free"}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"prompt": -1}}}, "provider.max_price.prompt"),
        ({"provider": {"preferred_max_latency": -1}}, "provider.preferred_max_latency"),
        ({"provider": {"preferred_min_throughput": {"p50": "x"}}},
         "provider.preferred_min_throughput.p50"),
        ({"tools": {}}, "tools"),
        ({"tools": [3]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "magic", "function": {"name": "f"}}]}, "tools[0]"),
        ({"tools": [_tool(name=5)]}, "tools[0].function.name"),
        ({"tools": [_tool(name="x" * 65)]}, "tools[0].function.name"),
        ({"tools": [_tool(name="a b")]}, "tools[0].function.name"),
        ({"tools": [_tool(name="a\r\nb")]}, "tools[0].function.name"),
        ({"tools": [_tool(name="a\n")]}, "tools[0].function.name"),
        ({"tools": [_tool(name="f", parameters=[1])]}, "tools[0].function.parameters"),
        ({"tools": [_tool(name="f", parameters={"description": "x" * 70_000})]},
         "tools[0].function.parameters"),
        ({"tools": [_tool(name=f"f{n}", parameters={"d": "x" * 60_000}) for n in range(9)]},
         "tools"),
        ({"tools": [_tool(name=f"f{n}") for n in range(129)]}, "tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tool_choice": 3}, "tool_choice"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_answers_400_naming_the_place(live: LiveGateway, fields: dict[str, Any], path: str) -> None:
    body = {"model": "acme/varied", "messages": HELLO, **fields}

    refused = live.chat(body)

    _refused(refused, 400, "invalid_request")
    told = refused.error["metadata"]["path"]
    assert told == path or told.startswith(f"{path}["), refused.error
    message = refused.error["message"]
    assert message.startswith(told) or (told == "model" and "is not a valid model ID" in message)


def test_ignores_fields_nobody_knows(chat: Chat) -> None:
    assert chat.post(surprise={"deep": [1, {"x": None}]}, made_up=10**25).status == 200


def test_takes_two_tools_of_one_name(chat: Chat) -> None:
    assert chat.post(tools=[_tool(name="f"), _tool(name="f")]).status == 200


def test_takes_a_long_body_with_a_number_beyond_64_bits(chat: Chat) -> None:
    image = {"type": "image_url", "image_url": {"url": "x" * 20_000, "size": 10**25}}
    text = {"type": "text", "text": f"nonce:{chat.nonce} "}

    served = chat.post(messages=[{"role": "user", "content": [image, text]}])

    assert served.status == 200


def test_refuses_other_methods(live: LiveGateway) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        refused = live.request(method, CHAT)
        assert refused.status == 405
        assert refused.headers["allow"] == "POST"


# Bodies ------------------------------------------------------------------------------------


def _head(*lines: str) -> bytes:
    first = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n"
    return (first + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode()


def _all(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes."""
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


def _answer_of(data: bytes) -> Answer:
    """Read one HTTP answer; there must be exactly one."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    assert data.count(b"HTTP/1.1 ") == 1
    return Answer(int(status.split()[1]), headers, body)


def test_answers_413_for_a_declared_length_over_the_limit(live: LiveGateway) -> None:
    with live.socket() as connection:
        connection.sendall(_head(f"Content-Length: {5 * 1024 * 1024}"))

        refused = _answer_of(_all(connection))

    _refused(refused, 413, "payload_too_large")
    assert refused.headers["connection"] == "close"


def test_answers_413_to_a_client_that_first_sends_all(live: LiveGateway) -> None:
    refused = live.chat(b'{"x": "' + b"x" * (6 * 1024 * 1024) + b'"}')

    _refused(refused, 413, "payload_too_large")


def test_answers_413_when_a_body_without_length_grows_over_the_limit(live: LiveGateway) -> None:
    with live.socket() as connection:
        connection.sendall(_head("Transfer-Encoding: chunked"))
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        for _ in range(80):
            connection.sendall(piece)
        connection.sendall(b"0\r\n\r\n")

        refused = _answer_of(_all(connection))

    _refused(refused, 413, "payload_too_large")


def test_takes_a_body_in_pieces(chat: Chat) -> None:
    body = json.dumps(chat.body()).encode()
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with chat.gateway.socket() as connection:
        head = _head(f"Authorization: Bearer {chat.gateway.key}", "Transfer-Encoding: chunked",
                     "Connection: close")  # fmt: skip
        connection.sendall(head + pieces + b"0\r\n\r\n")

        assert _answer_of(_all(connection)).status == 200


@pytest.mark.parametrize("sent", [b"", b'{"messages"'], ids=["nothing", "a part"])
def test_answers_408_when_the_body_does_not_come(live: LiveGateway, sent: bytes) -> None:
    with live.socket() as connection:
        connection.sendall(_head("Content-Length: 100") + sent)

        refused = _answer_of(_all(connection))

    _refused(refused, 408, "timeout")


def test_answers_408_when_the_body_drips(live: LiveGateway) -> None:
    with live.socket() as connection:
        connection.sendall(_head("Content-Length: 1000"))
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.2):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        refused = _answer_of(_all(connection))
        stop.set()
        dripping.join()

    _refused(refused, 408, "timeout")


def test_says_nothing_to_a_caller_who_left_while_sending(live: LiveGateway) -> None:
    with live.socket() as connection:
        connection.sendall(_head("Content-Length: 100") + b"{")

    assert live.get("/healthz").status == 200


# Headers -----------------------------------------------------------------------------------

BODY = json.dumps(live_catalog.request("acme/varied")).encode()
LENGTH = f"Content-Length: {len(BODY)}"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(_head(LENGTH, "Transfer-Encoding: chunked") + b"0\r\n\r\n" + BODY, id="both"),
        pytest.param(_head("Transfer-Encoding: xchunked") + BODY, id="unknown encoding"),
        pytest.param(_head(LENGTH, "Content-Length: 3") + BODY, id="two lengths"),
        pytest.param(_head("Content-Length: -5") + BODY, id="negative length"),
        pytest.param(_head("Content-Length: 5x") + BODY, id="length is no number"),
        pytest.param(_head("Content-Length: +5") + BODY, id="signed length"),
        pytest.param(_head("Bad Name: x", LENGTH) + BODY, id="space in a name"),
        pytest.param(_head("X-A: 1\r\n folded", LENGTH) + BODY, id="folded"),
        pytest.param(_head("X-A: a\x00b", LENGTH) + BODY, id="NUL in a value"),
        pytest.param(b"POST " + CHAT.encode() + b" HTTP/9.9\r\n\r\n", id="unknown version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", id="TLS"),
        pytest.param(_head("Authorization: Bearer a", "Authorization: Bearer b", LENGTH) + BODY,
                     id="two Authorization"),
    ],
)  # fmt: skip
def test_answers_one_400_to_an_ambiguous_request(live: LiveGateway, request_bytes: bytes) -> None:
    with live.socket() as connection:
        connection.settimeout(3)
        # What would be smuggled, if the two sides disagreed on where the request ends.
        connection.sendall(request_bytes + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        data = _all(connection)

    assert data.startswith(b"HTTP/1.1 400 ")
    assert data.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["X-A: " + "x" * 33_000], id="too large"),
        pytest.param([f"X-{n}: x" for n in range(101)], id="too many"),
    ],
)
def test_answers_431_for_too_much_header(live: LiveGateway, lines: list[str]) -> None:
    with live.socket() as connection:
        connection.sendall(_head(*lines, LENGTH) + BODY)

        assert _answer_of(_all(connection)).status == 431


def test_reads_no_header_spelt_with_underscores(live: LiveGateway) -> None:
    with live.socket() as connection:
        lines = (f"Authorization: Bearer {live.key}", "X_OpenRouter_Metadata: enabled", LENGTH)
        connection.sendall(_head(*lines, "Connection: close") + BODY)

        served = _answer_of(_all(connection))

    assert served.status == 200
    assert "openrouter_metadata" not in served.json


# Callers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic dXNlcjpwYXNz",
        "Bearer sk-assay-" + "a" * 8 + "-" + "b" * 43 + "-000000",
        "Bearer " + "x" * 5_000,
        "Bearer ' OR 1=1 --",
    ],
)
def test_answers_the_same_401_to_everyone_it_does_not_know(
    live: LiveGateway, authorization: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    refused = live.request("POST", CHAT, BODY, headers)

    _refused(refused, 401, "authentication")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.body == live.request("POST", CHAT, BODY).body
    assert "x-generation-id" not in refused.headers


def test_stops_a_revoked_key_within_seconds(chat: Chat) -> None:
    key = chat.gateway.create_key("Revoked", "soon", rpm=0)
    assert chat.gateway.chat(chat.body(), key=key).status == 200

    chat.gateway.revoke(key)

    eventually(lambda: chat.gateway.chat(chat.body(), key=key).status == 401, within_s=5)
    unknown = chat.gateway.request("POST", CHAT, BODY)
    assert chat.gateway.chat(chat.body(), key=key).body == unknown.body


def test_stops_an_expired_key(chat: Chat) -> None:
    key = chat.gateway.create_key("Expired", "soon", rpm=0)
    assert chat.gateway.chat(chat.body(), key=key).status == 200

    chat.gateway.execute("UPDATE routing_apikey SET expires_at = '2020-01-01' WHERE label = 'soon'")

    eventually(lambda: chat.gateway.chat(chat.body(), key=key).status == 401, within_s=5)


def test_answers_429_beyond_a_keys_requests_per_minute(chat: Chat) -> None:
    key = chat.gateway.create_key("Busy", "rpm", rpm=2)

    answers = [chat.gateway.chat(chat.body(), key=key) for _ in range(3)]

    assert [one.status for one in answers] == [200, 200, 429]
    _refused(answers[2], 429, "rate_limit_exceeded")
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert answers[2].error["metadata"]["limit_source"] == "api_key"


def test_answers_429_beyond_a_keys_requests_at_once(chat: Chat) -> None:
    gate = threading.Event()
    chat.script(amber=(wait(gate), answer()))
    key = chat.gateway.create_key("Busy", "at once", rpm=0, in_flight=1)
    first = threading.Thread(target=lambda: chat.gateway.chat(chat.body(), key=key))
    first.start()
    eventually(lambda: chat.seen("amber"))

    refused = chat.gateway.chat(chat.body(), key=key)
    gate.set()
    first.join()

    _refused(refused, 429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    assert chat.gateway.chat(chat.body(), key=key).status == 200


@pytest.fixture(scope="module")
def small(upstream: ScriptedUpstream) -> Iterator[LiveGateway]:
    """Return a gateway with room for two requests, and for one at each endpoint."""
    catalog = live_catalog.catalog(upstream.ports, 1)
    env = FAST | live_catalog.credentials() | {"IN_FLIGHT": "2", "ENDPOINT_IN_FLIGHT": "1"}
    with LiveGateway(catalog, env) as gateway:
        yield gateway


def test_answers_503_at_once_when_the_gateway_is_full(
    small: LiveGateway, upstream: ScriptedUpstream
) -> None:
    gate, nonce = threading.Event(), live_catalog.new_nonce()
    late = (wait(gate), answer())
    upstream.script(nonce, amber=late, basalt=late)
    body = live_catalog.request("acme/m-000:exacto", nonce=nonce)
    callers = [threading.Thread(target=small.chat, args=(body,)) for _ in range(2)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(upstream.seen(nonce)) == 2)

    refused = small.chat(body)
    gate.set()
    for caller in callers:
        caller.join()

    _refused(refused, 503, "provider_overloaded")
    assert refused.error["metadata"]["limit_source"] == "gateway_in_flight"
    assert int(refused.headers["retry-after"]) >= 1
    assert small.chat(body).status == 200


def test_passes_over_an_endpoint_that_is_full(
    small: LiveGateway, upstream: ScriptedUpstream
) -> None:
    gate, nonce = threading.Event(), live_catalog.new_nonce()
    upstream.script(nonce, amber=(wait(gate), answer()))
    first = live_catalog.request("acme/m-000:exacto", nonce=nonce, provider=FIRST)
    caller = threading.Thread(target=small.chat, args=(first,))
    caller.start()
    eventually(lambda: upstream.seen(nonce))

    second = small.chat(
        live_catalog.request("acme/m-000:exacto", provider=FIRST),
        headers={"X-OpenRouter-Metadata": "enabled"},
    )
    gate.set()
    caller.join()

    tries = second.json["openrouter_metadata"]["attempts"]
    assert [(one["endpoint"], one["outcome"]) for one in tries] == [
        ("amber", "busy"),
        ("basalt", "ok"),
    ]
