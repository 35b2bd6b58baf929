"""OpenRouter's npm package, in the version of Exacto's launch and in today's."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import SLOW, UNLISTED
from tests.clients.facts import POOL_NAMES, POOL_TAGS, served_by
from tests.clients.sdk import NodeSdk
from tests.clients.weather import (
    EXACTO,
    PARALLEL_QUESTION,
    QUESTION,
    RESULTS,
    TOOLS,
    asked,
    check_arguments,
)
from tests.live import LiveGateway


@pytest.fixture(scope="module", params=["0", "1"], ids=["0.1.11", "1.3.19"])
def sdk(
    request: pytest.FixtureRequest, node: str, packages: Path, gateway: LiveGateway, base_url: str
) -> Iterator[NodeSdk]:
    with NodeSdk(node, packages, request.param, base_url, gateway.key) as running:
        yield running


@pytest.mark.parametrize("major", ["0", "1"])
def test_the_example_of_the_exacto_page_runs(
    node: str, packages: Path, gateway: LiveGateway, base_url: str, major: str
) -> None:
    done = subprocess.run(
        [node, packages / f"exacto_{major}.mjs"],
        env={**os.environ, "OPENROUTER_API_KEY": gateway.key, "OPENROUTER_BASE_URL": base_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("A test of metal.\n", "")


def test_chats(sdk: NodeSdk) -> None:
    answer = sdk.chat(model=EXACTO, messages=asked("[[text:Good day.]]"), stream=False)

    assert answer["id"].startswith("gen-")
    assert answer["model"] == "moonshotai/kimi-k2-0905"
    [choice] = answer["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == "Good day."
    assert choice["finishReason"] == "stop"
    assert answer["usage"]["totalTokens"] > 0


def test_streams(sdk: NodeSdk) -> None:
    chunks = sdk.chat(model=EXACTO, messages=asked("[[text:A day is good.]]"), stream=True)

    assert "".join(delta(chunk).get("content") or "" for chunk in chunks) == "A day is good."
    assert finish_reasons(chunks) == {"stop"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    [counted] = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    assert counted["completionTokens"] > 0


def delta(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk["choices"]
    found: dict[str, Any] = choices[0]["delta"] if choices else {}
    return found


def finish_reasons(chunks: list[dict[str, Any]]) -> set[str]:
    return {choice["finishReason"] for c in chunks for choice in c["choices"]} - {None}


def test_runs_a_loop_with_two_tools(sdk: NodeSdk) -> None:
    messages: list[dict[str, Any]] = list(QUESTION)
    used = []
    while calls := (message := ask(sdk, messages)).get("toolCalls"):
        messages.append(message)
        for call in calls:
            used.append(name := call["function"]["name"])
            check_arguments(call["function"]["arguments"])
            messages.append({"role": "tool", "toolCallId": call["id"], "content": RESULTS[name]})

    assert used == ["get_weather", "get_time"]
    assert message["content"]


def ask(sdk: NodeSdk, messages: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(messages) < 10, "the loop does not end"
    answer = sdk.chat(model=EXACTO, messages=messages, tools=TOOLS, stream=False)
    [choice] = answer["choices"]
    message: dict[str, Any] = choice["message"]
    assert choice["finishReason"] == ("tool_calls" if message.get("toolCalls") else "stop")
    return message


def test_streams_tool_calls(sdk: NodeSdk) -> None:
    chunks = sdk.chat(model=EXACTO, messages=PARALLEL_QUESTION, tools=TOOLS, stream=True)

    arguments = {0: "", 1: ""}
    named = []
    for piece in [piece for chunk in chunks for piece in delta(chunk).get("toolCalls") or []]:
        arguments[piece["index"]] += piece["function"].get("arguments") or ""
        named += [piece["function"]["name"]] if piece.get("id") else []
    assert named == ["get_weather", "get_weather"]
    for text in arguments.values():
        check_arguments(text)
    assert finish_reasons(chunks) == {"tool_calls"}


def test_exacto_keeps_to_the_published_list(sdk: NodeSdk, gateway: LiveGateway) -> None:
    answer = sdk.chat(model=EXACTO, messages=asked("Hello"), stream=False)

    assert served_by(gateway, answer["id"]) in POOL_TAGS


def test_provider_preferences_are_followed_where_the_sdk_sends_them(
    sdk: NodeSdk, gateway: LiveGateway
) -> None:
    preferences = {"only": ["larkspur"], "allowFallbacks": False}
    outcome = sdk.call(
        "chat",
        request={"model": EXACTO, "messages": asked("Hello"), "provider": preferences},
    )

    [sent] = outcome.requests
    if sdk.major == "0":
        assert "provider" not in sent["body"]  # which is why the suffix matters
    else:
        assert sent["body"]["provider"] == {"only": ["larkspur"], "allow_fallbacks": False}
        assert served_by(gateway, outcome.value["id"]) == "larkspur/fp8"


def test_an_empty_pool_is_a_404_that_is_asked_for_once(sdk: NodeSdk) -> None:
    outcome = sdk.call("chat", request={"model": f"{UNLISTED}:exacto", "messages": asked("Hello")})

    assert outcome.error["statusCode"] == 404
    # The old SDK's chat has a type for 400, 401, 429 and 500 only.
    expected = "OpenRouterDefaultError" if sdk.major == "0" else "NotFoundResponseError"
    assert outcome.error["name"] == expected
    assert '"code":404' in outcome.error["body"]
    assert len(outcome.requests) == 1


def test_a_wrong_key_is_a_401_that_is_asked_for_once(sdk: NodeSdk) -> None:
    outcome = sdk.call(
        "chat", key="sk-wrong", request={"model": EXACTO, "messages": asked("Hello")}
    )

    assert outcome.error["statusCode"] == 401
    expected = "ChatError" if sdk.major == "0" else "UnauthorizedResponseError"
    assert outcome.error["name"] == expected
    assert outcome.error["code"] == 401
    assert len(outcome.requests) == 1


def test_an_error_in_mid_stream_arrives_as_a_chunk(sdk: NodeSdk) -> None:
    chunks = sdk.chat(model=SLOW, messages=asked("Hello [[fault:error_mid_stream:2]]"), stream=True)

    assert chunks[-1]["error"]["code"] == 502
    assert chunks[-1]["choices"][0]["finishReason"] == "error"


def test_lists_models(sdk: NodeSdk) -> None:
    listed = sdk.get("models")["data"]

    by_slug = {model["id"]: model for model in listed}
    assert "moonshotai/kimi-k2-0905" in by_slug
    assert by_slug["moonshotai/kimi-k2-0905"]["contextLength"] == 262144


def test_lists_endpoints(sdk: NodeSdk) -> None:
    model = sdk.get("endpoints", author="moonshotai", slug="kimi-k2-0905")["data"]

    assert {endpoint["providerName"] for endpoint in model["endpoints"]} >= POOL_NAMES


def test_describes_the_key(sdk: NodeSdk) -> None:
    key = sdk.get("key")["data"]

    assert key["label"]
    assert key["usage"] >= 0


def test_describes_a_generation(sdk: NodeSdk, gateway: LiveGateway) -> None:
    answer = sdk.chat(model=EXACTO, messages=asked("Hello"), stream=False)
    gateway.ingest()

    generation = sdk.get("generation", id=answer["id"])["data"]

    assert generation["id"] == answer["id"]
    assert generation["model"].startswith("moonshotai/kimi-k2-0905")
    assert generation["providerName"] in POOL_NAMES
    assert generation["totalCost"] > 0
