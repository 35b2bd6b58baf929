from typing import Any

import pytest

from providers.simulator.asked import BadRequest, read, read_directives, text_of
from tests.providers.simulator.rehearsal import TOOLS, body, chat


def test_reads_several_directives_and_keeps_the_rest_of_the_text() -> None:
    request = chat("Please [[fault:http_429:7]] wait [[fault:stall:2]][[delay_ms:200]]")

    assert [str(injected) for injected in request.directives.faults or ()] == [
        "http_429:7",
        "stall:2",
    ]
    assert request.directives.delay_seconds == 0.2
    assert request.last_text == "Please  wait "


def test_reads_directives_from_text_parts() -> None:
    parts = [{"type": "text", "text": "[[tokens:5]]"}, {"type": "image_url"}, "odd"]

    request = read(body() | {"messages": [{"role": "user", "content": parts}]}, "x")

    assert request.directives.tokens == 5


def test_only_the_last_message_forces() -> None:
    messages = [{"role": "user", "content": "[[fault:reset]]"}, {"role": "user", "content": "hi"}]

    assert read(body() | {"messages": messages}, "x").directives.faults is None


def test_a_directive_for_another_provider_is_passed_over() -> None:
    text = "[[fault@cobalt:http_503]] [[text@tallow:Good morning]]"

    assert read_directives(text, "tallow").faults is None
    assert read_directives(text, "tallow").text == "Good morning"
    assert [str(f) for f in read_directives(text, "cobalt").faults or ()] == ["http_503"]


def test_fault_none_switches_random_faults_off() -> None:
    assert read_directives("[[fault:none]]", "x").faults == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[fault:bogus]]", "[[fault:bogus]]: unknown fault; known: "),
        ("[[fault:reset:-1]]", "[[fault:reset:-1]]: reset wants a number from 0 to 16777216"),
        ("[[fault:redirect:200]]", "[[fault:redirect:200]]: redirect wants a number from 301"),
        ("[[tokens:many]]", "[[tokens:many]]: a whole number from 0 to 100000 is needed"),
        ("[[tool:33]]", "[[tool:33]]: a whole number from 0 to 32 is needed"),
        ("[[sing]]", "[[sing]]: unknown directive; known: fault, text, tool"),
    ],
)
def test_a_directive_nobody_knows_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        chat(text)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"model": None}, "model: a string is needed"),
        ({"messages": []}, "messages: a list with at least one message"),
        ({"messages": ["hi"]}, "messages[0]: an object is needed"),
        ({"tools": {}}, "tools: a list is needed"),
        ({"tools": [{}]}, "tools[0].function: an object is needed"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name: a string is needed"),
        ({"tool_choice": "required"}, "tool_choice: required, but no tools are offered"),
        ({"tool_choice": "any", "tools": TOOLS}, "tool_choice: none, auto, required or"),
        ({"tool_choice": {"function": {"name": "x"}}, "tools": TOOLS}, "tool_choice: none, auto"),
        ({"response_format": "json"}, "response_format: an object is needed"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema: an object is needed",
        ),
        ({"max_tokens": 0}, "max_tokens: a whole number above 0 is needed"),
    ],
)
def test_a_request_a_strict_server_would_refuse_is_refused(
    fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body() | fields, "x")

    assert str(caught.value).startswith(complaint)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadRequest, match="body: an object is needed"):
        read([], "x")


def test_reads_the_choice_of_tools() -> None:
    named = {"type": "function", "function": {"name": "read_clock"}}

    request = chat(tools=TOOLS, tool_choice=named, parallel_tool_calls=False)

    assert (request.tool_choice, request.named_tool) == ("named", "read_clock")
    assert [tool.name for tool in request.tools] == ["get_weather", "read_clock"]
    assert not request.parallel


def test_text_of_content_that_is_no_text_is_empty() -> None:
    assert text_of(None) == text_of(7) == text_of([]) == ""
