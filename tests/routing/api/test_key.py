"""GET /key: what a key may do and has spent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils.timezone import now
from openrouter import OpenRouter

from routing.api.key_rows import spent_by
from routing.models import Account, ApiKey
from telemetry.models import Outcome
from tests.catalog_rows import make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db


# The client warns of fields that it still requires.
@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED:DeprecationWarning")
def test_the_official_client_reads_its_key(sdk: Callable[[str], OpenRouter]) -> None:
    expires_at = now() + timedelta(days=1)
    key = make_key("Alice", "laptop", requests_per_minute=30, expires_at=expires_at)

    data = sdk(key).api_keys.get_current_key_metadata().data

    assert data.label == "laptop"
    assert data.expires_at == expires_at
    assert (data.limit, data.usage) == (None, 0)
    assert data.free_model_daily_requests.limit == 0


def test_the_older_address_says_the_same(client: Client) -> None:
    headers = {"Authorization": f"Bearer {make_key('Alice', requests_per_minute=0)}"}

    data = client.get("/api/v1/auth/key", headers=headers).json()["data"]

    assert data == client.get("/api/v1/key", headers=headers).json()["data"]
    assert data["rate_limit"]["requests"] == -1


def test_spending_is_summed_from_utc_midnight_monday_and_the_first() -> None:
    alice = Account.objects.create(name="Alice")
    endpoint = make_endpoint("cobalt")
    wednesday = datetime(2026, 7, 15, 12, tzinfo=UTC)
    for number, days_ago in enumerate([0, 1, 3, 20]):
        at = wednesday - timedelta(days=days_ago)
        make_generation(
            f"gen-{number}",
            (endpoint, Outcome.OK),
            account=alice,
            at=at,
            cost=Decimal(10**number) / 10,
        )
    make_generation("gen-other", (endpoint, Outcome.OK), account=alice, at=wednesday, api_key_id=2)

    spent = spent_by("key", [1], wednesday)[1]
    assert {period: cost.cost_pico for period, cost in spent.items()} == {
        "daily": 10**11, "weekly": 11 * 10**11, "monthly": 111 * 10**11, "total": 1111 * 10**11,
    }  # fmt: skip


def refuse(case: str) -> dict[str, str]:
    """Return the headers of a caller who may not call."""
    text = make_key("Alice")
    key = ApiKey.objects.get()
    if case == "revoked":
        key.revoke()
    if case == "expired":
        ApiKey.objects.update(expires_at=now() - timedelta(seconds=1))
    if case == "unknown":
        key.delete()
    if case == "missing":
        return {}
    return {"Authorization": f"Bearer {text if case != 'mistyped' else text[:-1] + '!'}"}


def test_every_refusal_is_the_same(client: Client) -> None:
    answers = []
    for case in ["missing", "mistyped", "unknown", "revoked", "expired"]:
        ApiKey.objects.all().delete()
        answer = client.get("/api/v1/key", headers=refuse(case))
        answers.append((answer.status_code, answer.headers["WWW-Authenticate"], answer.content))

    assert len(set(answers)) == 1
    assert answers[0][0] == 401


def test_two_authorization_headers_are_refused(client: Client) -> None:
    key = make_key("Alice")

    answer = client.get("/api/v1/key", headers={"Authorization": f"Bearer {key},Bearer {key}"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/key",
        "/api/v1/auth/key",
        "/api/v1/generation?id=gen-1",
        "/api/v1/generation/explain?id=gen-1",
        "/api/v1/account/preferences",
    ],
)
def test_a_key_that_may_only_chat_reads_nothing(client: Client, path: str) -> None:
    headers = {"Authorization": f"Bearer {make_key('Alice', scopes=['chat'])}"}

    answer = client.get(path, headers=headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, 403)
    assert error["metadata"] == {"error_type": "permission_denied", "scope": "read"}
    assert "read" in error["message"]


def test_a_key_that_may_only_read_changes_no_preferences(client: Client) -> None:
    headers = {"Authorization": f"Bearer {make_key('Alice', scopes=['read'])}"}

    path = "/api/v1/account/preferences"
    answer = client.put(path, b"{}", content_type="application/json", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["error"]["metadata"]["scope"] == "manage"
