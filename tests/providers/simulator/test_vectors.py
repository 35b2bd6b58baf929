"""Simulated embeddings: the same text, the same vector; a strict server's complaints; faults."""

import asyncio
import base64
import math
import struct
from typing import Any

import aiohttp
import pytest

from providers.simulator.fleet import FleetError, parse
from providers.simulator.server import running
from tests.providers.simulator.rehearsal import small_fleet

FLEET = {
    "providers": {
        slug: {
            "endpoints": [
                {"model": "v", "dimensions": 8, "ttft_ms": 0},
                {"model": "m", "ttft_ms": 0, "tokens_per_second": 0},
            ]
        }
        for slug in ("x", "y")
    }
}


def ask(*bodies: Any, provider: str = "x", path: str = "embeddings") -> list[tuple[int, Any]]:
    async def run() -> list[tuple[int, Any]]:
        answers = []
        async with running(parse(FLEET), seed=1) as url, aiohttp.ClientSession() as session:
            for body in bodies:
                where = f"{url}/{provider}/v1/{path}"
                async with session.post(where, json={"model": "v", **body}) as response:
                    answers.append((response.status, await response.json(content_type=None)))
        return answers

    return asyncio.run(run())


def numbers(answer: tuple[int, Any], at: int = 0) -> list[float]:
    assert answer[0] == 200, answer
    told: list[float] = answer[1]["data"][at]["embedding"]
    return told


def test_one_text_has_one_vector_of_unit_length_everywhere() -> None:
    here, again, other = ask({"input": "A text"}, {"input": ["A text"]}, {"input": "Another"})
    [there] = ask({"input": "A text"}, provider="y")

    assert numbers(here) == numbers(again) == numbers(there)
    assert numbers(here) != numbers(other)
    assert len(numbers(here)) == 8
    assert math.fsum(x * x for x in numbers(here)) == pytest.approx(1)


def test_every_input_has_its_vector_in_order_and_is_counted() -> None:
    many, first = ask({"input": ["one", "two and more"]}, {"input": "one"})

    assert [one["index"] for one in many[1]["data"]] == [0, 1]
    assert numbers(many) == numbers(first)
    assert many[1]["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_takes_token_ids_and_parts() -> None:
    ids, lists, parts, text = ask(
        {"input": [1, 2, 3]},
        {"input": [[1, 2, 3], [4]]},
        {"input": [{"content": [{"type": "text", "text": "one"}]}]},
        {"input": "one"},
    )

    assert numbers(ids) == numbers(lists)
    assert ids[1]["usage"]["prompt_tokens"] == 3
    assert numbers(parts) == numbers(text)


def test_tells_base64_and_fewer_dimensions() -> None:
    plain, packed, short = ask(
        {"input": "one"},
        {"input": "one", "encoding_format": "base64"},
        {"input": "one", "dimensions": 2},
    )

    data = base64.b64decode(packed[1]["data"][0]["embedding"])
    assert list(struct.unpack("<8f", data)) == pytest.approx(numbers(plain))
    ratio = numbers(plain)[0] / numbers(short)[0]
    assert numbers(plain)[:2] == pytest.approx([ratio * x for x in numbers(short)])
    assert math.fsum(x * x for x in numbers(short)) == pytest.approx(1)


@pytest.mark.parametrize(
    "body",
    [
        {"input": []},
        {"input": None},
        {"input": [""]},
        {"input": [[]]},
        {"input": "one", "dimensions": 9},
        {"input": "one", "dimensions": 0},
        {"input": "one", "encoding_format": "hex"},
        {"input": "[[nonsense]]"},
    ],
)
def test_refuses_what_a_strict_server_would(body: Any) -> None:
    [(status, answer)] = ask(body)

    assert status == 400
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("[[fault:http_503]]", 503),
        ("[[fault@x:http_429:7]]", 429),
        ("[[fault@y:http_503]]", 200),
        ("[[fault:wrong_object]]", 200),
    ],
)
def test_shows_the_faults_it_is_told_to(text: str, status: int) -> None:
    [(got, answer)] = ask({"input": ["one", text]})

    assert got == status
    if "wrong_object" in text:
        assert answer["data"] == []


def test_chats_with_no_embeddings_model_and_embeds_with_no_other() -> None:
    [(chatted, _)] = ask({"messages": [{"role": "user", "content": "Hi"}]}, path="chat/completions")
    [(embedded, _)] = ask({"model": "m", "input": "one"})

    assert (chatted, embedded) == (404, 404)


def test_dimensions_must_be_a_number() -> None:
    with pytest.raises(FleetError, match="dimensions"):
        small_fleet(dimensions="many")
