"""Drives the `openai` Python package on /responses."""

from typing import Any

from tests.clients.drivers.loop import Command, Saw, serve, wishes
from tests.clients.drivers.openai_python import Report, client_of
from tests.clients.drivers.responses_shape import loop_with_tools, told, told_stream, tools_of


def request_of(command: Command) -> dict[str, Any]:
    extra = wishes(command, "models", "provider")
    return {"model": command["model"], "input": command["prompt"], "extra_body": extra}


def chat(command: Command) -> Saw:
    return told(client_of(command).responses.create(**request_of(command)).model_dump())


def stream(command: Command) -> Saw:
    events = client_of(command).responses.create(**request_of(command), stream=True)
    return told_stream(event.model_dump() for event in events)


def tools(command: Command) -> Saw:
    client, request = client_of(command), request_of(command) | {"tools": tools_of(command)}
    return loop_with_tools(
        command,
        lambda items: client.responses.create(**request | {"input": items}),
        lambda answer: answer.model_dump(),
    )


def stream_tools(command: Command) -> Saw:
    """Let the package's own accumulator put the calls together."""
    request = request_of(command) | {"tools": tools_of(command)}
    with client_of(command).responses.stream(**request) as events:
        for _ in events:
            pass
        return told(events.get_final_response().model_dump())


def structured(command: Command) -> Saw:
    answer = client_of(command).responses.parse(**request_of(command), text_format=Report)
    return told(answer.model_dump()) | {"value": answer.output_parsed.model_dump()}


if __name__ == "__main__":
    operations = (chat, stream, tools, stream_tools, structured)
    serve("openai", {operation.__name__: operation for operation in operations})
