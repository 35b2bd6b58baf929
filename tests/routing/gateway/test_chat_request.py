"""A request's body: read into what routing needs, or a 400 that names the place."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.errors import ApiError
from routing.gateway.chat_request import ChatRequest, parse_chat
from routing.limits import Limits

LIMITS = Limits()
HELLO = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FIELDS = """messages model models stream provider tools tool_choice parallel_tool_calls max_tokens
max_completion_tokens n temperature top_p top_k frequency_penalty presence_penalty
repetition_penalty min_p top_a seed stop logprobs top_logprobs logit_bias response_format user
metadata route stream_options session_id plugins transforms usage preset reasoning modalities
service_tier trace debug""".split()
PROVIDER_FIELDS = """order only ignore allow_fallbacks require_parameters data_collection zdr
quantizations sort max_price preferred_min_throughput preferred_max_latency""".split()

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["a/b", "auto", "price", "user", "function", "p50"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "function", "name", "by", "p50", "prompt"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _parse(**fields: Any) -> ChatRequest:
    return parse_chat(json.dumps({"model": "a/b", "messages": HELLO, **fields}).encode(), LIMITS)


def _outcome(**fields: Any) -> ChatRequest | ApiError:
    try:
        return _parse(**fields)
    except ApiError as refused:
        return refused


def _path(refused: ApiError) -> list[str]:
    assert refused.status == 400
    return re.split(r"[.\[]", refused.metadata["path"])


def _checked(fields: dict[str, Any]) -> None:
    """Read a body with these fields: it is usable, or the 400 names one of them."""
    request = _outcome(**fields)
    if isinstance(request, ApiError):
        assert request.availability or _path(request)[0] in {*fields, "model"}
        return
    assert request.refs
    sent = json.loads(request.upstream_body("up", frozenset(FIELDS)))
    assert sent["model"] == "up"
    assert sent["messages"] == request.body["messages"]
    assert not sent.keys() & {"models", "provider", "route", "plugins", "usage"}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FIELDS), json_values)
def test_reads_any_value_of_any_field_or_names_it(field: str, value: Any) -> None:
    _checked({field: value})


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(PROVIDER_FIELDS), json_values, min_size=1, max_size=3))
def test_reads_any_provider_object_or_names_its_field(provider: dict[str, Any]) -> None:
    request = _outcome(provider=provider)
    if isinstance(request, ApiError):
        assert _path(request)[0] == "provider"
        assert _path(request)[1] in provider


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        json_values | st.fixed_dictionaries({"role": st.just("user"), "content": json_values}),
        max_size=3,
    )
)
def test_reads_any_messages_or_names_the_one(messages: list[Any]) -> None:
    _checked({"messages": messages})


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        json_values
        | st.fixed_dictionaries({"type": st.just("function"), "function": json_values})
        | st.fixed_dictionaries(
            {
                "type": st.just("function"),
                "function": st.fixed_dictionaries(
                    {"name": st.text(max_size=3)}, optional={"parameters": json_values}
                ),
            }
        ),
        max_size=3,
    ),
    json_values,
)
def test_reads_any_tools_or_names_the_one(tools: list[Any], choice: Any) -> None:
    _checked({"tools": tools, "tool_choice": choice})


@pytest.mark.parametrize(
    ("choice", "kind", "needs_tools"),
    [
        (None, "auto", True),
        ("auto", "auto", True),
        ("required", "required", True),
        ("none", "none", False),
        ({"type": "function", "function": {"name": "f"}}, "function", True),
    ],
)
def test_reads_what_the_caller_wants_of_tools(choice: Any, kind: str, needs_tools: bool) -> None:
    request = _parse(tools=[TOOL], tool_choice=choice)

    assert (request.needs.tool_choice, request.needs.tools) == (kind, needs_tools)
    assert request.tool_count == 1
    assert json.loads(request.tools) == [TOOL]


def test_needs_no_tools_without_any() -> None:
    request = _parse(tools=[], tool_choice="auto")

    assert (request.needs.tools, request.tools, request.tool_choice) == (False, b"", "")


def test_drops_what_an_endpoint_does_not_support_but_never_what_all_take() -> None:
    request = _parse(seed=1, temperature=0.5, max_tokens=9, surprise=1, stream=True)

    sent = json.loads(request.upstream_body("up", frozenset()))

    assert sent == {
        "model": "up",
        "messages": HELLO,
        "temperature": 0.5,
        "max_tokens": 9,
        "surprise": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_names_each_model_once_and_the_first_first() -> None:
    request = _parse(model="a/b", models=["a/c", "a/b", "a/d"])

    assert [ref.slug for ref in request.refs] == ["a/b", "a/c", "a/d"]


def test_estimates_the_prompt_without_images() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 400_000}}
    text = {"type": "text", "text": "y" * 40_000}

    request = _parse(messages=[{"role": "user", "content": [image, text]}])

    assert 10_000 <= request.needs.prompt_tokens <= 10_200


@pytest.mark.parametrize(
    ("sent", "supported", "upstream"),
    [
        ({"max_completion_tokens": 5}, set(), {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens"}, {"max_tokens": 5}),
        ({"max_tokens": 5}, {"max_completion_tokens"}, {"max_completion_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens"}, {"max_tokens": 5}),
        ({"max_tokens": 5}, set(), {"max_tokens": 5}),
        (
            {"max_tokens": 5, "max_completion_tokens": None},
            {"max_completion_tokens"},
            {"max_completion_tokens": 5},
        ),
        ({"max_tokens": None, "max_completion_tokens": 5}, {"max_tokens"}, {"max_tokens": 5}),
        ({"max_tokens": None, "max_completion_tokens": 5}, set(), {"max_tokens": 5}),
    ],
    ids=str,
)
def test_sends_the_answers_limit_by_the_name_the_endpoint_knows(
    sent: dict[str, Any], supported: set[str], upstream: dict[str, Any]
) -> None:
    body = json.loads(_parse(**sent).upstream_body("falcon", frozenset(supported)))

    assert {n: v for n, v in body.items() if n.startswith("max_")} == upstream
