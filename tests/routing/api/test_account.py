"""GET and PUT /account/preferences: the key's own account, whole objects, clear refusals."""

import json
from typing import Any

import pytest
from django.test import Client

from providers.models import Endpoint
from routing.gateway.keys import load_caller
from routing.gateway.preferences import NO_ACCOUNT_WISHES, AccountWishes
from routing.gateway.snapshot import read_revisions
from routing.models import Account, AccountPreferences, key_digest
from routing.models.preferences import standing_ignores
from tests.catalog_rows import make_endpoint, make_key, make_provider

pytestmark = pytest.mark.django_db
PATH = "/api/v1/account/preferences"
NONE: dict[str, Any] = {
    "only": [], "ignore": [], "order": [],
    "auto_exacto": None, "quality_gate": False, "changed_at": None,
}  # fmt: skip


def put(client: Client, key: str, body: Any) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"Authorization": f"Bearer {key}"}
    answer = client.put(PATH, content, content_type="application/json", headers=headers)
    return answer.status_code, answer.json()


def get(client: Client, key: str) -> dict[str, Any]:
    answer = client.get(PATH, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    data: dict[str, Any] = answer.json()["data"]
    return data


def test_an_account_without_preferences_has_the_defaults(client: Client) -> None:
    key = make_key("Alice")

    assert get(client, key) == NONE
    caller = load_caller(key_digest(key))
    assert caller is not None
    assert caller.wishes is NO_ACCOUNT_WISHES


def test_keeps_names_as_they_are_compared(client: Client) -> None:
    key = make_key("Alice")
    wanted = {
        "only": [" Cobalt ", "cobalt", "ZINC/fp8"],
        "ignore": ["dune"],
        "order": ["zinc/fp8"],
        "auto_exacto": "off",
        "quality_gate": True,
    }

    status, body = put(client, key, wanted)

    assert status == 200
    assert body["data"] == get(client, key)
    assert body["data"]["only"] == ["cobalt", "zinc/fp8"]
    caller = load_caller(key_digest(key))
    assert caller is not None
    assert caller.wishes == AccountWishes(
        only=frozenset({"cobalt", "zinc/fp8"}),
        ignore=frozenset({"dune"}),
        order=("zinc/fp8",),
        auto_exacto="off",
        quality_gate=True,
    )


def test_replaces_the_whole_object_and_raises_the_revision_of_keys(client: Client) -> None:
    key = make_key("Alice")
    put(client, key, {"ignore": ["dune"], "quality_gate": True})
    before = read_revisions()["keys"]

    put(client, key, {"only": ["zinc"]})

    told = get(client, key)
    assert (told["only"], told["ignore"], told["quality_gate"]) == (["zinc"], [], False)
    assert read_revisions()["keys"] > before
    assert AccountPreferences.objects.count() == 1


def test_touches_no_other_account(client: Client) -> None:
    alice, other, bob = make_key("Alice"), make_key("Alice", "other"), make_key("Bob")

    put(client, alice, {"ignore": ["dune"]})

    assert get(client, other)["ignore"] == ["dune"]
    assert get(client, bob) == NONE


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"only": "cobalt"}, "only"),
        ({"ignore": [7]}, "ignore"),
        ({"order": [""]}, "order"),
        ({"order": ["a\u0000b"]}, "order"),
        ({"ignore": ["x" * 101]}, "ignore"),
        ({"ignore": [f"p{n}" for n in range(65)]}, "ignore"),
        ({"auto_exacto": "shadow"}, "auto_exacto"),
        ({"quality_gate": "yes"}, "quality_gate"),
        ({"ignored": ["dune"]}, "ignored"),
        ([], "expected"),
        ("{", "body"),
        ("[" * 5_000, "body"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refuses_by_name_what_it_cannot_keep(client: Client, body: Any, place: str) -> None:
    key = make_key("Alice")

    status, told = put(client, key, body)

    assert status == told["error"]["code"] == 400
    assert place in told["error"]["message"]
    assert get(client, key) == NONE


def test_wants_a_key(client: Client) -> None:
    assert client.get(PATH).status_code == 401
    assert client.put(PATH, "{}", content_type="application/json").status_code == 401


def test_tells_which_accounts_always_ignore_an_endpoint() -> None:
    make_provider("cobalt", name="Cobalt AI")
    cobalt, zinc = make_endpoint("cobalt"), make_endpoint("zinc", tag="zinc/fp8")
    elsewhere = make_endpoint("zinc", "acme/owl-2", tag="zinc/bf16")
    of_tier = make_endpoint("zinc", tag="zinc/flex")
    alice, bob, carol = (Account.objects.create(name=n) for n in ("Alice", "Bob", "Carol"))
    for account, ignored in ((alice, ["cobalt ai"]), (bob, ["zinc", "cobalt"]), (carol, [])):
        AccountPreferences.objects.create(account=account, ignore=ignored, only=["zinc"])

    def ignoring(endpoint: Endpoint) -> frozenset[int]:
        return standing_ignores(endpoint.model).get(endpoint.pk, frozenset())

    assert ignoring(cobalt) == {alice.pk, bob.pk}
    assert ignoring(zinc) == {bob.pk}
    assert ignoring(elsewhere) == {bob.pk}
    # A tier is meant by its tag alone, in routing too: these requests could have gone there.
    assert ignoring(of_tier) == frozenset()
