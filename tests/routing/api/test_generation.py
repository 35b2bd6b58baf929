"""GET /generation: everything to its owner, nothing to anyone else."""

from collections.abc import Callable

import pytest
from django.test import Client
from openrouter import OpenRouter

from routing.models import Account
from telemetry.models import Outcome
from tests.catalog_rows import MODEL, make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
ID = "gen-1764000000-abcdefghijklmnopqrst"


@pytest.fixture
def alice(db: None) -> Account:
    return Account.objects.create(name="Alice")


def get(client: Client, key: str, id: str = ID) -> tuple[int, dict[str, object]]:
    answer = client.get(
        "/api/v1/generation", {"id": id}, headers={"Authorization": f"Bearer {key}"}
    )
    return answer.status_code, answer.json()


def test_the_official_client_reads_its_generation(
    sdk: Callable[[str], OpenRouter], alice: Account
) -> None:
    slow, good = make_endpoint("cobalt"), make_endpoint("zinc")
    make_generation(ID, (slow, Outcome.TIMEOUT_TTFT), (good, Outcome.OK), account=alice)

    data = sdk(make_key(alice)).generations.get_generation(id=ID).data

    assert (data.id, data.model, data.provider_name) == (ID, MODEL, "Zinc")
    assert data.total_cost == data.usage == pytest.approx(0.00092)
    assert (data.native_tokens_prompt, data.tokens_completion) == (1200, 80)
    assert data.provider_responses is not None
    assert [(r.provider_name, r.status) for r in data.provider_responses] == [
        ("Cobalt", None),
        ("Zinc", 200),
    ]


def test_a_request_that_nobody_served_has_no_provider(client: Client, alice: Account) -> None:
    make_generation(ID, (make_endpoint("cobalt"), Outcome.HTTP_5XX), account=alice)

    status, body = get(client, make_key(alice))

    assert status == 200
    data = body["data"]
    assert isinstance(data, dict)
    assert data["provider_name"] is None
    assert data["total_cost"] == 0
    assert [r["outcome"] for r in data["provider_responses"]] == ["http_5xx"]


def test_another_owners_generation_looks_like_an_unknown_one(
    client: Client, alice: Account
) -> None:
    make_generation(ID, (make_endpoint("cobalt"), Outcome.OK), account=alice)
    key = make_key("Bob")

    assert get(client, key) == get(client, key, "gen-unknown")
    assert get(client, key)[0] == 404
    assert get(client, make_key(alice, "second key"))[0] == 200


@pytest.mark.parametrize("id", ["gen-%", "gen-_", "gen-\x00", "x' OR '1'='1", "gen-" + "a" * 300])
def test_what_is_no_id_is_not_found(client: Client, alice: Account, id: str) -> None:
    make_generation(ID, (make_endpoint("cobalt"), Outcome.OK), account=alice)

    assert get(client, make_key(alice), id)[0] == 404


def test_an_id_must_be_given(client: Client, alice: Account) -> None:
    status, body = get(client, make_key(alice), "")

    assert status == 400
    assert "id" in str(body["error"])


def test_no_key_no_answer(client: Client) -> None:
    answer = client.get("/api/v1/generation", {"id": ID})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
