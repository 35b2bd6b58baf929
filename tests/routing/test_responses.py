"""POST /api/v1/responses: the same routing, limits and facts as chat, in another API's words."""

from typing import Any

import pytest

from tests.live import Answer, EventStream, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.scripted_upstream import REPLY, answer

RESPONSES = "/api/v1/responses"
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
ASKED = {"X-OpenRouter-Metadata": "enabled"}
CALLS = [
    {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
    }
]


def body_of(chat: Chat, **fields: Any) -> dict[str, Any]:
    said = {"model": chat.pooled, "input": f"Hello nonce:{chat.nonce} ", "provider": FIRST}
    return {name: value for name, value in (said | fields).items() if value is not None}


def ask(chat: Chat, *, key: str | None = None, **fields: Any) -> Answer:
    return chat.gateway.chat(body_of(chat, **fields), key=key, headers=ASKED, path=RESPONSES)


def stream(chat: Chat, **fields: Any) -> EventStream:
    body = body_of(chat, stream=True, **fields)
    return chat.gateway.stream(body, headers=ASKED, path=RESPONSES)


def reply(finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return REPLY | {"choices": [choice]}


def test_answers_text_with_text(chat: Chat) -> None:
    chat.script()

    told = ask(chat, instructions="Be brief.", max_output_tokens=9, temperature=0.5)

    assert told.status == 200, told.body
    shown = told.json
    assert shown["id"] == told.headers["x-generation-id"]
    assert (shown["object"], shown["status"]) == ("response", "completed")
    assert (shown["model"], shown["provider"]) == (chat.model, "Amber AI")
    [message] = shown["output"]
    assert (message["type"], message["role"], message["status"]) == (
        "message",
        "assistant",
        "completed",
    )
    [part] = message["content"]
    assert (part["type"], part["text"], part["annotations"]) == ("output_text", "Good day.", [])
    assert shown["completed_at"] >= shown["created_at"]
    [sent] = chat.seen()
    assert sent.body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent.body["max_tokens"], sent.body["temperature"]) == (9, 0.5)
    assert "input" not in sent.body


def test_counts_and_prices_in_its_own_words(chat: Chat) -> None:
    usage = ask(chat).json["usage"]

    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 4, 14)
    assert usage["input_tokens_details"]["cached_tokens"] == 0
    assert usage["output_tokens_details"]["reasoning_tokens"] == 0
    assert usage["cost"] == pytest.approx(10 * 0.000002 + 4 * 0.000003)
    costs = usage["cost_details"]
    assert costs["upstream_inference_input_cost"] == pytest.approx(10 * 0.000002)


def test_repeats_what_clients_want_to_hear_again(chat: Chat) -> None:
    text = {"format": {"type": "text"}, "verbosity": "low"}
    asked: dict[str, Any] = {
        "tools": [WEATHER],
        "tool_choice": "none",
        "metadata": {"a": "b"},
        "text": text,
    }

    shown = ask(chat, **asked, user="u", store=False).json

    assert shown["tools"] == [WEATHER]
    assert {name: shown[name] for name in ("tool_choice", "metadata", "text", "user")} == {
        "tool_choice": "none",
        "metadata": {"a": "b"},
        "text": text,
        "user": "u",
    }
    for name in ("error", "incomplete_details", "instructions", "temperature", "top_p"):
        assert shown[name] is None
    assert (shown["store"], shown["parallel_tool_calls"]) == (False, True)


def test_gives_a_model_what_its_tools_found(chat: Chat) -> None:
    chat.script()
    asked = [
        {"role": "user", "content": "Weather?"},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": f"nonce:{chat.nonce} "},
    ]

    assert ask(chat, input=asked, tools=[WEATHER]).status == 200
    [sent] = chat.seen()
    assert [message["role"] for message in sent.body["messages"]] == ["user", "assistant", "tool"]
    assert sent.body["messages"][1]["tool_calls"][0]["id"] == "c1"
    assert sent.body["messages"][2]["tool_call_id"] == "c1"
    assert sent.body["tools"] == [live_catalog.WEATHER]


def test_shows_calls_and_reasoning_as_items(chat: Chat) -> None:
    message = {"content": None, "reasoning": "Hm.", "tool_calls": CALLS}
    chat.script(amber=(answer(reply("tool_calls", **message)),))

    reasoning, call = ask(chat, tools=[WEATHER]).json["output"]

    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert (call["type"], call["call_id"], call["name"], call["arguments"]) == (
        "function_call",
        "call_1",
        "get_weather",
        '{"city": "Oslo"}',
    )


@pytest.mark.parametrize(
    ("finish", "status", "why"),
    [
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("error", "failed", None),
    ],
)
def test_says_that_an_answer_is_not_whole(
    chat: Chat, finish: str, status: str, why: dict[str, str] | None
) -> None:
    chat.script(amber=(answer(reply(finish, content="Good")),))

    shown = ask(chat).json

    assert (shown["status"], shown["incomplete_details"]) == (status, why)
    assert (shown["error"] is not None) is (status == "failed")
    assert shown["output"][0]["content"][0]["text"] == "Good"


# The routing is chat's ------------------------------------------------------------------------


def test_never_asks_an_endpoint_off_the_allowlist(chat: Chat) -> None:
    down = (answer({"error": {"message": "no"}}, 503),)
    chat.script(amber=down, basalt=down)

    told = ask(chat, provider={"order": ["cobalt", "dune", "amber"]})

    assert told.status in (502, 503)
    assert {visit.provider for visit in chat.seen()} == {"amber", "basalt"}


def test_refuses_who_wants_only_what_is_off_the_allowlist(chat: Chat) -> None:
    chat.script()

    told = ask(chat, provider={"only": ["cobalt"]})

    assert told.status == 404
    assert told.error["code"] == 404
    assert told.json["error_type"] == "not_found"
    assert chat.seen() == []


def test_falls_back_to_the_next_endpoint(chat: Chat) -> None:
    chat.script(amber=(answer({"error": {"message": "no"}}, 503),))

    told = ask(chat)

    assert told.json["provider"] == "Basalt AI"
    tries = told.json["openrouter_metadata"]["attempts"]
    assert [one["outcome"] for one in tries] == ["http_5xx", "ok"]


def test_falls_back_to_the_next_model(chat: Chat, fresh_models: live_catalog.FreshModels) -> None:
    other = fresh_models.take()

    told = ask(chat, model=f"{live_catalog.UNLISTED}:exacto", models=[f"{other}:exacto"])

    assert told.json["model"] == other


def test_follows_the_order_that_is_asked_for(chat: Chat) -> None:
    assert ask(chat, provider={"order": ["basalt"]}).json["provider"] == "Basalt AI"


def test_keeps_a_session_where_it_was(chat: Chat) -> None:
    key = chat.gateway.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)

    served = {
        ask(chat, key=key, provider=None, session_id=chat.nonce).json["provider"] for _ in range(6)
    }

    assert len(served) == 1


def test_fills_in_a_preset(chat: Chat) -> None:
    key = chat.gateway.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)
    chat.gateway.add_preset(key, "mine", "Be brief.", temperature=0.25)

    told = ask(chat, key=key, preset="mine")

    assert told.status == 200, told.body
    [sent] = chat.seen()
    assert sent.body["temperature"] == 0.25
    assert sent.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_refuses_who_has_spent_what_the_key_may(chat: Chat) -> None:
    key = chat.gateway.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0, limit=0.000001)

    told = ask(chat, key=key)

    assert (told.status, told.json["error_type"]) == (402, "payment_required")
    assert chat.seen() == []


def test_limits_how_often_a_key_may_ask(chat: Chat) -> None:
    key = chat.gateway.create_key(f"account-{chat.nonce}", rpm=1, in_flight=0)

    told = [ask(chat, key=key) for _ in range(2)]

    assert [one.status for one in told] == [200, 429]
    assert int(told[1].headers["retry-after"]) >= 1


def test_passes_json_schemas_to_endpoints_that_keep_to_them(chat: Chat) -> None:
    form = {"type": "json_schema", "name": "r", "schema": {"type": "object"}, "strict": True}

    told = ask(chat, model=f"{live_catalog.GIFTED}:exacto", provider=None, text={"format": form})

    assert told.json["provider"] == "Basalt AI"
    [sent] = chat.seen()
    assert sent.body["response_format"]["json_schema"]["name"] == "r"


def test_tells_which_tools_nobody_runs_here(chat: Chat) -> None:
    told = ask(chat, tools=[{"type": "web_search"}, WEATHER])

    assert told.status == 200
    assert "tool:web_search" in str(told.json["openrouter_metadata"])
    [sent] = chat.seen()
    assert sent.body["tools"] == [live_catalog.WEATHER]


# Facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [('{"city": "Oslo"}', "valid"), ('{"city": 3}', "schema_mismatch"), ("{", "invalid_json")],
)
def test_judges_its_calls_like_any_other(chat: Chat, arguments: str, verdict: str) -> None:
    call = CALLS[0] | {"function": {"name": "get_weather", "arguments": arguments}}
    chat.script(amber=(answer(reply("tool_calls", content=None, tool_calls=[call])),))

    told = ask(chat, tools=[WEATHER])

    assert told.json["output"][0]["arguments"] == arguments
    assert _facts(chat.gateway, told.json["id"])["verdict"] == verdict


def test_records_who_was_asked_and_why(chat: Chat) -> None:
    told = ask(chat, provider=None, tools=[WEATHER])

    attempt = _facts(chat.gateway, told.json["id"])
    assert attempt["outcome"] == "ok"
    assert bool(attempt["router_assigned"])
    [kept] = chat.gateway.rows("SELECT * FROM telemetry_generation WHERE id = %s", told.json["id"])
    assert (kept["model_slug"], kept["variant"], kept["status"]) == (chat.model, "exacto", 200)
    assert (kept["tools_offered"], kept["prompt_tokens"]) == (1, 10)


def _facts(gateway: LiveGateway, generation: str) -> dict[str, Any]:
    """Return the one attempt of a generation, once it is judged."""

    def judged() -> dict[str, Any] | None:
        gateway.ingest()
        rows = gateway.rows("SELECT * FROM telemetry_attempt WHERE generation_id = %s", generation)
        return rows[0] if rows and rows[0]["verdict"] != "pending" else None

    found: dict[str, Any] = eventually(judged)
    return found


# What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"input": [{"type": "function_call_output", "call_id": 3}]}, "input[0].call_id"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [WEATHER | {"name": "a b"}]}, "tools[0].name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_naming_the_place(chat: Chat, fields: dict[str, Any], path: str) -> None:
    chat.script()

    told = ask(chat, **fields)

    assert told.status == 400
    assert told.error["message"].startswith(f"{path}: ")
    assert told.error["metadata"]["path"] == path
    assert (told.error["code"], told.json["error_type"]) == (400, "invalid_request")
    assert chat.seen() == []


def test_never_refuses_what_it_does_not_know(chat: Chat) -> None:
    told = ask(chat, made_up={"a": 1}, client_metadata={"b": "c"}, include=["made.up"])

    assert told.status == 200, told.body


def test_tells_in_its_own_form_that_a_key_is_wrong_or_a_body_too_large(chat: Chat) -> None:
    told = ask(chat, key="sk-wrong")
    assert (told.status, told.json["error_type"]) == (401, "authentication")

    large = chat.gateway.request(
        "POST", RESPONSES, b"", {"Content-Length": "99999999999", "Authorization": "Bearer x"}
    )
    assert (large.status, large.json["error_type"]) == (413, "payload_too_large")


def test_has_no_other_methods(chat: Chat) -> None:
    assert chat.gateway.request("GET", RESPONSES).status == 405
