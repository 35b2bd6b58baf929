"""The filters and sorts of GET /models."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils.timezone import now
from openrouter import OpenRouter, operations

from providers.models import Endpoint
from tests.catalog_rows import make_allowlist, make_endpoint, make_model, make_provider
from tests.routing.api.test_catalogue import ids
from tests.routing.gateway.test_snapshot import make_score
from tests.telemetry_rows import make_service

pytestmark = pytest.mark.django_db


def price(dollars_a_million: str) -> Decimal:
    return Decimal(dollars_a_million) / 1_000_000


@pytest.fixture
def two() -> tuple[Endpoint, Endpoint]:
    """Two models that differ in everything a filter may ask."""
    today = now().date()
    make_model(
        "acme/a", name="Falcon", context_length=8_000, tokenizer="Qwen",
        released_at=today - timedelta(days=10), input_modalities=["text", "image"],
    )  # fmt: skip
    make_model("bell/b", name="Osprey", context_length=64_000, tokenizer="GPT")
    forgetful = make_provider("zinc", name="Zinc AI", zero_data_retention=True)
    return (
        make_endpoint(
            "cobalt", "acme/a", price_prompt=price("0.6"), price_completion=price("2"),
            supported_parameters=["tools"],
        ),
        make_endpoint(
            forgetful, "bell/b", price_prompt=price("0.9"), price_completion=price("1"),
            supported_parameters=["seed", "tools"],
        ),
    )  # fmt: skip


BOTH = ["acme/a", "bell/b"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", BOTH),
        ("q=FALC", ["acme/a"]),
        ("q=bell/", ["bell/b"]),
        ("q=%25", []),
        ("supported_parameters=tools,seed", ["bell/b"]),
        ("supported_parameters=tools", BOTH),
        ("context=8001", ["bell/b"]),
        ("context=8000", BOTH),
        ("min_price=0.6", BOTH),
        ("min_price=0.61", ["bell/b"]),
        ("max_price=0.6", ["acme/a"]),
        ("min_price=0.7&max_price=0.8", []),
        ("max_output_price=1", ["bell/b"]),
        ("min_output_price=1.5", ["acme/a"]),
        ("model_authors=bell,other", ["bell/b"]),
        ("providers=cobalt", ["acme/a"]),
        ("providers=zinc ai,nobody", ["bell/b"]),
        ("arch=qwen", ["acme/a"]),
        ("input_modalities=image", ["acme/a"]),
        ("input_modalities=text,image", ["acme/a"]),
        ("output_modalities=text", BOTH),
        ("output_modalities=image", []),
        ("output_modalities=image,text", BOTH),
        ("output_modalities=all", BOTH),
        ("zdr=true", ["bell/b"]),
        ("zdr=false", BOTH),
        ("min_age_days=10", ["acme/a"]),
        ("max_age_days=9", []),
        ("q=acme&zdr=true", []),
        # What Assay knows of no model.
        ("region=eu", []),
        ("distillable=true", []),
        ("distillable=false", BOTH),
        ("min_coding_index=1", []),
        ("max_intelligence_index=99", []),
        ("category=programming", BOTH),
        ("use_rss_chat_links=true", BOTH),
        ("unheard_of=1", BOTH),
    ],
)
@pytest.mark.usefixtures("two")
def test_filters(client: Client, query: str, expected: list[str]) -> None:
    assert ids(client, query) == expected


def test_lists_only_what_writes_text_unless_asked(client: Client) -> None:
    make_model("acme/embeds", output_modalities=["embeddings"])
    make_endpoint("cobalt", "acme/embeds")

    assert ids(client) == []
    assert ids(client, "output_modalities=embeddings") == ["acme/embeds"]
    assert ids(client, "output_modalities=all") == ["acme/embeds"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1", "limit=x", "offset=1e3", "offset=²", "context=1.5", "min_price=x",
        "max_price=-1", "min_price=nan", "max_output_price=inf", "min_age_days=1e999", "zdr=maybe",
        "use_rss=2", "sort=fastest", "min_tool_success_rate=most", "variants=nitro",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("two")
def test_what_cannot_be_read_is_named(client: Client, query: str) -> None:
    answer = client.get(f"/api/v1/models?{query}")

    name = query.split("=")[0]
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"].startswith(f"{name}: give ")
    assert error["metadata"]["path"] == name


def test_a_filter_finds_nothing_by_what_few_owners_saw(client: Client) -> None:
    few = {"estimate": 0.2, "requests": 900, "owners": 4}
    make_score(make_endpoint("cobalt", "acme/a"), criteria={"accuracy": few})

    assert ids(client, "min_tool_success_rate=0.1") == []

    many = {"estimate": 0.01, "requests": 100, "owners": 5}
    make_score(make_endpoint("zinc", "acme/a"), criteria={"accuracy": many})
    assert ids(client, "min_tool_success_rate=0.98") == ["acme/a"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("min_tool_success_rate=0.98", ["acme/a"]),
        ("min_tool_success_rate=0.95", ["acme/a", "acme/b"]),
        ("max_tool_success_rate=0.97", ["acme/b"]),
        ("min_tool_success_rate=0.1&max_tool_success_rate=0.2", []),
    ],
)
def test_filters_by_measured_tool_success(client: Client, query: str, expected: list[str]) -> None:
    def measured(provider: str, model: str, rate: float | None, requests: int) -> None:
        accuracy = {"estimate": rate, "requests": requests}
        make_score(make_endpoint(provider, model), criteria={"accuracy": accuracy})

    measured("cobalt", "acme/a", 0.01, 500)
    # 0.96 as its requests weigh them; who has too few for an estimate does not count.
    measured("cobalt", "acme/b", 0.02, 300)
    measured("zinc", "acme/b", 0.10, 100)
    measured("iron", "acme/b", None, 40)
    make_endpoint("cobalt", "acme/unmeasured")

    assert ids(client, query) == expected


def test_no_filter_tells_the_tool_success_of_too_few_owners(
    client: Client, settings: LazySettings
) -> None:
    many = {"estimate": 0.02, "requests": 300, "owners": settings.SCOREBOARD_OWNERS}
    few = {"estimate": 0.5, "requests": 3000, "owners": settings.SCOREBOARD_OWNERS - 1}
    make_score(make_endpoint("cobalt", "acme/a"), criteria={"accuracy": many})
    make_score(make_endpoint("zinc", "acme/a"), criteria={"accuracy": few})
    make_score(make_endpoint("zinc", "acme/b"), criteria={"accuracy": few})

    assert ids(client, "min_tool_success_rate=0.98") == ["acme/a"]
    assert ids(client, "max_tool_success_rate=0.9") == []


def test_sorts(client: Client) -> None:
    today = now().date()
    for slug, days, context, dollars in (
        ("acme/a", 30, 8_000, "5"), ("acme/b", 3, 64_000, "1"), ("acme/c", None, 32_000, "3"),
    ):  # fmt: skip
        released = None if days is None else today - timedelta(days=days)
        make_model(slug, released_at=released, context_length=context)
        make_endpoint("cobalt", slug, price_prompt=price(dollars), price_completion=price("1"))

    def order(sort: str) -> str:
        return "".join(one[-1] for one in ids(client, f"sort={sort}"))

    assert order("newest") == "bac"
    assert order("pricing-low-to-high") == "bca"
    assert order("pricing-high-to-low") == "acb"
    assert order("context-high-to-low") == "bca"
    # Nobody has measured these: the order stays.
    for sort in ("intelligence", "coding", "agentic", "design-arena-elo"):
        assert order(f"{sort}-high-to-low") == "abc"
    assert order("most-popular") == order("latency-low-to-high") == "abc"


def test_sorts_by_what_was_measured(client: Client) -> None:
    def served(provider: str, slug: str, **service: Any) -> None:
        make_service(make_endpoint(provider, slug), ok=50, **service)

    served("cobalt", "acme/a", tokens=10, latencies_ms=[900], speeds=[10])
    served("zinc", "acme/a", tokens=10, latencies_ms=[700], speeds=[80, 90, 100])
    served("cobalt", "acme/b", tokens=50, latencies_ms=[200, 210, 5000], speeds=[20])
    served("cobalt", "acme/c", tokens=15, ago=timedelta(days=6))
    served("cobalt", "acme/d", tokens=99, ago=timedelta(days=8))

    def order(sort: str) -> str:
        return "".join(one[-1] for one in ids(client, f"sort={sort}"))

    assert order("throughput-high-to-low") == "abcd"
    assert order("latency-low-to-high") == "bacd"
    assert order("top-weekly") == order("most-popular") == "bacd"


def test_a_pool_is_filtered_and_sorted_by_itself(client: Client) -> None:
    listed = make_endpoint("cobalt", "acme/a", price_prompt=price("9"))
    make_endpoint("zinc", "acme/a", price_prompt=price("1"))
    make_endpoint("zinc", "acme/b", price_prompt=price("4"))
    make_allowlist(listed)

    assert ids(client, "sort=pricing-low-to-high") == ["acme/a", "acme/b", "acme/a:exacto"]
    assert ids(client, "min_price=9") == ids(client, "q=:exacto") == ["acme/a:exacto"]
    assert ids(client, "providers=zinc") == ["acme/a", "acme/b"]


@pytest.mark.usefixtures("two")
def test_the_official_client_filters_and_sorts(sdk: Callable[[str], OpenRouter]) -> None:
    answer = sdk("any").models.list(
        sort="context-high-to-low", supported_parameters="tools", max_price=0.95, limit=1
    )

    assert answer is not None
    assert [row.id for row in answer.result.data] == ["bell/b"]
    assert answer.result.total_count == 2
    following = answer.next()
    assert isinstance(following, operations.GetModelsResponse)
    assert [row.id for row in following.result.data] == ["acme/a"]
