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


@given(values, st.booleans())
@example('\U0001f600 \\ " \u2028', True)
@example({"[[[{{{": ']]]}}}\\"'}, False)
def test_reads_what_json_is(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    try:
        assert loads(body, depth=64, tokens=10_000, digits=30) == value
    except JsonError:
        # Only text with half a surrogate pair may be refused.
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()


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
        (b'{"a":1,"a":2}', "twice"),
        (b'[{"b":{"c":0,"c":0}}]', "twice"),
        (b"NaN", "NaN"),
        (b"-Infinity", "Infinity"),
        (b"1e999", "too large"),
        (b"[" + b"9" * 31 + b"]", "digits"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b"[" * 9 + b"]" * 9, "nested"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "nested"),
        (b"[" + b"1," * 100 + b"1]", "too many"),
        (b'"\xff"', "UTF-8 at byte 1"),
        (b"[1,\n2,,]", "line 2"),
        (b"", "line 1"),
        (b"[1] x", "line 1"),
    ],
)
def test_says_what_it_refuses(body: bytes, why: str) -> None:
    with pytest.raises(JsonError, match=why):
        loads(body, depth=8, tokens=100, digits=30)


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
