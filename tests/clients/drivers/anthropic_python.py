"""Drives the `anthropic` Python package, which speaks to /messages."""

from typing import Any, Literal

import anthropic
from pydantic import BaseModel

from tests.clients.drivers.chat_shape import LONGEST_LOOP, asked
from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve, wishes


class Report(BaseModel):  # type: ignore[misc, unused-ignore]
    city: str
    celsius: int
    sky: Literal["clear", "cloudy"]


def client_of(command: Command) -> Any:
    # It adds /v1 itself.
    return anthropic.Anthropic(base_url=BASE_URL.removesuffix("/v1"), auth_token=command["key"])


def request_of(command: Command) -> dict[str, Any]:
    request = {
        "model": command["model"],
        "max_tokens": 1000,
        "messages": asked(command),
        "extra_body": wishes(command, "models", "provider"),
    }
    if "tools" in command:
        request["tools"] = [
            {
                "name": tool["name"],
                "description": tool["description"],
                "input_schema": tool["parameters"],
            }
            for tool in command["tools"]
        ]
    return request


def told(message: Any) -> Saw:
    usage = message.usage
    return {
        "id": message.id,
        "model": message.model,
        "provider": getattr(message, "provider", None),
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "finish": message.stop_reason,
        "calls": _calls(message),
        "usage": {"prompt": usage.input_tokens, "completion": usage.output_tokens},
        "cost": getattr(usage, "cost", None),
    }


def _calls(message: Any) -> list[dict[str, Any]]:
    return [
        {"name": block.name, "arguments": block.input}
        for block in message.content
        if block.type == "tool_use"
    ]


def chat(command: Command) -> Saw:
    return told(client_of(command).messages.create(**request_of(command)))


def stream(command: Command) -> Saw:
    with client_of(command).messages.stream(**request_of(command)) as events:
        pieces = sum(event.type == "text" for event in events)
        return told(events.get_final_message()) | {"pieces": pieces}


def tools(command: Command) -> Saw:
    client, request = client_of(command), request_of(command)
    results = {tool["name"]: tool["result"] for tool in command["tools"]}
    used: list[dict[str, Any]] = []
    for _ in range(LONGEST_LOOP):
        message = client.messages.create(**request)
        if message.stop_reason != "tool_use":
            return told(message) | {"used": used}
        used += _calls(message)
        replies = [
            {"type": "tool_result", "tool_use_id": block.id, "content": results[block.name]}
            for block in message.content
            if block.type == "tool_use"
        ]
        request["messages"] += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": replies},
        ]
    raise RuntimeError("the loop does not end")


def structured(command: Command) -> Saw:
    message = client_of(command).messages.parse(**request_of(command), output_format=Report)
    return told(message) | {"value": message.parsed_output.model_dump()}


def models(command: Command) -> Saw:
    return {"slugs": [model.id for model in client_of(command).models.list().data]}


if __name__ == "__main__":
    operations = (chat, stream, tools, structured, models)
    known = {operation.__name__: operation for operation in operations}
    serve("anthropic", known | {"stream_tools": stream})
