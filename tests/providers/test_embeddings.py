"""Embeddings as providers send them: checked, put in order, in the encoding asked for."""

import base64
import json
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.embeddings import Encoding, Vectors, vectors_of_body
from providers.errors import ProviderError, UpstreamErrorInside200, UpstreamMalformed
from providers.usage import Usage

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1, 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
vectors = st.integers(1, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.floats(-2, 2, width=32), min_size=size, max_size=size), min_size=1, max_size=4
    )
)
encodings: st.SearchStrategy[Encoding] = st.sampled_from(["float", "base64"])


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def unpacked(text: bytes) -> list[float]:
    told = json.loads(text)
    if isinstance(told, str):
        data = base64.b64decode(told)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    assert isinstance(told, list)
    return told


def body_of(*told: Any, **fields: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(told)]
    return {"object": "list", "data": data, "model": "m", **fields}


def read(
    body: Any, count: int = 1, encoding: Encoding = "float", cut: int = 1024, **options: Any
) -> Vectors:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    return vectors_of_body(pieces, count=count, encoding=encoding, **options)


@given(vectors, encodings, encodings, st.randoms(), st.sampled_from([None, 1]), st.integers(1, 99))
def test_each_vector_is_told_at_its_input_in_the_encoding_asked_for(
    told: list[list[float]],
    sent: Encoding,
    asked: Encoding,
    rng: Any,
    indent: int | None,
    cut: int,
) -> None:
    body = body_of(*(told if sent == "float" else map(packed, told)))
    rng.shuffle(body["data"])

    found = read(json.dumps(body, indent=indent).encode(), len(told), asked, cut)

    assert [unpacked(text) for text in found.texts] == told
    assert all(text.startswith(b'"' if asked == "base64" else b"[") for text in found.texts)


@given(vectors, st.data())
def test_any_wrong_number_of_vectors_is_the_providers_failure(
    told: list[list[float]], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 6).filter(lambda n: n != len(told)))

    with pytest.raises(UpstreamMalformed):
        read(body_of(*told), count)


@given(json_values, st.integers(1, 3), encodings)
def test_raises_nothing_but_provider_errors(value: Any, count: int, encoding: Encoding) -> None:
    for body in (value, {"data": value}, body_of(*[value] * count), body_of([1], usage=value)):
        try:
            found = read(body, count, encoding)
        except ProviderError:
            continue
        assert len(found.texts) == count


@given(st.binary(max_size=60))
def test_raises_nothing_else_for_any_bytes(data: bytes) -> None:
    for body in (data, b'{"data":[{"embedding":[' + data + b"]}]}", b'{"data":' + data + b"}"):
        try:
            found = read(body)
        except ProviderError:
            continue
        json.loads(found.texts[0])


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param([], id="empty"),
        pytest.param([[1.0]], id="nested"),
        pytest.param([0.1, None], id="null"),
        pytest.param([True], id="a bool"),
        pytest.param("", id="empty base64"),
        pytest.param("AAA", id="no base64"),
        pytest.param("AAAA", id="three bytes"),
        pytest.param("Good day", id="words"),
        pytest.param(packed([float("nan")]), id="not a number"),
        pytest.param(7, id="a number"),
        pytest.param(None, id="nothing"),
    ],
)
def test_refuses_what_is_no_vector(vector: Any) -> None:
    with pytest.raises(UpstreamMalformed):
        read(body_of(vector))


@pytest.mark.parametrize("text", [b"[1,,2]", b"[NaN]", b"[-]", b"[1 2]", b"[01]", b"[1"])
def test_refuses_numbers_that_are_no_json(text: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        read(b'{"data": [{"index": 0, "embedding": ' + text + b"}]}")


@pytest.mark.parametrize(
    ("indexes", "is_good"),
    [
        pytest.param([1, 0], True, id="in another order"),
        pytest.param([None, None], True, id="none"),
        pytest.param([0, 0], False, id="one twice"),
        pytest.param([1, 2], False, id="from one"),
        pytest.param([0, None], False, id="one missing"),
        pytest.param([False, True], False, id="no numbers"),
    ],
)
def test_indexes_must_be_those_of_the_inputs(indexes: list[Any], is_good: bool) -> None:
    body = body_of([1.0], [2.0])
    for item, index in zip(body["data"], indexes, strict=True):
        item["index"] = index

    if is_good:
        wanted = [b"[2.0]", b"[1.0]"] if indexes == [1, 0] else [b"[1.0]", b"[2.0]"]
        assert read(body, 2).texts == wanted
    else:
        with pytest.raises(UpstreamMalformed):
            read(body, 2)


def test_all_vectors_are_as_long_as_was_asked_or_all_alike() -> None:
    assert len(read(body_of([1.0, 2.0], [3.0, 4.0]), 2, dimensions=2).texts) == 2
    with pytest.raises(UpstreamMalformed):
        read(body_of([1.0, 2.0]), dimensions=3)
    with pytest.raises(UpstreamMalformed):
        read(body_of([1.0, 2.0], [3.0]), 2)


def test_passes_numbers_on_as_they_were_written() -> None:
    found = read(b'{"data":[{"embedding": [0.10000000000000000001, -1E-3, 4]}]}')

    assert found.texts == [b"[0.10000000000000000001, -1E-3, 4]"]


def test_reads_base64_whose_slashes_are_escaped() -> None:
    largest = [float.fromhex("0x1.fffffep+127")]
    text = packed(largest)
    assert "/" in text

    found = read(b'{"data":[{"embedding":"%s"}]}' % text.replace("/", "\\/").encode())

    assert unpacked(found.texts[0]) == largest


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        pytest.param({"prompt_tokens": 7, "total_tokens": 7}, Usage(7), id="OpenAI"),
        pytest.param({"total_tokens": 7}, Usage(7), id="a total only"),
        pytest.param({"input_tokens": 7}, Usage(7), id="another word"),
        pytest.param({"prompt_tokens": 7, "completion_tokens": 9}, Usage(7), id="a completion"),
        pytest.param({}, None, id="empty"),
        pytest.param(None, None, id="none"),
        pytest.param([7], None, id="a list"),
    ],
)
def test_counts_the_prompt_alone(usage: Any, counted: Usage | None) -> None:
    assert read(body_of([1.0], usage=usage)).usage == counted


def test_tells_tokens_by_modality() -> None:
    details = {"text_tokens": 3, "image_tokens": 9, "audio_tokens": 0, "file_tokens": "1"}

    found = read(body_of([1.0], usage={"prompt_tokens": 12, "prompt_tokens_details": details}))

    assert found.details == {"text_tokens": 3, "image_tokens": 9}


def test_an_error_where_vectors_were_due_is_what_it_says() -> None:
    with pytest.raises(UpstreamErrorInside200) as raised:
        read({"error": {"message": "slow down", "code": 429}})

    assert raised.value.outcome == "rate_limited"


def test_does_not_read_what_is_far_too_much() -> None:
    with pytest.raises(UpstreamMalformed, match="more vectors"):
        read(body_of(*[[1.0]] * 3), 2)
    with pytest.raises(UpstreamMalformed, match="no vector"):
        read(body_of([1.0], padding="x" * 100_000))


def test_what_is_told_can_stand_in_json() -> None:
    found = read(body_of([1.0], [2.0]), 2)

    told = orjson.dumps([orjson.Fragment(text) for text in found.texts])

    assert json.loads(told) == [[1.0], [2.0]]
