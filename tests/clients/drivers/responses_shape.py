"""A Response, whole or streamed, told in the words the scenarios use. Pure.

For clients of /responses; each hands over plain dicts with the API's own names. The loop with
tools is here too: what came out goes back in, and nothing is kept by the server.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.clients.drivers.chat_shape import LONGEST_LOOP
from tests.clients.drivers.loop import Command, Saw

Response = Mapping[str, Any]


def tools_of(command: Command) -> list[dict[str, Any]]:
    """Return the tools of a command in this API's flat form."""
    return [
        {"type": "function", "strict": False, **{k: v for k, v in tool.items() if k != "result"}}
        for tool in command["tools"]
    ]


def text_of(command: Command) -> dict[str, Any]:
    schema = {"name": "report", "strict": True, "schema": command["schema"]}
    return {"format": {"type": "json_schema", **schema}}


def told(response: Response) -> Saw:
    output, usage = response["output"], response.get("usage") or {}
    texts = (part["text"] for item in output for part in item.get("content") or [])
    calls = (item for item in output if item["type"] == "function_call")
    saw: Saw = {name: response.get(name) for name in ("id", "model", "provider")} | {
        "text": "".join(texts),
        "finish": response["status"],
        "calls": [_call(call) for call in calls],
    }
    if usage:
        tokens = {"prompt": usage["input_tokens"], "completion": usage["output_tokens"]}
        saw |= {"usage": tokens, "cost": usage.get("cost")}
    return saw


def told_stream(events: Iterable[Mapping[str, Any]]) -> Saw:
    """Tell the events of a stream, read to its end: the deltas' text, the last Response's rest."""
    pieces: list[str] = []
    saw: Saw = {}
    for event in events:
        if event["type"] == "response.output_text.delta":
            pieces.append(event["delta"])
        elif event["type"] in ("response.completed", "response.incomplete"):
            saw = told(event["response"])
        elif event["type"] == "response.failed":
            error = event["response"]["error"]
            saw["error"] = {"name": "response.failed", "code": error["code"], "status": None}
    return saw | {"pieces": len(pieces), "text": "".join(pieces)}


def loop_with_tools(
    command: Command,
    ask: Callable[[list[Any]], Any],
    plain: Callable[[Any], Response],
    output_of: Callable[[Any], list[Any]] = lambda answer: list(answer.output),
) -> Saw:
    """Ask, run the tools that are called, and ask again until there is an answer in words.

    ask: sends items, returns the client's own answer. plain: makes a dict of one. output_of: finds
    in one the items that go back to the server.
    """
    results = {tool["name"]: tool["result"] for tool in command["tools"]}
    items: list[Any] = [{"role": "user", "content": command["prompt"]}]
    used: list[dict[str, Any]] = []
    for _ in range(LONGEST_LOOP):
        answer = ask(items)
        response = plain(answer)
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        if not calls:
            return told(response) | {"used": used}
        items += output_of(answer)
        for call in calls:
            used.append(_call(call))
            result = {"type": "function_call_output", "call_id": call["call_id"]}
            items.append(result | {"output": results[call["name"]]})
    raise RuntimeError("the loop does not end")


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": item["name"], "arguments": json.loads(item["arguments"])}
