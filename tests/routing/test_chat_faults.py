"""The gateway when its surroundings fail: restarts, no database, no room; and silence
about what people say in all of it."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FAST, FIRST, Chat
from tests.scripted_upstream import (
    ScriptedUpstream,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    hang,
    piece,
    usage,
    wait,
)

MODEL = live_catalog.model_slug(0)
PROCESSES = Path("/proc")
PATIENT = {
    "IN_FLIGHT": "100",
    "TTFT_S": "60",
    "IDLE_S": "60",
    "ANSWER_S": "60",
    "STREAM_S": "60",
    "KEEPALIVE_S": "60",
}


def _gateway(upstream: ScriptedUpstream, **env: str) -> LiveGateway:
    catalog = live_catalog.catalog(upstream.ports, 1)
    return LiveGateway(catalog, FAST | live_catalog.credentials() | env)


def _request(nonce: str, **fields: Any) -> dict[str, Any]:
    return live_catalog.request(f"{MODEL}:exacto", nonce=nonce, provider=FIRST, **fields)


# A restart ---------------------------------------------------------------------------------


def test_lets_requests_end_at_a_restart_and_tells_the_rest(upstream: ScriptedUpstream) -> None:
    gate = threading.Event()
    ending, endless, mute = (live_catalog.new_nonce() for _ in range(3))
    upstream.script(
        ending,
        amber=(begin_stream(), delta("one"), wait(gate), delta(finish="stop"), end_stream()),
    )
    upstream.script(endless, amber=(begin_stream(), delta("one"), hang))
    upstream.script(mute, amber=(hang,))
    gateway = _gateway(upstream, **PATIENT, GRACEFUL_STOP_S="1")
    with gateway, ThreadPoolExecutor(60) as pool:
        streams = [
            pool.submit(_read_all, gateway, _request(nonce, stream=True))
            for nonce in [ending] * 25 + [endless] * 25
        ]
        unanswered = [
            pool.submit(_ask, gateway, _request(mute, stream=streamed))
            for streamed in [True, False] * 3
        ]
        eventually(lambda: len(upstream.seen(ending)) == len(upstream.seen(endless)) == 25)
        eventually(lambda: len(upstream.seen(mute)) == 6)

        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGTERM)
        gate.set()
        gateway.wait_stopped()

        _told_of_the_restart([one.result() for one in streams], unanswered)
        gateway.ingest()
        rows = gateway.rows(
            "SELECT status, count(*) AS n FROM telemetry_generation GROUP BY status"
        )
        assert {row["status"]: row["n"] for row in rows} == {200: 25, 503: 31}


def _told_of_the_restart(streams: list[list[str]], unanswered: list[Future[Answer]]) -> None:
    assert all(events[-1] == "[DONE]" for events in streams)
    errors = [json.loads(events[-2]).get("error") for events in streams]
    assert errors[:25] == [None] * 25
    for error in errors[25:]:
        assert error["code"] == 503
        assert error["metadata"]["limit_source"] == "gateway_restart"
    for one in unanswered:
        assert one.result().status == 503
        assert one.result().error["metadata"]["limit_source"] == "gateway_restart"
        assert int(one.result().headers["retry-after"]) >= 1


def _read_all(gateway: LiveGateway, body: dict[str, Any]) -> list[str]:
    with gateway.stream(body) as stream:
        return list(stream.events())


def _ask(gateway: LiveGateway, body: dict[str, Any]) -> Answer:
    return gateway.chat(body)


# Private addresses -------------------------------------------------------------------------


def test_dials_no_private_address_unless_the_operator_allows_it(
    upstream: ScriptedUpstream,
) -> None:
    nonce = live_catalog.new_nonce()
    with _gateway(upstream, UPSTREAM_ALLOW_CIDRS="") as gateway:
        refused = gateway.chat(_request(nonce), headers={"X-OpenRouter-Metadata": "enabled"})

        assert refused.status == 503
        tries = refused.json["openrouter_metadata"]["attempts"]
        assert [one["outcome"] for one in tries] == ["connect_error", "connect_error"]
        assert "refused by the guard" in gateway.log()
    assert upstream.seen(nonce) == []


# No database -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frail(upstream: ScriptedUpstream) -> Iterator[LiveGateway]:
    """Return a gateway that soon notices that its database is away, with little room for facts."""
    env = {
        "KEY_FRESH_S": "0.5",
        "SNAPSHOT_ALARM_S": "1",
        "SPOOL_SEGMENT_BYTES": "2000",
        "SPOOL_MAX_BYTES": "20000",
    }
    with _gateway(upstream, **env) as gateway:
        yield gateway


def test_serves_whom_it_knows_while_the_database_is_away(frail: LiveGateway) -> None:
    never_seen = frail.create_key("Later", "later", rpm=0)
    body = live_catalog.request(f"{MODEL}:exacto")
    assert frail.chat(body).status == 200

    with frail.database_away():
        eventually(lambda: frail.readyz()["snapshot_age_s"] > 1)
        known = [frail.chat(body) for _ in range(20)]
        unknown = frail.chat(body, key=never_seen)
        stale = frail.get("/readyz")

    assert {one.status for one in known} == {200}
    assert unknown.status == unknown.error["code"] == 503
    assert unknown.error["metadata"]["error_type"] == "server"
    assert int(unknown.headers["retry-after"]) >= 1
    assert (stale.status, stale.json["status"]) == (200, "degraded")
    eventually(lambda: frail.chat(body, key=never_seen).status == 200)


def test_a_process_that_cannot_report_serves_on_and_reports_again_later(
    frail: LiveGateway,
) -> None:
    body = live_catalog.request(f"{MODEL}:exacto")
    sql = "SELECT pid, reported_at FROM routing_processreport WHERE kind = 'web'"
    [before] = eventually(lambda: frail.rows(sql), within_s=20)
    silent = "this process cannot report"
    said = frail.log().count(silent)
    answers = [frail.chat(body).status]  # from here on it knows the key

    def cannot() -> bool:
        answers.append(frail.chat(body).status)
        return frail.log().count(silent) > said

    with frail.database_away():
        eventually(cannot, within_s=20)
    back = frail.rows(sql)
    again = eventually(lambda: [r for r in frail.rows(sql) if r not in back], within_s=20)

    assert set(answers) == {200}
    assert f"{silent}: OperationalError" in frail.log()
    assert [row["pid"] for row in again] == [before["pid"]]


def test_starts_without_a_database_and_serves_once_there_is_one(
    upstream: ScriptedUpstream,
) -> None:
    body = live_catalog.request(f"{MODEL}:exacto")
    with _gateway(upstream) as gateway:
        gateway.kill()
        with gateway.database_away():
            gateway.spawn()
            eventually(lambda: _lives(gateway), within_s=20)
            readiness, refused = gateway.get("/readyz"), gateway.chat(body)
        gateway.wait_ready()
        served = eventually(lambda: gateway.chat(body))

    assert readiness.status == 503
    assert refused.status == refused.error["code"] == 503
    assert refused.error["metadata"]["error_type"] == "server"
    assert int(refused.headers["retry-after"]) >= 1
    assert served.status == 200


def _lives(gateway: LiveGateway) -> bool:
    try:
        return gateway.get("/healthz").status == 200
    except OSError:
        return False


def test_keeps_answering_when_there_is_no_room_for_facts(frail: LiveGateway) -> None:
    body = live_catalog.request(f"{MODEL}:exacto")
    before = frail.readyz()["facts"]

    answers = 0
    while frail.readyz()["facts"]["dropped"] == before["dropped"]:
        assert frail.chat(body).status == 200
        answers += 1
        assert answers < 200
    full = frail.readyz()
    assert full["sync_failures"] == 0

    assert full["status"] == "degraded"
    assert sum(full["facts"].values()) == sum(before.values()) + 2 * answers

    def room_again() -> bool:
        frail.ingest()
        written = frail.readyz()["facts"]["written"]
        assert frail.chat(body).status == 200
        return bool(frail.readyz()["facts"]["written"] > written)

    eventually(room_again, 30)  # each try stores what is spooled, in a process of its own
    [row] = frail.rows("SELECT count(*) AS n FROM telemetry_generation")
    assert row["n"] >= 1


# Silence -----------------------------------------------------------------------------------

SECRET = "c4n4ry-d0-n0t-keep"


def _say(chat: Chat, **fields: Any) -> Answer:
    return chat.post(
        messages=[{"role": "user", "content": f"{SECRET} nonce:{chat.nonce} "}], **fields
    )


def _answers(chat: Chat) -> None:
    message = {"role": "assistant", "content": SECRET, "reasoning": SECRET}
    chat.script(amber=(answer({"choices": [{"message": message, "finish_reason": "stop"}]}),))
    assert SECRET in _say(chat).json["choices"][0]["message"]["content"]


def _streams(chat: Chat) -> None:
    call = {"index": 0, "id": SECRET, "function": {"name": SECRET, "arguments": f'{{"{SECRET}": 1'}}
    called = event(chunk({"tool_calls": [call]}))
    said = (begin_stream(), delta(SECRET), called, delta(finish="stop"), usage(), end_stream())
    chat.script(amber=said)
    tool = {"name": "f", "description": SECRET, "parameters": {"title": SECRET, "type": 5}}
    with chat.stream(tools=[{"type": "function", "function": tool}]) as stream:
        assert SECRET in str(stream.chunks())


def _is_refused_upstream(chat: Chat) -> None:
    chat.script(amber=(answer({"error": {"message": f"you said {SECRET}", "code": SECRET}}, 400),))
    assert _say(chat).status == 400


def _fails_upstream(chat: Chat) -> None:
    failing = (answer({"error": {"message": f"you said {SECRET}", "type": SECRET}}, 500),)
    chat.script(amber=failing, basalt=(answer(f"<html>{SECRET}</html>".encode()),))
    assert SECRET not in str(_say(chat).body)


def _breaks_in_band(chat: Chat) -> None:
    chat.script(
        amber=(begin_stream(), delta("x"), event({"error": SECRET}), piece(SECRET.encode()))
    )
    with chat.stream() as stream:
        list(stream.events())


def _is_unreadable(chat: Chat) -> None:
    refused = chat.gateway.chat(b'{"messages": "' + SECRET.encode())
    assert refused.status == 400
    assert chat.gateway.chat({"messages": [{"role": SECRET}]}).status == 400
    assert chat.gateway.chat({"messages": [], "temperature": SECRET}).status == 400
    assert _say(chat, tool_choice=SECRET).status == 400
    assert chat.gateway.chat(b"{}", key=f"sk-assay-{SECRET}").status == 401


def _leaves(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), delta(SECRET), hang))
    with chat.stream() as stream:
        stream.next_chunk()


@pytest.mark.parametrize(
    "happens",
    [_answers, _streams, _is_refused_upstream, _fails_upstream, _breaks_in_band, _is_unreadable,
     _leaves],
)  # fmt: skip
def test_keeps_and_logs_nothing_of_what_people_say(
    chat: Chat, happens: Callable[[Chat], None]
) -> None:
    happens(chat)
    eventually(lambda: chat.gateway.readyz()["in_flight"] == 0)
    time.sleep(0.1)  # the judge's turn
    chat.gateway.ingest()

    stored = chat.gateway.everything_stored()

    assert b"catalog" in stored
    assert SECRET.encode() not in stored
    assert live_catalog.CREDENTIAL.encode() not in stored
    assert chat.gateway.key.encode() not in stored


# The judge ---------------------------------------------------------------------------------


@pytest.mark.skipif(not PROCESSES.is_dir(), reason="NOT TESTED: a judge that hangs, without /proc")
def test_the_quality_gate_does_not_wait_for_a_judge_that_hangs(upstream: ScriptedUpstream) -> None:
    nonce = live_catalog.new_nonce()
    bad = {"name": "get_weather", "arguments": '{"town": "Oslo"}'}
    message = {"tool_calls": [{"id": "c1", "type": "function", "function": bad}]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    upstream.script(nonce, amber=(answer({"id": "up-1", "choices": [choice]}),))
    gated = {**FIRST, "quality_gate": True}
    # The judge's own clock would end it; here only the gate's patience does.
    with _gateway(upstream, GATE_S="0.2", JUDGE_S="60") as gateway:
        [judge] = _judges(gateway)
        os.kill(judge, signal.SIGSTOP)
        try:
            served = gateway.chat(
                {**_request(nonce), "provider": gated, "tools": [live_catalog.WEATHER]}
            )
        finally:
            os.kill(judge, signal.SIGCONT)
        rows = eventually(lambda: _judged(gateway, served.json["id"]))

    assert (served.status, served.json["provider"]) == (200, "Amber AI")
    assert served.headers["x-assay-quality-gate"] == "unjudged"
    [tried] = served.json["openrouter_metadata"]["attempts"]
    assert not {"verdict", "withheld"} & tried.keys()
    assert upstream.seen(nonce, "basalt") == []
    # It was judged in the end, and counts as any other reply.
    assert [(row["verdict"], bool(row["withheld"])) for row in rows] == [("schema_mismatch", False)]


def _judges(gateway: LiveGateway) -> list[int]:
    """Return the process ids of a gateway's judges."""
    assert gateway.process is not None
    pid = gateway.process.pid
    children = (PROCESSES / f"{pid}/task/{pid}/children").read_text().split()
    command = "telemetry.judge.worker"
    return [int(c) for c in children if command in (PROCESSES / c / "cmdline").read_text()]


def _judged(gateway: LiveGateway, generation: str) -> list[dict[str, Any]]:
    gateway.ingest()
    rows = gateway.rows(
        "SELECT verdict, withheld FROM telemetry_attempt WHERE generation_id = %s", generation
    )
    return rows if all(row["verdict"] != "pending" for row in rows) else []
