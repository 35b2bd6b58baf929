"""Presets over HTTP: how they are named, how they join a request, and whose they are."""

from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat

ASKED = {"X-OpenRouter-Metadata": "enabled"}
WEATHER = live_catalog.WEATHER
CLOCK = {"type": "function", "function": {"name": "clock"}}


@pytest.fixture
def account(live: LiveGateway, chat: Chat) -> str:
    """Return the key of an account of its own."""
    return live.create_key(f"account-{chat.nonce}", rpm=0, in_flight=0)


def ask(chat: Chat, key: str, **fields: Any) -> Answer:
    body = {name: value for name, value in chat.body(**fields).items() if value is not None}
    return chat.gateway.chat(body, key=key, headers=ASKED)


@pytest.mark.parametrize(
    "naming",
    [
        {"model": "@preset/mine"},
        {"model": None, "preset": "mine"},
        {"model": "{model}@preset/mine"},
        {"model": "{model}", "preset": "@preset/mine"},
    ],
    ids=["as the model", "field alone", "behind the model", "beside the model"],
)
def test_fills_in_what_the_request_does_not_say(
    chat: Chat, account: str, naming: dict[str, Any]
) -> None:
    chat.gateway.add_preset(
        account, "mine", "Be brief.", model=chat.model, provider=FIRST, temperature=0.25
    )
    named = {k: v and v.replace("{model}", chat.model) for k, v in naming.items()}

    answer = ask(chat, account, **named, provider=None)

    assert answer.status == 200, answer.body
    assert answer.json["model"] == chat.model
    assert answer.json["provider"] == "Amber AI"
    assert answer.json["openrouter_metadata"]["params"]["preset"] == "mine"
    [sent] = chat.seen()
    assert sent.body["temperature"] == 0.25
    assert sent.body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "preset" not in sent.body


def test_gives_way_to_the_requests_fields_and_unites_tools(chat: Chat, account: str) -> None:
    own = {"type": "function", "function": {"name": "clock", "description": "the request's"}}
    chat.gateway.add_preset(
        account,
        "mine",
        model="acme/other",
        provider={"order": ["basalt"]},
        temperature=0.25,
        max_tokens=7,
        tools=[WEATHER, CLOCK],
    )

    answer = ask(
        chat,
        account,
        model=f"{chat.pooled}@preset/mine",
        temperature=1,
        max_tokens=None,
        tools=[own],
    )

    assert answer.status == 200, answer.body
    assert answer.json["provider"] == "Amber AI"
    [sent] = chat.seen()
    assert (sent.body["temperature"], sent.body["max_tokens"]) == (1, 7)
    assert sent.body["tools"] == [own, WEATHER]


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ({"max_completion_tokens": 900}, {"max_tokens": 7}),
        ({"max_tokens": 900}, {"max_completion_tokens": 7}),
        ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "low"}),
        ({"reasoning_effort": "high"}, {"reasoning": {"effort": "low"}}),
    ],
    ids=str,
)
def test_gives_way_also_to_the_other_name_of_a_field(
    chat: Chat, account: str, kept: dict[str, Any], asked: dict[str, Any]
) -> None:
    model = live_catalog.GIFTED
    chat.gateway.add_preset(account, "mine", model=model, **kept)

    for named in (model, "@preset/mine"):
        answer = ask(chat, account, model=named, **{"max_tokens": None, **asked})
        assert answer.status == 200, answer.body

    without, with_preset = chat.seen()
    assert with_preset.body == without.body


def test_keeps_to_the_pool_that_the_preset_names(chat: Chat, account: str) -> None:
    chat.gateway.add_preset(
        account, "pooled", model=chat.pooled, provider={"order": ["cobalt", "dune"]}
    )
    chat.script()  # whoever is not on the allowlist must not be asked

    answer = ask(chat, account, model="@preset/pooled", provider=None)

    assert answer.status == 200, answer.body
    assert answer.json["openrouter_metadata"]["allowlist_version"] == 1


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"model": "@preset/none-such"}, "model", "no preset none-such"),
        ({"preset": "none-such"}, "preset", "no preset none-such"),
        ({"preset": 3}, "preset", "expected a preset's slug"),
        ({"model": "@preset/a", "preset": "b"}, "preset", "names another one"),
        ({"model": "@preset/"}, "model", "name the preset"),
    ],
)
def test_refuses_a_preset_that_is_not_there(
    chat: Chat, account: str, fields: dict[str, Any], path: str, words: str
) -> None:
    answer = ask(chat, account, **fields)

    assert answer.status == 400
    assert words in answer.error["message"]
    assert answer.error["metadata"]["path"] == path
    assert chat.seen() == []


def test_is_its_own_accounts_only(chat: Chat, account: str, live: LiveGateway) -> None:
    live.add_preset(account, "mine", model=chat.model)

    assert ask(chat, account, model="@preset/mine").status == 200
    assert ask(chat, live.key, model="@preset/mine").status == 400


def test_says_which_field_of_a_preset_is_wrong(chat: Chat, account: str) -> None:
    chat.gateway.add_preset(account, "hot", model=chat.model, temperature=9)
    chat.gateway.add_preset(account, "bare", temperature=0.5)

    hot, bare = ask(chat, account, model="@preset/hot"), ask(chat, account, model="@preset/bare")

    assert (hot.status, hot.error["metadata"]["path"]) == (400, "temperature")
    assert bare.status == 400
    assert "names no model: use model@preset/bare" in bare.error["message"]


def test_is_kept_with_the_generation(chat: Chat, account: str, live: LiveGateway) -> None:
    live.add_preset(account, "mine", model=chat.model)
    generation = ask(chat, account, model="@preset/mine").json["id"]
    live.ingest()

    told = eventually(lambda: live.get(f"/api/v1/generation?id={generation}", key=account))

    assert told.json["data"]["preset_id"] == "mine"
    explained = live.get(f"/api/v1/generation/explain?id={generation}", key=account)
    assert explained.json["data"]["preset"] == "mine"


def test_is_part_of_a_preview(chat: Chat, account: str, live: LiveGateway) -> None:
    live.add_preset(account, "mine", model=chat.model, provider={"only": ["dune"]})
    body = chat.body(model="@preset/mine")
    del body["provider"]

    told = live.post("/api/v1/route/preview", body, key=account).json["data"]

    assert told["preset"] == "mine"
    assert [one["endpoint"] for one in told["candidates"]] == ["dune"]
