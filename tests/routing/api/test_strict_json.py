"""JSON read strictly: what any parser reads, or an error; never anything else."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routing.api.strict_json import JsonError, loads

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
        assert loads(body, depth=64, tokens=10_000) == value
    except JsonError:
        # Only text with half a surrogate pair may be refused.
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()


@given(st.binary() | st.text(alphabet='[]{},:"\\ud81eE+-.nulltrue \n').map(str.encode))
def test_reads_or_refuses_any_bytes(body: bytes) -> None:
    try:
        value = loads(body, depth=8, tokens=100)
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
        loads(body, depth=8, tokens=100)


def test_counts_no_brackets_inside_text() -> None:
    body = json.dumps({"a": "[" * 50, "b": ["{" * 50, '\\"[[[[[[[[[[']}).encode()

    assert loads(body, depth=8, tokens=200)["a"] == "[" * 50
