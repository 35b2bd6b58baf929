"""POST /embeddings over HTTP: chat's routing, limits and facts for an answer of vectors."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live import Answer, LiveGateway, eventually
from tests.routing import live_catalog
from tests.routing.conftest import FIRST, Chat
from tests.scripted_upstream import ScriptedUpstream, Step, Visit, answer

EMBEDDINGS = "/api/v1/embeddings"
# 5 prompt tokens at 0.000002.
COST = 0.00001


def vectors(*told: Any, **fields: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(told)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "data": data, "model": "up", "usage": usage, **fields}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@dataclass(frozen=True, slots=True)
class Embedding:
    """One request of a test: a model of its own, a nonce, and what the providers do with it."""

    gateway: LiveGateway
    upstream: ScriptedUpstream
    model: str
    nonce: str

    @property
    def input(self) -> str:
        return f"Hello nonce:{self.nonce} "

    def script(self, **programs: tuple[Step, ...]) -> None:
        """Say what providers do; those off the allowlist must never be asked."""
        self.upstream.script(self.nonce, only=live_catalog.POOL, **programs)

    def post(self, key: str | None = None, **fields: Any) -> Answer:
        asked = {"model": f"{self.model}:exacto", "input": self.input, "provider": FIRST}
        return self.gateway.post(EMBEDDINGS, asked | fields, key=key)

    def seen(self, provider: str = "") -> list[Visit]:
        return self.upstream.seen(self.nonce, provider)

    def row(self, answered: Answer) -> dict[str, Any]:
        """Return what GET /generation tells."""
        self.gateway.ingest()
        path = f"/api/v1/generation?id={answered.headers['x-generation-id']}"
        key = self.gateway.key
        got = eventually(lambda: (one := self.gateway.get(path, key=key)).status == 200 and one)
        row: dict[str, Any] = got.json["data"]
        return row


@pytest.fixture(scope="module")
def fresh_embedders() -> live_catalog.FreshModels:
    return live_catalog.FreshModels(live_catalog.EMBEDDERS, live_catalog.embedder_slug)


@pytest.fixture
def embedding(
    live: LiveGateway, upstream: ScriptedUpstream, fresh_embedders: live_catalog.FreshModels
) -> Iterator[Embedding]:
    yield Embedding(live, upstream, fresh_embedders.take(), live_catalog.new_nonce())
    assert upstream.violations == []


def test_answers_in_the_shape_all_clients_parse(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([0.25, -1])),))

    answered = embedding.post(user="someone", input_type="search_query")

    assert answered.status == 200
    body = answered.json
    assert body == {
        "id": answered.headers["x-generation-id"],
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1]}],
        "model": embedding.model,
        "provider": "Amber AI",
        "usage": {
            "prompt_tokens": 5,
            "total_tokens": 5,
            "cost": COST,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": COST,
                "upstream_inference_prompt_cost": COST,
                "upstream_inference_completions_cost": 0,
            },
        },
    }
    [visit] = embedding.seen()
    assert visit.body == {
        "model": f"up-{embedding.model.partition('/')[2]}",
        "input": embedding.input,
        "user": "someone",
        "input_type": "search_query",
    }


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        pytest.param([0.5, 1.5], "base64", id="numbers to base64"),
        pytest.param(packed(0.5, 1.5), "float", id="base64 to numbers"),
        pytest.param(packed(0.5, 1.5), "base64", id="base64 as it is"),
        pytest.param(packed(0.5, 1.5), None, id="numbers unless asked"),
    ],
)
def test_tells_vectors_in_the_encoding_asked_for(
    embedding: Embedding, told: Any, asked: str | None
) -> None:
    embedding.script(amber=(answer(vectors(told)),))

    body = embedding.post(encoding_format=asked).json

    wanted = packed(0.5, 1.5) if asked == "base64" else [0.5, 1.5]
    assert body["data"][0]["embedding"] == wanted


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda text: ["one", text], id="texts"),
        pytest.param(lambda text: [{"content": [{"type": "text", "text": "one"}]},
                                   {"content": [{"type": "image_url", "image_url": {"url": "x:"}},
                                                {"type": "text", "text": text}]}], id="parts"),
    ],
)  # fmt: skip
def test_takes_many_inputs_and_puts_their_vectors_in_order(embedding: Embedding, made: Any) -> None:
    turned = vectors([1], [2])
    turned["data"].reverse()
    embedding.script(amber=(answer(turned),))

    body = embedding.post(input=made(embedding.input)).json

    assert [(one["index"], one["embedding"]) for one in body["data"]] == [(0, [1]), (1, [2])]
    assert embedding.seen()[0].body["input"] == made(embedding.input)


@pytest.mark.parametrize("tokens", [[15496, 11], [[15496], [11, 12]]])
def test_takes_token_ids(embedding: Embedding, tokens: Any) -> None:
    answered = embedding.post(input=tokens)

    assert answered.status == 200
    assert len(answered.json["data"]) == (len(tokens) if isinstance(tokens[0], list) else 1)
    # They carry no nonce, so the provider's log has them among what nobody scripted.
    sent = [one.body.get("input") for one in embedding.upstream.seen("")]
    assert tokens in sent


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        pytest.param({"input": None}, "input", id="none"),
        pytest.param({"input": []}, "input", id="an empty list"),
        pytest.param({"input": {"content": []}}, "input", id="an object"),
        pytest.param({"input": ["a", 3]}, "input[1]", id="a number among texts"),
        pytest.param({"input": [1, "a"]}, "input", id="a text among token ids"),
        pytest.param({"input": [[1], []]}, "input[1]", id="no token ids"),
        pytest.param({"input": [[1], [1.5]]}, "input[1]", id="half a token id"),
        pytest.param({"input": [None]}, "input[0]", id="null"),
        pytest.param({"input": [{"content": "text"}]}, "input[0]", id="content that is no list"),
        pytest.param({"input": [{"content": [{}]}]}, "input[0].content[0]", id="an untyped part"),
        pytest.param({"input": ["a"] * 2049}, "input", id="too many"),
        pytest.param({"encoding_format": "int8"}, "encoding_format", id="another encoding"),
        pytest.param({"dimensions": 0}, "dimensions", id="no dimensions"),
        pytest.param({"models": ["acme/v-01"]}, "models", id="another model"),
        pytest.param({"model": None}, "model", id="no model"),
        pytest.param({"provider": {"order": "amber"}}, "provider.order", id="a preference"),
    ],
)
def test_refuses_what_cannot_be_read_and_names_it(
    live: LiveGateway, fields: dict[str, Any], path: str
) -> None:
    answered = live.post(EMBEDDINGS, {"model": "acme/v-00", "input": "Hi", **fields})

    assert answered.status == 400
    assert answered.error["metadata"]["path"] == path
    assert answered.error["message"].startswith(f"{path}: ") or path == "model"


def test_is_never_asked_of_a_chat_model_nor_chat_of_an_embeddings_model(
    embedding: Embedding, chat: Chat
) -> None:
    wrong = embedding.post(model=chat.pooled)
    chatted = chat.post(model=embedding.model)
    fallback = chat.post(models=[embedding.model])
    texted = embedding.gateway.post(
        "/api/v1/completions", {"model": embedding.model, "prompt": "Hi"}
    )

    for answered, name, path in (
        (wrong, "chat/completions", "model"),
        (chatted, "embeddings", "model"),
        (fallback, "embeddings", "models[0]"),
        (texted, "embeddings", "model"),
    ):
        assert answered.status == 400
        assert answered.error["availability"]["code"] == "wrong_endpoint"
        assert answered.error["metadata"]["path"] == path
        assert f"/api/v1/{name}" in answered.error["message"]
    assert embedding.seen() == chat.seen() == []


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        pytest.param((answer({}, 503),), "http_5xx", id="503"),
        pytest.param((answer({}, 429),), "rate_limited", id="429"),
        pytest.param((answer(b"<html>", kind="text/html"),), "malformed", id="a page"),
        pytest.param((answer(b'{"data": ['),), "malformed", id="cut JSON"),
        pytest.param((answer(vectors()),), "malformed", id="no vectors"),
        pytest.param((answer(vectors([1], [2])),), "malformed", id="too many"),
        pytest.param((answer(vectors([])),), "malformed", id="an empty vector"),
        pytest.param((answer(vectors("%%%")),), "malformed", id="no base64"),
        pytest.param((answer(vectors([1, None])),), "malformed", id="no numbers"),
        pytest.param((answer(vectors([1, 2, 3])),), "malformed", id="another length"),
        pytest.param(
            (answer({"error": {"message": "x", "code": 500}}),), "http_5xx", id="an error in 200"
        ),
    ],
)
def test_asks_the_next_endpoint_for_what_one_cannot_give(
    embedding: Embedding, steps: tuple[Step, ...], outcome: str
) -> None:
    embedding.script(amber=steps, basalt=(answer(vectors([1, 2])),))

    answered = embedding.post(dimensions=2)

    assert answered.status == 200, answered.body
    assert answered.json["provider"] == "Basalt AI"
    assert answered.json["data"][0]["embedding"] == [1, 2]
    assert embedding.seen("amber")[0].body["dimensions"] == 2
    row = embedding.row(answered)
    assert [one["outcome"] for one in row["provider_responses"]] == [outcome, "ok"]


def test_says_which_provider_failed_when_all_have(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors()),), basalt=(answer(vectors()),))

    answered = embedding.post()

    assert answered.status == 502
    assert answered.error["metadata"]["provider_name"] == "Basalt AI"


def test_does_not_try_elsewhere_what_the_provider_refuses(embedding: Embedding) -> None:
    refusal = answer({"error": {"message": "input cannot be empty"}}, 400)
    embedding.script(amber=(refusal,))

    answered = embedding.post()

    assert answered.status == 400
    assert answered.error["message"] == "input cannot be empty"
    assert len(embedding.seen()) == 1


def test_keeps_to_the_allowlist_and_to_preferences(embedding: Embedding) -> None:
    embedding.script(basalt=(answer(vectors([1])),))

    only = embedding.post(provider={"only": ["basalt", "cobalt"]})
    off = embedding.post(provider={"only": ["cobalt", "dune"]})

    assert only.json["provider"] == "Basalt AI"
    assert off.status == 404
    assert "exacto_pool" in off.error["availability"]["excluded_by"]


def test_goes_nowhere_with_an_input_that_fits_nowhere(embedding: Embedding) -> None:
    answered = embedding.post(input=["short", "word " * 90_000])

    assert answered.status == 404
    assert "context_length" in answered.error["availability"]["excluded_by"]


def test_many_inputs_may_be_longer_together_than_an_endpoint_takes_one(
    embedding: Embedding,
) -> None:
    embedding.script(amber=(answer(vectors([1], [2])),))

    answered = embedding.post(input=["word " * 60_000, "word " * 60_000 + embedding.input])

    assert answered.status == 200


def test_refuses_with_402_what_a_key_may_not_spend(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))
    key = embedding.gateway.create_key("vectors", rpm=0, in_flight=0, limit="0.000030")

    answered = [embedding.post(key=key).status for _ in range(4)]
    refused = embedding.post(key=key, input="long " * 100 + embedding.input)

    # Each of these may cost about 8 tokens, and costs 5; the last would be 127.
    assert answered[0] == 200
    assert refused.status == 402
    assert refused.error["metadata"]["limit_source"] == "api_key"


def test_settles_what_the_provider_counted(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))
    key = embedding.gateway.create_key("counted", rpm=0, in_flight=0, limit="1")

    assert embedding.post(key=key).status == 200
    embedding.gateway.ingest()

    def spent() -> Any:
        told = embedding.gateway.get("/api/v1/key", key=key).json["data"]
        return told["usage"] == pytest.approx(COST)

    eventually(spent)


def test_refuses_with_429_what_is_too_fast(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))
    key = embedding.gateway.create_key("hasty", rpm=1, in_flight=0)

    first, second = embedding.post(key=key), embedding.post(key=key)

    assert (first.status, second.status) == (200, 429)
    assert int(second.headers["retry-after"]) >= 1


def test_bills_by_an_estimate_what_nobody_counted(embedding: Embedding) -> None:
    uncounted = {name: value for name, value in vectors([1]).items() if name != "usage"}
    embedding.script(amber=(answer(uncounted),))

    usage = embedding.post().json["usage"]

    assert usage["estimated"] is True
    tokens = len(embedding.input) // 4 + 1
    assert usage["prompt_tokens"] == tokens
    assert usage["cost"] == pytest.approx(tokens * 0.000002)


def test_is_a_fact_like_any_but_none_of_tool_calling(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))

    answered = embedding.post()
    row = embedding.row(answered)

    assert row["api_type"] == "embeddings"
    assert (row["tokens_prompt"], row["tokens_completion"]) == (5, 0)
    assert row["total_cost"] == COST
    [attempt] = embedding.gateway.rows(
        "SELECT * FROM telemetry_attempt WHERE generation_id = %s", answered.json["id"]
    )
    assert (attempt["outcome"], attempt["verdict"], attempt["stratum"]) == ("ok", "", None)
    assert not attempt["scored"]


def test_carries_a_batch_as_large_as_any_model_gives(embedding: Embedding) -> None:
    # 2,048 vectors of 3,072 numbers: 32 MiB as base64; as numbers more than ANSWER_BYTES allows.
    one = packed(*([0.0123] * 3072))
    embedding.script(amber=(answer(vectors(*[one] * 2048)),))

    inputs = ["text"] * 2047 + [embedding.input]
    answered = embedding.post(input=inputs, encoding_format="base64")

    assert answered.status == 200
    told = answered.json["data"]
    assert len(told) == 2048
    assert {one["embedding"] for one in told} == {one}


def test_takes_no_more_than_the_inputs_are_worth(embedding: Embedding) -> None:
    long = vectors([0.0123] * 40_000)
    embedding.script(amber=(answer(long),), basalt=(answer(vectors([1])),))

    assert embedding.post().json["provider"] == "Basalt AI"


def test_tells_tokens_by_modality_where_there_are_several(embedding: Embedding) -> None:
    details = {"text_tokens": 2, "image_tokens": 3, "audio_tokens": 0}
    counted = {"prompt_tokens": 5, "total_tokens": 5, "prompt_tokens_details": details}
    embedding.script(amber=(answer(vectors([1], usage=counted)),))

    usage = embedding.post().json["usage"]

    assert usage["prompt_tokens_details"] == {"text_tokens": 2, "image_tokens": 3}


def test_explains_itself_as_chat_does(embedding: Embedding) -> None:
    embedding.script(amber=(answer({}, 503),), basalt=(answer(vectors([1])),))
    headers = {
        "X-OpenRouter-Metadata": "enabled",
        "Authorization": f"Bearer {embedding.gateway.key}",
    }
    asked = {"model": f"{embedding.model}:exacto", "input": embedding.input, "provider": FIRST}

    answered = embedding.gateway.request("POST", EMBEDDINGS, json.dumps(asked).encode(), headers)

    told = answered.json["openrouter_metadata"]
    assert [one["outcome"] for one in told["attempts"]] == ["http_5xx", "ok"]


def test_never_streams(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))

    answered = embedding.post(stream=True)

    assert answered.headers["content-type"] == "application/json"
    assert "stream" not in embedding.seen()[0].body


def test_nothing_of_an_input_is_stored(embedding: Embedding) -> None:
    embedding.script(amber=(answer(vectors([1])),))

    assert embedding.post().status == 200
    embedding.gateway.ingest()

    assert embedding.nonce.encode() not in embedding.gateway.everything_stored()


def test_refuses_a_wrong_key(live: LiveGateway) -> None:
    answered = live.post(EMBEDDINGS, {"model": "acme/v-00", "input": "Hi"}, key="sk-wrong")

    assert (answered.status, answered.error["code"]) == (401, 401)


def test_lists_embeddings_models_apart(live: LiveGateway) -> None:
    listed = live.get("/api/v1/embeddings/models?limit=2&variants=none")
    chats = live.get("/api/v1/models?limit=1000&variants=none")

    body = listed.json
    assert [row["id"] for row in body["data"]] == ["acme/v-00", "acme/v-01"]
    assert body["data"][0]["architecture"]["output_modalities"] == ["embeddings"]
    assert body["total_count"] == live_catalog.EMBEDDERS
    assert body["links"]["next"].startswith("/api/v1/embeddings/models?")
    assert not [row["id"] for row in chats.json["data"] if row["id"].startswith("acme/v-")]
