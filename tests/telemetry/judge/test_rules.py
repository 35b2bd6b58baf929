import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.judge.rules import Judgement, judge, parse_arguments
from telemetry.judge.validators import ValidatorCache
from tests.telemetry.judge.exchanges import TOOLS, call, exchange, tool


def verdict(*calls: object, **changes: object) -> Judgement:
    return judge(exchange(*calls, **changes), ValidatorCache())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "arguments", "expected", "where"),
    [
        pytest.param("get_weather", '{"city": "Oslo"}', "valid", "", id="valid"),
        pytest.param("get_weather", '{"city": ', "invalid_json", "syntax", id="cut"),
        pytest.param("get_weather", "{'city': 'Oslo'}", "invalid_json", "syntax", id="quotes"),
        pytest.param("get_weather", {"city": "Oslo"}, "invalid_json", "not_text", id="object"),
        pytest.param("get_weather", None, "invalid_json", "not_text", id="null"),
        pytest.param("get_weather", "", "invalid_json", "empty", id="empty but required"),
        pytest.param("getWeather", '{"city": "Oslo"}', "unknown_name", "", id="unknown"),
        pytest.param("getWeather", "{", "invalid_json", "syntax", id="JSON before name"),
        pytest.param("getWeather", "", "invalid_json", "empty", id="empty before name"),
        pytest.param("get_weather", "{}", "schema_mismatch", "/city required", id="missing"),
        pytest.param("get_weather", '{"city": 3}', "schema_mismatch", "/city type", id="type"),
        pytest.param("get_weather", '"Oslo"', "schema_mismatch", " type", id="not an object"),
        pytest.param("ping", "[1]", "valid", "", id="no schema takes anything"),
    ],
)
def test_one_call(name: str, arguments: object, expected: str, where: str) -> None:
    judgement = verdict(call(name, arguments))

    assert judgement.verdict == expected
    assert judgement.calls == 1
    if expected == "valid":
        assert (judgement.bad_calls, judgement.errors) == (0, ())
    else:
        assert (judgement.bad_calls, judgement.errors) == (1, ((expected, where),))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(' {"a": 1, "a": 2}\n', {"a": 2}, id="last duplicate wins"),
        pytest.param(r'"\ud800"', "�", id="lone surrogate"),
        pytest.param('"\ud800"', "�", id="lone surrogate, unescaped"),
        pytest.param(r'"\ud83d\ude00"', "😀", id="surrogate pair"),
        pytest.param("1e400", 1.7976931348623157e308, id="too large for a double"),
        pytest.param("-1" + "0" * 5000, -1.7976931348623157e308, id="5,000 digits"),
        pytest.param("123456789012345678901234567890", 1.2345678901234568e29, id="30 digits"),
        pytest.param("[1.0, -0, true, null]", [1.0, 0, True, None], id="scalars"),
    ],
)
def test_accepts_what_json_parse_accepts(text: str, value: object) -> None:
    assert parse_arguments(text, 10_000) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "NaN", "Infinity", "-Infinity", "{'a':1}", "[1,]", "01", "1.", ".5", "+1", '"\t"'),
        *("{} {}", "\ufeff{}", "\u00a0{}", "undefined", '{"a":1', "// x\n{}", r'"\x41"', "True"),
        '{"a":NaN}',
    ],
)
def test_refuses_what_json_parse_refuses(text: str) -> None:
    judgement = judge(exchange(call("ping", text)), ValidatorCache(), lenient=False)

    assert judgement.verdict == "invalid_json"


def test_empty_arguments_are_excused_where_nothing_is_required() -> None:
    calls = exchange(call("get_time", ""))

    excused = judge(calls, ValidatorCache())
    published = judge(calls, ValidatorCache(), lenient=False)

    assert (excused.verdict, excused.reason) == ("valid", "empty_arguments")
    assert (published.verdict, published.errors) == ("invalid_json", (("invalid_json", "empty"),))


def test_empty_arguments_of_a_cut_reply_are_not_excused() -> None:
    judgement = verdict(call("get_time", ""), completed=False)

    assert judgement.verdict == "invalid_json"
    assert judgement.truncated_arguments


def test_the_worst_call_decides() -> None:
    good, unknown, broken = call(), call("nope"), call(arguments="{")
    mismatch = call(arguments="{}")

    assert verdict(good, mismatch).verdict == "schema_mismatch"
    assert verdict(mismatch, unknown, good).verdict == "unknown_name"
    judgement = verdict(good, mismatch, unknown, broken)
    assert judgement.verdict == "invalid_json"
    assert (judgement.calls, judgement.bad_calls) == (4, 3)


def test_lists_at_most_eight_errors() -> None:
    judgement = verdict(*[call("nope")] * 20)

    assert (judgement.bad_calls, len(judgement.errors)) == (20, 8)


def test_an_unjudged_call_hides_neither_a_bad_one_nor_behind_a_good_one() -> None:
    large = call(arguments="[" * 1025)

    assert verdict(call("get_time", ""), large).reason == "arguments_too_large"
    assert verdict(call(), large).verdict == "unjudged"
    assert verdict(call("nope"), large).verdict == "unknown_name"


@pytest.mark.parametrize(
    "arguments",
    ["[" * 1025 + "]" * 1025, '{"a":' * 1025, '"' + "x" * 256 * 1024 + '"', '"' + "é" * 132_000],
)
def test_does_not_judge_huge_arguments(arguments: str) -> None:
    judgement = verdict(call(arguments=arguments))

    assert (judgement.verdict, judgement.reason) == ("unjudged", "arguments_too_large")


def test_depth_is_counted_outside_strings() -> None:
    assert verdict(call("ping", json.dumps("[" * 5000))).verdict == "valid"
    assert verdict(call("ping", "[" * 1024 + "]" * 1024)).verdict == "valid"
    assert verdict(call("ping", "[" + "[]," * 5000 + "[]]")).verdict == "valid"


def test_tools_without_a_usable_schema_take_anything() -> None:
    broken: list[object] = [
        None,
        {"required": {"city": True}},
        {"type": "dict"},
        {"$ref": "#/nowhere"},
        [],
        "x",
    ]
    for schema in broken:
        tools = orjson.dumps([{"function": {"name": "f", "parameters": schema}}])

        assert verdict(call("f", "5"), tools=tools).verdict == "valid", schema


def test_no_tools_offered_makes_every_name_unknown() -> None:
    assert verdict(call(), tools=b"[]").verdict == "unknown_name"
    assert verdict(call(), tools=b"").verdict == "unknown_name"


def test_unreadable_or_huge_tools_are_not_held_against_the_provider() -> None:
    assert verdict(call(), tools=b"{").reason == "tools_unreadable"
    assert verdict(call(), tools=b'{"a": 1}').reason == "tools_unreadable"
    assert verdict(call(), tools=b"[" + b" " * 512 * 1024 + b"]").reason == "tools_too_large"
    assert verdict(call(), tools=b"[" * 5000).reason == "tools_unreadable"


def test_odd_tools_do_not_hide_the_others() -> None:
    tools = orjson.dumps([1, None, {"type": "web_search"}, {"function": {"name": 5}}, tool("ping")])

    assert verdict(call("ping"), tools=tools).verdict == "valid"


def test_the_first_of_two_tools_with_one_name_counts() -> None:
    tools = orjson.dumps([tool("f", {"type": "string"}), tool("f", {"type": "number"})])

    assert verdict(call("f", '"a"'), tools=tools).verdict == "valid"


def test_never_repeats_what_the_model_wrote() -> None:
    schema = {
        "properties": {"to": {"additionalProperties": {"type": "string", "const": "s3cret-const"}}},
        "additionalProperties": False,
    }
    tools = orjson.dumps([tool("send", schema)])
    for arguments in ('{"to": {"s3cret@example.org": 5}}', '{"s3cret": 1}', '{"to": "s3cret"}'):
        judgement = verdict(call("send", arguments), call("s3cret", "{}"), tools=tools)

        assert judgement.bad_calls == 2 or arguments == '{"to": "s3cret"}'
        assert "s3cret" not in repr(judgement)


def test_a_reply_without_calls() -> None:
    judgement = verdict()

    assert judgement == Judgement("no_tool_calls")
    assert verdict(finish_reason="tool_calls").reason == "calls_missing"


@pytest.mark.parametrize(
    ("changes", "violated"),
    [
        pytest.param({"tool_choice": "none"}, True, id="none but calls"),
        pytest.param({"tool_choice": "none", "calls": ()}, False, id="none and none"),
        pytest.param({"tool_choice": "required"}, False, id="required and called"),
        pytest.param({"tool_choice": "required", "calls": ()}, True, id="required but none"),
        pytest.param({"tool_choice": "named:get_weather"}, False, id="named and called"),
        pytest.param({"tool_choice": "named:get_time"}, True, id="named but another"),
        pytest.param({"tool_choice": "named:get_time", "calls": ()}, True, id="named but none"),
        pytest.param({"tool_choice": "auto", "calls": ()}, False, id="auto"),
        pytest.param({"tool_choice": "none", "completed": False}, False, id="not completed"),
        pytest.param(
            {"tool_choice": "required", "calls": (), "finish_reason": "length"}, False, id="cut"
        ),
    ],
)
def test_tool_choice(changes: dict[str, object], violated: bool) -> None:
    assert verdict(call(), **changes).tool_choice_violated is violated


@pytest.mark.parametrize(
    ("changes", "empty"),
    [
        pytest.param({"content": " \n"}, True, id="blank"),
        pytest.param({"content": "hi"}, False, id="text"),
        pytest.param({"content": "", "finish_reason": "length"}, False, id="out of tokens"),
        pytest.param({"content": "", "finish_reason": "content_filter"}, False, id="filtered"),
        pytest.param({"content": "", "completed": False}, False, id="broken off"),
    ],
)
def test_empty_reply(changes: dict[str, object], empty: bool) -> None:
    assert verdict(**changes).empty_reply is empty


def test_truncated_arguments_need_a_cut_reply() -> None:
    assert verdict(call(arguments='{"ci'), finish_reason="length").truncated_arguments
    assert verdict(call(arguments='{"ci'), completed=False).truncated_arguments
    assert not verdict(call(arguments='{"ci')).truncated_arguments
    assert not verdict(call(), finish_reason="length").truncated_arguments


def test_duplicate_ids_must_not_be_empty() -> None:
    assert verdict(call(id="a"), call(id="a")).duplicate_ids
    assert not verdict(call(id="a"), call(id="b")).duplicate_ids
    assert not verdict(call(id=""), call(id="")).duplicate_ids


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "type properties items $ref allOf anyOf not required enum pattern prefixItems "
                "format additionalProperties dependencies definitions if minimum const".split()
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=24,
)


@settings(deadline=None)
@given(schema=JSON, arguments=JSON | st.text(max_size=40), name=st.sampled_from(["f", "g", ""]))
def test_never_raises_and_depends_on_its_inputs_alone(
    schema: object, arguments: object, name: str
) -> None:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    tools = json.dumps([{"function": {"name": "f", "parameters": schema}}]).encode()
    case = exchange(call(name, text), call(name, arguments), tools=tools)
    used = ValidatorCache()
    judge(exchange(call()), used)

    first = judge(case, ValidatorCache())

    assert first == judge(case, used) == judge(case, used)


@settings(deadline=None)
@given(tools=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_never_raises_whatever_the_tools_are(tools: bytes) -> None:
    assert verdict(call(), tools=tools).verdict in ("unknown_name", "unjudged", "valid")


def test_cache_is_filled_only_for_called_tools() -> None:
    cache = ValidatorCache()

    judge(exchange(call(), tools=TOOLS), cache)

    assert cache.entries == 1
