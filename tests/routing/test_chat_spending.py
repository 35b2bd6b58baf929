"""Spending limits: refused before the call, settled after it, right again after any crash."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing.conftest import Chat
from tests.scripted_upstream import answer, begin_stream, delta, end_stream, hang, usage, wait

# What one answer of the scripted providers costs: 10 tokens in, 4 out.
COST = 10 * 0.000002 + 4 * 0.000003
PICO = round(COST * 1e12)


def key_with(gateway: LiveGateway, limit: float, **options: Any) -> str:
    return gateway.create_key("spender", rpm=0, in_flight=0, limit=f"{limit:.6f}", **options)


def ask(chat: Chat, key: str, max_tokens: int | None = 4) -> Answer:
    fields = {} if max_tokens is None else {"max_tokens": max_tokens}
    return chat.gateway.chat(chat.body(**fields), key=key)


def spend_all(chat: Chat, key: str, max_tokens: int = 4) -> int:
    """Ask until refused; return how many were answered."""
    answered = 0
    while (one := ask(chat, key, max_tokens)).status == 200:
        answered += 1
        assert answered < 100
    assert one.status == 402, one.body
    return answered


def usage_of(chat: Chat, key: str) -> dict[str, Any]:
    data: dict[str, Any] = chat.gateway.get("/api/v1/key", key=key).json["data"]
    return data


def test_refuses_with_402_what_does_not_fit_and_says_what_would(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.0002, limit_reset="daily")

    answered = spend_all(chat, key)
    refused = ask(chat, key, max_tokens=50)

    assert 2 <= answered <= 6
    assert refused.error["code"] == 402
    metadata = refused.error["metadata"]
    assert metadata["error_type"] == "payment_required"
    assert metadata["limit_source"] == "api_key"
    assert metadata["limit"] == pytest.approx(0.0002)
    assert metadata["limit_remaining"] == pytest.approx(0.0002 - answered * COST)
    assert metadata["needed"] > metadata["limit_remaining"]
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert metadata["resets_at"] == f"{tomorrow}T00:00:00+00:00"
    assert "max_tokens" in refused.error["message"]
    assert len(chat.seen()) == answered


def test_tells_it_before_a_stream_begins(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.000001)

    with chat.gateway.stream(chat.body(stream=True), key=key) as stream:
        assert stream.status == 402
    assert chat.seen() == []


def test_settles_a_stream_by_what_it_came_to(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), delta("Hi"), delta(finish="stop"), usage(100, 20),
                       end_stream()))  # fmt: skip
    key = key_with(chat.gateway, 0.001)

    with chat.gateway.stream(chat.body(stream=True, max_tokens=50), key=key) as stream:
        assert stream.status == 200
        stream.chunks()
    refused = ask(chat, key, max_tokens=500)

    cost = 100 * 0.000002 + 20 * 0.000003
    assert refused.status == 402
    assert refused.error["metadata"]["limit_remaining"] == pytest.approx(0.001 - cost)
    assert refused.error["metadata"]["reserved"] == 0


def test_requests_at_once_cannot_spend_the_same_money(chat: Chat) -> None:
    gate = threading.Event()
    chat.script(amber=(wait(gate), answer()))
    key = key_with(chat.gateway, 0.0002)

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(ask, chat, key) for _ in range(12)]
        eventually(lambda: sum(one.done() for one in asked) == 10)
        running = ask(chat, key)
        gate.set()
        statuses = [one.result().status for one in asked]

    # Two reservations fit, although six answers would be paid for.
    assert sorted(statuses) == [200] * 2 + [402] * 10
    assert running.status == 402
    assert running.error["metadata"]["reserved"] > 0
    assert running.error["metadata"]["limit_remaining"] == pytest.approx(0.0002)
    # What was reserved and not used can be spent now.
    assert ask(chat, key).status == 200


def test_a_request_that_fails_costs_nothing(chat: Chat) -> None:
    chat.script(amber=(answer({}, 500),), basalt=(answer({}, 500),))
    key = key_with(chat.gateway, 0.0002)

    for _ in range(3):
        assert ask(chat, key).status == 503
    assert usage_of(chat, key)["usage"] == 0


def test_a_stream_left_early_costs_what_it_had_said(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), delta("x" * 4000), hang))
    key = key_with(chat.gateway, 0.01)

    with chat.gateway.stream(chat.body(stream=True, max_tokens=2000), key=key) as stream:
        while not (chunk := stream.next_chunk())["choices"][0]["delta"].get("content"):
            pass
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)
    refused = ask(chat, key, max_tokens=10_000)
    chat.gateway.ingest()

    spent = usage_of(chat, key)["usage"]
    assert 1000 * 0.000003 <= spent < 1000 * 0.000003 + 0.0002  # and the prompt
    assert refused.error["metadata"]["limit_remaining"] == pytest.approx(0.01 - spent)
    [row] = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", chunk["id"])
    assert (bool(row["cancelled"]), row["completion_tokens"]) == (True, 1000)
    [tried] = chat.gateway.rows(
        "SELECT * FROM telemetry_attempt WHERE generation_id = %s", chunk["id"]
    )
    assert (tried["outcome"], bool(tried["usage_estimated"])) == ("client_cancelled", True)


@pytest.mark.parametrize("stream", [True, False])
def test_what_no_provider_counted_is_estimated_to_its_end(chat: Chat, stream: bool) -> None:
    said = "x" * 100_000
    whole = {"choices": [{"message": {"content": said * 2}, "finish_reason": "stop"}]}
    chat.script(
        amber=(begin_stream(), delta(said), delta(said), delta(finish="stop"), end_stream())
        if stream
        else (answer(whole),)
    )

    if stream:
        with chat.stream() as answered:
            tokens = answered.chunks()[-1]["usage"]["completion_tokens"]
    else:
        tokens = chat.post().json["usage"]["completion_tokens"]

    assert tokens == 50_000


def test_a_stream_left_before_it_said_anything_costs_nothing(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), hang))
    key = key_with(chat.gateway, 0.01)

    with chat.gateway.socket() as caller:
        body = json.dumps(chat.body(stream=True, max_tokens=50)).encode()
        caller.sendall(
            b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (key.encode(), len(body), body)
        )
        eventually(lambda: chat.seen("amber"))
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)
    chat.gateway.ingest()

    assert usage_of(chat, key)["usage"] == 0


@pytest.mark.parametrize("small", ["max_tokens", "max_completion_tokens"])
def test_of_two_limits_for_the_answer_the_larger_is_reserved(chat: Chat, small: str) -> None:
    key = key_with(chat.gateway, 0.001)
    limits = {"max_tokens": 5_000, "max_completion_tokens": 5_000, small: 1}

    # Which of the two binds is for the provider to say.
    assert chat.gateway.chat(chat.body(**limits), key=key).status == 402


def test_without_max_tokens_a_usual_answer_is_reserved(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.01)

    refused = ask(chat, key, max_tokens=None)

    assert refused.status == 402
    assert 0.012 < refused.error["metadata"]["needed"] < 0.013  # 4,096 tokens and the prompt
    assert ask(chat, key, max_tokens=100).status == 200


def test_what_the_database_counts_replaces_what_the_process_remembers(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.0002)
    answered = spend_all(chat, key)

    chat.gateway.ingest()

    data = usage_of(chat, key)
    assert data["usage"] == pytest.approx(answered * COST)
    assert data["limit_remaining"] == pytest.approx(0.0002 - answered * COST)

    # Give the process the time to see a cost twice, or not at all.
    for _ in range(3):
        refused = ask(chat, key)
        remaining = refused.error["metadata"]["limit_remaining"]
        assert remaining == pytest.approx(0.0002 - answered * COST)
        threading.Event().wait(0.3)


def test_a_raised_limit_and_a_new_day_let_it_go_on(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.0001, limit_reset="daily")
    spend_all(chat, key)
    chat.gateway.ingest()
    public_id = key.split("-")[2]

    chat.gateway.execute(
        "UPDATE routing_apikey SET spend_limit = 0.001 WHERE public_id = %s", public_id
    )

    eventually(lambda: ask(chat, key).status == 200, within_s=5)


def test_an_accounts_credits_are_shared_by_its_keys(chat: Chat) -> None:
    account = f"sharing-{chat.nonce}"
    keys = [chat.gateway.create_key(account, name, rpm=0, in_flight=0) for name in ("one", "two")]
    chat.gateway.execute("UPDATE routing_account SET credits = 0.0002 WHERE name = %s", account)
    eventually(lambda: ask(chat, keys[0], max_tokens=1000).status == 402, within_s=5)

    answered = [0, 0]
    for turn in range(100):
        one = ask(chat, keys[turn % 2])
        if one.status == 402:
            break
        answered[turn % 2] += 1

    assert one.error["metadata"]["limit_source"] == "account"
    assert sum(answered) * COST <= 0.0002
    assert min(answered) >= 1


def test_a_disabled_key_is_refused_as_an_unknown_one(chat: Chat) -> None:
    key = key_with(chat.gateway, 1)
    assert ask(chat, key).status == 200
    change = "UPDATE routing_apikey SET disabled = %s WHERE public_id = %s"

    chat.gateway.execute(change, True, key.split("-")[2])
    eventually(lambda: ask(chat, key).status == 401, within_s=5)
    chat.gateway.execute(change, False, key.split("-")[2])
    eventually(lambda: ask(chat, key).status == 200, within_s=5)


def test_a_management_key_calls_no_model(chat: Chat) -> None:
    key = chat.gateway.manage("create_key", "boss", "manager", "--management").strip()

    refused = ask(chat, key)

    assert (refused.status, refused.error["metadata"]["scope"]) == (403, "chat")


def test_a_killed_process_forgets_no_spending(chat: Chat) -> None:
    gateway = chat.gateway
    key = key_with(gateway, 0.001)
    answered = spend_all(chat, key)

    gateway.kill()
    gateway.ingest()
    gateway.start()

    refused = ask(chat, key)
    assert refused.status == 402
    remaining = refused.error["metadata"]["limit_remaining"]
    assert remaining == pytest.approx(0.001 - answered * COST)
    assert "Spending equals the rows." in gateway.manage("check_counts")


def test_two_processes_of_one_database_see_each_others_spending(chat: Chat) -> None:
    key = key_with(chat.gateway, 0.0005)
    late = 0  # what the other still answers before it knows

    def refusal() -> Answer | None:
        nonlocal late
        one = ask(there, key)
        late += one.status == 200
        return one if one.status == 402 else None

    with chat.gateway.sibling() as other:
        there = chat.on(other, chat.model)
        assert ask(there, key).status == 200
        answered = spend_all(chat, key)
        chat.gateway.ingest()
        refused = eventually(refusal, within_s=5)

    remaining = refused.error["metadata"]["limit_remaining"]
    assert remaining == pytest.approx(0.0005 - (answered + 1 + late) * COST)
