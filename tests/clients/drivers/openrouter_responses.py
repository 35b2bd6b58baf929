"""Drives the `openrouter` Python package on /responses, which it calls beta."""

import json
from typing import Any

from tests.clients.drivers.loop import Command, Saw, serve, wishes
from tests.clients.drivers.openrouter_python import client_of
from tests.clients.drivers.responses_shape import (
    loop_with_tools,
    text_of,
    told,
    told_stream,
    tools_of,
)


def send(command: Command, **fields: Any) -> Any:
    request = {"model": command["model"], "input": command["prompt"]}
    if "tools" in command:
        request["tools"] = tools_of(command)
    request |= wishes(command, "models", "provider")
    return client_of(command).beta.responses.send(**request | fields)


def plain(answer: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = answer.model_dump()
    return dumped


def chat(command: Command) -> Saw:
    return told(plain(send(command)))


def stream(command: Command) -> Saw:
    with send(command, stream=True) as events:
        return told_stream(event.model_dump() for event in events)


def tools(command: Command) -> Saw:
    # Of the objects that came out, today's package takes none back in.
    def output_of(answer: Any) -> list[Any]:
        return list(plain(answer)["output"])

    return loop_with_tools(command, lambda items: send(command, input=items), plain, output_of)


def structured(command: Command) -> Saw:
    saw = told(plain(send(command, text=text_of(command))))
    return saw | {"value": json.loads(saw["text"])}


if __name__ == "__main__":
    operations = (chat, stream, tools, structured)
    known = {operation.__name__: operation for operation in operations}
    serve("openrouter", known | {"stream_tools": stream})
