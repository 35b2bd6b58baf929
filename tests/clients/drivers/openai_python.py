"""Drives the `openai` Python package."""

from typing import Any, Literal

import openai
from pydantic import BaseModel

from tests.clients.drivers.chat_shape import (
    asked,
    loop_with_tools,
    told,
    told_stream,
    told_text,
    told_text_stream,
    told_vectors,
    tools_of,
)
from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve, wishes


class Report(BaseModel):  # type: ignore[misc, unused-ignore]
    city: str
    celsius: int
    sky: Literal["clear", "cloudy"]


def client_of(command: Command) -> Any:
    return openai.OpenAI(base_url=BASE_URL, api_key=command["key"])


def request_of(command: Command) -> dict[str, Any]:
    extra = wishes(command, "models", "provider")
    return {"model": command["model"], "messages": asked(command), "extra_body": extra}


def chat(command: Command) -> Saw:
    return told(client_of(command).chat.completions.create(**request_of(command)).model_dump())


def stream(command: Command) -> Saw:
    chunks = client_of(command).chat.completions.create(**request_of(command), stream=True)
    return told_stream(chunk.model_dump() for chunk in chunks)


def tools(command: Command) -> Saw:
    client, request = client_of(command), request_of(command) | {"tools": tools_of(command)}
    return loop_with_tools(
        command,
        lambda messages: client.chat.completions.create(**request | {"messages": messages}),
        lambda answer: answer.model_dump(),
        lambda answer: answer.choices[0].message,
    )


def stream_tools(command: Command) -> Saw:
    """Let the package's own accumulator put the calls together."""
    request = request_of(command) | {"tools": tools_of(command)}
    with client_of(command).chat.completions.stream(**request) as events:
        for _ in events:
            pass
        return told(events.get_final_completion().model_dump())


def structured(command: Command) -> Saw:
    answer = client_of(command).chat.completions.parse(
        **request_of(command), response_format=Report
    )
    return told(answer.model_dump()) | {"value": answer.choices[0].message.parsed.model_dump()}


def text(command: Command) -> Saw:
    client = client_of(command)
    return told_text(client.completions.create(**_text_of(command)).model_dump())


def stream_text(command: Command) -> Saw:
    chunks = client_of(command).completions.create(**_text_of(command), stream=True)
    return told_text_stream(chunk.model_dump() for chunk in chunks)


def _text_of(command: Command) -> dict[str, Any]:
    return {"model": command["model"], "prompt": command["prompt"]}


def embed(command: Command) -> Saw:
    """Let the package ask for what it likes, which is base64, and make numbers of it."""
    request = {"model": command["model"], "input": command["texts"]}
    return told_vectors(client_of(command).embeddings.create(**request).model_dump())


def models(command: Command) -> Saw:
    return {"slugs": [model.id for model in client_of(command).models.list()]}


if __name__ == "__main__":
    known = (chat, stream, tools, stream_tools, structured, models)
    operations = (*known, text, stream_text, embed)
    serve("openai", {operation.__name__: operation for operation in operations})
