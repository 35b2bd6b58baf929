"""Every delivery and status fault, as a client gets to see it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from providers.simulator import faults, misdelivery
from providers.simulator.faults import KNOWN, Stage
from providers.simulator.fleet import QUIRKS
from tests.providers.simulator.rehearsal import TOOLS, Answer, Client, rehearse

DOCS = Path(__file__).resolve().parents[3] / "docs" / "simulator.md"
WORDS = "[[text:one two three four five six seven eight]]"


def suffer(fault: str, *, stream: bool = True, patience: float = 30, **fields: Any) -> Answer:
    async def scene(client: Client) -> Answer:
        text = f"[[fault:{fault}]] {WORDS}"
        return await client.chat(text, stream=stream, patience=patience, **fields)

    return rehearse(scene)


def said(answer: Answer) -> str:
    contents = re.findall(rb'"content":"([^"]*)"', answer.data)
    return b"".join(contents).decode()


def raw_answer(fault: str, *, stream: bool) -> bytes:
    """Return every byte the server sends, read without an HTTP client."""

    async def scene(client: Client) -> bytes:
        reader, writer = await asyncio.open_connection(*client.url[7:].split(":"))
        message = {"role": "user", "content": f"[[fault:{fault}]] {WORDS}"}
        body = json.dumps({"model": "m", "messages": [message], "stream": stream}).encode()
        head = f"POST /x/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
        try:
            return await reader.read()
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    return rehearse(scene)


def test_every_delivery_fault_has_its_actor() -> None:
    assert set(misdelivery.ACTORS) == {
        name for name, fault in KNOWN.items() if fault.stage is Stage.DELIVERY
    }


def test_the_docs_have_the_table_of_faults_and_every_quirk() -> None:
    docs = DOCS.read_text(encoding="utf-8")

    assert faults.as_markdown() in docs
    for name, meaning in QUIRKS.items():
        assert f"| `{name}` | {meaning} |" in docs


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", KNOWN)
def test_every_fault_shows_and_is_logged(name: str, stream: bool) -> None:
    fault = KNOWN[name]

    async def scene(client: Client) -> list[str]:
        text = f"[[fault:{name}]]"
        asking = asyncio.create_task(
            client.chat(text, stream=stream, tools=TOOLS, tool_choice="required")
        )
        logged = await client.first_judged()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return logged

    logged = rehearse(scene)

    shows = stream or not fault.stream_only
    assert logged == ([str(faults.parse(name))] if shows else [])


@pytest.mark.parametrize("name", [n for n, f in KNOWN.items() if f.stage is Stage.STATUS])
def test_a_status_fault_is_that_status(name: str) -> None:
    assert suffer(name).status == int(name.removeprefix("http_"))


def test_429_says_when_to_come_back() -> None:
    assert suffer("http_429:7").headers["Retry-After"] == "7"


def test_400_can_be_large() -> None:
    assert 100_000 < len(suffer("http_400:100").data) < 110_000


def test_401_echoes_the_key_it_got() -> None:
    answer = suffer("http_401", headers={"Authorization": "Bearer sk-echoed"})

    assert "sk-echoed" in answer.json()["error"]["message"]


def test_error_in_200_is_an_error() -> None:
    assert suffer("error_in_200", stream=False).json()["error"]["code"] == 500
    assert "error" in suffer("error_in_200").chunks()[0]


def test_error_mid_stream_comes_after_its_tokens() -> None:
    answer = suffer("error_mid_stream:2")

    assert said(answer) == "one two"
    assert "error" in answer.chunks()[-1]


def test_error_event_names_its_event() -> None:
    assert b'event: error\ndata: {"message"' in suffer("error_event").data


def test_cut_after_tokens_breaks_the_connection() -> None:
    stream, whole = suffer("cut_after_tokens:3"), suffer("cut_after_tokens:3", stream=False)

    assert said(stream) == "one two three"
    assert stream.error == whole.error == "ClientPayloadError"
    assert len(whole.data) == 12


def test_a_cut_never_lets_the_end_through() -> None:
    stream = suffer("cut_after_tokens:9999")
    whole = suffer("cut_after_tokens:9999", stream=False)

    assert stream.error == whole.error == "ClientPayloadError"
    assert said(stream) == "one two three four five six seven"
    with pytest.raises(json.JSONDecodeError):
        whole.json()


def test_end_after_tokens_is_clean_but_unfinished() -> None:
    answer = suffer("end_after_tokens:3")

    assert (answer.error, said(answer)) == ("", "one two three")
    assert b"[DONE]" not in answer.data
    assert b'"stop"' not in answer.data


def test_a_short_stall_ends_in_a_normal_answer() -> None:
    assert said(suffer("stall:0.1")) == "one two three four five six seven eight"


def test_stall_after_head_shows_the_head() -> None:
    answer = suffer("stall_after_head", patience=1)

    assert (answer.status, answer.data, answer.error) == (200, b"", "TimeoutError")


def test_stall_mid_stream_shows_three_tokens() -> None:
    assert said(suffer("stall_mid_stream", patience=1)) == "one two three"


def test_comments_forever_are_comments_only() -> None:
    answer = suffer("comments_forever:0.01", patience=1)

    assert set(answer.data.split(b"\n\n")) == {b": keep-alive", b""}
    assert len(answer.data) > 50


def test_bad_sse_has_one_unreadable_event() -> None:
    answer = suffer("bad_sse")
    unreadable = 0
    for event in answer.events()[:-1]:
        try:
            json.loads(event)
        except json.JSONDecodeError:
            unreadable += 1

    assert unreadable == 1
    assert answer.events()[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [True, False])
def test_bad_utf8_cannot_be_decoded(stream: bool) -> None:
    with pytest.raises(UnicodeDecodeError):
        suffer("bad_utf8", stream=stream).data.decode()


def test_a_redirect_leads_to_the_canary() -> None:
    answer = suffer("redirect:302")

    assert (answer.status, answer.headers["Location"]) == (302, "/_canary")


def test_the_canary_logs_its_visitors() -> None:
    async def scene(client: Client) -> list[str]:
        await client.get("/_canary")
        return [entry["path"] for entry in await client.log()]

    assert rehearse(scene) == ["/_canary"]


def test_a_compressed_answer_says_so() -> None:
    assert suffer("gzip").headers["Content-Encoding"] == "gzip"
    assert b"\x1f\x8b" in raw_answer("gzip", stream=True)


@pytest.mark.parametrize(
    ("difference", "error"), [(40, "ClientPayloadError"), (-40, "ClientResponseError")]
)
def test_content_length_is_wrong_by_the_difference(difference: int, error: str) -> None:
    head, _, body = raw_answer(f"wrong_content_length:{difference}", stream=False).partition(
        b"\r\n\r\n"
    )

    assert f"Content-Length: {len(body) + difference}".encode() in head
    assert suffer(f"wrong_content_length:{difference}", stream=False).error == error


def test_garbage_follows_the_body() -> None:
    assert raw_answer("garbage_after_body", stream=False).count(b"HTTP/1.1 200 OK") == 2


def test_bad_chunking_breaks_after_a_sound_chunk() -> None:
    sent = raw_answer("bad_chunking", stream=True)

    assert b"\r\n40\r\ndata: {" in sent
    assert sent.endswith(b"\r\nzz\r\nnot a chunk\r\n")


def test_length_and_chunked_are_both_claimed() -> None:
    head = raw_answer("length_and_chunked", stream=True).partition(b"\r\n\r\n")[0]

    assert b"Content-Length: " in head
    assert b"Transfer-Encoding: chunked" in head


@pytest.mark.parametrize("fault", ["reset", "reset:2"])
def test_a_reset_is_one(fault: str) -> None:
    with pytest.raises(ConnectionResetError):
        raw_answer(fault, stream=True)


def test_an_oversize_event_has_exactly_its_size() -> None:
    assert max(len(event) for event in suffer("oversize_event:5000").events()) == 5000


def test_a_slow_drip_comes_byte_by_byte() -> None:
    answer = suffer("slow_drip:20", patience=1)

    assert 1 <= len(answer.data) <= 24


def test_endless_text_has_no_end() -> None:
    answer = suffer("endless", patience=1)

    assert answer.error == "TimeoutError"
    assert said(answer).startswith(" more more more")


def test_what_comes_after_the_end() -> None:
    assert suffer("data_after_done").events()[-2] == "[DONE]"
    assert [
        chunk["choices"][0]["finish_reason"] for chunk in suffer("second_finish").chunks()[-2:]
    ] == ["stop", "length"]
    assert b"[DONE]" not in suffer("no_done").data


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("empty_body", b""),
        ("empty_stream", b"data: [DONE]\n\n"),
        ("wrong_object", b'data: {"object":"list","data":[]}\n\n'),
    ],
)
def test_an_answer_that_is_none(fault: str, data: bytes) -> None:
    answer = suffer(fault)

    assert (answer.status, answer.data) == (200, data)


def test_usage_can_be_absurd() -> None:
    usage = suffer("usage_absurd", stream=False).json()["usage"]

    assert usage["prompt_tokens"] == 10**18
    assert usage["completion_tokens"] < 0
