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


if __name__ == "__main__":
    operations = (chat, stream, tools, structured)
    known = {operation.__name__: operation for operation in operations}
    serve("litellm", known | {"stream_tools": stream})
