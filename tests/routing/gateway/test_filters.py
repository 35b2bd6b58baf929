"""Which endpoints may serve: each filter, and that filters only ever take away."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.gateway.admission import Prices, admit
from routing.gateway.filters import Needs, screen
from routing.gateway.preferences import NO_PREFERENCES, Preferences
from routing.gateway.slugs import parse_model
from tests.routing.gateway.specs import NO_NEEDS, make_endpoint, make_model

REF = parse_model("acme/falcon-1")
PLAIN = make_endpoint(1)
WITH_TOOLS = replace(NO_NEEDS, tools=True)


def _kept(wishes: Preferences, needs: Needs, **fields: Any) -> list[str]:
    """Return the reasons for which an endpoint with these fields is left out."""
    model = make_model(make_endpoint(1, **fields))
    return screen(admit(model, REF), needs, wishes).reasons


@pytest.mark.parametrize(
    ("reason", "wishes", "needs", "fields"),
    [
        ("allowed_providers", {"only": frozenset({"p2"})}, {}, {}),
        ("allowed_providers", {"order": ("p2",), "allow_fallbacks": False}, {}, {}),
        ("ignored_providers", {"ignore": frozenset({"p1"})}, {}, {}),
        ("ignored_providers", {"ignore": frozenset({"p 1"})}, {}, {}),
        ("data_policy:training", {"deny_data_collection": True}, {}, {"trains_on_data": True}),
        ("data_policy:zdr", {"zdr": True}, {}, {}),
        ("quantization", {"quantizations": frozenset({"fp4"})}, {}, {}),
        ("max_price", {"max_prompt_price": 999_999}, {}, {}),
        ("max_price", {"max_completion_price": 999_999}, {}, {}),
        ("max_price", {"max_request_price": 1}, {}, {"prices": Prices(0, 0, request=2)}),
        ("tools", {}, {"tools": True}, {"supported_parameters": frozenset()}),
        ("tool_choice", {}, {"tools": True, "tool_choice": "required"},
         {"tool_choices": frozenset({"auto"})}),
        ("tool_choice", {}, {"tools": True, "tool_choice": "function"},
         {"supported_parameters": frozenset({"tools"})}),
        ("context_length", {}, {"prompt_tokens": 100_001}, {}),
        ("context_length", {}, {"prompt_tokens": 60_000, "completion_tokens": 40_001}, {}),
        ("context_length", {}, {"completion_tokens": 11}, {"max_completion_tokens": 10}),
        ("require_parameters", {"require_parameters": True},
         {"parameters": frozenset({"seed"})}, {}),
    ],
)  # fmt: skip
def test_leaves_out_with_its_reason(
    reason: str, wishes: dict[str, Any], needs: dict[str, Any], fields: dict[str, Any]
) -> None:
    wished, needed = replace(NO_PREFERENCES, **wishes), replace(NO_NEEDS, **needs)

    assert _kept(wished, needed, **fields) == [reason]
    assert _kept(NO_PREFERENCES, NO_NEEDS, **fields) == []


def test_names_a_whole_provider_or_one_endpoint() -> None:
    one = make_endpoint(1, tag="p1/fp8")
    other = make_endpoint(2, tag="p1/bf16", provider_slug="p1", provider_name="P 1")
    admission = admit(make_model(one, other), REF)

    for name, expected in {"p1": [1, 2], "p1/fp8": [1], "p 1": [1, 2], "p": []}.items():
        wishes = replace(NO_PREFERENCES, only=frozenset({name}))
        kept = screen(admission, NO_NEEDS, wishes).kept
        assert [endpoint.id for endpoint in kept] == expected


def test_prefers_endpoints_with_a_soft_parameter_but_needs_none() -> None:
    able = make_endpoint(1, supported_parameters=frozenset({"response_format"}))
    unable = make_endpoint(2)
    needs = replace(NO_NEEDS, parameters=frozenset({"response_format"}))

    both = screen(admit(make_model(able, unable), REF), needs, NO_PREFERENCES)
    none = screen(admit(make_model(unable), REF), needs, NO_PREFERENCES)

    assert both.kept == (able,)
    assert both.reasons == ["unsupported:response_format"]
    assert none.kept == (unable,)


wishes_of_callers = st.builds(
    Preferences,
    only=st.none() | st.frozensets(st.sampled_from(["p1", "p2", "p9"]), min_size=1),
    ignore=st.frozensets(st.sampled_from(["p1", "p3"])),
    deny_data_collection=st.booleans(),
    zdr=st.booleans(),
    quantizations=st.none() | st.frozensets(st.sampled_from(["fp8", "fp4"]), min_size=1),
    max_prompt_price=st.none() | st.integers(0, 4),
    require_parameters=st.booleans(),
)
needs_of_requests = st.builds(
    Needs,
    parameters=st.frozensets(st.sampled_from(["tools", "seed", "response_format"])),
    tools=st.booleans(),
    tool_choice=st.sampled_from(["", "auto", "required"]),
    prompt_tokens=st.integers(0, 200_000),
    completion_tokens=st.none() | st.integers(1, 200_000),
)
endpoints = st.lists(
    st.builds(
        make_endpoint,
        st.integers(1, 5),
        price=st.integers(0, 5),
        quantization=st.sampled_from(["fp8", "fp4"]),
        trains_on_data=st.booleans(),
        zero_data_retention=st.booleans(),
        supported_parameters=st.frozensets(st.sampled_from(["tools", "seed", "response_format"])),
    ),
    unique_by=lambda endpoint: endpoint.id,
    max_size=5,
)


@given(endpoints, st.sets(st.integers(1, 5)), needs_of_requests, wishes_of_callers)
def test_only_ever_takes_away_and_says_why_of_each(
    candidates: list[Any], pool: set[int], needs: Needs, wishes: Preferences
) -> None:
    model = make_model(*candidates, pool=pool)

    screening = screen(admit(model, parse_model("acme/falcon-1:exacto")), needs, wishes)

    assert {endpoint.id for endpoint in screening.kept} <= pool
    told = [endpoint.id for endpoint, _ in screening.excluded]
    assert sorted([e.id for e in screening.kept] + told) == sorted(e.id for e in candidates)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_requires_no_name_of_the_limit_that_all_endpoints_take(name: str) -> None:
    needs = replace(NO_NEEDS, parameters=frozenset({name}))

    assert _kept(Preferences(require_parameters=True), needs) == []
