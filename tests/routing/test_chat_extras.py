"""What a request asks of the gateway itself: sessions, formats, reasoning, tiers and the like."""

import json
from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.scripted_upstream import (
    REPLY,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    plain_stream,
    usage,
)

ASKED = {"X-OpenRouter-Metadata": "enabled"}
GIFTED, SMALL, TIERED = live_catalog.GIFTED, live_catalog.SMALL, live_catalog.TIERED
SCHEMA = {"name": "point", "schema": {"type": "object"}}
BY_SCHEMA = {"type": "json_schema", "json_schema": SCHEMA}
ANY_JSON = {"type": "json_object"}
BUSY = answer({"error": {"message": "busy"}}, 503)


def tags(answered: Answer) -> list[str]:
    assert answered.status == 200, answered.body
    told = answered.json["openrouter_metadata"]
    return [one["endpoint"] for one in told["endpoints"]["available"]]


def reasons(answered: Answer) -> dict[str, str]:
    told = answered.json["openrouter_metadata"]["params"]["not_used"]
    return {one["endpoint"]: one["reason"] for one in told if one["reason"] != "not_needed"}


def reply(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {**REPLY, "choices": [choice]}


# Sessions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"session_id": "{nonce}"}, {}),
        ({}, {"x-session-id": "{nonce}"}),
        ({"prompt_cache_key": "{nonce}"}, {}),
        ({"session_id": "{nonce}", "prompt_cache_key": "another"}, {"x-session-id": "a third"}),
    ],
    ids=["body", "header", "cache key", "body before the others"],
)
def test_a_session_stays_where_it_was_served(
    chat: Chat, fields: dict[str, str], headers: dict[str, str]
) -> None:
    named: dict[str, Any] = {
        name: text.replace("{nonce}", chat.nonce) for name, text in fields.items()
    }
    sent = {name: text.replace("{nonce}", chat.nonce) for name, text in headers.items()}
    # The first request is led to an endpoint that no draw is likely to give every time after it.
    chat.post(sent, model=chat.model, provider={"only": ["dune"]}, **named)

    after = [chat.post(sent | ASKED, model=chat.model, provider={}, **named) for _ in range(6)]

    assert {one.json["provider"] for one in after} == {"Dune AI"}
    assert after[0].json["openrouter_metadata"]["params"]["sticky"] == {chat.model: "dune"}


def test_what_a_session_led_counts_for_no_score(chat: Chat) -> None:
    led = chat.post(provider={}, session_id=chat.nonce)
    free = chat.post(provider={})
    chat.gateway.ingest()

    [was_led], [was_free] = (
        chat.gateway.rows(
            "SELECT router_assigned FROM telemetry_attempt WHERE generation_id = %s",
            one.json["id"],
        )
        for one in (led, free)
    )
    assert (bool(was_led["router_assigned"]), bool(was_free["router_assigned"])) == (False, True)


def test_a_session_never_leaves_the_pool_nor_what_the_request_allows(chat: Chat) -> None:
    session: dict[str, Any] = {"session_id": chat.nonce}
    chat.post(model=chat.model, provider={"only": ["dune"]}, **session)

    allowed = chat.post(model=chat.model, provider={"ignore": ["dune"]}, **session)
    chat.post(model=chat.model, provider={"only": ["dune"]}, **session)
    chat.script()  # whoever is not on the allowlist must not be asked
    pooled = chat.post(ASKED, provider={}, **session)
    ordered = chat.post(model=chat.model, provider=FIRST, **session)

    assert allowed.json["provider"] != "Dune AI"
    assert set(tags(pooled)) == set(live_catalog.POOL)
    assert ordered.json["provider"] == "Amber AI"


def test_a_session_forgets_an_endpoint_that_failed_it(chat: Chat) -> None:
    session: dict[str, Any] = {"session_id": chat.nonce, "model": chat.model}
    chat.post(provider={"only": ["dune"]}, **session)
    chat.upstream.script(chat.nonce, dune=(BUSY,))

    moved = chat.post(provider={}, **session)
    chat.upstream.script(chat.nonce, dune=(answer(),))
    after = [chat.post(provider={}, **session) for _ in range(4)]

    assert moved.json["provider"] != "Dune AI"
    assert {one.json["provider"] for one in after} == {moved.json["provider"]}
    assert len(chat.seen("dune")) == 2


def test_a_session_is_its_accounts_own(chat: Chat, live: LiveGateway) -> None:
    other = live.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)
    chat.post(model=chat.model, provider={"only": ["dune"]}, session_id=chat.nonce)

    body = chat.body(model=chat.model, provider={}, session_id=chat.nonce)
    told = live.chat(body, key=other, headers=ASKED)

    assert told.json["openrouter_metadata"]["params"]["sticky"] is None


def test_a_new_session_is_drawn_alike_by_every_process(chat: Chat, live: LiveGateway) -> None:
    """The seed is the session's, so a process that knows nothing of it makes the same plan."""
    body = chat.body(model=chat.model, provider={}, session_id=chat.nonce)

    plans = [live.post("/api/v1/route/preview", body, key=live.key).json["data"] for _ in range(3)]

    assert len({plan["seed"] for plan in plans}) == 1
    orders = {tuple(one["endpoint"] for one in plan["candidates"]) for plan in plans}
    assert len(orders) == 1


def test_a_decision_tells_what_was_sticky(chat: Chat, live: LiveGateway) -> None:
    session: dict[str, Any] = {"session_id": chat.nonce, "model": chat.model}
    chat.post(provider={"only": ["dune"]}, **session)
    generation = chat.post(provider={}, **session).json["id"]
    live.ingest()

    told = live.get(f"/api/v1/generation/explain?id={generation}", key=live.key).json["data"]
    row = live.get(f"/api/v1/generation?id={generation}", key=live.key).json["data"]

    assert told["sticky"] == {chat.model: "dune"}
    assert told["candidates"][0]["endpoint"] == "dune"
    assert row["session_id"] == chat.nonce


def test_refuses_a_session_that_is_too_long(chat: Chat) -> None:
    for refused in (chat.post(session_id="s" * 257), chat.post({"x-session-id": "s" * 257})):
        assert refused.status == 400
        assert "at most 256 characters" in refused.error["message"]


# Formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "tag", "why"),
    [
        (ANY_JSON, "amber", "unsupported:response_format"),
        (BY_SCHEMA, "basalt", "unsupported:structured_outputs"),
    ],
)
def test_asks_only_those_who_can_keep_a_format(
    chat: Chat, wish: dict[str, Any], tag: str, why: str
) -> None:
    told = chat.post(ASKED, model=GIFTED, provider={}, response_format=wish)

    assert tags(told) == [tag]
    assert set(reasons(told).values()) == {why}
    assert chat.seen()[0].body["response_format"] == wish


def test_settles_for_any_json_where_nobody_keeps_to_a_schema(chat: Chat) -> None:
    told = chat.post(
        ASKED, model=GIFTED, provider={"ignore": ["basalt"]}, response_format=BY_SCHEMA
    )

    assert tags(told) == ["amber"]
    assert chat.seen()[0].body["response_format"] == BY_SCHEMA


def test_drops_a_format_that_nobody_knows_unless_it_is_required(chat: Chat) -> None:
    dropped = chat.post(model=chat.model, response_format=BY_SCHEMA)
    refused = chat.post(
        model=chat.model, provider={"require_parameters": True}, response_format=BY_SCHEMA
    )
    required = chat.post(
        ASKED, model=GIFTED, provider={"require_parameters": True}, response_format=BY_SCHEMA
    )

    assert dropped.status == 200
    assert "response_format" not in chat.seen()[0].body
    assert refused.status == 404
    assert refused.error["availability"]["excluded_by"] == ["require_parameters"]
    assert tags(required) == ["basalt"]


def test_asks_nothing_of_providers_for_plain_text(chat: Chat) -> None:
    told = chat.post(ASKED, model=GIFTED, provider={}, response_format={"type": "text"})

    assert len(tags(told)) == 4


def test_names_a_schema_that_is_missing(chat: Chat) -> None:
    refused = chat.post(response_format={"type": "json_schema"})

    assert refused.status == 400
    assert refused.error["metadata"]["path"] == "response_format.json_schema"


# Reasoning ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "provider", "sent"),
    [
        ({"reasoning": {"effort": "high"}}, "amber", {"reasoning": {"effort": "high"}}),
        ({"reasoning_effort": "low"}, "amber", {"reasoning": {"effort": "low"}}),
        ({"include_reasoning": True}, "amber", {"reasoning": {"enabled": True}}),
        ({"reasoning": {"effort": "high"}}, "cobalt", {"reasoning_effort": "high"}),
        ({"reasoning": {"enabled": False}}, "cobalt", {"reasoning_effort": "none"}),
        ({"reasoning_effort": "low"}, "cobalt", {"reasoning_effort": "low"}),
        ({"reasoning": {"max_tokens": 100}}, "cobalt", {}),
        ({"reasoning": {"effort": "high"}}, "dune", {}),
    ],
)
def test_asks_for_reasoning_in_the_providers_words(
    chat: Chat, asked: dict[str, Any], provider: str, sent: dict[str, Any]
) -> None:
    assert chat.post(model=GIFTED, provider={"only": [provider]}, **asked).status == 200

    body = chat.seen()[0].body
    assert {name: body[name] for name in body if "reasoning" in name} == sent


DETAILS = [{"type": "reasoning.text", "text": "Hm.", "format": "unknown", "index": 0}]
THOUGHT = {"content": "Yes.", "reasoning_content": "Hm.", "reasoning_details": DETAILS}
HIDING = [{"reasoning": {"exclude": True}}, {"include_reasoning": False}]


@pytest.mark.parametrize("asked", [{}, *HIDING], ids=["told", "excluded", "not included"])
def test_hands_reasoning_over_unless_it_is_not_wanted(chat: Chat, asked: dict[str, Any]) -> None:
    chat.script(amber=(answer(reply(**THOUGHT)),))

    message = chat.post(**asked).json["choices"][0]["message"]

    assert message["content"] == "Yes."
    assert message["reasoning"] == (None if asked else "Hm.")
    assert message.get("reasoning_details") == (None if asked else DETAILS)


@pytest.mark.parametrize("asked", [{}, *HIDING], ids=["told", "excluded", "not included"])
def test_streams_reasoning_unless_it_is_not_wanted(chat: Chat, asked: dict[str, Any]) -> None:
    thinking = [event(chunk({"content": "", "reasoning_content": word})) for word in ("H", "m.")]
    detail = event(chunk({"reasoning_details": DETAILS}))
    steps = begin_stream(), *thinking, detail, delta("Yes."), delta(finish="stop"), usage()
    chat.script(amber=(*steps, end_stream()))

    with chat.stream(**asked) as stream:
        deltas = [one["choices"][0]["delta"] for one in stream.chunks()]

    assert "".join(one["content"] for one in deltas) == "Yes."
    assert "".join(one.get("reasoning", "") for one in deltas) == ("" if asked else "Hm.")
    assert [one["reasoning_details"] for one in deltas if "reasoning_details" in one] == (
        [] if asked else [DETAILS]
    )


# Caches ------------------------------------------------------------------------------------


def test_prices_what_was_read_from_and_written_to_a_cache(chat: Chat) -> None:
    counted = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    }
    chat.script(amber=(answer({**REPLY, "usage": counted}),))

    told = chat.post(model=GIFTED, provider={"only": ["amber"]}).json["usage"]

    assert told["prompt_tokens_details"] == {
        "cached_tokens": 60,
        "cache_write_tokens": 30,
        "audio_tokens": 0,
        "video_tokens": 0,
    }
    prompt = 10 * 0.000002 + 60 * 0.0000005 + 30 * 0.0000025
    assert told["cost_details"]["upstream_inference_prompt_cost"] == pytest.approx(prompt)
    assert told["cost"] == pytest.approx(prompt + 10 * 0.000003)


# Prompts that do not fit -------------------------------------------------------------------


def conversation(words: int, nonce: str, turns: int = 20) -> list[dict[str, Any]]:
    """Return a system's message, `turns` exchanges about tools, and a last question."""
    said: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    for turn in range(turns):
        function = {"name": "get_weather", "arguments": "{}"}
        call = {"id": f"call_{turn}", "type": "function", "function": function}
        said += [
            {"role": "user", "content": f"question {turn} " + "word " * words},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{turn}", "content": "word " * words},
        ]
    return [*said, {"role": "user", "content": f"The last one. nonce:{nonce} "}]


def test_leaves_out_the_middle_for_small_endpoints_without_being_asked(chat: Chat) -> None:
    messages = conversation(100, chat.nonce)

    told = chat.post(ASKED, model=SMALL, provider={"only": ["basalt"]}, messages=messages)

    assert told.status == 200, told.body
    [sent] = chat.seen()
    kept = sent.body["messages"]
    assert (kept[0], kept[-1]) == (messages[0], messages[-1])
    assert len(json.dumps(sent.body)) < 4 * 4_000
    calls = {call["id"] for one in kept for call in one.get("tool_calls", ())}
    assert calls == {one["tool_call_id"] for one in kept if one["role"] == "tool"}
    assert [one for one in messages if one in kept] == kept
    [step] = told.json["openrouter_metadata"]["pipeline"]
    assert step["type"] == "context_compression"
    assert step["data"] == {"messages_left_out": len(messages) - len(kept), "messages_cut": 0}


def test_prefers_endpoints_that_take_the_whole_of_it(chat: Chat) -> None:
    told = chat.post(ASKED, model=SMALL, provider={}, messages=conversation(100, chat.nonce))

    assert tags(told) == ["cobalt"]
    assert reasons(told) == {"amber": "context_length", "basalt": "context_length"}
    assert "pipeline" not in told.json["openrouter_metadata"]


def test_never_leaves_the_pool_for_room(chat: Chat) -> None:
    told = chat.post(
        ASKED, model=f"{SMALL}:exacto", provider={}, messages=conversation(100, chat.nonce)
    )

    assert told.json["provider"] == "Basalt AI"
    assert reasons(told)["cobalt"] == "exacto_pool"


@pytest.mark.parametrize(
    "wish",
    [{"transforms": []}, {"plugins": [{"id": "context-compression", "enabled": False}]}],
    ids=["no transforms", "plugin off"],
)
def test_leaves_a_prompt_alone_where_that_is_said(chat: Chat, wish: dict[str, Any]) -> None:
    messages = conversation(100, chat.nonce)

    refused = chat.post(model=SMALL, provider={"only": ["basalt"]}, messages=messages, **wish)

    assert refused.status == 404
    assert "context_length" in refused.error["availability"]["excluded_by"]


@pytest.mark.parametrize(
    "wish",
    [{"transforms": ["middle-out"]}, {"plugins": [{"id": "context-compression"}]}],
    ids=["transform", "plugin"],
)
def test_cuts_for_larger_endpoints_only_when_asked(chat: Chat, wish: dict[str, Any]) -> None:
    long = conversation(4_000, chat.nonce, turns=3)
    asked: dict[str, Any] = {"model": SMALL, "provider": {"only": ["cobalt"]}, "messages": long}

    assert chat.post(**asked).status == 404
    told = chat.post(ASKED, **asked, **wish)

    assert told.status == 200, told.body
    assert told.json["openrouter_metadata"]["pipeline"][0]["data"]["messages_left_out"] > 0


def test_cuts_the_text_itself_where_one_message_is_too_long(chat: Chat) -> None:
    text = "begin " + "word " * 10_000 + f"end nonce:{chat.nonce} "
    messages = [{"role": "user", "content": text}]

    told = chat.post(ASKED, model=SMALL, provider={"only": ["basalt"]}, messages=messages)

    assert told.status == 200, told.body
    [sent] = chat.seen()
    assert len(json.dumps(sent.body)) < 4 * 4_000
    content = sent.body["messages"][0]["content"]
    assert content.startswith("begin word")
    assert f"end nonce:{chat.nonce}" in content
    assert told.json["openrouter_metadata"]["pipeline"][0]["data"] == {
        "messages_left_out": 0,
        "messages_cut": 1,
    }


# Debugging ---------------------------------------------------------------------------------

ECHO: dict[str, Any] = {"debug": {"echo_upstream_body": True}}


def test_echoes_what_each_provider_was_sent(chat: Chat) -> None:
    chat.script(amber=(BUSY,), basalt=plain_stream())

    with chat.stream(**ECHO, temperature=0.5) as stream:
        chunks = stream.chunks()
        raw = json.dumps(chunks)

    shown = [one for one in chunks if "debug" in one]
    assert shown == chunks[:2]
    assert [one["choices"] for one in shown] == [[], []]
    sent = [visit.body for visit in chat.seen()]
    assert [one["debug"]["echo_upstream_body"] for one in shown] == sent
    assert sent[0]["temperature"] == 0.5
    assert "debug" not in sent[0]
    assert live_catalog.CREDENTIAL not in raw
    assert "uthorization" not in raw


def test_echoes_nothing_into_a_whole_answer(chat: Chat) -> None:
    assert "debug" not in chat.post(**ECHO).json


# Healing -----------------------------------------------------------------------------------

HEAL: dict[str, Any] = {"plugins": [{"id": "response-healing"}], "response_format": ANY_JSON}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here you are: {"a": [1, 2,],}', {"a": [1, 2]}),
        ("{'a': True, b: None}", {"a": True, "b": None}),
        ('{"a": "cut of', {"a": "cut of"}),
    ],
)
def test_mends_json(chat: Chat, text: str, meant: Any) -> None:
    chat.script(amber=(answer(reply(content=text)),))

    told = chat.post(ASKED, **HEAL).json

    assert json.loads(told["choices"][0]["message"]["content"]) == meant
    [step] = told["openrouter_metadata"]["pipeline"]
    assert (step["type"], step["data"]) == ("response_healing", {"healed": True})


@pytest.mark.parametrize("text", ['{"a": 1.0}', "I would rather not.", "[1]", ""])
def test_leaves_what_is_json_and_what_never_will_be(chat: Chat, text: str) -> None:
    chat.script(amber=(answer(reply(content=text)),))

    told = chat.post(ASKED, **HEAL).json

    assert told["choices"][0]["message"]["content"] == text
    assert told["openrouter_metadata"]["pipeline"][0]["data"] == {"healed": False}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"plugins": HEAL["plugins"]},
        {"response_format": ANY_JSON},
        {**HEAL, "plugins": [{"id": "response-healing", "enabled": False}]},
    ],
    ids=["nothing", "no format", "no plugin", "plugin off"],
)
def test_mends_only_what_it_was_asked_to(chat: Chat, fields: dict[str, Any]) -> None:
    chat.script(amber=(answer(reply(content="{'a': 1}")),))

    assert chat.post(**fields).json["choices"][0]["message"]["content"] == "{'a': 1}"


def test_gives_up_a_text_that_takes_too_long(chat: Chat) -> None:
    text = "{'" * 15_000
    chat.script(amber=(answer(reply(content=text)),))

    told = chat.post(ASKED, **HEAL).json

    assert told["choices"][0]["message"]["content"] == text
    assert told["openrouter_metadata"]["pipeline"][0]["data"] == {"healed": False}


def test_judges_what_the_provider_sent(chat: Chat, live: LiveGateway) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": "{'city': 'Bonn'}"},
    }
    chat.script(amber=(answer(reply(content="{'a': 1}", tool_calls=[call])),))

    told = chat.post(**HEAL, tools=[live_catalog.WEATHER]).json
    message = told["choices"][0]["message"]

    assert json.loads(message["content"]) == {"a": 1}
    assert message["tool_calls"][0]["function"]["arguments"] == "{'city': 'Bonn'}"

    def verdict() -> str:
        live.ingest()
        [row] = live.rows(
            "SELECT verdict FROM telemetry_attempt WHERE generation_id = %s", told["id"]
        )
        return str(row["verdict"])

    eventually(lambda: verdict() != "pending")
    assert verdict() == "invalid_json"


# Insurance ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finish", "completion", "free"),
    [(None, 0, True), ("error", 4, True), ("stop", 0, False), (None, 4, False)],
    ids=["nothing, for no reason", "an error", "nothing, but a reason", "something"],
)
def test_bills_nothing_for_nothing(
    chat: Chat, live: LiveGateway, finish: str | None, completion: int, free: bool
) -> None:
    body = reply(content="Good day.")
    body["choices"][0]["finish_reason"] = finish
    counted = {"prompt_tokens": 10, "completion_tokens": completion}
    chat.script(amber=(answer({**body, "usage": counted}),))

    told = chat.post(ASKED).json
    live.ingest()

    upstream = 10 * 0.000002 + completion * 0.000003
    assert told["usage"]["cost"] == pytest.approx(0 if free else upstream)
    [row] = live.rows(
        "SELECT cost, upstream_cost FROM telemetry_generation WHERE id = %s", told["id"]
    )
    assert float(row["cost"]) == pytest.approx(0 if free else upstream)
    assert (row["upstream_cost"] is not None) == free
    named = [step["name"] for step in told["openrouter_metadata"].get("pipeline", [])]
    assert named == (["zero-completion-insurance"] if free else [])


# Tiers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "first", "others"),
    [
        ({}, {"amber", "basalt"}, 2),
        ({"service_tier": "auto"}, {"amber", "basalt"}, 2),
        ({"service_tier": "priority"}, {"amber/priority"}, 3),
        ({"service_tier": "flex"}, {"basalt/flex"}, 2),
        ({"model": f"{TIERED}:floor"}, {"basalt/flex"}, 4),
        ({"model": f"{TIERED}:nitro"}, {"amber", "basalt", "amber/priority"}, 3),
        ({"provider": {"only": ["amber"]}}, {"amber"}, 1),
    ],
    ids=["none", "auto", "priority", "flex", "floor", "nitro", "a provider"],
)
def test_keeps_tiers_apart(
    chat: Chat, fields: dict[str, Any], first: set[str], others: int
) -> None:
    told = chat.post(ASKED, **{"model": TIERED, "provider": {}, **fields})

    assert tags(told)[0] in first
    assert len(tags(told)) == others


@pytest.mark.parametrize(
    ("asked", "told", "sent"),
    [(None, None, None), ("auto", "default", None), ("priority",) * 3, ("flex",) * 3],
)
def test_says_which_tier_served(
    chat: Chat, live: LiveGateway, asked: str | None, told: str | None, sent: str | None
) -> None:
    wish: dict[str, Any] = {"service_tier": asked} if asked else {}
    whole = chat.post(model=TIERED, provider={}, **wish).json
    with chat.stream(model=TIERED, provider={}, **wish) as stream:
        last = stream.chunks()[-1]

    assert whole["service_tier"] == told
    assert last.get("service_tier") == told
    assert [visit.body.get("service_tier") for visit in chat.seen()] == [sent, sent]


# What nobody here knows --------------------------------------------------------------------


def test_passes_over_plugins_it_has_not_and_names_them(chat: Chat) -> None:
    told = chat.post(ASKED, plugins=[{"id": "web", "max_results": 3}, {"id": 7}, {}])

    assert told.status == 200, told.body
    assert told.json["openrouter_metadata"]["params"]["ignored_plugins"] == ["web"]
    assert "plugins" not in chat.seen()[0].body


def test_passes_on_what_it_does_not_know(chat: Chat) -> None:
    unknown: dict[str, Any] = {"flux": 3, "image_config": {"size": "small"}, "safety": None}

    assert chat.post(**unknown, transforms=["unheard-of"], service_tier="scale").status == 200

    sent = chat.seen()[0].body
    assert {name: sent[name] for name in unknown} == unknown
    assert not sent.keys() & {"transforms", "service_tier"}


# Attribution -------------------------------------------------------------------------------


def test_keeps_who_asked_within_bounds(chat: Chat, live: LiveGateway) -> None:
    headers = {
        "HTTP-Referer": "https://app.test/",
        "Referer": "https://app.test/",
        "X-OpenRouter-Title": "An app",
        "X-OpenRouter-Categories": "cli-agent, coding," + "x" * 500,
    }
    generation = chat.post(headers).json["id"]
    live.ingest()

    told = live.get(f"/api/v1/generation?id={generation}", key=live.key).json["data"]

    assert (told["app_title"], told["http_referer"]) == ("An app", "https://app.test/")
    assert told["app_categories"][:2] == ["cli-agent", "coding"]
    assert len(told["app_categories"][2]) < 200
