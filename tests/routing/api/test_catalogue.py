"""GET /models and /models/{author}/{slug}/endpoints, read by the official client and raw."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from openrouter import OpenRouter
from pytest_django import DjangoAssertNumQueries

from tests.catalog_rows import MODEL, make_allowlist, make_endpoint, make_model, make_provider

pytestmark = pytest.mark.django_db


def get_endpoints(client: Client, name: str) -> list[dict[str, Any]]:
    response = client.get(f"/api/v1/models/{name}/endpoints")
    assert response.status_code == 200
    rows: list[dict[str, Any]] = response.json()["data"]["endpoints"]
    return rows


def test_the_official_client_reads_the_models(sdk: Callable[[str], OpenRouter]) -> None:
    make_model(released_at=date(2025, 9, 5), tokenizer="Qwen", hugging_face_id="acme/Falcon")
    make_endpoint("cobalt", price_prompt=Decimal("0.0000009"))
    make_endpoint("zinc", price_prompt=Decimal("0.0000003"), price_cache_read=Decimal("1E-7"))

    answer = sdk("any").models.list()

    assert answer is not None
    [row] = answer.result.data
    assert row.id == MODEL
    assert row.created == 1_757_030_400
    assert row.pricing.prompt == "0.0000003"
    assert row.pricing.input_cache_read == "0.0000001"
    assert row.links.details == f"/api/v1/models/{MODEL}/endpoints"
    assert answer.result.total_count == 1
    assert answer.result.links.next is None


@pytest.mark.parametrize("off", ["model", "endpoint", "provider"])
def test_lists_no_model_that_nobody_serves(client: Client, off: str) -> None:
    make_model("acme/unserved")
    endpoint = make_endpoint("cobalt")
    switched: Any = endpoint if off == "endpoint" else getattr(endpoint, off)
    switched.enabled = False
    switched.save()

    assert client.get("/api/v1/models").json()["data"] == []
    answer = client.get(f"/api/v1/models/{MODEL}/endpoints")
    assert answer.status_code == 404 if off == "model" else answer.json()["data"]["endpoints"] == []


def test_pages_only_when_asked(client: Client) -> None:
    for name in ["acme/a", "acme/b", "acme/c"]:
        make_endpoint("cobalt", name)

    first = client.get("/api/v1/models?limit=2&q=acme").json()
    second = client.get(first["links"]["next"]).json()

    assert [row["id"] for row in first["data"] + second["data"]] == ["acme/a", "acme/b", "acme/c"]
    assert (first["total_count"], second["links"]["next"]) == (3, None)


def test_filters_by_words_and_by_supported_parameters(client: Client) -> None:
    make_endpoint("cobalt", "acme/a", supported_parameters=["tools"])
    make_endpoint("cobalt", "acme/b", supported_parameters=["seed", "tools"])

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/api/v1/models?{query}").json()["data"]]

    assert ids("supported_parameters=tools,seed") == ["acme/b"]
    assert ids("q=ACME/A") == ["acme/a"]
    assert ids("q=%25") == []


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1e3", "offset=²"])
def test_refuses_what_is_not_a_number(client: Client, query: str) -> None:
    answer = client.get(f"/api/v1/models?{query}")

    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["error"]["message"]


def test_the_list_takes_as_many_queries_for_one_model_as_for_many(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        make_endpoint("cobalt", f"acme/m{number}")

    with django_assert_num_queries(2):
        client.get("/api/v1/models")


def test_the_official_client_reads_the_endpoints(sdk: Callable[[str], OpenRouter]) -> None:
    listed = make_endpoint("cobalt", tag="cobalt/fp8", quantization="fp8", tool_choices=["auto"])
    make_endpoint("zinc", supported_parameters=["seed"])
    make_allowlist(listed)

    data = sdk("any").endpoints.list(author="acme", slug="falcon-1").data

    assert data.id == MODEL
    cobalt, zinc = data.endpoints
    assert (cobalt.tag, cobalt.quantization, cobalt.provider_name) == (
        "cobalt/fp8",
        "fp8",
        "Cobalt",
    )
    assert cobalt.name == f"Cobalt | {MODEL}"
    assert (cobalt.supports_tool_choice.auto, cobalt.supports_tool_choice.required) == (True, False)
    assert not zinc.supports_tool_choice.auto


def test_says_of_each_endpoint_whether_exacto_lists_it(client: Client) -> None:
    listed = make_endpoint("cobalt")
    make_endpoint("zinc")
    make_allowlist(listed)
    make_allowlist(listed)

    rows = get_endpoints(client, MODEL)

    assert {row["tag"]: row["exacto"] for row in rows} == {
        "cobalt": {"listed": True, "edition": 2},
        "zinc": {"listed": False, "edition": 2},
    }


@pytest.mark.parametrize("suffix", [":exacto", "%3Aexacto", ":exacto:floor"])
def test_with_exacto_shows_only_the_published_pool(client: Client, suffix: str) -> None:
    listed = make_endpoint("cobalt")
    make_endpoint("zinc")
    make_allowlist(listed)

    assert [row["tag"] for row in get_endpoints(client, MODEL + suffix)] == ["cobalt"]


def test_the_official_client_asks_for_the_pool(sdk: Callable[[str], OpenRouter]) -> None:
    listed = make_endpoint("cobalt")
    make_endpoint("zinc")
    make_allowlist(listed)

    data = sdk("any").endpoints.list(author="acme", slug="falcon-1:exacto").data

    assert (data.id, [e.tag for e in data.endpoints]) == (MODEL, ["cobalt"])


def test_a_draft_and_a_withdrawn_edition_are_no_pool(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint).retire(by=None, reason="Gone.")
    make_allowlist(endpoint, published=False)

    assert get_endpoints(client, f"{MODEL}:exacto") == []


def test_a_sorting_variant_shows_every_endpoint(client: Client) -> None:
    make_endpoint("cobalt")
    make_endpoint("zinc")

    assert len(get_endpoints(client, f"{MODEL}:nitro")) == 2


@pytest.mark.parametrize(
    "name",
    ["acme/unknown", f"{MODEL}:free", f"{MODEL}:exacto:exacto", "acme/%00", "acme/' OR 1=1 --"],
)
def test_an_unknown_model_is_404_in_json(client: Client, name: str) -> None:
    make_endpoint("cobalt")

    answer = client.get(f"/api/v1/models/{name}/endpoints")

    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == 404
    assert error["availability"]["code"] == "model_not_found"


def test_a_provider_of_any_name_is_data_not_markup(client: Client) -> None:
    provider = make_provider("cobalt", name="Cöbalt & Söhne \U0001f680")
    make_endpoint(provider)

    [row] = get_endpoints(client, MODEL)

    assert row["provider_name"] == provider.name


def test_reading_is_all_one_can_do(client: Client) -> None:
    assert client.head("/api/v1/models").status_code == 200
    assert client.options("/api/v1/models").status_code == 200
    refused = client.post("/api/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, 405)
