"""The `openai` Python package, as OpenRouter's users point it at a base URL."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.clients.conftest import SLOW, UNLISTED
from tests.clients.facts import POOL_TAGS, served_by
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
        http = openai.DefaultHttpxClient(
            event_hooks={"request": [lambda request: self.paths.append(request.url.path)]}
        )
        self.client: Any = openai.OpenAI(base_url=base_url, api_key=key, http_client=http)

    def chat(self, **request: Any) -> Any:
        return self.client.chat.completions.create(**{"model": EXACTO, **request})


@pytest.fixture
def openai_client(base_url: str, gateway: LiveGateway) -> Iterator[Counted]:
    counted = Counted(base_url, gateway.key)
    with counted.client:
        yield counted


def test_chats(openai_client: Counted) -> None:
    answer = openai_client.chat(messages=asked("[[text:Good day.]]"))

    assert answer.id.startswith("gen-")
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "Good day."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    # What OpenRouter adds is kept by this client.
    assert answer.provider
    assert answer.usage.cost > 0


def test_streams(openai_client: Counted) -> None:
    with openai_client.chat(messages=asked("[[text:A day is good.]]"), stream=True) as stream:
        chunks = list(stream)

    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "A day is good."
    assert {choice.finish_reason for choice in choices} == {None, "stop"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.usage is not None for chunk in chunks].count(True) == 1
    assert chunks[-1].usage.cost > 0


def test_runs_a_loop_with_two_tools(openai_client: Counted) -> None:
    messages: list[Any] = list(QUESTION)
    used = []
    while calls := (message := ask(openai_client, messages)).tool_calls:
        messages.append(message)
        for call in calls:
            used.append(name := call.function.name)
            check_arguments(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": RESULTS[name]})

    assert used == ["get_weather", "get_time"]
    assert message.content


def ask(openai_client: Counted, messages: list[Any]) -> Any:
    assert len(messages) < 10, "the loop does not end"
    answer = openai_client.chat(messages=messages, tools=TOOLS, tool_choice="auto")
    [choice] = answer.choices
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return choice.message


def test_streams_tool_calls_into_its_own_accumulator(openai_client: Counted) -> None:
    with openai_client.client.chat.completions.stream(
        model=EXACTO, messages=PARALLEL_QUESTION, tools=TOOLS
    ) as stream:
        kinds = {event.type for event in stream}
        [choice] = stream.get_final_completion().choices

    assert "tool_calls.function.arguments.done" in kinds
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in choice.message.tool_calls] == ["get_weather"] * 2
    for call in choice.message.tool_calls:
        check_arguments(call.function.arguments)


def test_exacto_with_provider_preferences_keeps_to_both(
    openai_client: Counted, gateway: LiveGateway
) -> None:
    anyone = openai_client.chat(messages=asked("Hello"))
    one = openai_client.chat(
        messages=asked("Hello"), extra_body={"provider": {"only": ["larkspur", "tallow"]}}
    )

    assert served_by(gateway, anyone.id) in POOL_TAGS
    assert served_by(gateway, one.id) == "larkspur/fp8"


def test_an_empty_pool_is_a_404_that_says_who_was_left_out(openai_client: Counted) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        openai_client.chat(messages=asked("Hello"), extra_body={"provider": {"only": ["tallow"]}})

    assert refused.value.status_code == 404
    assert refused.value.code == "404"
    assert "excluded_by" in str(refused.value.body)
    assert len(openai_client.paths) == 1


def test_a_model_without_a_published_list_is_a_404(openai_client: Counted) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client.client.chat.completions.create(
            model=f"{UNLISTED}:exacto", messages=asked("Hello")
        )

    assert len(openai_client.paths) == 1


def test_a_wrong_key_is_a_401(base_url: str) -> None:
    counted = Counted(base_url, "sk-wrong")
    with counted.client, pytest.raises(openai.AuthenticationError):
        counted.chat(messages=asked("Hello"))

    assert len(counted.paths) == 1


def test_an_error_in_mid_stream_is_raised(openai_client: Counted) -> None:
    seen = []
    with (
        openai_client.chat(
            model=SLOW, messages=asked("Hello [[fault:error_mid_stream:2]]"), stream=True
        ) as stream,
        pytest.raises(openai.APIError),
    ):
        seen.extend(stream)

    assert seen
    assert len(openai_client.paths) == 1


def test_lists_models(openai_client: Counted) -> None:
    assert "moonshotai/kimi-k2-0905" in {model.id for model in openai_client.client.models.list()}
