"""What providers do wrong, and what the caller gets for it: failover, then the error contract."""

import json
import socket
from typing import Any

import pytest

from tests.live import eventually
from tests.routing import live_catalog
from tests.routing.conftest import Chat
from tests.scripted_upstream import (
    REPLY,
    Step,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    fin,
    hang,
    piece,
    plain_stream,
    rst,
    sleep,
    wire,
)

ASKED = {"X-OpenRouter-Metadata": "enabled"}
Program = tuple[Step, ...]


def _say(status: int, *headers: str, message: str = "no") -> Program:
    return (answer({"error": {"message": message}}, status, *headers),)


def _declaring(length: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


UNUSABLE = [
    pytest.param((answer(b"<html>hello</html>", kind="text/html"),), id="HTML"),
    pytest.param((answer(b"<html>hello</html>"),), id="HTML called JSON"),
    pytest.param((answer(b""),), id="empty"),
    pytest.param((answer(b'{"choices": [{"mess'),), id="cut JSON"),
    pytest.param((answer({"object": "list", "data": []}),), id="another object"),
    pytest.param((answer({**REPLY, "choices": []}),), id="no choices"),
    pytest.param((answer({**REPLY, "choices": [{"index": 0, "message": {}}], "usage": None}),),
                 id="an empty message"),
    pytest.param((answer([1, 2]),), id="a list"),
    pytest.param((answer({"error": {"message": "inside", "code": "oops"}}),), id="error in 200"),
    pytest.param((answer(REPLY, 200, "Content-Encoding: gzip"),), id="encoded"),
    pytest.param((answer(b"", 302, "Location: http://127.0.0.1:9/"),), id="302"),
    pytest.param((answer(b"", 307, "Location: http://127.0.0.1:9/"),), id="307"),
    pytest.param((answer(b"", 308, "Location: http://127.0.0.1:9/"),), id="308"),
    pytest.param((answer(b"", 204),), id="204"),
    pytest.param((answer(REPLY, 200, "X-Long: " + "x" * 40_000),), id="huge headers"),
    pytest.param((wire(_declaring(500, b'{"choices": []}')), fin), id="shorter than declared"),
]  # fmt: skip
UNANSWERED = [
    pytest.param(_say(500), id="500"),
    pytest.param(_say(502), id="502"),
    pytest.param(_say(503), id="503"),
    pytest.param(_say(529), id="529"),
    pytest.param((answer({"error": {"message": "x", "code": 503}}),), id="503 in 200"),
    pytest.param((fin,), id="hung up"),
    pytest.param((rst,), id="reset"),
]


@pytest.mark.parametrize("steps", [*UNANSWERED, *UNUSABLE])
def test_fails_over_to_the_next_endpoint(chat: Chat, steps: Program) -> None:
    chat.script(amber=steps)

    served = chat.post(ASKED)

    assert served.status == 200
    assert served.json["provider"] == "Basalt AI"
    assert served.json["openrouter_metadata"]["attempt"] == 2
    assert [visit.provider for visit in chat.seen()] == ["amber", "basalt"]


@pytest.mark.parametrize("steps", UNUSABLE)
def test_answers_502_when_no_answer_is_usable(chat: Chat, steps: Program) -> None:
    chat.script(amber=steps, basalt=steps)

    failed = chat.post()

    assert failed.status == failed.error["code"] == 502
    assert failed.error["metadata"]["error_type"] == "provider_unavailable"
    assert failed.headers["x-generation-id"].startswith("gen-")
    assert len(chat.seen()) == 2


@pytest.mark.parametrize("steps", UNANSWERED)
def test_answers_503_when_none_answers(chat: Chat, steps: Program) -> None:
    chat.script(amber=steps, basalt=steps)

    failed = chat.post()

    assert failed.status == failed.error["code"] == 503
    assert failed.error["metadata"]["error_type"] == "provider_overloaded"
    assert failed.error["availability"]["code"] == "temporarily_unavailable"
    assert failed.error["availability"]["retryable"] is True
    assert int(failed.headers["retry-after"]) >= 1
    assert len(failed.error["metadata"]["previous_errors"]) == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_gives_the_caller_a_fault_that_is_the_callers(chat: Chat, status: int) -> None:
    body = {"error": {"message": "word " * 2_000, "code": "bad_thing"}}
    chat.script(amber=(answer(body, status),))

    failed = chat.post()

    assert failed.status == failed.error["code"] == status
    kinds = {400: "invalid_request", 413: "payload_too_large", 422: "unprocessable"}
    assert failed.error["metadata"]["error_type"] == kinds[status]
    assert failed.error["metadata"]["provider_code"] == "bad_thing"
    assert len(failed.error["message"].encode()) <= 1000
    assert len(failed.body) < 4_000
    assert len(chat.seen()) == 1


def test_reads_little_of_a_refusal(chat: Chat) -> None:
    chat.script(amber=_say(400, message="word " * 20_000))

    failed = chat.post()

    assert failed.status == 400
    assert len(failed.body) < 4_000


@pytest.mark.parametrize("status", [401, 402, 403])
def test_never_shows_that_our_own_credential_was_refused(chat: Chat, status: int) -> None:
    refusal = _say(status, message=f"Incorrect API key {live_catalog.CREDENTIAL}-amber")
    chat.script(amber=refusal, basalt=refusal)

    failed = chat.post(ASKED)

    assert failed.status == 502
    assert failed.error["metadata"]["error_type"] == "provider_unavailable"
    assert live_catalog.CREDENTIAL.encode() not in failed.body
    assert len(chat.seen()) == 2


def test_tells_operators_that_our_credential_was_refused(chat: Chat) -> None:
    chat.script(amber=_say(401))

    chat.post()

    assert "amber" in next(
        line
        for line in chat.gateway.log().splitlines()
        if "credential" in line and chat.model in line
    )


def test_answers_404_when_no_provider_knows_the_model(chat: Chat) -> None:
    chat.script(amber=_say(404), basalt=_say(404))

    failed = chat.post()

    assert failed.status == 404
    assert failed.error["metadata"]["error_type"] == "not_found"
    assert failed.error["availability"]["code"] == "model_unavailable_upstream"
    assert failed.error["availability"]["retryable"] is False


# Rate limits -------------------------------------------------------------------------------


def test_leaves_a_rate_limited_endpoint_alone_until_it_may_be_asked_again(chat: Chat) -> None:
    chat.script(amber=_say(429, "Retry-After: 7"))

    served = [chat.post(ASKED).json for _ in range(3)]

    assert [one["provider"] for one in served] == ["Basalt AI"] * 3
    assert len(chat.seen("amber")) == 1
    not_used = served[-1]["openrouter_metadata"]["params"]["not_used"]
    assert {"amber": "rate_limited"}.items() <= {
        u["endpoint"]: u["reason"] for u in not_used
    }.items()


def test_answers_429_with_the_shortest_wait_when_all_are_rate_limited(chat: Chat) -> None:
    chat.script(amber=_say(429, "Retry-After: 7"), basalt=_say(429, "Retry-After: 30"))

    first, second = chat.post(), chat.post()

    assert first.status == second.status == 429
    assert first.error["metadata"]["error_type"] == "rate_limit_exceeded"
    assert first.error["availability"]["code"] == "capacity_exhausted"
    assert first.headers["retry-after"] == "7"
    assert second.error["availability"]["code"] == "capacity_exhausted"
    assert 1 <= int(second.headers["retry-after"]) <= 7
    assert len(chat.seen()) == 2, "while both cool down nobody is asked"


def test_clamps_absurd_waits(chat: Chat) -> None:
    chat.script(amber=_say(429, "Retry-After: 86400"), basalt=_say(429, "Retry-After: 90000"))

    assert chat.post().headers["retry-after"] == "60"


# Ejection and bounds -----------------------------------------------------------------------


def test_ejects_an_endpoint_after_five_failures_in_a_row(chat: Chat) -> None:
    chat.script(amber=_say(500))

    served = [chat.post(ASKED).json for _ in range(8)]

    assert {one["provider"] for one in served} == {"Basalt AI"}
    assert len(chat.seen("amber")) == 5
    not_used = served[-1]["openrouter_metadata"]["params"]["not_used"]
    assert {"amber": "unhealthy"}.items() <= {u["endpoint"]: u["reason"] for u in not_used}.items()


def test_stays_within_the_allowlist_when_all_of_it_is_ejected(chat: Chat) -> None:
    chat.script(amber=_say(500), basalt=_say(500))

    answers = [chat.post() for _ in range(12)]

    assert {one.status for one in answers} == {503}
    assert {visit.provider for visit in chat.seen()} == {"amber", "basalt"}


def test_tries_at_most_three_endpoints_each_once(chat: Chat) -> None:
    chat.upstream.script(chat.nonce, amber=_say(500), basalt=_say(500), cobalt=_say(500))

    failed = chat.post(model=chat.model, provider={"order": list(live_catalog.PROVIDERS)})

    assert failed.status == 503
    assert [visit.provider for visit in chat.seen()] == ["amber", "basalt", "cobalt"]


def test_tries_one_endpoint_only_without_fallbacks(chat: Chat) -> None:
    chat.script(amber=_say(500))

    failed = chat.post(provider={"order": ["amber"], "allow_fallbacks": False})

    assert failed.status == 503
    assert [visit.provider for visit in chat.seen()] == ["amber"]


# Time --------------------------------------------------------------------------------------


def test_fails_over_when_the_first_token_does_not_come_in_time(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), delta(role="assistant", content=""), hang))

    with chat.stream(ASKED) as stream:
        chunks = stream.chunks()

    assert chunks[-1]["provider"] == "Basalt AI"
    tries = chunks[-1]["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == ["timeout_ttft", "ok"]
    assert chat.seen("amber")[0].gone.wait(10)


def test_answers_504_when_the_deadline_of_a_whole_answer_passes(chat: Chat) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    chat.script(amber=(wire(head), hang))

    failed = chat.post()

    assert failed.status == failed.error["code"] == 504
    assert failed.error["metadata"]["error_type"] == "timeout"
    assert chat.seen("amber")[0].gone.wait(10)
    assert len(chat.seen()) == 1


def test_fails_over_from_a_port_that_refuses(
    chat: Chat,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        served = _with_dead_amber(chat, closed.getsockname()[1])

    tries = served["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == ["connect_error", "ok"]


def test_fails_over_from_a_port_that_never_accepts(chat: Chat) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        # Linux keeps one more than it was told to; the next ones wait.
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(1)]
        served = _with_dead_amber(chat, port)
        for one in waiting:
            one.close()

    tries = served["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == ["timeout_connect", "ok"]


def _with_dead_amber(chat: Chat, port: int) -> dict[str, Any]:
    """Ask with a provider of the pool at this port first."""
    name = f"dead-{port}"
    gateway, model = chat.gateway, f"acme/{name}"
    gateway.load(
        {
            "providers": [
                live_catalog.provider(name, port) | {"api_key_env": "AMBER_API_KEY"},
                live_catalog.provider("basalt", chat.upstream.ports["basalt"]),
            ],
            "models": [{"slug": model, "name": model, "context_length": 100_000}],
            "endpoints": [live_catalog.endpoint(model, one) for one in (name, "basalt")],
            "allowlists": [live_catalog.allowlist(model, name, "basalt")],
        }
    )
    served = chat.post(ASKED, model=f"{model}:exacto", provider={"order": [name]})
    assert served.status == 200, served.body
    body: dict[str, Any] = served.json
    return body


# Models ------------------------------------------------------------------------------------


def test_falls_back_to_the_next_model_inside_each_ones_own_allowlist(
    chat: Chat, fresh_models: live_catalog.FreshModels
) -> None:
    second = fresh_models.take()
    first_up = f"up-{chat.model.partition('/')[2]}"
    chat.script(amber=_say(500), basalt=_say(500))
    # The second model is asked for without a pool: there any provider may serve.
    chat.upstream.script(chat.nonce, only=live_catalog.PROVIDERS)

    served = chat.post(ASKED, models=[second], provider={"order": ["cobalt", "amber", "basalt"]})

    assert served.status == 200
    assert served.json["model"] == second
    asked = [(visit.provider, visit.body["model"] == first_up) for visit in chat.seen()]
    assert asked == [("amber", True), ("basalt", True), ("cobalt", False)]
    assert served.json["openrouter_metadata"]["attempt"] == 3


@pytest.mark.parametrize("status", [400, 413, 422])
def test_asks_the_next_model_what_the_first_one_refuses(
    chat: Chat, fresh_models: live_catalog.FreshModels, status: int
) -> None:
    second = fresh_models.take()
    chat.script(amber=_say(status, message="maximum context length is 8192 tokens"))
    chat.upstream.script(chat.nonce, only=live_catalog.PROVIDERS)

    served = chat.post(models=[second], provider={"order": ["cobalt", "amber", "basalt"]})

    assert served.json["model"] == second
    # Another endpoint of the first one would have said the same.
    assert [visit.provider for visit in chat.seen()] == ["amber", "cobalt"]


def test_asks_the_next_model_for_a_stream_that_the_first_one_refuses(
    chat: Chat, fresh_models: live_catalog.FreshModels
) -> None:
    second = fresh_models.take()
    said = (begin_stream(), delta(content="Hi"), end_stream())
    chat.script(amber=_say(400))
    chat.upstream.script(chat.nonce, only=live_catalog.PROVIDERS, cobalt=said)

    with chat.stream(models=[second], provider={"order": ["cobalt", "amber"]}) as stream:
        assert stream.chunks()[-1]["model"] == second


@pytest.mark.parametrize("then", [401, 404])
def test_tells_what_was_refused_when_no_other_model_serves(
    chat: Chat, fresh_models: live_catalog.FreshModels, then: int
) -> None:
    chat.script(amber=_say(400, message="maximum context length is 8192 tokens"))
    chat.upstream.script(chat.nonce, only=live_catalog.PROVIDERS, cobalt=_say(then))
    wishes = {"order": ["cobalt", "amber"], "only": ["cobalt", "amber"]}

    failed = chat.post(models=[f"{fresh_models.take()}@cobalt"], provider=wishes)

    assert (failed.status, failed.error["metadata"]["provider_name"]) == (400, "Amber AI")
    assert "maximum context length" in failed.error["message"]
    assert [visit.provider for visit in chat.seen()] == ["amber", "cobalt"]


def test_serves_the_next_model_when_the_first_has_no_allowlist(chat: Chat) -> None:
    served = chat.post(model=f"{live_catalog.UNLISTED}:exacto", models=[chat.pooled])

    assert served.status == 200
    assert served.json["model"] == chat.model


# Connections -------------------------------------------------------------------------------


def test_keeps_what_follows_an_answer_away_from_the_next_one(chat: Chat) -> None:
    whole = b'{"choices":[{"message":{"content":"mine"},"finish_reason":"stop"}]}'
    chat.script(amber=(wire(_declaring(len(whole), whole + b"HTTP/1.1 200 OK\r\n\r\nstolen")),))

    texts = [chat.post().json["choices"][0]["message"]["content"] for _ in range(10)]

    assert set(texts) <= {"mine", "Good day."}


def test_forwards_no_header_of_a_provider(chat: Chat) -> None:
    chat.script(
        amber=(
            answer(
                REPLY,
                200,
                "Set-Cookie: a=b",
                "Location: http://evil.example",
                "X-Powered-By: them",
                "Content-Disposition: attachment",
            ),
        )
    )

    served = chat.post()

    assert served.headers.keys() == {
        "content-type",
        "content-length",
        "x-generation-id",
        "x-content-type-options",
        "date",
    }
    assert served.headers["x-content-type-options"] == "nosniff"


def test_fails_over_before_the_first_content_of_a_stream(chat: Chat) -> None:
    opening = (begin_stream(), delta(role="assistant", content=""))
    broken = event({"error": {"message": "secret words", "code": 500}})
    chat.script(amber=(*opening, broken, end_stream()), basalt=plain_stream("from basalt"))

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert {one["provider"] for one in chunks} == {"Basalt AI"}
    assert chunks[0]["choices"][0]["delta"]["content"] in ("", "from basalt")
    assert "secret words" not in str(chunks)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((begin_stream(), end_stream()), id="only [DONE]"),
        pytest.param((begin_stream(), end_stream(done=False)), id="nothing"),
        pytest.param((begin_stream(), wire(b"5\r\nab"), fin), id="cut"),
        pytest.param((begin_stream(), event("this is not JSON"), end_stream()), id="no JSON"),
        pytest.param((begin_stream(), event([1]), end_stream()), id="a list"),
        pytest.param((begin_stream(), wire(b"zz\r\n"), fin), id="not HTTP"),
    ],
)
def test_fails_over_from_a_stream_that_says_nothing(chat: Chat, steps: Program) -> None:
    chat.script(amber=steps)

    with chat.stream() as stream:
        chunks = stream.chunks()

    assert chunks[-1]["provider"] == "Basalt AI"


def test_fails_over_from_a_stream_of_empty_chunks(chat: Chat) -> None:
    empty = f"data: {json.dumps(chunk({}))}\n\n" * 1_100
    chat.script(amber=(begin_stream(), piece(empty.encode()), hang))

    with chat.stream(ASKED) as stream:
        last = stream.chunks()[-1]

    tries = last["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == ["malformed", "ok"]


def test_keeps_places_when_attempts_fail(chat: Chat) -> None:
    chat.script(amber=(rst,), basalt=(fin,))
    for _ in range(10):
        chat.post()

    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)


def test_asks_nobody_twice_though_a_model_is_named_twice(chat: Chat) -> None:
    chat.script(amber=_say(500), basalt=_say(500))

    chat.post(models=[chat.pooled, f"{chat.pooled}:floor"])

    assert sorted(visit.provider for visit in chat.seen()) == ["amber", "basalt"]


def test_waits_no_longer_for_a_slow_provider_than_the_first_token_may_take(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), sleep(20)))

    with chat.stream() as stream:
        assert stream.chunks()[-1]["provider"] == "Basalt AI"
