"""GET /models and its kin, read by the official client and raw: what is listed, and for whom."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from django.conf import LazySettings
from django.test import Client
from openrouter import OpenRouter
from pytest_django import DjangoAssertNumQueries

from routing.models import Account, AccountPreferences
from tests.catalog_rows import (
    MODEL,
    make_allowlist,
    make_endpoint,
    make_key,
    make_model,
    make_provider,
)
from tests.routing.gateway.test_snapshot import set_aside

pytestmark = pytest.mark.django_db


def get_rows(client: Client, query: str = "", path: str = "models") -> list[dict[str, Any]]:
    response = client.get(f"/api/v1/{path}?{query}")
    assert response.status_code == 200, response.content
    rows: list[dict[str, Any]] = response.json()["data"]
    return rows


def ids(client: Client, query: str = "") -> list[str]:
    return [row["id"] for row in get_rows(client, query)]


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


def test_the_price_of_a_model_is_not_that_of_a_tier_to_be_asked_for(client: Client) -> None:
    make_endpoint("cobalt", price_prompt=Decimal("0.0000006"), context_length=64_000)
    make_endpoint("cobalt", tag="cobalt/flex", price_prompt=Decimal("0.0000003"))
    make_endpoint("zinc", "acme/only-flex", tag="zinc/flex", price_prompt=Decimal("0.0000002"))

    row, only = get_rows(client)

    assert row["pricing"]["prompt"] == "0.0000006"
    assert row["top_provider"]["context_length"] == 64_000
    assert only["pricing"]["prompt"] == "0.0000002"
    assert ids(client, "max_price=0.5") == ["acme/only-flex"]


@pytest.mark.parametrize("off", ["model", "endpoint", "provider"])
def test_lists_no_model_that_nobody_serves(client: Client, off: str) -> None:
    make_model("acme/unserved")
    endpoint = make_endpoint("cobalt")
    switched: Any = endpoint if off == "endpoint" else getattr(endpoint, off)
    switched.enabled = False
    switched.save()

    assert get_rows(client) == []
    answer = client.get(f"/api/v1/models/{MODEL}/endpoints")
    assert answer.status_code == 404 if off == "model" else answer.json()["data"]["endpoints"] == []
    assert client.get(f"/api/v1/model/{MODEL}").status_code == 404


def test_pages_only_when_asked(client: Client) -> None:
    for name in ["acme/a", "acme/b", "acme/c"]:
        make_endpoint("cobalt", name)

    first = client.get("/api/v1/models?limit=2&q=acme").json()
    second = client.get(first["links"]["next"]).json()

    assert [row["id"] for row in first["data"] + second["data"]] == ["acme/a", "acme/b", "acme/c"]
    assert (first["total_count"], second["links"]["next"]) == (3, None)


def test_a_page_may_be_empty(client: Client) -> None:
    make_endpoint("cobalt")

    for query in ("limit=0", "offset=7"):
        answer = client.get(f"/api/v1/models?{query}").json()
        assert (answer["data"], answer["links"]["next"], answer["total_count"]) == ([], None, 1)


# Variants ----------------------------------------------------------------------------------


def test_a_published_pool_has_a_row_of_its_own(client: Client) -> None:
    make_model(name="Acme: Falcon", context_length=200_000)
    listed = make_endpoint(
        "cobalt", price_prompt=Decimal("0.0000009"), context_length=64_000,
        supported_parameters=["tools"],
    )  # fmt: skip
    make_endpoint("zinc", price_prompt=Decimal("0.0000003"), supported_parameters=["seed"])
    make_allowlist(listed)

    base, pool = get_rows(client)

    assert (base["id"], base["name"]) == (MODEL, "Acme: Falcon")
    assert (pool["id"], pool["name"]) == (f"{MODEL}:exacto", "Acme: Falcon (exacto)")
    assert base["canonical_slug"] == pool["canonical_slug"] == MODEL
    assert (base["pricing"]["prompt"], pool["pricing"]["prompt"]) == ("0.0000003", "0.0000009")
    assert (base["context_length"], pool["context_length"]) == (200_000, 64_000)
    assert (base["supported_parameters"], pool["supported_parameters"]) == (
        ["seed", "tools"], ["tools"],
    )  # fmt: skip
    assert get_rows(client, path=pool["links"]["details"].removeprefix("/api/v1/"))
    assert client.get("/api/v1/models").json()["total_count"] == 2


def test_a_draft_or_a_pool_that_is_set_aside_has_no_row(client: Client) -> None:
    drafted, broken = make_endpoint("cobalt", "acme/a"), make_endpoint("cobalt", "acme/b")
    make_allowlist(drafted, published=False)
    make_allowlist(broken)
    set_aside(broken)

    assert ids(client) == ["acme/a", "acme/b"]


def test_rows_of_variants_are_optional(client: Client, settings: LazySettings) -> None:
    make_allowlist(make_endpoint("cobalt"))
    both, base = [MODEL, f"{MODEL}:exacto"], [MODEL]

    assert ids(client) == ids(client, "variants=exacto") == both
    assert ids(client, "variants=none") == base
    settings.LIST_EXACTO = False
    assert ids(client) == base
    assert ids(client, "variants=exacto") == both
    assert client.get("/api/v1/models?variants=nitro").status_code == 400


def test_counts_what_it_lists(sdk: Callable[[str], OpenRouter], client: Client) -> None:
    make_allowlist(make_endpoint("cobalt", "acme/a"))
    make_model("acme/b", output_modalities=["embeddings"])
    make_endpoint("cobalt", "acme/b")

    assert sdk("any").models.count().data.count == 2
    assert sdk("any").models.count(output_modalities="all").data.count == 3
    assert client.get("/api/v1/models/count?variants=none").json()["data"]["count"] == 1


# One model ---------------------------------------------------------------------------------


def test_the_official_client_reads_one_model(sdk: Callable[[str], OpenRouter]) -> None:
    make_endpoint("cobalt")

    row = sdk("any").models.get(author="acme", slug="falcon-1").data

    assert (row.id, row.context_length) == (MODEL, 131_072)


@pytest.mark.parametrize("suffix", [":exacto", "%3Aexacto", ":nitro", ":floor:exacto", ":online"])
def test_a_routing_variant_is_its_base(client: Client, suffix: str) -> None:
    listed = make_endpoint("cobalt", price_prompt=Decimal("0.0000009"))
    make_endpoint("zinc", price_prompt=Decimal("0.0000003"))
    make_allowlist(listed)

    data = client.get(f"/api/v1/model/{MODEL}{suffix}").json()["data"]

    assert (data["id"], data["name"]) == (MODEL, MODEL)
    price = "0.0000009" if "exacto" in suffix else "0.0000003"
    assert data["pricing"]["prompt"] == price


@pytest.mark.parametrize(
    "name", ["acme/unknown", f"{MODEL}:free", f"{MODEL}:exacto", f"{MODEL}:nope", "acme/%00"]
)
def test_no_such_model_is_a_404(client: Client, name: str) -> None:
    make_endpoint("cobalt")

    answer = client.get(f"/api/v1/model/{name}")

    assert answer.status_code == answer.json()["error"]["code"] == 404
    assert answer.json()["error"]["availability"]["code"] == "model_not_found"


# An account's own --------------------------------------------------------------------------


def test_an_account_sees_what_its_preferences_leave(
    sdk: Callable[[str], OpenRouter], client: Client
) -> None:
    alice = Account.objects.create(name="Alice")
    make_endpoint("cobalt", "acme/a", price_prompt=Decimal("0.0000003"))
    make_endpoint("zinc", "acme/a", price_prompt=Decimal("0.0000009"))
    make_endpoint("cobalt", "acme/b")
    make_endpoint("zinc", "acme/c", tag="zinc/fp8")
    AccountPreferences.objects.create(account=alice, ignore=["cobalt"])

    key = make_key(alice)
    answer = sdk(key).models.list_for_user(security={"bearer": key})
    assert answer is not None
    rows = answer.result.data

    assert [(row.id, row.pricing.prompt) for row in rows] == [
        ("acme/a", "0.0000009"),
        ("acme/c", "0.0000006"),
    ]
    AccountPreferences.objects.update(ignore=[], only=["zinc/fp8"])
    headers = {"Authorization": f"Bearer {make_key(alice)}"}
    raw = client.get("/api/v1/models/user", headers=headers)
    assert [row["id"] for row in raw.json()["data"]] == ["acme/c"]
    assert raw.headers["Cache-Control"].startswith("private")
    assert raw.headers["Vary"] == "Authorization"


@pytest.mark.parametrize(
    ("wishes", "left"),
    [
        ({"only": ["cobalt"]}, ["acme/usual"]),
        ({"only": ["cobalt/flex"]}, ["acme/flex"]),
        ({"ignore": ["cobalt"]}, ["acme/flex"]),
    ],
)
def test_a_tier_is_meant_by_its_tag_alone_as_in_routing(
    client: Client, wishes: dict[str, list[str]], left: list[str]
) -> None:
    alice = Account.objects.create(name="Alice")
    make_endpoint("cobalt", "acme/usual")
    make_endpoint("cobalt", "acme/flex", tag="cobalt/flex")
    AccountPreferences.objects.create(account=alice, **wishes)

    headers = {"Authorization": f"Bearer {make_key(alice)}"}
    rows = client.get("/api/v1/models/user", headers=headers).json()["data"]

    assert [row["id"] for row in rows] == left


def test_an_accounts_pool_is_what_its_preferences_leave_of_it(client: Client) -> None:
    alice = Account.objects.create(name="Alice")
    make_allowlist(make_endpoint("cobalt"))
    make_endpoint("zinc")
    AccountPreferences.objects.create(account=alice, ignore=["cobalt"])

    headers = {"Authorization": f"Bearer {make_key(alice)}"}
    rows = client.get("/api/v1/models/user", headers=headers).json()["data"]

    assert [row["id"] for row in rows] == [MODEL]


def test_a_key_that_may_only_chat_sees_its_models(client: Client) -> None:
    make_endpoint("cobalt")
    headers = {"Authorization": f"Bearer {make_key(scopes=['chat'])}"}

    assert client.get("/api/v1/models/user", headers=headers).json()["total_count"] == 1
    assert client.get("/api/v1/models/user").status_code == 401


# Providers ---------------------------------------------------------------------------------


def test_the_official_client_reads_the_providers(sdk: Callable[[str], OpenRouter]) -> None:
    make_provider(
        "cobalt", name="Cöbalt & Söhne", privacy_policy_url="https://cobalt.test/privacy",
        headquarters="DE",
    )  # fmt: skip
    make_provider("zinc")
    make_provider("off", enabled=False)

    cobalt, zinc = sdk("any").providers.list().data

    assert (cobalt.name, cobalt.slug, cobalt.headquarters) == ("Cöbalt & Söhne", "cobalt", "DE")
    assert cobalt.privacy_policy_url == "https://cobalt.test/privacy"
    assert (zinc.privacy_policy_url, zinc.status_page_url, zinc.headquarters) == (None, None, None)


# All of them -------------------------------------------------------------------------------

PUBLIC = [
    "models", "models/count", f"model/{MODEL}", f"models/{MODEL}/endpoints", "endpoints/zdr",
    "providers", f"parameters/{MODEL}", "benchmarks",
]  # fmt: skip


@pytest.mark.parametrize("path", PUBLIC)
def test_is_answered_304_until_it_changes(client: Client, path: str) -> None:
    endpoint = make_endpoint("cobalt", zero_data_retention=True)
    first = client.get(f"/api/v1/{path}")
    etag = first.headers["ETag"]

    again = client.get(f"/api/v1/{path}", headers={"If-None-Match": f'"other", W/{etag}'})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.headers["Cache-Control"].startswith("public, max-age=")
    endpoint.model.enabled = False
    endpoint.model.save()
    endpoint.provider.enabled = False
    endpoint.provider.save()
    changed = client.get(f"/api/v1/{path}", headers={"If-None-Match": etag})
    # Without a run there is nothing that could change in the list of benchmarks.
    assert (changed.status_code == 304) == (path == "benchmarks")


@pytest.mark.parametrize("path", PUBLIC)
def test_reading_is_all_one_can_do(client: Client, path: str) -> None:
    make_endpoint("cobalt")

    assert client.head(f"/api/v1/{path}").status_code == 200
    assert client.options(f"/api/v1/{path}").status_code == 200
    refused = client.post(f"/api/v1/{path}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, 405)


@pytest.mark.parametrize(
    ("path", "queries"),
    [("models", 4), (f"models/{MODEL}/endpoints", 7), ("endpoints/zdr", 7), ("providers", 1)],
)
def test_takes_as_many_queries_for_one_as_for_many(
    client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
) -> None:
    for number in range(5):
        make_endpoint(f"p{number}", zero_data_retention=True)
        make_allowlist(make_endpoint(f"p{number}", f"acme/m{number}", zero_data_retention=True))

    with django_assert_num_queries(queries):
        client.get(f"/api/v1/{path}")


def test_the_list_is_a_feed_too(client: Client) -> None:
    make_model(
        "acme/a", name="A & B <i>", released_at=date(2025, 9, 5), description="Flies.\x0b\uffff"
    )
    make_endpoint("cobalt", "acme/a")

    answer = client.get("/api/v1/models?use_rss=true&variants=none")

    assert answer.headers["Content-Type"].startswith("application/rss+xml")
    [item] = ElementTree.fromstring(answer.content).iter("item")
    assert item.findtext("title") == "A & B <i>"
    assert item.findtext("description") == "Flies."
    assert item.findtext("link") == "http://testserver/api/v1/models/acme/a/endpoints"
    assert item.findtext("pubDate") == "Fri, 05 Sep 2025 00:00:00 +0000"
