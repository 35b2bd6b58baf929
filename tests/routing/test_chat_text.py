"""POST /completions over HTTP: the same routing as chat, in the words of old."""

import json
from typing import Any

import pytest

from tests.live import Answer, EventStream, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.routing.test_chat_answers import COST, USAGE
from tests.scripted_upstream import (
    REPLY,
    answer,
    begin_stream,
    chunk,
    delta,
    end_stream,
    event,
    fin,
    plain_stream,
    usage,
)

COMPLETIONS = "/api/v1/completions"
TOKENS = [
    {"token": "Good ", "logprob": -0.1, "top_logprobs": [{"token": "Bad ", "logprob": -2}]},
    {"token": "day.", "logprob": -0.2, "bytes": None, "top_logprobs": []},
]


def body_of(chat: Chat, **fields: Any) -> dict[str, Any]:
    prompt = f"Hello nonce:{chat.nonce} "
    return {"model": chat.pooled, "prompt": prompt, "provider": FIRST, **fields}


def post(chat: Chat, **fields: Any) -> Answer:
    return chat.gateway.post(COMPLETIONS, body_of(chat, **fields))


def stream(chat: Chat, **fields: Any) -> EventStream:
    return chat.gateway.stream(body_of(chat, stream=True, **fields), path=COMPLETIONS)


def reply(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    said = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return REPLY | {"choices": [said | choice]}


def choices(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["choices"][0] for one in chunks]


def test_answers_a_text_completion(chat: Chat) -> None:
    chat.script()

    answered = post(chat, max_tokens=9, temperature=0.5)

    assert answered.status == 200
    body = answered.json
    assert answered.headers["x-generation-id"] == body["id"]
    assert body == {
        "id": body["id"],
        "object": "text_completion",
        "created": body["created"],
        "model": chat.model,
        "provider": "Amber AI",
        "choices": [
            {
                "index": 0,
                "text": "Good day.",
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "stop",
                "reasoning": None,
            }
        ],
        "usage": USAGE,
    }
    [visit] = chat.seen()
    assert visit.body == {
        "model": f"up-{chat.model.partition('/')[2]}",
        "messages": [{"role": "user", "content": f"Hello nonce:{chat.nonce} "}],
        "max_tokens": 9,
        "temperature": 0.5,
    }


def test_streams_the_same_object_and_counts_once_at_the_end(chat: Chat) -> None:
    chat.script()

    with stream(chat) as streamed:
        assert streamed.headers["content-type"] == "text/event-stream"
        chunks = streamed.chunks()

    for one in chunks:
        assert one["id"] == streamed.headers["x-generation-id"]
        assert one["object"] == "text_completion"
        assert (one["model"], one["provider"]) == (chat.model, "Amber AI")
        assert one["choices"][0].keys() >= {"index", "text", "logprobs", "finish_reason"}
    assert "".join(one["text"] for one in choices(chunks)) == "Good day."
    assert [one.get("usage") for one in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["usage"] == USAGE
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_takes_a_list_of_one_prompt(chat: Chat) -> None:
    chat.script()

    answered = post(chat, prompt=[f"Hi nonce:{chat.nonce} "], n=1, best_of=1, suffix="", echo=False)

    assert answered.status == 200
    assert chat.seen()[0].body["messages"][0]["content"] == f"Hi nonce:{chat.nonce} "
    assert chat.seen()[0].body.keys() == {"model", "messages", "n"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"prompt": None}, "prompt", id="no prompt"),
        pytest.param({"prompt": []}, "prompt", id="none in a list"),
        pytest.param({"prompt": ["a", "b"]}, "prompt", id="two prompts"),
        pytest.param({"prompt": [15496, 11]}, "prompt", id="token ids"),
        pytest.param({"prompt": [[15496, 11]]}, "prompt", id="lists of token ids"),
        pytest.param({"prompt": {"text": "a"}}, "prompt", id="an object"),
        pytest.param({"n": 2}, "n", id="two answers"),
        pytest.param({"best_of": 3}, "best_of", id="the best of three"),
        pytest.param({"suffix": "the end"}, "suffix", id="a suffix"),
        pytest.param({"echo": 1}, "echo", id="an echo that is no bool"),
        pytest.param({"echo": True, "logprobs": 1}, "echo", id="logprobs of the prompt"),
        pytest.param({"logprobs": 21}, "logprobs", id="too many logprobs"),
        pytest.param({"logprobs": "5"}, "logprobs", id="logprobs as text"),
        pytest.param({"tools": [live_catalog.WEATHER]}, "tools", id="tools"),
        pytest.param({"messages": [{"role": "user", "content": "Hi"}]}, "messages", id="messages"),
        pytest.param({"temperature": 3}, "temperature", id="a field of chat"),
    ],
)
def test_refuses_what_cannot_be_said_and_names_it(
    chat: Chat, fields: dict[str, Any], path: str
) -> None:
    answered = post(chat, **fields)

    assert answered.status == 400
    assert answered.error["metadata"] == {"error_type": "invalid_request", "path": path}
    assert answered.error["message"].startswith(f"{path}: ")
    assert chat.seen() == []


def test_repeats_the_prompt_before_the_answer(chat: Chat) -> None:
    chat.script()
    prompt = f"Hello nonce:{chat.nonce} "

    whole = post(chat, echo=True).json["choices"][0]["text"]
    with stream(chat, echo=True) as streamed:
        pieces = [one["text"] for one in choices(streamed.chunks())]

    assert whole == prompt + "Good day."
    assert "".join(pieces) == whole


def test_tells_logprobs_in_columns(chat: Chat) -> None:
    amber = answer(reply({"content": "Good day."}, logprobs={"content": TOKENS}))
    chat.script(amber=(amber,))

    told = post(chat, logprobs=2, provider=FIRST).json["choices"][0]["logprobs"]

    assert told == {
        "tokens": ["Good ", "day."],
        "token_logprobs": [-0.1, -0.2],
        "top_logprobs": [{"Bad ": -2}, {}],
        "text_offset": [0, 5],
    }


def test_tells_logprobs_of_a_stream_piece_by_piece(chat: Chat) -> None:
    pieces = [
        event(chunk({"content": token["token"]}) | {"choices": [{
            "index": 0, "delta": {"content": token["token"]}, "finish_reason": None,
            "logprobs": {"content": [token]},
        }]})
        for token in TOKENS
    ]  # fmt: skip
    chat.script(
        amber=(begin_stream(), *pieces, event(chunk({}, finish="stop")), usage(), end_stream())
    )

    with stream(chat, logprobs=0) as streamed:
        told = [one["logprobs"] for one in choices(streamed.chunks())]

    assert [one["text_offset"] for one in told if one] == [[0], [5]]
    assert [one["token_logprobs"] for one in told if one] == [[-0.1], [-0.2]]


def test_asks_for_logprobs_in_the_words_of_chat(chat: Chat) -> None:
    # Nobody on these endpoints supports them, so they are dropped: with them required, it is a 404.
    required = {"provider": FIRST | {"require_parameters": True}}

    assert post(chat, logprobs=3, **required).status == 404
    assert post(chat, logprobs=3).status == 200
    assert "logprobs" not in chat.seen()[0].body


def test_hands_over_reasoning_unless_it_is_not_wanted(chat: Chat) -> None:
    amber = (answer(reply({"content": "Yes.", "reasoning_content": "Hm."})),)
    chat.script(amber=amber)

    shown = post(chat).json["choices"][0]
    hidden = post(chat, reasoning={"exclude": True}).json["choices"][0]

    assert (shown["text"], shown["reasoning"]) == ("Yes.", "Hm.")
    assert (hidden["text"], hidden["reasoning"]) == ("Yes.", None)


def test_streams_reasoning_beside_the_text(chat: Chat) -> None:
    said = (delta(reasoning="Hm."), delta("Yes."), delta(finish="stop"), usage())
    chat.script(amber=(begin_stream(), *said, end_stream()))

    with stream(chat) as streamed:
        told = choices(streamed.chunks())

    assert [(one["text"], one.get("reasoning")) for one in told[:2]] == [
        ("", "Hm."),
        ("Yes.", None),
    ]


def test_fails_over_before_the_first_word(chat: Chat) -> None:
    chat.script(amber=(answer({}, 503),), basalt=plain_stream())

    with stream(chat) as streamed:
        chunks = streamed.chunks()

    assert chunks[0]["provider"] == "Basalt AI"


def test_tells_in_band_what_breaks_the_stream(chat: Chat) -> None:
    chat.script(amber=(begin_stream(), delta("one "), fin))

    with stream(chat) as streamed:
        assert streamed.status == 200
        chunks = streamed.chunks()

    assert chunks[0]["choices"][0]["text"] == "one "
    last = chunks[-1]
    assert (last["object"], last["error"]["code"]) == ("text_completion", 502)
    assert last["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "error"}]


def test_keeps_to_the_pool_and_says_so_when_it_is_empty(chat: Chat) -> None:
    answered = chat.gateway.post(
        COMPLETIONS, {"model": f"{live_catalog.UNLISTED}:exacto", "prompt": "Hi"}
    )

    assert answered.status == 404
    assert "exacto_pool" in answered.error["availability"]["excluded_by"]


def test_refuses_a_wrong_key_and_another_method_as_chat_does(chat: Chat) -> None:
    wrong = chat.gateway.post(COMPLETIONS, body_of(chat), key="sk-wrong")
    got = chat.gateway.get(COMPLETIONS, key=chat.gateway.key)

    assert (wrong.status, wrong.error["code"]) == (401, 401)
    assert (got.status, got.headers["allow"]) == (405, "POST")


def test_explains_itself_as_chat_does(chat: Chat) -> None:
    chat.script()
    asked = {"X-OpenRouter-Metadata": "enabled", "Authorization": f"Bearer {chat.gateway.key}"}

    body = json.dumps(body_of(chat)).encode()
    answered = chat.gateway.request("POST", COMPLETIONS, body, asked)

    assert answered.json["openrouter_metadata"]["requested"] == chat.pooled


def test_takes_a_preset(chat: Chat) -> None:
    key = chat.gateway.create_key("texts", rpm=0, in_flight=0)
    chat.gateway.add_preset(key, "terse", "Be brief.", temperature=0.25)

    answered = chat.gateway.post(COMPLETIONS, body_of(chat, preset="terse"), key=key)

    assert answered.status == 200
    sent = chat.seen()[0].body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["temperature"] == 0.25


def test_is_recorded_and_billed_as_chat_is(chat: Chat) -> None:
    answered = post(chat)
    chat.gateway.ingest()

    path = f"/api/v1/generation?id={answered.json['id']}"
    row = eventually(
        lambda: (got := chat.gateway.get(path, key=chat.gateway.key)).status == 200 and got
    ).json["data"]

    assert row["total_cost"] == COST
    assert (row["model"], row["finish_reason"]) == (chat.model, "stop")
