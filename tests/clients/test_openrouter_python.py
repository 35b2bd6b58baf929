"""The `openrouter` Python package, whose types are stricter than those of the others."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openrouter import OpenRouter, components, errors

from tests.clients.conftest import SLOW, UNLISTED
from tests.clients.facts import POOL_NAMES, POOL_TAGS, served_by
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


class Counted:
    """A client and the HTTP requests it has made. Untyped, as its overloads are for people."""

    def __init__(self, base_url: str, key: str) -> None:
        self.paths: list[str] = []
        self.http = httpx.Client(
            event_hooks={"request": [lambda request: self.paths.append(request.url.path)]},
            timeout=20,
        )
        self.client: Any = OpenRouter(api_key=key, server_url=base_url, client=self.http)

    def chat(self, **request: Any) -> Any:
        return self.client.chat.send(**{"model": EXACTO, **request})


@pytest.fixture
def openrouter(base_url: str, gateway: LiveGateway) -> Iterator[Counted]:
    counted = Counted(base_url, gateway.key)
    with counted.http, counted.client:
        yield counted


def test_chats(openrouter: Counted) -> None:
    answer = openrouter.chat(messages=asked("[[text:Good day.]]"), stream=False)

    assert answer.id.startswith("gen-")
    assert answer.choices[0].message.content == "Good day."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.cost > 0


def test_streams(openrouter: Counted) -> None:
    with openrouter.chat(messages=asked("[[text:A day is good.]]"), stream=True) as stream:
        chunks = list(stream)

    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "A day is good."
    assert {choice.finish_reason for choice in choices} == {None, "stop"}
    assert chunks[-1].usage.cost > 0


def test_runs_a_loop_with_two_tools(openrouter: Counted) -> None:
    messages: list[Any] = list(QUESTION)
    used = []
    while calls := (message := ask(openrouter, messages)).tool_calls:
        messages.append(message)
        for call in calls:
            used.append(name := call.function.name)
            check_arguments(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": RESULTS[name]})

    assert used == ["get_weather", "get_time"]
    assert message.content


def ask(openrouter: Counted, messages: list[Any]) -> Any:
    assert len(messages) < 10, "the loop does not end"
    [choice] = openrouter.chat(messages=messages, tools=TOOLS, stream=False).choices
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return choice.message


def test_streams_tool_calls(openrouter: Counted) -> None:
    with openrouter.chat(messages=PARALLEL_QUESTION, tools=TOOLS, stream=True) as stream:
        choices = [choice for chunk in stream for choice in chunk.choices]

    arguments = {0: "", 1: ""}
    named = []
    for piece in [piece for choice in choices for piece in choice.delta.tool_calls or []]:
        arguments[int(piece.index)] += piece.function.arguments or ""
        named += [piece.function.name] if piece.id else []
    assert named == ["get_weather", "get_weather"]
    for text in arguments.values():
        check_arguments(text)
    assert {choice.finish_reason for choice in choices} == {None, "tool_calls"}


def test_exacto_with_provider_preferences_keeps_to_both(
    openrouter: Counted, gateway: LiveGateway
) -> None:
    preferences = {"only": ["larkspur", "tallow"], "sort": "price", "allow_fallbacks": True}
    anyone = openrouter.chat(messages=asked("Hello"))
    one = openrouter.chat(messages=asked("Hello"), provider=preferences)

    assert served_by(gateway, anyone.id) in POOL_TAGS
    assert served_by(gateway, one.id) == "larkspur/fp8"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"provider": {"only": ["tallow"]}}, id="nothing left"),
        pytest.param({"model": f"{UNLISTED}:exacto"}, id="nothing published"),
    ],
)
def test_an_empty_pool_is_a_404_that_is_asked_for_once(
    openrouter: Counted, request_: dict[str, Any]
) -> None:
    with pytest.raises(errors.NotFoundResponseError) as refused:
        openrouter.chat(messages=asked("Hello"), **request_)

    assert refused.value.status_code == 404
    assert refused.value.data.error.code == 404
    assert len(openrouter.paths) == 1


def test_a_wrong_key_is_a_401_that_is_asked_for_once(base_url: str) -> None:
    counted = Counted(base_url, "sk-wrong")
    with counted.http, counted.client, pytest.raises(errors.UnauthorizedResponseError) as refused:
        counted.chat(messages=asked("Hello"))

    assert refused.value.data.error.code == 401
    assert len(counted.paths) == 1


def test_an_error_in_mid_stream_arrives_as_a_chunk(openrouter: Counted) -> None:
    asking = asked("Hello [[fault:error_mid_stream:2]]")
    with openrouter.chat(model=SLOW, messages=asking, stream=True) as stream:
        chunks: list[components.ChatStreamChunk] = list(stream)

    assert chunks[-1].error is not None
    assert chunks[-1].error.code == 502
    assert chunks[-1].choices[0].finish_reason == "error"


def test_lists_models(openrouter: Counted) -> None:
    listed = openrouter.client.models.list().result.data

    by_slug = {model.id: model for model in listed}
    assert by_slug["moonshotai/kimi-k2-0905"].context_length == 262144


def test_lists_endpoints(openrouter: Counted) -> None:
    model = openrouter.client.endpoints.list(author="moonshotai", slug="kimi-k2-0905").data

    assert {endpoint.provider_name for endpoint in model.endpoints} >= POOL_NAMES


# The package's own types are marked as deprecated, and it validates by calling them.
@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED:DeprecationWarning")
def test_describes_the_key(openrouter: Counted) -> None:
    assert openrouter.client.api_keys.get_current_key_metadata().data.usage >= 0


def test_describes_a_generation(openrouter: Counted, gateway: LiveGateway) -> None:
    answer = openrouter.chat(messages=asked("Hello"))
    gateway.ingest()

    generation = openrouter.client.generations.get_generation(id=answer.id).data

    assert generation.id == answer.id
    assert generation.provider_name in POOL_NAMES
    assert generation.total_cost > 0
