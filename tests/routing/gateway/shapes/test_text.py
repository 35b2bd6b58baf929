"""The shape of text completions, whatever was asked and whatever a provider sent."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from providers.chat import reply_of_body
from providers.errors import ProviderError
from routing.errors import ApiError
from routing.gateway.admission import Prices
from routing.gateway.bill import bill_of
from routing.gateway.chat_request import ChatRequest, read_chat
from routing.gateway.shapes.chat import completion
from routing.gateway.shapes.shape import Head
from routing.gateway.shapes.text import TextShape
from routing.limits import Limits
from tests.routing.gateway.shapes.test_chat import json_values, message

LIMITS = Limits()
HEAD = Head("g", 1, "m", "p")
PRICES = Prices(prompt=2_000_000, completion=3_000_000)
token = st.fixed_dictionaries(
    {"token": st.text(max_size=4) | json_values, "logprob": st.floats(-9, 0) | json_values},
    optional={"top_logprobs": json_values},
)
logprobs = json_values | st.fixed_dictionaries({"content": json_values | st.lists(token)})
_ASKED = "n best_of echo suffix logprobs stop max_tokens seed".split()
fields = st.fixed_dictionaries(
    {"prompt": st.text(max_size=9) | json_values},
    optional=dict.fromkeys(_ASKED, json_values),
)


def check_choice(told: dict[str, Any]) -> None:
    assert told.keys() >= {"index", "text", "logprobs", "finish_reason"}
    assert isinstance(told["text"], str)
    assert isinstance(told.get("reasoning"), str | None)
    assert told.get("native_finish_reason", "") is not None
    if (columns := told["logprobs"]) is not None:
        lengths = {len(column) for column in columns.values()}
        assert len(lengths) == 1
        assert all(isinstance(one, str) for one in columns["tokens"])
        assert columns["text_offset"] == sorted(columns["text_offset"])


def chat_of(body: dict[str, Any]) -> ChatRequest | ApiError:
    try:
        return read_chat(TextShape().chat_body({"model": "a/b", **body}, LIMITS), 99, LIMITS)
    except ApiError as error:
        return error


@given(fields)
def test_any_request_is_a_chat_or_a_400_with_its_place(body: dict[str, Any]) -> None:
    read = chat_of(body)

    if isinstance(read, ApiError):
        assert read.status == 400
        assert read.metadata["path"]
        return
    [asked] = read.body["messages"]
    assert asked["content"] in (body["prompt"], *body["prompt"][:1])
    assert read.body.keys().isdisjoint({"prompt", "best_of", "echo", "suffix"})
    assert read.body.get("logprobs", True) is True


@given(message, json_values, logprobs, st.booleans())
def test_a_whole_answer_always_has_the_shape_clients_parse(
    said: dict[str, Any], finish: Any, probabilities: Any, echo: bool
) -> None:
    choice = {"message": said, "finish_reason": finish, "logprobs": probabilities}
    body = {"choices": [choice], "usage": {"completion_tokens": 1}}
    try:
        reply = reply_of_body(body)
    except ProviderError:
        return
    shape = TextShape()
    shape.chat_body({"prompt": "Once ", "echo": echo}, LIMITS)

    shown = shape.answer(completion(body, reply, bill_of(PRICES, reply, 1), HEAD))

    json.dumps(shown, allow_nan=False)
    assert shown["object"] == "text_completion"
    assert None not in shown.values()
    [told] = shown["choices"]
    check_choice(told)
    assert told["text"].startswith("Once ") or not echo


@given(st.lists(st.tuples(message | json_values, json_values, logprobs), max_size=5), st.booleans())
def test_events_always_have_the_shape_clients_parse(
    chunks: list[tuple[Any, Any, Any]], echo: bool
) -> None:
    shape = TextShape()
    shape.chat_body({"prompt": "Once ", "echo": echo}, LIMITS)
    writer = shape.writer(HEAD, hide_reasoning=False)
    text = ""

    for said, finish, probabilities in chunks:
        choice = {"delta": said, "finish_reason": finish, "logprobs": probabilities}
        sent = writer.event({"choices": [choice], "usage": {"prompt_tokens": 1}})

        assert sent.startswith(b"data: ")
        assert sent.endswith(b"\n\n")
        assert sent.count(b"\n") == 2
        shown = json.loads(sent[6:])
        assert shown["object"] == "text_completion"
        assert "usage" not in shown
        [told] = shown["choices"]
        check_choice(told)
        text += told["text"]
    assert text.count("Once ") >= (echo and bool(chunks))


@given(st.lists(st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1), max_size=5))
def test_plain_text_says_the_same_with_an_echo_and_without(words: list[str]) -> None:
    plain, echoing = TextShape(), TextShape()
    echoing.chat_body({"prompt": 'Say "hi" ', "echo": True}, LIMITS)

    told = [
        "".join(
            json.loads(writer.event(word)[6:])["choices"][0]["text"]
            for word in words
        )
        for writer in (shape.writer(HEAD, hide_reasoning=False) for shape in (plain, echoing))
    ]  # fmt: skip

    assert told[0] == "".join(words)
    assert told[1] == ('Say "hi" ' if words else "") + told[0]
