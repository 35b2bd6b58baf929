"""GET /credits and /activity: read from counters, for management keys."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from openrouter import OpenRouter

from routing.models import Account, ApiKey
from telemetry.models import Generation, Outcome
from tests.catalog_rows import MODEL, make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager() -> str:
    return make_key("Alice", "manager", management=True)


def spend(name: str, days_ago: int, *, owner: str = "Alice", **fields: Any) -> None:
    account, _ = Account.objects.get_or_create(name=owner)
    make_generation(
        name,
        (fields.pop("endpoint"), Outcome.OK),
        account=account,
        at=now() - timedelta(days=days_ago),
        cost=Decimal("0.25"),
        **fields,
    )


def get(client: Client, key: str, path: str) -> tuple[int, Any]:
    answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code, answer.json()


def test_credits_are_what_the_account_was_given_and_has_used(
    sdk: Callable[[str], OpenRouter], manager: str
) -> None:
    Account.objects.update(credits=Decimal("7.5"))
    endpoint = make_endpoint("cobalt")
    spend("gen-1", 0, endpoint=endpoint)
    spend("gen-2", 400, endpoint=endpoint, api_key_id=2)
    spend("gen-3", 0, endpoint=endpoint, owner="Bob")

    data = sdk(manager).credits.get_credits().data

    assert (data.total_credits, data.total_usage) == (7.5, 0.5)


def test_an_account_without_credits_has_no_limit_and_says_so(client: Client, manager: str) -> None:
    _, body = get(client, manager, "/credits")

    assert body["data"] == {"total_credits": 1_000_000, "total_usage": 0, "unlimited": True}


def test_the_official_client_reads_activity(sdk: Callable[[str], OpenRouter], manager: str) -> None:
    spend("gen-1", 1, endpoint=make_endpoint("cobalt"))

    [row] = sdk(manager).analytics.get_user_activity().data

    assert (row.model, row.provider_name, row.endpoint_id) == (MODEL, "Cobalt", "cobalt")
    assert (row.requests, row.usage, row.prompt_tokens, row.completion_tokens) == (
        1,
        0.25,
        1200,
        80,
    )
    assert row.date_ == (now() - timedelta(days=1)).date().isoformat()


def test_activity_is_per_day_and_endpoint_over_all_keys_of_the_account(
    client: Client, manager: str
) -> None:
    cobalt, zinc = make_endpoint("cobalt"), make_endpoint("zinc")
    spend("gen-1", 1, endpoint=cobalt, api_key_id=11)
    spend("gen-2", 1, endpoint=cobalt, api_key_id=12)
    spend("gen-3", 2, endpoint=cobalt)
    spend("gen-4", 1, endpoint=zinc)
    for name, days_ago in [("gen-5", 0), ("gen-6", 31)]:
        spend(name, days_ago, endpoint=cobalt)
    spend("gen-7", 1, endpoint=cobalt, owner="Bob")
    # Rows are not what is read.
    Generation.objects.all().delete()

    _, body = get(client, manager, "/activity")

    rows = [(row["endpoint_id"], row["requests"], row["usage"]) for row in body["data"]]
    assert rows == [("cobalt", 2, 0.5), ("zinc", 1, 0.25), ("cobalt", 1, 0.25)]


def test_activity_tells_what_own_credentials_paid_for_apart(client: Client, manager: str) -> None:
    endpoint = make_endpoint("cobalt")
    spend("gen-1", 1, endpoint=endpoint)
    make_generation(
        "gen-2",
        (endpoint, Outcome.OK),
        account=Account.objects.get(name="Alice"),
        at=now() - timedelta(days=1),
        cost=Decimal(0),
        own_credential=True,
        upstream_cost=Decimal("1.5"),
    )

    _, body = get(client, manager, "/activity")

    [row] = body["data"]
    assert (row["requests"], row["usage"], row["byok_usage_inference"]) == (2, 0.25, 1.5)


def test_activity_of_one_day_today_included_and_of_one_key(client: Client, manager: str) -> None:
    key = ApiKey.objects.get()
    endpoint = make_endpoint("cobalt")
    spend("gen-1", 0, endpoint=endpoint, api_key_id=key.pk)
    spend("gen-2", 0, endpoint=endpoint, api_key_id=99)
    today = now().date().isoformat()

    both = get(client, manager, f"/activity?date={today}")[1]["data"]
    one = get(client, manager, f"/activity?date={today}&api_key_hash={key.public_id}")[1]["data"]

    assert ([row["requests"] for row in both], [row["requests"] for row in one]) == ([2], [1])
    for absent in ("absent12", "%00", "a%00b"):
        assert get(client, manager, f"/activity?api_key_hash={absent}")[0] == 404


@pytest.mark.parametrize("day", ["yesterday", "2020-01-01", "2999-01-01", "2026-13-01"])
def test_a_day_that_cannot_be_told_is_refused(client: Client, manager: str, day: str) -> None:
    status, body = get(client, manager, f"/activity?date={day}")

    assert (status, body["error"]["metadata"]["path"]) == (400, "date")


def test_activity_costs_the_same_queries_whatever_happened(
    client: Client, manager: str, django_assert_num_queries: Any
) -> None:
    endpoints = [make_endpoint(name) for name in ("cobalt", "zinc", "amber")]
    for number in range(12):
        spend(f"gen-{number}", number % 4 + 1, endpoint=endpoints[number % 3])

    with django_assert_num_queries(2):
        get(client, manager, "/activity")
