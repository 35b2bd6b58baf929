"""Drives the `openrouter` Python package, whose types are stricter than those of the others."""

from typing import Any

from openrouter import OpenRouter

from tests.clients.drivers.chat_shape import (
    asked,
    format_of,
    loop_with_tools,
    parsed,
    told,
    told_stream,
    told_vectors,
    tools_of,
)
from tests.clients.drivers.loop import BASE_URL, Command, Saw, serve, wishes


def client_of(command: Command) -> Any:
    return OpenRouter(api_key=command["key"], server_url=BASE_URL)


def request_of(command: Command) -> dict[str, Any]:
    return {
        "model": command["model"],
        "messages": asked(command),
        **wishes(command, "models", "provider"),
    }


def chat(command: Command) -> Saw:
    return told(client_of(command).chat.send(**request_of(command)).model_dump())


def stream(command: Command) -> Saw:
    request = request_of(command)
    if "tools" in command:
        request["tools"] = tools_of(command)
    with client_of(command).chat.send(**request, stream=True) as chunks:
        return told_stream(chunk.model_dump() for chunk in chunks)


def tools(command: Command) -> Saw:
    client, request = client_of(command), request_of(command) | {"tools": tools_of(command)}
    return loop_with_tools(
        command,
        lambda messages: client.chat.send(**request | {"messages": messages}),
        lambda answer: answer.model_dump(),
        lambda answer: answer.choices[0].message,
    )


def structured(command: Command) -> Saw:
    request = request_of(command) | {"response_format": format_of(command)}
    return parsed(told(client_of(command).chat.send(**request).model_dump()))


def embed(command: Command) -> Saw:
    request = {"model": command["model"], "input": command["texts"]}
    return told_vectors(client_of(command).embeddings.generate(**request).model_dump())


def models(command: Command) -> Saw:
    listed = client_of(command).models.list()
    # The newer package pages through them.
    rows = listed.result.data if hasattr(listed, "result") else listed.data
    return {"slugs": [model.id for model in rows]}


def endpoints(command: Command) -> Saw:
    author, slug = command["model"].split("/")
    listed = client_of(command).endpoints.list(author=author, slug=slug).data
    return {"providers": [endpoint.provider_name for endpoint in listed.endpoints]}


def key(command: Command) -> Saw:
    found = client_of(command).api_keys.get_current_key_metadata().data
    return {"label": found.label, "spent": found.usage}


def generation(command: Command) -> Saw:
    found = client_of(command).generations.get_generation(id=command["id"]).data
    return {
        "id": found.id,
        "model": found.model,
        "provider": found.provider_name,
        "cost": found.total_cost,
    }


if __name__ == "__main__":
    operations = (chat, stream, tools, structured, embed, models, endpoints, key, generation)
    known = {operation.__name__: operation for operation in operations}
    serve("openrouter", known | {"stream_tools": stream})
