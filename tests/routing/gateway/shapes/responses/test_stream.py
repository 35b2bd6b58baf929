"""The events of a stream, whatever chunks a provider sends; and that a whole answer is the same."""

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.chat import Reply, ReplyAssembler, Usage
from routing.gateway.admission import Prices
from routing.gateway.bill import Bill, bill_of
from routing.gateway.shapes.chat import completion
from routing.gateway.shapes.responses.shape import ResponsesShape
from routing.gateway.shapes.shape import Head
from routing.limits import Limits
from tests.described import event_validator
from tests.routing.gateway.shapes.test_chat import message as any_message
from tests.routing.gateway.shapes.test_chat import piece as any_piece

HEAD = Head("gen-1-abc", 1, "acme/m", "Amber AI")
PRICES = Prices(prompt=2_000_000, completion=3_000_000)
# What the committed document says of an event, read without mercy: no key more, none less.
DESCRIBED = event_validator("/api/v1/responses")
DONE_EVENT = {
    "response.output_text.delta": ("response.output_text.done", "text"),
    "response.refusal.delta": ("response.refusal.done", "refusal"),
    "response.reasoning_text.delta": ("response.reasoning_text.done", "text"),
    "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
    "response.function_call_arguments.delta": (
        "response.function_call_arguments.done",
        "arguments",
    ),
    "response.custom_tool_call_input.delta": ("response.custom_tool_call_input.done", "input"),
}

words = st.sampled_from(["", "a", "bc ", '"', "é\n"])
detail = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("reasoning.text"), "text": words},
        optional={"index": st.integers(0, 1), "signature": words, "id": st.just("rs_up")},
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning.summary"), "summary": words},
        optional={"index": st.integers(0, 1)},
    ),
    st.fixed_dictionaries({"type": st.just("reasoning.encrypted"), "data": words}),
)
call_piece = st.fixed_dictionaries(
    {"index": st.integers(0, 2)},
    optional={
        "id": st.sampled_from(["x", "y"]),
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["f", "g", "patch"]),
                "arguments": st.sampled_from(["", "{", "}", "{}", '{"input": "z"}']),
            },
        ),
    },
)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "content": words,
        "refusal": words,
        "reasoning": words,
        "reasoning_details": st.lists(detail, max_size=2),
        "tool_calls": st.lists(call_piece, max_size=3),
        "annotations": st.lists(
            st.just({"type": "url_citation", "url_citation": {"url": "u"}}), max_size=1
        ),
    },
)
wild = any_message | st.fixed_dictionaries({"tool_calls": st.lists(any_piece, max_size=3)})
chunks = st.lists(st.sampled_from(["plain", "text "]) | plausible | wild, max_size=8)
finishes = st.sampled_from([None, "stop", "length", "tool_calls", "content_filter", "error"])


def _shape(**fields: Any) -> ResponsesShape:
    shape = ResponsesShape()
    tools = [{"type": "custom", "name": "patch"}]
    shape.chat_body({"input": "Hi", "tools": tools, **fields}, Limits())
    return shape


def _bill(reply: Reply) -> Bill:
    return bill_of(PRICES, reply, 1)


def _reply(finish: str | None = "stop") -> Reply:
    return Reply("x", 0, False, (), finish, finish, Usage(10, 4), "up-1")


def _written(said: list[Any], finish: str | None, *, breaks: bool = False) -> bytes:
    writer = _shape().writer(HEAD, hide_reasoning=False)
    sent = b"".join(
        writer.event(one if isinstance(one, str) else {"choices": [{"delta": one}]}) for one in said
    )
    if breaks:
        error = {"code": 502, "message": "Broken.", "metadata": {"error_type": "x", "a": 1}}
        return sent + writer.error(error, None)
    if finish:
        sent += writer.event({"choices": [{"delta": {}, "finish_reason": finish}]})
    return sent + writer.last(_bill(_reply()), _reply(None), None)


def events_of(sent: bytes) -> list[dict[str, Any]]:
    """Return the events of a whole stream; each has its type in its head, too."""
    blocks = sent.decode().split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    events = []
    for block in blocks[:-2]:
        head, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert head == f"event: {event['type']}"
        events.append(event)
    return events


def check_events(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Fail unless these are the described events of one stream; return the Response at its end."""
    assert [[*DESCRIBED.iter_errors(event)] for event in events] == [[] for _ in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    last: dict[str, Any] = events[-1]["response"]
    assert kinds[-1] == f"response.{last['status']}"
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(last["output"])))
    assert [event["item"]["id"] for event in added] == [item["id"] for item in last["output"]]
    assert len({item["id"] for item in last["output"]}) == len(last["output"])
    for event in done:
        assert event["item"] == last["output"][event["output_index"]]
    _check_pieces(events, whole=last["status"] != "failed")
    if last["status"] != "failed":
        assert len(done) == len(added)
    return last


def _check_pieces(events: list[dict[str, Any]], *, whole: bool) -> None:
    """Deltas come between the beginning and the end of their item, and join to what it shows."""
    deltas: dict[tuple[Any, ...], str] = defaultdict(str)
    begun: set[str] = set()
    for event in events:
        if event["type"] == "response.output_item.added":
            begun.add(event["item"]["id"])
        elif event["type"] == "response.output_item.done":
            begun.discard(event["item"]["id"])
        elif "item_id" in event:
            assert event["item_id"] in begun
        if event["type"] in DONE_EVENT:
            kind, _ = DONE_EVENT[event["type"]]
            deltas[_place(event, kind)] += event["delta"]
    texts = dict(DONE_EVENT.values())
    done = {
        _place(event, event["type"]): event[texts[event["type"]]]
        for event in events
        if event["type"] in texts
    }
    assert {place: text for place, text in done.items() if text} == {
        place: text for place, text in deltas.items() if text and (whole or place in done)
    }
    assert _shown(events[-1]["response"]) == _joined(events)


def _place(event: dict[str, Any], kind: str) -> tuple[Any, ...]:
    index = event.get("content_index", event.get("summary_index"))
    return kind, event["item_id"], index


def _shown(response: dict[str, Any]) -> dict[str, str]:
    """Return what each item of a Response says, all kinds of text in one."""
    shown = {}
    for item in response["output"]:
        parts = [*item.get("summary", []), *item.get("content", [])]
        texts = [part.get("text", part.get("refusal", "")) for part in parts]
        texts.append(item.get("arguments", ""))
        # A custom tool's input is told at its end, which a broken stream has not.
        texts.append(item.get("input", "") if response["status"] != "failed" else "")
        shown[item["id"]] = "".join(sorted("".join(texts)))
    return shown


def _joined(events: list[dict[str, Any]]) -> dict[str, str]:
    broken = events[-1]["response"]["status"] == "failed"
    said = {item["id"]: "" for item in events[-1]["response"]["output"]}
    for event in events:
        custom = event["type"] == "response.custom_tool_call_input.delta"
        if event["type"] in DONE_EVENT and not (custom and broken):
            said[event["item_id"]] += event["delta"]
    return {item_id: "".join(sorted(text)) for item_id, text in said.items()}


@settings(deadline=None)
@given(chunks, finishes)
def test_any_chunks_give_events_that_join_to_the_final_response(
    said: list[Any], finish: str | None
) -> None:
    last = check_events(events_of(_written(said, finish)))

    expected = {"length": "incomplete", "content_filter": "incomplete", "error": "failed"}
    assert last["status"] == expected.get(finish or "", "completed")
    assert last["usage"]["total_tokens"] == 14
    open_items = {item["status"] for item in last["output"]}
    assert open_items <= {"completed", "incomplete"}
    assert open_items <= {"completed"} or last["status"] != "completed"


@settings(deadline=None)
@given(chunks)
def test_a_stream_that_breaks_ends_with_one_event_that_says_so(said: list[Any]) -> None:
    last = check_events(events_of(_written(said, None, breaks=True)))

    assert last["status"] == "failed"
    assert last["error"] == {"code": "server_error", "message": "Broken.", "metadata": {"a": 1}}
    assert last["error_type"] == "x"
    # Clients of old do not parse a null here.
    assert "usage" not in last
    assert "in_progress" not in {item["status"] for item in last["output"]}


@settings(deadline=None)
@given(st.lists(plausible, max_size=6))
def test_no_word_of_a_provider_is_lost(said: list[dict[str, Any]]) -> None:
    last = events_of(_written(list(said), "stop"))[-1]["response"]

    heard = ReplyAssembler()
    for one in said:
        heard.add({"choices": [{"delta": one}]})
    parts = [part for item in last["output"] for part in item.get("content", [])]
    shown = "".join(part["text"] for part in parts if part["type"] == "output_text")
    assert shown == heard.finish().content
    refused = "".join(part["refusal"] for part in parts if part["type"] == "refusal")
    assert refused == "".join(one.get("refusal", "") for one in said)
    sealed = [item.get("encrypted_content") for item in last["output"]]
    sent = [d["data"] for one in said for d in one.get("reasoning_details", []) if "data" in d]
    assert [seal for seal in sealed if seal] == [seal for seal in sent if seal]


@settings(deadline=None)
@given(plausible, finishes)
def test_a_whole_answer_shows_what_a_stream_shows(said: dict[str, Any], finish: str | None) -> None:
    calls = [
        {"type": "function", "id": f"call_{at}", "index": at, "function": {"name": "f"}}
        | call
        | {"index": at, "id": f"call_{at}"}
        for at, call in enumerate(said.get("tool_calls", []))
    ]
    message = said | {"tool_calls": calls}
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    shown = _shape().answer(completion(body, _reply(finish), _bill(_reply()), HEAD))

    streamed = events_of(_written([message], finish))[-1]["response"]

    assert shown == streamed


# One case each ------------------------------------------------------------------------------


def _kinds(*said: Any, finish: str = "stop") -> list[str]:
    events = events_of(_written(list(said), finish))
    check_events(events)
    return [event["type"].removeprefix("response.") for event in events[2:-1]]


def _output(*said: Any, finish: str = "stop") -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = check_events(events_of(_written(list(said), finish)))["output"]
    return output


def _call(index: int, arguments: str, name: str = "", call_id: str = "") -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": index, "id": call_id or None, "function": function}]}


def test_text_is_a_message_of_one_part() -> None:
    assert _kinds({"role": "assistant", "content": ""}, {"content": "Good "}, "day.") == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]


def test_reasoning_comes_before_the_words_it_led_to() -> None:
    assert _kinds({"reasoning": "Hm."}, {"content": "Yes."})[:6] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]


def test_a_summary_has_parts_of_its_own() -> None:
    def summary(index: int, text: str) -> dict[str, Any]:
        return {
            "reasoning": text,
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": text, "index": index, "id": "rs_1"}
            ],
        }

    [item] = _output(summary(0, "First "), summary(0, "this."), summary(1, "Then that."))

    assert item["id"] == "rs_1"
    assert item["summary"] == [
        {"type": "summary_text", "text": "First this."},
        {"type": "summary_text", "text": "Then that."},
    ]
    assert "content" not in item


def test_what_is_sealed_goes_with_the_reasoning_before_it() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "sig", "format": "anthropic"},
        {"type": "reasoning.encrypted", "data": "gAAA", "format": "anthropic"},
        {"type": "reasoning.encrypted", "data": "gBBB"},
    ]

    first, second = _output({"reasoning_details": details})

    assert first["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    sealed = {name: first[name] for name in ("signature", "format", "encrypted_content")}
    assert sealed == {"signature": "sig", "format": "anthropic", "encrypted_content": "gAAA"}
    assert second["encrypted_content"] == "gBBB"


def test_a_call_is_told_of_once_its_name_is_whole() -> None:
    said = [_call(0, "", "get_", "c1"), _call(0, '{"a":', "weather"), _call(0, "1}")]

    events = events_of(_written(list(said), "tool_calls"))

    added = next(event for event in events if event["type"] == "response.output_item.added")
    assert added["item"] == {
        "type": "function_call",
        "id": "fc_gen-1-abc_0",
        "call_id": "c1",
        "name": "get_weather",
        "arguments": "",
        "status": "in_progress",
    }
    assert events[-1]["response"]["output"][0]["arguments"] == '{"a":1}'


def test_calls_in_turn_are_each_done_before_the_next() -> None:
    kinds = _kinds(_call(0, "{}", "f", "a"), _call(1, "{}", "g", "b"), finish="tool_calls")

    one = ["output_item.added", "function_call_arguments.delta"]
    one += ["function_call_arguments.done", "output_item.done"]
    assert kinds == one * 2


def test_calls_whose_pieces_alternate_are_both_whole() -> None:
    output = _output(
        _call(0, '{"a"', "f", "a"), _call(1, '{"b"', "g", "b"), _call(0, ":1}"), _call(1, ":2}")
    )

    assert [(item["call_id"], item["arguments"]) for item in output] == [
        ("a", '{"a":1}'),
        ("b", '{"b":2}'),
    ]


def test_a_call_without_arguments_is_a_call() -> None:
    [item] = _output(_call(0, "", "f", "a"), finish="tool_calls")

    assert (item["name"], item["arguments"], item["status"]) == ("f", "", "completed")


def test_a_call_without_an_id_gets_one() -> None:
    first, second = _output(_call(0, "{}", "f"), _call(1, "{}", "f"))

    assert first["call_id"] != second["call_id"]


@pytest.mark.parametrize("names", [("", "patch"), ("pat", "ch"), ("patch", "patch")])
def test_only_the_whole_name_says_whether_a_tool_is_a_custom_one(names: tuple[str, str]) -> None:
    said = [_call(0, "", names[0], "c1"), _call(0, '{"input": "ls"}', names[1])]

    [item] = _output(*said, finish="tool_calls")

    assert item["type"] == "custom_tool_call"
    assert (item["name"], item["input"], item["call_id"]) == ("patch", "ls", "c1")


def test_a_tool_whose_name_begins_as_a_custom_ones_is_a_function() -> None:
    said = [_call(0, "", "patch", "c1"), _call(0, '{"input": "ls"}', "_all")]

    [item] = _output(*said, finish="tool_calls")

    assert item["type"] == "function_call"
    assert (item["name"], item["arguments"]) == ("patch_all", '{"input": "ls"}')


def test_a_custom_tool_is_called_with_plain_text() -> None:
    said = [_call(0, '{"inp', "patch", "c1"), _call(0, 'ut": "ls -l"}')]

    [item] = _output(*said, finish="tool_calls")

    assert item["type"] == "custom_tool_call"
    assert (item["name"], item["input"], item["call_id"]) == ("patch", "ls -l", "c1")


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_answer_that_was_cut_off_says_why(finish: str, status: str, reason: str) -> None:
    last = events_of(_written([{"content": "Good"}], finish))[-1]["response"]

    assert (last["status"], last["incomplete_details"]) == (status, {"reason": reason})
    assert last["output"][0]["status"] == "incomplete"


def test_a_note_stands_beside_the_text_it_is_of() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "A"}}

    [item] = _output({"content": "See A."}, {"annotations": [note]})

    assert item["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "https://a.test", "title": "A"}
    ]


def test_tokens_are_told_with_their_chances() -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    writer = _shape().writer(HEAD, hide_reasoning=False)
    chunk = {"choices": [{"delta": {"content": "Hi"}, "logprobs": {"content": [token]}}]}

    sent = writer.event(chunk) + writer.last(_bill(_reply()), _reply(), None)

    events = events_of(sent)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    added = next(event for event in events if event["type"] == "response.content_part.added")
    assert deltas[0]["logprobs"] == [token]
    assert added["part"]["logprobs"] == []
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == [token]


def test_hidden_reasoning_is_no_item() -> None:
    writer = _shape().writer(HEAD, hide_reasoning=True)
    chunk = {"choices": [{"delta": {"reasoning": "Hm.", "content": "Yes."}}]}

    sent = writer.event(chunk) + writer.last(_bill(_reply()), _reply(), None)

    assert [item["type"] for item in events_of(sent)[-1]["response"]["output"]] == ["message"]
