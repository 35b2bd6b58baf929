"""Two tools, and a question that needs one after the other: for clients that run the loop.

The simulated model calls the tool that is named in the last message; a result may ask for more.
"""

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
# The same with what comes of calling them, as the drivers are told.
OFFERED = [tool["function"] | {"result": RESULTS[tool["function"]["name"]]} for tool in TOOLS]
IN_TURN = "Start with get_weather. [[tool]]"
IN_PARALLEL = "Start with get_weather. [[tool:2]]"


def asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]
