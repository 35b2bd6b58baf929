"""JSON read strictly: what any parser reads, or an error; never anything else."""

import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from routing.gateway.strict_json import JsonError, loads

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(values, st.booleans(), st.booleans())
@example('\U0001f600 \\ " \u2028', True, True)
@example({"[[[{{{": ']]]}}}\\"'}, False, False)
@example([2**63, 2**64, -(2**63) - 1, 1e21, -0.0, 1.0], True, False)
def test_reads_what_json_is(value: object, ascii_only: bool, blanks: bool) -> None:
    written = json.dumps(
        value, ensure_ascii=ascii_only, separators=(", ", ": ") if blanks else (",", ":")
    )
    body = written.encode("utf-8", "surrogatepass")

    try:
        # As text, for which 1 is not 1.0.
        assert repr(loads(body, depth=64, tokens=10_000, digits=30)) == repr(value)
    except JsonError:
        # Only text with half a surrogate pair may be refused.
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()


@given(st.dictionaries(st.text(), values, min_size=1), st.data())
def test_refuses_a_key_that_stands_twice(value: dict[str, object], data: st.DataObject) -> None:
    twice = data.draw(st.sampled_from(list(value)))
    pairs = [*value.items(), (twice, data.draw(st.just(value[twice]) | values))]
    written = ",".join(f"{_compact(name)}:{_compact(one)}" for name, one in pairs)

    with pytest.raises(JsonError, match="twice in one object"):
        loads(f"{{{written}}}".encode(), depth=64, tokens=10_000, digits=30)


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.binary() | st.text(alphabet='[]{},:"\\ud81eE+-.nulltrue \n').map(str.encode))
def test_reads_or_refuses_any_bytes(body: bytes) -> None:
    try:
        value = loads(body, depth=8, tokens=100, digits=30)
    except JsonError:
        return

    assert value == json.loads(body)
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a":1,"a":2}', "twice in one object at a$"),
        (b'[{"b":{"c":0,"c":0}}]', r"twice in one object at \[0\].b.c$"),
        (b'{"a b":[0,{"\\u00e9":1,"\xc3\xa9":1}]}', r'at \["a b"\]\[1\]\["\\u00e9"\]$'),
        (b'{"a":{"b":1,"b":2},"c":NaN}', "at a.b$"),
        (b"NaN", "NaN is not JSON at body"),
        (b'{"t":-Infinity}', "-Infinity is not JSON at t$"),
        (b"1e999", "too large at body"),
        (b"[" + b"9" * 31 + b"]", r"30 digits at \[0\]$"),
        (b'"\\ud800"', "surrogate pair at body$"),
        (b'{"m":[{"\\udfff":1}]}', r'surrogate pair at m\[0\]\["\\udfff"\]$'),
        (b'{"m":["\\ud83d\\ude00",{"c":"\\ud83d"}]}', r"surrogate pair at m\[1\].c$"),
        (b"[" * 9 + b"]" * 9, "nested too deep: at most 8 levels, at line 1 column 9$"),
        (b'{"a":\n' * 9 + b"1" + b"}" * 9, "at line 9 column 1$"),
        (b'{"[[[[[[[[[[":' + b"[" * 100_000, "at line 1 column 22$"),
        (b"[" + b"1," * 100 + b"1]", "too many"),
        (b'"\xff"', "UTF-8 at byte 1"),
        (b"[1,\n2,,]", "line 2 column 3"),
        (b'{"a":1,"a":2', "line 1"),
        (b"", "line 1"),
        (b"[1] x", "line 1"),
    ],
)
def test_says_what_it_refuses_and_where(body: bytes, why: str) -> None:
    with pytest.raises(JsonError, match=why) as refused:
        loads(body, depth=8, tokens=200_000 if len(body) > 1_000 else 100, digits=30)

    told = str(refused.value)
    assert all(str(part) in told for part in refused.value.place.values() if part != "body")
    assert refused.value.place


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a": '])
def test_nesting_without_end_is_told_before_anything_inside_it(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    # At some depth a parser's own patience ends, and an encoder's a little before.
    for levels in range(9, 1_100):
        body = opening * levels + b'"\\ud800"' + closing * levels
        with pytest.raises(JsonError, match="nested too deep"):
            loads(body, depth=8, tokens=200_000, digits=30)


def test_a_place_is_told_in_little() -> None:
    body = json.dumps({"k" * 10_000: {"n": 1}}).replace("1", "NaN").encode()

    with pytest.raises(JsonError) as refused:
        loads(body, depth=8, tokens=100, digits=30)

    assert len(refused.value.place["path"]) == 300


@given(st.lists(st.sampled_from(["a", "b c", 0, 2]), max_size=6))
def test_finds_the_one_fault_wherever_it_is(steps: list[str | int]) -> None:
    text, path = "NaN", ""
    for step in reversed(steps):
        text = f'{{"x":[],"{step}":{text}}}' if isinstance(step, str) else f"[{'1,' * step}{text}]"
    for step in steps:
        path += f'["{step}"]' if step == "b c" else f".{step}" if step == "a" else f"[{step}]"

    with pytest.raises(JsonError) as refused:
        loads(text.encode(), depth=8, tokens=100, digits=30)

    assert refused.value.place == {"path": path.removeprefix(".") or "body"}


def test_counts_no_brackets_inside_text() -> None:
    body = json.dumps({"a": "[" * 50, "b": ["{" * 50, '\\"[[[[[[[[[[']}).encode()

    assert loads(body, depth=8, tokens=200, digits=30)["a"] == "[" * 50


@pytest.mark.timeout(20)  # once this took hours
@pytest.mark.parametrize("quote", [b'\\"', b'\\\\"', b'"', b'""'], ids=repr)
def test_takes_time_linear_in_size_where_a_quote_is_missing(quote: bytes) -> None:
    body = b'"' + quote * 500_000 + b"[" * 100

    with pytest.raises(JsonError):
        loads(body, depth=64, tokens=1_000, digits=30)


def _depth(value: object) -> int:
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0)


@given(values, st.integers(1, 4))
@example([[[["[[["]]]], 3)
@example([[[["[[["]]]], 4)
def test_refuses_as_too_deep_exactly_what_is(value: object, depth: int) -> None:
    body = json.dumps(value, ensure_ascii=True).encode()
    assume(b"\\ud" not in body)

    if _depth(value) <= depth:
        assert loads(body, depth=depth, tokens=1_000, digits=30) == value
    else:
        with pytest.raises(JsonError, match="nested too deep"):
            loads(body, depth=depth, tokens=1_000, digits=30)


@pytest.mark.parametrize("levels", [65, 1_000, 100_000])
def test_refuses_any_depth(levels: int) -> None:
    with pytest.raises(JsonError, match="nested too deep"):
        loads(b"[" * levels + b"]" * levels, depth=64, tokens=300_000, digits=30)
