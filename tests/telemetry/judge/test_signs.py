import pytest

from telemetry.judge.signs import leaks_tool_text

NAMES = ["get_weather", "search"]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        "Let me look.\n<tool_call>get_weather\n<arg_key>city</arg_key>",
        "<function=get_weather>\n<parameter=city>Oslo</parameter>",
        '[TOOL_CALLS] [{"name": "search", "arguments": {}}]',
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0",
        "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function",
        "<|python_tag|>get_weather(city='Oslo')",
        '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":1}',
        '<minimax:tool_call>\n<invoke name="search">',
        '{"name": "get_weather", "arguments": {"city": "Oslo"}}',
        '{"name": "get_weather", "parameters": {}}',
        '```json\n{"name": "get_weather", "arguments": {}}\n```',
        'I will check.\n\n{"tool": "search", "input": {"q": "x"}}',
        '[{"type": "function", "function": {"name": "search", "arguments": "{}"}}]',
        '{"tool_calls": [{"name": "search", "arguments": {}}]}',
    ],
)
def test_sees_a_call_written_as_text(text: str) -> None:
    assert leaks_tool_text(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I used get_weather and search to find out: 12 °C.",
        "Call `get_weather(city)` with a city [or two], or {search} it.",
        "Qwen writes `<tool_call>` before get_weather, Kimi `<|tool_calls_section_begin|>`.",
        'An example:\n```\n<tool_call>\n{"name": "get_weather"}\n</tool_call>\n```\nThat is all.',
        "The <tool_call> tag wraps a search.",
        "<tool_call> is a tag of Hermes templates.",
        "<function=other>",
        '{"name": "Oslo", "arguments": "none"}',
        '{"name": "get_weather", "summary": "a tool for weather"}',
        '{"city": "Oslo", "search": {"arguments": 1}}',
        '{"name": "get_weather", "arguments": {}} is what I would send.',
        '{"name": "get_weather", "arguments": {',
        "[1, 2, 3]",
        "[]",
        "{}",
    ],
)
def test_leaves_ordinary_answers_alone(text: str) -> None:
    assert not leaks_tool_text(text, NAMES)


def test_needs_tools_to_have_been_offered() -> None:
    assert not leaks_tool_text("<|python_tag|>get_weather()", [])


def test_a_name_must_stand_alone() -> None:
    assert not leaks_tool_text("<tool_call>research</tool_call>", NAMES)
