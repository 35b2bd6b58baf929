from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.chat import (
    CONTENT_CHARS,
    Reply,
    ReplyAssembler,
    ToolCall,
    Usage,
    ended,
    has_content,
    loads,
    normalise_finish_reason,
    refused_reply,
    reply_of_body,
)
from providers.errors import (
    ProviderError,
    UpstreamErrorInside200,
    UpstreamFailedGeneration,
    UpstreamMalformed,
)


def chunk(finish: str | None = None, usage: object = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "up-1", "object": "chat.completion.chunk", "choices": [choice], "usage": usage}


def assemble(*chunks: object) -> Reply:
    assembler = ReplyAssembler()
    for one in chunks:
        assembler.add(one)
    return assembler.finish()


def body(finish: str | None = "stop", usage: object = None, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "up-1", "choices": [choice], "usage": usage}


CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


class TestLoads:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            pytest.param(b' {"a": 1}\n', {"a": 1}, id="plain"),
            pytest.param(b'"a\xffb"', "a\ufffdb", id="invalid UTF-8"),
            pytest.param(b'"a\\ud800b"', "a\ufffdb", id="lone high surrogate"),
            pytest.param(b'"\\udc00"', "\ufffd", id="lone low surrogate"),
            pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="a pair"),
            pytest.param(b'["\\ud83d\\ude00", "\\ud800"]', ["\U0001f600", "\ufffd"], id="both"),
            pytest.param(b'{"\\ud800": 1}', {"\ufffd": 1}, id="in a key"),
            pytest.param(b'\xef\xbb\xbf{"a":"\xc3\xa9"}', {"a": "é"}, id="byte order mark"),
        ],
    )
    def test_reads(self, text: bytes, value: object) -> None:
        assert loads(text) == value

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"<html>", id="html"),
            pytest.param(b'{"a":', id="cut"),
            pytest.param(b"[NaN]", id="NaN"),
            pytest.param(b'["\\ud800", NaN]', id="NaN beside a surrogate"),
            pytest.param(b'["\\ud800", 1e999]', id="overflow beside a surrogate"),
            pytest.param(b"\xff" + b"[" * 100_000, id="deep"),
            pytest.param(b'["\\ud800",' + b"9" * 5000 + b"]", id="long number"),
        ],
    )
    def test_refuses_what_is_not_json(self, text: bytes) -> None:
        with pytest.raises(UpstreamMalformed):
            loads(text)

    @given(st.binary(max_size=40) | st.text('[]{}"\\ud8dc0:,1', max_size=30).map(str.encode))
    def test_raises_nothing_else_and_gives_only_what_can_be_encoded(self, text: bytes) -> None:
        try:
            value = loads(text)
        except UpstreamMalformed:
            return
        str(value).encode()


@pytest.mark.parametrize(
    ("native", "calls", "normal"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("STOP", False, "stop"),
        ("tool_calls", False, "tool_calls"),
        ("function_call", True, "tool_calls"),
        ("tool_use", True, "tool_calls"),
        ("end_turn", True, "tool_calls"),
        ("eos", False, "stop"),
        ("length", True, "length"),
        ("MAX_TOKENS", False, "length"),
        ("SAFETY", False, "content_filter"),
        ("sensitive", False, "content_filter"),
        ("content_filter", True, "content_filter"),
        ("network_error", False, "error"),
        ("something new", False, "stop"),
        ("something new", True, "tool_calls"),
        ("", True, None),
        (None, True, None),
    ],
)
def test_normalises_the_finish_reason(native: str | None, calls: bool, normal: str | None) -> None:
    assert normalise_finish_reason(native, calls) == normal


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"content": "x"}, True),
        ({"reasoning": "x"}, True),
        ({"reasoning_content": "x"}, True),
        ({"refusal": "no"}, True),
        ({"tool_calls": [CALL]}, True),
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"content": None, "tool_calls": None}, False),
        ({"tool_calls": []}, False),
        ({}, False),
    ],
)
def test_content_is_what_commits_to_a_provider(delta: dict[str, Any], content: bool) -> None:
    assert has_content(chunk(**delta)) is content


@pytest.mark.parametrize(
    "odd", [None, 5, [], {}, {"choices": []}, {"choices": None}, {"choices": [None]},
            {"choices": [{"delta": None}]}, {"choices": [{"delta": "x"}]}, {"choices": {"0": 1}}]
)  # fmt: skip
def test_odd_chunks_have_no_content(odd: object) -> None:
    assert has_content(odd) is False


class TestStream:
    def test_spells_a_reply(self) -> None:
        reply = assemble(
            chunk(role="assistant", content=""),
            chunk(reasoning_content="hmm"),
            chunk(content="Hel"),
            chunk(content="lo"),
            chunk(finish="stop"),
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        )

        assert reply == Reply("Hello", 3, False, (), "stop", "stop", Usage(3, 2), "up-1")

    def test_collects_tool_calls_and_corrects_stop(self) -> None:
        reply = assemble(chunk(tool_calls=[CALL]), chunk(finish="stop"))

        assert reply.tool_calls == (ToolCall("a", "f", "{}"),)
        assert (reply.finish_reason, reply.native_finish_reason) == ("tool_calls", "stop")

    def test_keeps_the_first_finish_reason_and_the_last_usage(self) -> None:
        reply = assemble(
            chunk(content="x", usage={"prompt_tokens": 1, "completion_tokens": 1}),
            chunk(finish="length", usage={"prompt_tokens": 1, "completion_tokens": 9}),
            chunk(finish="stop"),
        )

        assert reply.finish_reason == "length"
        assert reply.usage == Usage(1, 9)

    def test_knows_whether_it_finished(self) -> None:
        assembler = ReplyAssembler()

        assembler.add(chunk(content="x"))
        assert not assembler.finished
        assembler.add(chunk(finish="stop"))
        assert assembler.finished

    def test_takes_the_native_reason_a_router_gives(self) -> None:
        last = chunk(finish="stop")
        last["choices"][0]["native_finish_reason"] = "end_turn"

        assert assemble(last).native_finish_reason == "end_turn"

    def test_finds_usage_where_groq_puts_it(self) -> None:
        last = chunk(finish="stop")
        last["x_groq"] = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}

        assert assemble(last).usage == Usage(3, 2)

    def test_reads_content_in_parts(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "image"}, None, {"text": "b"}]

        assert assemble(chunk(content=parts)).content == "ab"

    def test_keeps_only_the_beginning_of_long_content(self) -> None:
        reply = assemble(*[chunk(content="x" * 1000)] * 100)

        assert len(reply.content) == CONTENT_CHARS

    def test_a_stream_of_nothing_is_empty(self) -> None:
        assert assemble().empty
        assert assemble(chunk(role="assistant", content="")).empty
        assert not assemble(chunk(finish="stop")).empty
        assert not assemble(chunk(content="x")).empty

    @pytest.mark.parametrize("odd", [None, 5, "x", []])
    def test_refuses_an_event_that_is_not_an_object(self, odd: object) -> None:
        with pytest.raises(UpstreamMalformed):
            ReplyAssembler().add(odd)


class TestBody:
    def test_holds_a_reply(self) -> None:
        reply = reply_of_body(body(content="Hello", reasoning="hmm", usage={"prompt_tokens": 3}))

        assert reply == Reply("Hello", 3, False, (), "stop", "stop", Usage(3), "up-1")

    def test_corrects_stop_when_tools_are_called(self) -> None:
        reply = reply_of_body(body(content=None, tool_calls=[CALL]))

        assert reply.finish_reason == "tool_calls"
        assert reply.tool_calls == (ToolCall("a", "f", "{}"),)

    @pytest.mark.parametrize("nothing", [None, []])
    def test_knows_no_tool_calls_in_both_spellings(self, nothing: object) -> None:
        assert reply_of_body(body(content="x", tool_calls=nothing)).tool_calls == ()

    def test_keeps_a_refusal(self) -> None:
        assert reply_of_body(body(content=None, refusal="I will not")).refusal

    @pytest.mark.parametrize(
        "unusable",
        [
            pytest.param(None, id="null"),
            pytest.param([], id="list"),
            pytest.param("x", id="text"),
            pytest.param({}, id="no choices"),
            pytest.param({"choices": []}, id="empty choices"),
            pytest.param({"choices": None}, id="null choices"),
            pytest.param({"choices": [None]}, id="null choice"),
            pytest.param({"choices": [{"text": "x"}]}, id="another protocol"),
            pytest.param({"choices": [{"message": None}]}, id="null message"),
            pytest.param(body(finish=None, content=""), id="nothing said and no reason"),
            pytest.param(body(finish=None, usage={"completion_tokens": 0}), id="nothing counted"),
        ],
    )
    def test_refuses_what_is_no_reply(self, unusable: Any) -> None:
        with pytest.raises(UpstreamMalformed) as failure:
            reply_of_body(unusable)

        assert failure.value.outcome == "malformed"

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param(body(finish="stop", content=""), id="it stopped"),
            pytest.param(body(finish=None, usage={"completion_tokens": 2}), id="tokens counted"),
            pytest.param(body(finish=None, reasoning="hmm"), id="reasoning only"),
        ],
    )
    def test_little_is_still_a_reply(self, said: Any) -> None:
        assert reply_of_body(said).content == ""

    def test_reports_an_error_inside_a_200(self) -> None:
        with pytest.raises(UpstreamErrorInside200) as failure:
            reply_of_body({"error": {"code": 429, "message": "slow down"}})

        assert failure.value.outcome == "rate_limited"


FIELDS = st.sampled_from(
    ["id", "choices", "delta", "message", "content", "tool_calls", "usage", "finish_reason",
     "error", "object", "x_groq", "reasoning", "refusal", "function", "code"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=5))
def test_whatever_comes_only_provider_errors_are_raised(values: list[object]) -> None:
    assembler = ReplyAssembler()
    for value in values:
        has_content(value)
        for read in (assembler.add, reply_of_body):
            try:
                read(value)
            except ProviderError:
                continue
    assembler.finish()


def test_a_whole_reply_with_calls_ended_in_them_whatever_it_says() -> None:
    streamed = assemble(chunk(tool_calls=[CALL]), chunk("", content=""))

    assert streamed.finish_reason is None
    assert ended(streamed).finish_reason == "tool_calls"
    assert reply_of_body(body(None, tool_calls=[CALL])).finish_reason == "tool_calls"
    assert reply_of_body(body(None, content="x")).finish_reason is None


@pytest.mark.parametrize(
    ("generated", "call"),
    [
        ('{"name": "look", "arguments": {"x": 1}}', ToolCall("", "look", '{"x":1}')),
        ('{"name": "look", "parameters": {"x": 1}}', ToolCall("", "look", '{"x":1}')),
        ('{"name": "look", "arguments": "{}"}', ToolCall("", "look", "{}")),
        ('{"name": "look"}', ToolCall("", "look", "null")),
        ('{"name": 1}', ToolCall("", "", '{"name": 1}')),
        ("[1]", ToolCall("", "", "[1]")),
        ("<function=look>{}</function>", ToolCall("", "", "<function=look>{}</function>")),
        ("", ToolCall("", "", "")),
    ],
)
def test_what_groq_refused_is_the_call_it_shows_or_one_nobody_can_read(
    generated: str, call: ToolCall
) -> None:
    error = UpstreamFailedGeneration(
        400, "", "tool_use_failed", generated=generated, refused="call"
    )

    reply = refused_reply(error)

    assert (reply.tool_calls, reply.content) == ((call,), "")


@pytest.mark.parametrize("refused", ["no_call", "json"])
def test_what_groq_refused_as_no_call_is_what_was_said(refused: Any) -> None:
    error = UpstreamFailedGeneration(400, "", "x", generated="I would rather talk", refused=refused)

    reply = refused_reply(error)

    assert (reply.tool_calls, reply.content) == ((), "I would rather talk")


@given(st.text())
def test_no_refused_generation_breaks_it(generated: str) -> None:
    refused_reply(UpstreamFailedGeneration(400, "", "x", generated=generated, refused="call"))
