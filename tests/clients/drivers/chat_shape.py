"""A completion of a chat or a text, whole or streamed, told in the scenarios' words. Pure.

For clients whose answers are OpenAI's objects under other names; each hands over plain dicts. The
loop with tools is here too, as users of such clients write it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.clients.drivers.loop import Command, Saw

LONGEST_LOOP = 10


def asked(command: Command) -> list[Any]:
    return [{"role": "user", "content": command["prompt"]}]


def tools_of(command: Command) -> list[dict[str, Any]]:
    """Return the tools of a command as OpenAI's clients want them."""
    return [
        {"type": "function", "function": {k: v for k, v in tool.items() if k != "result"}}
        for tool in command["tools"]
    ]


def format_of(command: Command) -> dict[str, Any]:
    schema = {"name": "report", "strict": True, "schema": command["schema"]}
    return {"type": "json_schema", "json_schema": schema}


def told(answer: Mapping[str, Any]) -> Saw:
    """Tell a `chat.completion`."""
    choice = answer["choices"][0]
    message = choice["message"]
    return {
        **_envelope(answer),
        "text": message.get("content"),
        "finish": choice["finish_reason"],
        "calls": [_call(call["function"]) for call in message.get("tool_calls") or []],
        **_usage(answer.get("usage")),
    }


def told_stream(chunks: Iterable[Mapping[str, Any]]) -> Saw:
    """Tell the `chat.completion.chunk`s of a stream, read to its end."""
    saw: Saw = {"pieces": 0, "text": "", "finish": None}
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        saw |= _envelope(chunk)
        if chunk.get("usage"):
            saw |= _usage(chunk["usage"])
        if chunk.get("error"):
            saw["error"] = {"name": "a chunk", "code": chunk["error"]["code"], "status": None}
        for choice in chunk["choices"]:
            delta = choice["delta"]
            saw["pieces"] += bool(delta.get("content"))
            saw["text"] += delta.get("content") or ""
            saw["finish"] = choice.get("finish_reason") or saw["finish"]
            for piece in delta.get("tool_calls") or []:
                _add_piece(calls, piece)
    return saw | {"calls": list(calls.values())}


def told_text(answer: Mapping[str, Any]) -> Saw:
    """Tell a `text_completion`."""
    [choice] = answer["choices"]
    return {
        **_envelope(answer),
        "text": choice["text"],
        "finish": choice["finish_reason"],
        **_usage(answer.get("usage")),
    }


def told_text_stream(chunks: Iterable[Mapping[str, Any]]) -> Saw:
    """Tell the `text_completion`s of a stream, read to its end."""
    saw: Saw = {"pieces": 0, "text": "", "finish": None}
    for chunk in chunks:
        saw |= _envelope(chunk) | _usage(chunk.get("usage"))
        for choice in chunk["choices"]:
            saw["pieces"] += bool(choice["text"])
            saw["text"] += choice["text"] or ""
            saw["finish"] = choice["finish_reason"] or saw["finish"]
    return saw


def told_vectors(answer: Mapping[str, Any]) -> Saw:
    """Tell an answer that is embeddings."""
    vectors = [one["embedding"] for one in sorted(answer["data"], key=lambda one: one["index"])]
    return {
        "model": answer["model"],
        "vectors": vectors,
        "prompt": answer["usage"]["prompt_tokens"],
    }


def loop_with_tools(
    command: Command,
    chat: Callable[[list[Any]], Any],
    plain: Callable[[Any], Mapping[str, Any]],
    message_of: Callable[[Any], Any],
) -> Saw:
    """Ask, run the tools that are called, and ask again until there is an answer in words.

    chat: sends messages, returns the client's own answer. plain: makes a dict of one. message_of:
    finds in one the client's own message, which goes back to the server as it is.
    """
    results = {tool["name"]: tool["result"] for tool in command["tools"]}
    messages = asked(command)
    used: list[dict[str, Any]] = []
    for _ in range(LONGEST_LOOP):
        answer = chat(messages)
        message = plain(answer)["choices"][0]["message"]
        if not message.get("tool_calls"):
            return told(plain(answer)) | {"used": used}
        messages.append(message_of(answer))
        for call in message["tool_calls"]:
            used.append(_call(call["function"]))
            content = results[call["function"]["name"]]
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    raise RuntimeError("the loop does not end")


def parsed(saw: Saw) -> Saw:
    """Add the value that an answer's text spells as JSON."""
    return saw | {"value": json.loads(saw["text"])}


def _envelope(answer: Mapping[str, Any]) -> Saw:
    return {name: answer[name] for name in ("id", "model", "provider") if answer.get(name)}


def _usage(usage: Mapping[str, Any] | None) -> Saw:
    if usage is None:
        return {}
    tokens = {"prompt": usage["prompt_tokens"], "completion": usage["completion_tokens"]}
    return {"usage": tokens, "cost": usage.get("cost")}


def _call(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": json.loads(function["arguments"])}


def _add_piece(calls: dict[int, dict[str, str]], piece: Mapping[str, Any]) -> None:
    call = calls.setdefault(int(piece["index"]), {"name": "", "arguments": ""})
    function = piece.get("function") or {}
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""
