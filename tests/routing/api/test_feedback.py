"""POST /generation/feedback: queued for somebody to look at."""

import json
import re
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


@pytest.mark.parametrize(
    ("status", "comment", "after"),
    [
        ("answered", "Still slow.", "new"),
        ("closed", "Still slow.", "new"),
        ("answered", "Slow.", "answered"),
        ("spam", "Still slow.", "spam"),
        ("looking", "Still slow.", "looking"),
    ],
)
def test_other_words_put_a_settled_case_before_curators_again(
    client: Client, status: str, comment: str, after: str
) -> None:
    key = make_key("Alice")
    post(client, key, comment="Slow.")
    Feedback.objects.update(status=status)

    post(client, key, comment=comment)

    assert Feedback.objects.get().status == after


def test_it_is_in_the_queue_of_the_form(client: Client) -> None:
    post(client, make_key("Alice"))

    kept = Feedback.waiting().get()
    assert (kept.source, kept.status, kept.part_of) == ("api", "new", None)


def status_link(client: Client, key: str, **fields: Any) -> str:
    """Return the address in the header."""
    body = {"generation_id": ID, "category": "latency", **fields}
    answer = client.post(
        "/api/v1/generation/feedback",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.json() == {"data": {"success": True}}
    link = re.fullmatch(r'<(http[^>]+)>; rel="status"', answer["Link"])
    assert link
    return link[1]


def test_its_sender_follows_what_comes_of_it(client: Client) -> None:
    link = status_link(client, make_key("Alice"), comment="Slow.")

    assert link.startswith("http://testserver/exacto/feedback/")
    assert "Nobody has looked at it yet." in Client().get(link).text
    Feedback.objects.update(status="answered", reply="Faster now.")
    page = Client().get(link).text
    assert "Faster now." in page
    assert "Slow." in page
    assert "cobalt" not in page, "who served it is not told to who has a link"


def test_a_correction_has_the_same_page_and_whatever_else_another(client: Client) -> None:
    key, other = make_key("Alice"), make_key("Alice")

    links = [
        status_link(client, key, comment="Slow."),
        status_link(client, key, comment="Very slow."),
        status_link(client, key, category="other"),
        status_link(client, other),
    ]

    assert links[0] == links[1]
    assert len(set(links)) == 3
    assert links[0].rsplit("/", 1)[1] not in str(list(Feedback.objects.values()))


def test_what_was_said_before_there_were_links_gets_one_with_its_correction(
    client: Client,
) -> None:
    key = make_key("Alice")
    status_link(client, key)
    Feedback.objects.update(link_hash=None)

    assert Client().get(status_link(client, key)).status_code == 200


def test_the_link_names_the_public_address_and_there_is_none_without_pages(
    client: Client, settings: Any
) -> None:
    key = make_key("Alice")
    settings.PUBLIC_URL = "https://llm.example.com"
    assert status_link(client, key).startswith("https://llm.example.com/exacto/feedback/")

    settings.PUBLIC_FEEDBACK = False
    answer = client.post(
        "/api/v1/generation/feedback",
        json.dumps({"generation_id": ID, "category": "latency"}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 200
    assert "Link" not in answer
