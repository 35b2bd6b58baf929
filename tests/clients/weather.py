"""Two tools, and a question that needs one after the other: for clients that run the loop.

The simulated model calls the tool that is named in the last message; a result may ask for more.
"""

import json
from typing import Any

EXACTO = "moonshotai/kimi-k2-0905:exacto"
RESULTS = {
    "get_weather": '{"celsius": 21, "next": "[[tool]] get_time"}',
    "get_time": '{"time": "12:30"}',
}


def _tool(name: str, description: str) -> dict[str, Any]:
    place = {"type": "string", "description": "A city, such as Oslo."}
    parameters = {
        "type": "object",
        "properties": {"city": place, "unit": {"type": "string", "enum": ["metric", "imperial"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    _tool("get_weather", "Tells the weather in a city."),
    _tool("get_time", "Tells the time in a city."),
]


def asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


QUESTION = asked("Start with get_weather. [[tool]]")
PARALLEL_QUESTION = asked("Start with get_weather. [[tool:2]]")


def check_arguments(text: str) -> None:
    """Fail unless these are arguments the tools may be called with."""
    arguments = json.loads(text)
    assert isinstance(arguments["city"], str)
    assert set(arguments) <= {"city", "unit"}
