"""Drives the real curl, as documentation and issue reports use it; what it prints is read here."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

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


class Refused(Exception):
    """The answer's status is no success."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status_code = status
        self.code = json.loads(body)["error"]["code"]


def curl(command: Command, path: str, body: Any = None) -> str:
    """Return the body of the answer."""
    sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body else []
    done = subprocess.run(
        [
            *("curl", "-sS", "-N", "-i", "--max-time", "20", f"{BASE_URL}{path}"),
            *("-H", f"Authorization: Bearer {command['key']}", *sent),
        ],
        env={**os.environ, "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=True,
    )
    head, _, text = done.stdout.partition("\n\n")
    status = int(head.split()[1])
    if status >= 400:
        raise Refused(status, text)
    return text


def request_of(command: Command) -> dict[str, Any]:
    request = {"messages": asked(command), **wishes(command, "model", "models", "provider")}
    if "tools" in command:
        request["tools"] = tools_of(command)
    return request


def complete(command: Command, **fields: Any) -> Any:
    return json.loads(curl(command, "/chat/completions", request_of(command) | fields))


def chat(command: Command) -> Saw:
    return told(complete(command))


def stream(command: Command) -> Saw:
    text = curl(command, "/chat/completions", request_of(command) | {"stream": True})
    return told_stream(_chunks(text))


def _chunks(text: str) -> Iterator[Any]:
    events = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data:")]
    assert events.pop() == "[DONE]"
    return map(json.loads, events)


def tools(command: Command) -> Saw:
    return loop_with_tools(
        command,
        lambda messages: complete(command, messages=messages),
        lambda answer: answer,
        lambda answer: answer["choices"][0]["message"],
    )


def structured(command: Command) -> Saw:
    return parsed(told(complete(command, response_format=format_of(command))))


def text(command: Command) -> Saw:
    return told_text(json.loads(curl(command, "/completions", wishes(command, "model", "prompt"))))


def stream_text(command: Command) -> Saw:
    body = {**wishes(command, "model", "prompt"), "stream": True}
    return told_text_stream(_chunks(curl(command, "/completions", body)))


def embed(command: Command) -> Saw:
    body = {"model": command["model"], "input": command["texts"]}
    return told_vectors(json.loads(curl(command, "/embeddings", body)))


def models(command: Command) -> Saw:
    return {"slugs": [row["id"] for row in json.loads(curl(command, "/models"))["data"]]}


def endpoints(command: Command) -> Saw:
    answer = json.loads(curl(command, f"/models/{command['model']}/endpoints"))
    return {"providers": [row["provider_name"] for row in answer["data"]["endpoints"]]}


def key(command: Command) -> Saw:
    found = json.loads(curl(command, "/key"))["data"]
    return {"label": found["label"], "spent": found["usage"]}


def generation(command: Command) -> Saw:
    found = json.loads(curl(command, f"/generation?id={command['id']}"))["data"]
    return {
        "id": found["id"],
        "model": found["model"],
        "provider": found["provider_name"],
        "cost": found["total_cost"],
    }


def version() -> str:
    printed = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.split()[1]


if __name__ == "__main__":
    looking_up = (models, endpoints, key, generation)
    operations = (chat, stream, tools, structured, text, stream_text, embed, *looking_up)
    known = {operation.__name__: operation for operation in operations}
    serve(version, known | {"stream_tools": stream})
