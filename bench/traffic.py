"""What is sent and what is answered: request bodies J, JB and S, and the mock provider's texts.

Everything is made here, so that all systems get the same bytes but for the model's name. The tool
call in the answers satisfies its tool's schema: a judge that checks it has its whole work to do.
"""

import json
from pathlib import Path
from typing import Any

CONTENT_EVENTS = 55
EVENTS_PER_STREAM = 65  # with the role, the tool call, finish, usage and [DONE]
STAMP = "@" + "0" * 16  # the upstream puts the microseconds of its monotonic clock here

_ARGUMENTS = {"city": "Reykjavík", "date": "2026-03-14", "units": "metric", "hours": [6, 12, 18]}


def _tool(name: str, purpose: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:2],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": purpose, "parameters": parameters},
    }


def _text(purpose: str, **limits: Any) -> dict[str, Any]:
    return {"type": "string", "description": purpose, **limits}


TOOLS = [
    _tool(
        "get_weather",
        "Forecast for one city on one day, hour by hour if hours are given.",
        {
            "city": _text("Name of the city, in its own language or in English", minLength=1),
            "date": _text("The day in ISO 8601, at most ten days ahead"),
            "units": _text("Units of temperature and wind", enum=["metric", "imperial"]),
            "hours": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 23}},
        },
    ),
    _tool(
        "find_flights",
        "Scheduled flights between two airports, cheapest first.",
        {
            "origin": _text("IATA code of the airport of departure", pattern="^[A-Z]{3}$"),
            "destination": _text("IATA code of the airport of arrival", pattern="^[A-Z]{3}$"),
            "passengers": {"type": "integer", "minimum": 1, "maximum": 9},
        },
    ),
    _tool(
        "search_documents",
        "Full-text search over the team's documents. Returns titles and best paragraphs.",
        {
            "query": _text("Words to look for; quotes keep them together"),
            "limit": {"type": "integer", "minimum": 1, "maximum": 50},
            "folders": {"type": "array", "items": {"type": "string"}},
        },
    ),
    _tool(
        "send_message",
        "Sends a message to a person or a channel. Ask before sending to more than ten people.",
        {
            "to": _text("A person's address or a channel's name"),
            "text": _text("The message, in Markdown", maxLength=4000),
            "urgent": {"type": "boolean"},
        },
    ),
    _tool(
        "run_query",
        "Runs one read-only SQL query on the warehouse, with a limit of a thousand rows.",
        {
            "sql": _text("A single SELECT statement"),
            "database": _text("Which warehouse", enum=["sales", "support", "product"]),
        },
    ),
]

_SYSTEM = (
    "You plan trips for a small company. Use the tools whenever a fact may have changed since "
    "your training; never invent a flight, a price or a forecast. Answer briefly, in the language "
    "of the question, and name the source of every figure."
)
_QUESTION = (
    "Two of us fly from Basel to Reykjavík for a workshop in the middle of March. What will the "
    "weather be on the first day, and do we need warm clothes for an evening walk by the sea?"
)


def _history(turns: int) -> list[dict[str, Any]]:
    """An agent's earlier steps: a call, and some two kilobytes of result, for each turn."""
    messages: list[dict[str, Any]] = []
    for turn in range(turns):
        call = {"name": "search_documents", "arguments": f'{{"query": "trip {turn}", "limit": 5}}'}
        row = {"title": f"Trip report {turn}", "paragraph": _QUESTION, "score": turn / 100}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{turn:04d}", "type": "function", "function": call}],
            },
            {
                "role": "tool",
                "tool_call_id": f"call_{turn:04d}",
                "content": json.dumps([row] * 7),
            },
        ]
    return messages


def request_body(model: str, *, stream: bool, agentic: bool = False) -> bytes:
    """J (3 KB, 5 tools), JB (60 KB with an agent's history) or, with `stream`, S."""
    system, user = {"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}
    body: dict[str, Any] = {
        "model": model,
        "messages": [system, user, *_history(28 if agentic else 0)],
        "tools": TOOLS,
        "tool_choice": "auto",
        "temperature": 0.2,
        "max_tokens": 512,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


_USAGE = {"prompt_tokens": 812, "completion_tokens": 61, "total_tokens": 873}


def _answer() -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": json.dumps(_ARGUMENTS)}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_bench_1", "type": "function", "function": function}],
    }
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "bench",
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
        ],
        "usage": _USAGE,
    }


def _deltas() -> list[dict[str, Any]]:
    text = json.dumps(_ARGUMENTS)
    quarter = -(-len(text) // 5)
    pieces = [text[at : at + quarter] for at in range(0, len(text), quarter)]
    start = {"index": 0, "id": "call_bench_1", "type": "function"}
    return [
        {"role": "assistant", "content": ""},
        *({"content": f"{STAMP} "} for _ in range(CONTENT_EVENTS)),
        {"tool_calls": [{**start, "function": {"name": "get_weather", "arguments": ""}}]},
        *({"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces),
    ]


def _events() -> list[str]:
    base: dict[str, Any] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "bench",
    }
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in _deltas()
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    chunks = [base | {"choices": [choice]} for choice in choices]
    chunks.append(base | {"choices": [], "usage": _USAGE})
    return [json.dumps(chunk, separators=(",", ":")) for chunk in chunks] + ["[DONE]"]


def write_canned(folder: Path) -> tuple[Path, Path]:
    """Writes the answer and the events for the mock upstream; returns their paths."""
    events = _events()
    if len(events) != EVENTS_PER_STREAM:
        raise ValueError(f"a stream has {len(events)} events, not {EVENTS_PER_STREAM}")
    answer_file, events_file = folder / "answer.json", folder / "events.txt"
    answer_file.write_text(json.dumps(_answer()))
    events_file.write_text("".join(f"data: {event}\n\n" for event in events))
    return answer_file, events_file
