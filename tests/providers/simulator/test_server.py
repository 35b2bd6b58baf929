import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import jsonschema_rs
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageFunctionToolCall

from providers.simulator import fleet
from providers.simulator.fleet import DEMO_FLEET
from providers.simulator.server import running
from tests.providers.simulator.rehearsal import (
    TOOLS,
    WEATHER,
    Answer,
    Client,
    body,
    rehearse,
    small_fleet,
)

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def ask(
    text: str = "Hello",
    *,
    simulated: fleet.Fleet | None = None,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Answer:
    async def scene(client: Client) -> Answer:
        return await client.chat(text, headers=headers, **fields)

    return rehearse(scene, simulated)


def test_answers_with_a_completion() -> None:
    answer = ask("[[text:Good morning]]").json()

    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert isinstance(answer["created"], int)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Good morning"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_streams_role_then_content_then_the_finish_and_done() -> None:
    answer = ask("[[text:Good morning to you]]", stream=True)
    deltas = answer.deltas()

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta.get("content") for delta in deltas[1:]] == [
        "Good",
        " morning",
        " to",
        " you",
        None,
    ]
    assert [c["choices"][0]["finish_reason"] for c in answer.chunks()] == [None] * 5 + ["stop"]
    assert answer.events()[-1] == "[DONE]"
    assert len({chunk["id"] for chunk in answer.chunks()}) == 1


def test_streams_usage_last_and_only_if_asked() -> None:
    asked, unasked = ask(stream=True, **USAGE), ask(stream=True)

    assert asked.chunks()[-1]["choices"] == []
    assert asked.chunks()[-1]["usage"]["total_tokens"] > 0
    assert all("usage" not in chunk for chunk in unasked.chunks())


def assembled_calls(answer: Answer) -> dict[int, dict[str, str]]:
    calls: dict[int, dict[str, str]] = {}
    for delta in answer.deltas():
        for part in delta.get("tool_calls") or ():
            call = calls.setdefault(part["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += part.get("id", "")
            for key, piece in part["function"].items():
                call[key] += piece
    return calls


def test_streams_arguments_in_several_deltas_by_index() -> None:
    answer = ask("[[tool:2]]", tools=TOOLS, tool_choice=NAMED, stream=True)

    calls = assembled_calls(answer)
    pieces = [d for d in answer.deltas() if d.get("tool_calls")]
    assert list(calls) == [0, 1]
    assert len(pieces) > 4
    for call in calls.values():
        assert call["name"] == "get_weather"
        assert jsonschema_rs.is_valid(WEATHER, json.loads(call["arguments"]))


@pytest.mark.parametrize("fault", ["interleaved_calls", "split_name"])
def test_calls_spelled_oddly_assemble_to_valid_ones(fault: str) -> None:
    answer = ask(f"[[fault:{fault}]]", tools=TOOLS, tool_choice=NAMED, stream=True)

    indexes = [part["index"] for d in answer.deltas() for part in d.get("tool_calls", ())]
    for call in assembled_calls(answer).values():
        assert call["name"] == "get_weather"
        assert jsonschema_rs.is_valid(WEATHER, json.loads(call["arguments"]))
    assert (indexes != sorted(indexes)) == (fault == "interleaved_calls")


@pytest.mark.parametrize("fault", ["missing_index", "reused_index", "arguments_as_object"])
def test_calls_spelled_wrongly_do_not_assemble(fault: str) -> None:
    answer = ask(f"[[fault:{fault}]]", tools=TOOLS, tool_choice=NAMED, stream=True)
    parts = [part for delta in answer.deltas() for part in delta.get("tool_calls", ())]

    match fault:
        case "missing_index":
            assert all("index" not in part for part in parts)
        case "reused_index":
            assert {part["index"] for part in parts} == {0}
            assert len({part["id"] for part in parts if "id" in part}) == 2
        case _:
            assert isinstance(parts[0]["function"]["arguments"], dict)


def quirky(*quirks: str, text: str = "[[text:Good morning]]", **fields: Any) -> Answer:
    return ask(text, simulated=small_fleet(quirks=list(quirks)), **fields)


def test_quirks_change_how_a_whole_answer_is_spelled() -> None:
    def message(quirk: str) -> Any:
        return quirky(quirk).json()["choices"][0]["message"]

    assert message("reasoning")["reasoning"]
    assert message("reasoning_content")["reasoning_content"]
    assert message("tool_calls_null")["tool_calls"] is None
    assert message("tool_calls_empty")["tool_calls"] == []


def test_quirks_change_how_a_stream_is_spelled() -> None:
    def stream(quirk: str) -> Answer:
        return quirky(quirk, stream=True)

    assert stream("usage_always").chunks()[-1]["usage"]
    assert stream("no_done").events()[-1] != "[DONE]"
    assert stream("no_role_chunk").deltas()[0] == {"role": "assistant", "content": "Good"}
    assert all("role" in delta for delta in stream("role_every_chunk").deltas()[:-1])
    assert stream("keep_alives").data.startswith(b": keep-alive\n\ndata: ")
    assert b"\r\n\r\n" in stream("crlf").data
    assert any("reasoning" in delta for delta in stream("reasoning").deltas())
    repeated = quirky("usage_with_choice", stream=True, **USAGE).chunks()[-1]
    assert repeated["usage"]
    assert repeated["choices"][0]["finish_reason"] == "stop"


def test_quirks_change_how_calls_are_spelled() -> None:
    def calling(quirk: str) -> Answer:
        return quirky(quirk, text="[[tool:2]]", tools=TOOLS, tool_choice=NAMED, stream=True)

    ids = [call["id"] for call in assembled_calls(calling("positional_ids")).values()]
    assert ids == ["functions.get_weather:0", "functions.get_weather:1"]
    assert len([d for d in calling("whole_arguments").deltas() if d.get("tool_calls")]) == 2
    assert calling("finish_stop").chunks()[-1]["choices"][0]["finish_reason"] == "stop"


def test_an_endpoint_without_usage_has_none() -> None:
    silent = small_fleet(usage=False)

    assert "usage" not in ask(simulated=silent).json()
    assert all("usage" not in c for c in ask(simulated=silent, stream=True, **USAGE).chunks())


def test_only_the_fleets_key_is_accepted_where_it_has_one() -> None:
    entry = {"api_key": "sk-right", "endpoints": [{"model": "m", "ttft_ms": 0}]}
    guarded = fleet.parse({"providers": {"x": entry}})

    right = ask(simulated=guarded, headers={"Authorization": "Bearer sk-right"})
    wrong = ask(simulated=guarded, headers={"Authorization": "Bearer sk-wrong"})

    assert right.status == 200
    assert wrong.status == 401
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert b"sk-" not in wrong.data


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"provider": "nobody"}, 404, id="unknown provider"),
        pytest.param({"model": "other"}, 404, id="unknown model"),
        pytest.param({"messages": []}, 400, id="no messages"),
        pytest.param({"text": "[[fault:bogus]]"}, 400, id="unknown directive"),
    ],
)
def test_a_request_it_cannot_serve_is_refused(fields: dict[str, Any], status: int) -> None:
    answer = ask(**fields)

    assert answer.status == status
    assert answer.json()["error"]["message"]


def test_a_body_that_is_no_json_is_refused() -> None:
    async def scene(client: Client) -> int:
        url = f"{client.url}/x/v1/chat/completions"
        async with client.session.post(url, data=b"{") as response:
            return response.status

    assert rehearse(scene) == 400


def test_lists_models_and_health() -> None:
    async def scene(client: Client) -> tuple[Any, Any]:
        return await client.get("/tallow/v1/models"), await client.get("/healthz")

    models, health = rehearse(scene, fleet.load(DEMO_FLEET))

    assert "glm-4.6" in [model["id"] for model in models["data"]]
    assert health["status"] == "ok"


def test_the_log_knows_what_happened_but_not_what_was_said() -> None:
    async def scene(client: Client) -> tuple[Any, str]:
        await client.chat("A secret [[fault:http_429:7]]", headers={"Authorization": "Bearer sk-1"})
        await client.chat("[[text:hidden words]]")
        log = await client.log()
        await client.session.delete(client.url + "/_log")
        assert await client.log() == []
        return log, json.dumps(log)

    (limited, answered), spelled = rehearse(scene)

    assert limited["provider"] == "x"
    assert limited["model"] == "m"
    assert limited["faults"] == ["http_429:7"]
    assert (limited["outcome"], limited["status"]) == ("refused", 429)
    assert (answered["outcome"], answered["faults"]) == ("answered", [])
    assert answered["bytes_sent"] > 0
    assert answered["first_byte_ms"] <= answered["ended_ms"]
    for said in ("secret", "hidden", "sk-1"):
        assert said not in spelled


def test_the_log_has_the_hash_of_the_body() -> None:
    data = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()

    async def scene(client: Client) -> Any:
        await client.session.post(f"{client.url}/x/v1/chat/completions", data=data)
        return await client.log()

    [entry] = rehearse(scene)

    assert entry["body_sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[[fault:endless]]", id="while streaming"),
        pytest.param("[[fault:stall]]", id="before the first byte"),
        pytest.param("[[fault:stall_mid_stream]]", id="in a pause"),
        pytest.param("[[fault:comments_forever:0.02]]", id="between comments"),
    ],
)
def test_a_client_that_leaves_stops_production(text: str) -> None:
    async def scene(client: Client) -> tuple[Answer, Any]:
        answer = await client.chat(text, stream=True, patience=0.5)
        return answer, await client.settled_log()

    answer, [entry] = rehearse(scene)

    assert answer.error == "TimeoutError"
    assert entry["outcome"] == "peer_closed"
    assert entry["closed_by_peer_ms"] == entry["ended_ms"]


def test_stopping_the_server_ends_what_is_running() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with running(small_fleet()) as url:
                response = await session.post(
                    f"{url}/x/v1/chat/completions", json=body("[[fault:stall_after_head]]")
                )
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

    asyncio.run(run())


def test_the_same_seed_repeats_everything() -> None:
    async def scene(client: Client) -> list[str]:
        answers = [await client.chat(tools=TOOLS) for _ in range(5)]
        return [json.dumps(answer.json()["choices"]) for answer in answers]

    flaky = small_fleet(propensity=0.5, faults={"unknown_name": 0.5})

    first, again, other = (rehearse(scene, flaky, seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert len(set(first)) == 5


def test_the_official_client_understands_it() -> None:
    async def scene(client: Client) -> tuple[ChatCompletion, str]:
        async with openai.AsyncOpenAI(
            base_url=f"{client.url}/x/v1", api_key="any", max_retries=0
        ) as sdk:
            messages: Any = [{"role": "user", "content": "Weather [[tool]]"}]
            tools: Any = TOOLS
            whole = await sdk.chat.completions.create(model="m", messages=messages, tools=tools)
            text = ""
            messages[0]["content"] = "[[text:Good morning]]"
            async for chunk in await sdk.chat.completions.create(
                model="m", messages=messages, stream=True
            ):
                text += chunk.choices[0].delta.content or ""
        return whole, text

    whole, text = rehearse(scene)

    [call] = whole.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert jsonschema_rs.is_valid(WEATHER, json.loads(call.function.arguments))
    assert text == "Good morning"


def test_tokens_come_at_the_configured_rate() -> None:
    async def scene(client: Client) -> Any:
        await client.chat("[[tokens:30]]", stream=True)
        return await client.log()

    [entry] = rehearse(scene, small_fleet(tokens_per_second=100))

    # 30 tokens at 100 per second take 300 ms; a slow machine may need longer, never less.
    assert entry["ended_ms"] >= 290
