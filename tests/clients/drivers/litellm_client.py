"""Drives `litellm` as a client: its own way to an OpenRouter at another address."""

from typing import Any

import litellm

from tests.clients.drivers.chat_shape import (
    asked,
    format_of,
    loop_with_tools,
    parsed,
    told,
    told_stream,
    told_text,
    told_text_stream,
    told_vectors,
    tools_of,
)
from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve, wishes


def complete(command: Command, **fields: Any) -> Any:
    request = {
        "model": f"openrouter/{command['model']}",
        "messages": asked(command),
        "api_base": BASE_URL,
        "api_key": command["key"],
        **wishes(command, "models", "provider"),
        **fields,
    }
    if "tools" in command:
        request["tools"] = tools_of(command)
    return litellm.completion(**request)


def chat(command: Command) -> Saw:
    return told(complete(command).model_dump())


def stream(command: Command) -> Saw:
    chunks = complete(command, stream=True, stream_options={"include_usage": True})
    return told_stream(chunk.model_dump() for chunk in chunks)


def tools(command: Command) -> Saw:
    return loop_with_tools(
        command,
        lambda messages: complete(command, messages=messages),
        lambda answer: answer.model_dump(),
        lambda answer: answer.choices[0].message,
    )


def structured(command: Command) -> Saw:
    return parsed(told(complete(command, response_format=format_of(command)).model_dump()))


def _text(command: Command, **fields: Any) -> Any:
    """Ask for a text; under the name of OpenRouter the package would make a chat of it."""
    return litellm.text_completion(
        model=f"text-completion-openai/{command['model']}",
        prompt=command["prompt"],
        api_base=BASE_URL,
        api_key=command["key"],
        **fields,
    )


def text(command: Command) -> Saw:
    return told_text(_text(command).model_dump())


def stream_text(command: Command) -> Saw:
    chunks = _text(command, stream=True, stream_options={"include_usage": True})
    return told_text_stream(chunk.model_dump() for chunk in chunks)


def embed(command: Command) -> Saw:
    answer = litellm.embedding(
        model=f"openrouter/{command['model']}",
        input=command["texts"],
        api_base=BASE_URL,
        api_key=command["key"],
    )
    return told_vectors(answer.model_dump())


if __name__ == "__main__":
    operations = (chat, stream, tools, structured, text, stream_text, embed)
    known = {operation.__name__: operation for operation in operations}
    serve("litellm", known | {"stream_tools": stream})
