"""/keys: made, listed, changed, rotated and revoked by a management key of the same account."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils.timezone import now
from openrouter import OpenRouter

from routing.api.key_changes import KeyChanges, change_key, key_of
from routing.errors import ApiError
from routing.gateway.keys import load_caller
from routing.gateway.snapshot import read_revisions
from routing.models import ApiKey, key_digest
from telemetry.models import Outcome
from tests.catalog_rows import make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/keys"
# The client warns of fields that it still requires.
ignore_warnings = pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED:DeprecationWarning")


def call(
    client: Client, key: str, method: str, path: str = "", body: Any = None
) -> tuple[int, dict[str, Any]]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = client.generic(
        method,
        KEYS + path,
        content,
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    return answer.status_code, answer.json()


@pytest.fixture
def manager() -> str:
    return make_key("Alice", "manager", management=True)


def create(client: Client, manager: str, **fields: Any) -> tuple[dict[str, Any], str]:
    status, body = call(client, manager, "POST", body={"name": "app", **fields})
    assert status == 201, body
    return body["data"], body["key"]


def usable(text: str) -> bool:
    return load_caller(key_digest(text)) is not None


@ignore_warnings
def test_the_official_client_manages_keys(sdk: Callable[[str], OpenRouter], manager: str) -> None:
    keys = sdk(manager).api_keys

    made = keys.create(name="app", limit=12.5, limit_reset="monthly")
    one = keys.get(hash=made.data.hash)
    changed = keys.update(hash=made.data.hash, name="renamed", limit=20, disabled=True)
    listed = keys.list(include_disabled=True)
    deleted = keys.delete(hash=made.data.hash)

    assert usable(made.key) is False
    assert (one.data.limit, one.data.limit_reset, one.data.limit_remaining) == (
        12.5,
        "monthly",
        12.5,
    )
    assert (changed.data.name, changed.data.limit, changed.data.disabled) == ("renamed", 20, True)
    assert [row.hash for row in listed.data] == [made.data.hash]
    assert deleted.DELETED is True
    assert keys.list(include_disabled=True).data == []


def test_the_secret_is_in_the_answer_that_made_it_and_nowhere_else(
    client: Client, manager: str
) -> None:
    row, text = create(client, manager)
    secret = text.split("-")[3]

    answers = [
        call(client, manager, "GET"),
        call(client, manager, "GET", f"/{row['hash']}"),
        call(client, manager, "PATCH", f"/{row['hash']}", {"name": "other"}),
    ]

    assert usable(text)
    assert secret not in json.dumps(row)
    assert all(secret not in json.dumps(answer) for answer in answers)
    assert secret not in str(vars(ApiKey.objects.get(public_id=row["hash"])))


def test_usage_and_what_is_left_are_of_the_running_period(client: Client, manager: str) -> None:
    row, text = create(client, manager, limit=2, limit_reset="daily")
    key = ApiKey.objects.get(public_id=row["hash"])
    endpoint = make_endpoint("cobalt")
    for name, days, cost in [("gen-1", 0, "0.5"), ("gen-2", 40, "3")]:
        make_generation(
            name,
            (endpoint, Outcome.OK),
            account=key.account,
            api_key_id=key.pk,
            at=now() - timedelta(days=days),
            cost=Decimal(cost),
        )

    _, body = call(client, manager, "GET", f"/{row['hash']}")
    own = client.get("/api/v1/key", headers={"Authorization": f"Bearer {text}"}).json()["data"]

    for data in (body["data"], own):
        assert (data["usage"], data["usage_daily"], data["usage_monthly"]) == (3.5, 0.5, 0.5)
        assert (data["limit"], data["limit_remaining"], data["limit_reset"]) == (2, 1.5, "daily")
    assert body["data"]["last_used_at"] is not None
    assert own["is_management_key"] is False


def test_the_day_of_the_last_use_outlives_the_facts(client: Client, manager: str) -> None:
    row, _ = create(client, manager)
    key = ApiKey.objects.get(public_id=row["hash"])
    at = now() - timedelta(days=40)
    used = make_generation(
        "gen-1", (make_endpoint("cobalt"), Outcome.OK),
        account=key.account, api_key_id=key.pk, at=at,
    )  # fmt: skip
    _, before = call(client, manager, "GET", f"/{row['hash']}")
    used.delete()

    _, after = call(client, manager, "GET", f"/{row['hash']}")

    assert before["data"]["last_used_at"] == at.isoformat()
    assert after["data"]["last_used_at"] == f"{at:%Y-%m-%d}T00:00:00+00:00"


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        pytest.param(999_999_999.9999999, Decimal("999999999.999999"), id="near the most"),
        pytest.param(0.0000019, Decimal("0.000001"), id="near the least"),
    ],
)
def test_a_limit_is_kept_to_the_whole_millionth_below(
    client: Client, manager: str, asked: float, kept: Decimal
) -> None:
    row, _ = create(client, manager, limit=asked)

    assert ApiKey.objects.get(public_id=row["hash"]).spend_limit == kept


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z"])
def test_a_time_that_no_calendar_reaches_is_named(
    client: Client, manager: str, moment: str
) -> None:
    status, body = call(client, manager, "POST", body={"name": "app", "expires_at": moment})

    assert (status, body["error"]["metadata"]["path"]) == (400, "expires_at")


@pytest.mark.parametrize("name", ["\0", "a\0b", "é"])
def test_a_hash_that_no_key_has_is_a_404(client: Client, manager: str, name: str) -> None:
    place = "/" + quote(name)

    assert [call(client, manager, method, place, {})[0] for method in ("GET", "PATCH")] == [404] * 2
    assert call(client, manager, "DELETE", place)[0] == 404
    assert call(client, manager, "POST", f"{place}/rotate")[0] == 404


def test_lists_pages_of_a_hundred_newest_first_and_disabled_ones_on_request(
    client: Client, manager: str
) -> None:
    account = ApiKey.objects.get().account
    for number in range(103):
        ApiKey.issue(account, f"key {number}", disabled=number % 50 == 0)
    ApiKey.issue(account, "gone")[0].revoke()

    def names(query: str) -> list[str]:
        status, body = call(client, manager, "GET", query)
        assert status == 200
        return [row["name"] for row in body["data"]]

    assert len(names("")) == 100
    assert names("")[:2] == ["key 102", "key 101"]
    assert "key 100" not in names("")
    assert "key 100" in names("?include_disabled=true")
    assert names("?offset=99") == ["key 1"]
    assert names("?include_disabled=true&offset=100") == ["key 2", "key 1", "key 0"]


@pytest.mark.parametrize("offset", ["-1", "x", "1.5", "99999999", "\u0661"])
def test_a_bad_offset_is_named(client: Client, manager: str, offset: str) -> None:
    status, body = call(client, manager, "GET", f"?offset={offset}")

    assert (status, body["error"]["metadata"]["path"]) == (400, "offset")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": " \u200b"}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"limit": -1}, "limit"),
        ({"limit": 1e9}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"limit_reset": "hourly"}, "limit_reset"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2090-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    client: Client, manager: str, fields: dict[str, Any], path: str
) -> None:
    row, _ = create(client, manager)
    status, body = call(client, manager, "POST", body={"name": "app", **fields})
    assert (status, body["error"]["metadata"]["path"]) == (400, path)

    status, body = call(client, manager, "PATCH", f"/{row['hash']}", fields)
    assert (status, body["error"]["metadata"]["path"]) == (400, path)
    assert ApiKey.objects.count() == 2


def test_a_name_must_be_given_and_other_fields_are_ignored(client: Client, manager: str) -> None:
    assert call(client, manager, "POST", body={})[0] == 400
    assert call(client, manager, "POST", body={"name": "a", "workspace_id": "w"})[0] == 201


def test_a_change_leaves_the_rest_as_it_is(client: Client, manager: str) -> None:
    row, _ = create(client, manager, limit=5, limit_reset="weekly")

    call(client, manager, "PATCH", f"/{row['hash']}", {"limit_reset": None})
    _, body = call(client, manager, "PATCH", f"/{row['hash']}", {"include_byok_in_limit": True})

    data = body["data"]
    assert (data["limit"], data["limit_reset"], data["include_byok_in_limit"]) == (5, None, True)
    _, body = call(client, manager, "PATCH", f"/{row['hash']}", {"limit": None})
    assert (body["data"]["limit"], body["data"]["limit_remaining"]) == (None, None)
    assert body["data"]["updated_at"] is not None


def test_every_change_is_told_to_all_processes(client: Client, manager: str) -> None:
    row, text = create(client, manager)
    path = f"/{row['hash']}"

    for method, body in [
        ("PATCH", {"disabled": True}),
        ("PATCH", {"disabled": False}),
        ("PATCH", {"limit": 3}),
        ("DELETE", None),
    ]:
        before = read_revisions()["keys"]
        assert call(client, manager, method, path, body)[0] == 200
        assert read_revisions()["keys"] > before
        assert usable(text) == (method == "PATCH" and body != {"disabled": True})


def test_a_limit_becomes_the_callers_budget(client: Client, manager: str) -> None:
    _, text = create(client, manager, limit=0.25, limit_reset="weekly")

    caller = load_caller(key_digest(text))

    assert caller is not None
    [budget] = caller.budgets
    assert (budget.holder, budget.period, budget.limit_pico) == ("key", "weekly", 25 * 10**10)


def test_rotation_keeps_the_former_secret_for_a_while(client: Client, manager: str) -> None:
    row, first = create(client, manager)
    path = f"/{row['hash']}/rotate"

    status, body = call(client, manager, "POST", path, {"overlap_seconds": 3600})

    second = body["key"]
    assert (status, body["data"]["hash"]) == (200, row["hash"])
    assert usable(first)
    assert usable(second)
    former = load_caller(key_digest(first))
    assert former is not None
    assert former.expires_at is not None
    assert timedelta(minutes=59) < former.expires_at - datetime.now(UTC) < timedelta(minutes=61)
    ApiKey.objects.filter(public_id=row["hash"]).update(previous_until=now())
    assert (usable(first), usable(second)) == (False, True)


def test_rotation_ends_the_secret_before_last_and_without_overlap_the_last(
    client: Client, manager: str
) -> None:
    row, first = create(client, manager)
    path = f"/{row['hash']}/rotate"

    second = call(client, manager, "POST", path)[1]["key"]
    third = call(client, manager, "POST", path)[1]["key"]
    assert [usable(text) for text in (first, second, third)] == [False, True, True]
    fourth = call(client, manager, "POST", path, {"overlap_seconds": 0})[1]["key"]
    assert [usable(text) for text in (second, third, fourth)] == [False, False, True]
    assert call(client, manager, "POST", path, {"overlap_seconds": -1})[0] == 400


def test_a_key_revoked_meanwhile_is_not_said_to_be_changed() -> None:
    key = ApiKey.objects.get(digest=key_digest(make_key("Alice")))
    caller = load_caller(key_digest(make_key("Alice", management=True)))
    assert caller is not None
    found = key_of(caller, key.public_id)
    key.revoke()

    with pytest.raises(ApiError) as refused:
        change_key(caller, found, KeyChanges(disabled=False))

    assert refused.value.status == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST"])
def test_other_accounts_revoked_and_management_keys_are_no_keys(
    client: Client, manager: str, method: str
) -> None:
    make_key("Bob")
    make_key("Alice", "revoked")
    ApiKey.objects.get(label="revoked").revoke()
    path = "/rotate" if method == "POST" else ""

    for key in [*ApiKey.objects.all(), ApiKey(public_id="absent12")]:
        status, body = call(client, manager, method, f"/{key.public_id}{path}", {})
        assert (status, body["error"]["message"]) == (404, "No such key.")
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    assert call(client, manager, "GET")[1]["data"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", KEYS),
        ("POST", KEYS),
        ("GET", f"{KEYS}/absent12"),
        ("PATCH", f"{KEYS}/absent12"),
        ("DELETE", f"{KEYS}/absent12"),
        ("POST", f"{KEYS}/absent12/rotate"),
        ("GET", "/api/v1/credits"),
        ("GET", "/api/v1/activity"),
    ],
)
def test_ordinary_keys_manage_nothing(client: Client, method: str, path: str) -> None:
    for key in (make_key("Alice"), make_key("Alice", scopes=["manage", "read", "chat"])):
        answer = client.generic(method, path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403
        assert answer.json()["error"]["metadata"]["scope"] == "management"
    assert client.generic(method, path).status_code == 401


def test_a_management_key_says_so_and_may_not_chat(client: Client, manager: str) -> None:
    own = client.get("/api/v1/key", headers={"Authorization": f"Bearer {manager}"}).json()["data"]
    caller = load_caller(key_digest(manager))

    assert (own["is_management_key"], own["is_provisioning_key"]) == (True, True)
    assert caller is not None
    assert not caller.may("chat")
