"""POST /generation/feedback: queued for somebody to look at."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from openrouter import OpenRouter

from routing.models import Account
from telemetry.models import Feedback, Outcome
from tests.catalog_rows import make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
ID = "gen-1764000000-abcdefghijklmnopqrst"


@pytest.fixture(autouse=True)
def generation() -> None:
    alice = Account.objects.create(name="Alice")
    make_generation(ID, (make_endpoint("cobalt"), Outcome.OK), account=alice)


def post(client: Client, key: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    body = {"generation_id": ID, "category": "latency", **fields}
    answer = client.post(
        "/api/v1/generation/feedback",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    return answer.status_code, answer.json()


def test_the_official_client_says_what_was_wrong(sdk: Callable[[str], OpenRouter]) -> None:
    client = sdk(make_key("Alice")).generations

    data = client.submit_feedback(
        category="incorrect_response", generation_id=ID, comment="Wrong city."
    ).data

    assert data.SUCCESS is True
    kept = Feedback.objects.get()
    assert (kept.generation_id, kept.category, kept.comment) == (
        ID,
        "incorrect_response",
        "Wrong city.",
    )
    assert kept.account_id == Account.objects.get().pk


def test_saying_it_again_corrects_it(client: Client) -> None:
    key = make_key("Alice")

    for comment in ("Slow.", "Very slow.", None):
        assert post(client, key, comment=comment)[0] == 200
    post(client, key, category="other")

    assert set(Feedback.objects.values_list("category", "comment")) == {
        ("latency", ""),
        ("other", ""),
    }


def test_another_owners_generation_looks_like_an_unknown_one(client: Client) -> None:
    key = make_key("Bob")

    assert post(client, key) == post(client, key, generation_id="gen-unknown")
    assert post(client, key)[0] == 404
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"category": "nice"}, "category"),
        ({"category": None}, "category"),
        ({"comment": "a" * 4001}, "comment"),
        ({"comment": "a\0"}, "comment"),
        ({"comment": 5}, "comment"),
        ({"generation_id": 5}, "generation_id"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(
    client: Client, fields: dict[str, Any], path: str
) -> None:
    status, body = post(client, make_key("Alice"), **fields)

    assert (status, body["error"]["metadata"]["path"]) == (400, path)
    assert not Feedback.objects.exists()
