"""Messages that go wrong: keys, bodies, providers, broken streams, callers who leave."""

from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.routing.message_events import Event, events_of
from tests.routing.messages_client import COUNT, MESSAGES, Caller
from tests.scripted_upstream import answer, begin_stream, delta, hang, rst

WRONG_KEY = f"sk-assay-{'a' * 8}-{'b' * 43}-000000"
FIRST_WORD = (begin_stream(), delta("one"))
BROKEN = (answer({"error": {"message": "no"}}, 500),)


@pytest.fixture
def caller(chat: Chat) -> Caller:
    return Caller(chat)


def refused(answer: Answer, status: int, name: str) -> dict[str, Any]:
    """Return the error, having checked that it is Anthropic's."""
    assert answer.status == status
    assert answer.json["type"] == "error"
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["type"] == name
    assert answer.error["message"]
    return answer.error


# Keys --------------------------------------------------------------------------------------


def test_takes_the_key_in_either_header(caller: Caller) -> None:
    told = caller.post(key="", headers={"x-api-key": caller.chat.gateway.key})

    assert told.status == 200


def test_authorization_wins_over_the_other_header(caller: Caller) -> None:
    key = caller.chat.gateway.key

    of_another_api = caller.post(headers={"x-api-key": "sk-ant-left-over"})
    wrong = caller.post(key=WRONG_KEY, headers={"x-api-key": key})

    assert of_another_api.status == 200
    refused(wrong, 401, "authentication_error")


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {WRONG_KEY}"},
        {"Authorization": "Basic abc"},
        {"x-api-key": WRONG_KEY},
        {"x-api-key": ""},
        {"x-api-key": f"{WRONG_KEY},{WRONG_KEY}"},
        {"x-api-key": "sk-ant-left-over"},
    ],
    ids=["none", "wrong", "no bearer", "wrong other", "empty other", "two others", "not ours"],
)
def test_every_key_that_is_none_is_refused_alike(
    caller: Caller, headers: dict[str, str], path: str
) -> None:
    error = caller.post(path=path, key="", headers=headers)

    refused(error, 401, "authentication_error")
    assert error.body == caller.post(key="").body


def test_a_revoked_key_is_refused_in_the_same_words(caller: Caller) -> None:
    gateway = caller.chat.gateway
    key = gateway.create_key("Revoked", "messages", rpm=0)
    headers = {"x-api-key": key}
    assert caller.post(key="", headers=headers).status == 200

    gateway.revoke(key)

    eventually(lambda: caller.post(key="", headers=headers).status == 401, within_s=5)
    assert caller.post(key="", headers=headers).body == caller.post(key="").body


def test_a_key_without_the_scope_is_refused(caller: Caller) -> None:
    key = caller.chat.gateway.create_key(scope="read")

    refused(caller.post(key=key), 403, "permission_error")
    refused(caller.post(key=key, path=COUNT), 403, "permission_error")


def test_a_key_with_too_many_requests_is_told_when_to_come_again(caller: Caller) -> None:
    key = caller.chat.gateway.create_key("Slow", "messages", rpm=1)
    assert caller.post(path=COUNT, key=key).status == 200

    error = caller.post(key=key)

    refused(error, 429, "rate_limit_error")
    assert int(error.headers["retry-after"]) >= 1


# Bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"provider": {"order": "amber"}}, "provider.order"),
        ({"output_config": {"effort": "utmost"}}, "output_config.effort"),
        ({"model": None}, "model"),
    ],
)
def test_what_is_wrong_is_named_in_the_words_of_this_api(
    caller: Caller, fields: dict[str, Any], path: str
) -> None:
    told = caller.post(**fields)

    error = refused(told, 400, "invalid_request_error")
    assert error["metadata"]["path"] == path
    assert error["message"].startswith(path)
    assert told.json["request_id"] == told.headers["request-id"]
    assert not caller.chat.seen()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages": NaN}', b""])
def test_a_body_that_is_no_object_is_refused(caller: Caller, body: bytes) -> None:
    refused(caller.send(body), 400, "invalid_request_error")


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
def test_what_is_refused_before_it_is_read_has_the_same_shape(live: LiveGateway, path: str) -> None:
    large = live.chat(b'{"x": "' + b"x" * (6 * 1024 * 1024) + b'"}', path=path)
    got = live.request("GET", path)
    headers = live.request("POST", path, b"{}", {f"x-{n}": "x" * 900 for n in range(40)})

    refused(large, 413, "request_too_large")
    refused(got, 405, "invalid_request_error")
    refused(headers, 431, "invalid_request_error")


def test_a_body_that_does_not_come_is_refused_in_the_same_shape(live: LiveGateway) -> None:
    with live.socket() as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n" % MESSAGES.encode())
        connection.sendall(b"Content-Length: 100\r\n\r\n")

        said = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"408" in said.partition(b"\r\n")[0]
    assert b'"type":"timeout_error"' in said


# Providers ---------------------------------------------------------------------------------


def test_nobody_off_the_allowlist_is_ever_asked(caller: Caller) -> None:
    # The fixture fails the test for a visit to anybody else.
    caller.chat.script(amber=BROKEN, basalt=BROKEN)

    whole = caller.post()
    with caller.stream() as stream:
        streamed = stream.status

    refused(whole, 503, "overloaded_error")
    assert streamed == 503
    assert {visit.provider for visit in caller.chat.seen()} == {"amber", "basalt"}


def test_a_wish_does_not_widen_the_allowlist(caller: Caller) -> None:
    caller.chat.script()

    told = caller.post(provider={"only": ["cobalt"]})

    error = refused(told, 404, "not_found_error")
    assert "exacto_pool" in error["availability"]["excluded_by"]
    assert not caller.chat.seen()


def test_an_empty_pool_is_not_found(caller: Caller) -> None:
    told = caller.post(model=f"{live_catalog.UNLISTED}:exacto")

    refused(told, 404, "not_found_error")
    assert not caller.chat.seen()


def test_another_provider_of_the_pool_takes_over(caller: Caller) -> None:
    caller.chat.script(amber=BROKEN)

    assert caller.post().json["provider"] == "Basalt AI"
    assert caller.streamed()["provider"] == "Basalt AI"


def test_an_answer_whose_reason_is_an_error_is_one(caller: Caller) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hm"},
        "finish_reason": "malformed_function_call",
    }
    reply = {"id": "up-1", "choices": [choice], "usage": {"completion_tokens": 1}}
    caller.chat.script(amber=(answer(reply),))

    refused(caller.post(), 502, "api_error")


# Streams -----------------------------------------------------------------------------------


def test_a_stream_that_breaks_says_so_in_band(caller: Caller) -> None:
    caller.chat.script(amber=(*FIRST_WORD, rst))

    with caller.stream() as stream:
        assert stream.status == 200
        first, *_, last = events_of(stream.events())

    assert last["type"] == "error"
    assert last["error"]["type"] == "api_error"
    assert last["error"]["metadata"]["provider_name"] == "Amber AI"
    assert _row(caller.chat, first)["status"] == 502
    assert [visit.provider for visit in caller.chat.seen()] == ["amber"]


def test_a_stream_that_never_began_has_an_error_and_nothing_else(caller: Caller) -> None:
    caller.chat.script(amber=(hang,), basalt=(hang,))

    with caller.stream() as stream:
        lines = list(stream.events())

    # It was silent for longer than KEEPALIVE_S, so the status was said already.
    assert stream.status == 200
    assert lines[0].startswith(":")
    [error] = events_of(lines)
    assert (error["type"], error["error"]["type"]) == ("error", "overloaded_error")


def test_the_provider_is_let_go_when_the_caller_leaves(caller: Caller) -> None:
    caller.chat.script(amber=(*FIRST_WORD, hang))

    with caller.stream() as stream:
        first = events_of(line for line, _ in zip(stream.events(), range(2), strict=False))

    [visit] = caller.chat.seen("amber")
    assert visit.gone.wait(2)
    eventually(lambda: caller.chat.gateway.readyz()["in_flight"] == 0)
    row = _row(caller.chat, first[0])
    assert (row["status"], bool(row["cancelled"])) == (499, True)


def _row(chat: Chat, first: Event) -> dict[str, Any]:
    chat.gateway.ingest()
    query = "SELECT status, cancelled FROM telemetry_generation WHERE id = %s"
    [row] = chat.gateway.rows(query, first["message"]["id"])
    return row
