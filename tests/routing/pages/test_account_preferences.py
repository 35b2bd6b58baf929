"""/account/preferences/: the standing preferences of the API, as a form."""

import pytest
from django.test import Client
from django.utils.timezone import now

from routing.models import Account, AccountPreferences, Scope
from tests.catalog_rows import make_endpoint, make_key
from tests.routing.pages.account_visitor import visitor

pytestmark = pytest.mark.django_db
PATH = "/account/preferences/"


def of_api(client: Client, key: str) -> dict[str, object]:
    answer = client.get(
        "/api/v1/account/preferences", headers={"Authorization": f"Bearer {key}"}
    ).json()["data"]
    return {name: value for name, value in answer.items() if name != "changed_at"}


def test_what_is_saved_here_is_what_the_api_tells(client: Client) -> None:
    key = make_key("Alice")
    make_endpoint("cobalt")
    wanted = {
        "only": " Cobalt \r\n\r\nzinc/fp8, cobalt",
        "ignore": "dune",
        "order": "",
        "auto_exacto": "off",
        "quality_gate": "on",
    }

    answer = visitor(key).post(PATH, wanted)

    assert (answer.status_code, answer["Location"]) == (302, f"{PATH}?saved=1")
    assert of_api(client, key) == {
        "only": ["cobalt", "zinc/fp8"],
        "ignore": ["dune"],
        "order": [],
        "auto_exacto": "off",
        "quality_gate": True,
    }
    page = visitor(key).get(answer["Location"]).text
    assert "Saved" in page
    assert "cobalt\nzinc/fp8</textarea>" in page
    assert "called so now: <code>zinc/fp8</code>, <code>dune</code>" in page


def test_saving_replaces_the_whole(client: Client) -> None:
    key = make_key("Alice")
    AccountPreferences.objects.create(
        account=Account.objects.get(), only=["zinc"], quality_gate=True, auto_exacto="on"
    )

    visitor(key).post(PATH, {"ignore": "dune"})

    assert of_api(client, key) == {
        "only": [],
        "ignore": ["dune"],
        "order": [],
        "auto_exacto": None,
        "quality_gate": False,
    }


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ignore", "x" * 101, "Names have 1 to 100"),
        ("only", "a\u200bb", "printable"),
        ("order", "\n".join(f"p{n}" for n in range(65)), "At most 64 names"),
        ("auto_exacto", "shadow", "Select a valid choice"),
    ],
)
def test_refuses_at_the_field_what_the_api_refuses(field: str, value: str, said: str) -> None:
    answer = visitor(make_key("Alice")).post(PATH, {field: value})

    assert answer.status_code == 400
    assert said in answer.text
    assert f'id="id_{field}_error"' in answer.text
    assert not AccountPreferences.objects.exists()


def test_who_may_only_read_sees_and_changes_nothing() -> None:
    client = visitor(make_key("Alice", scopes=[Scope.READ]))
    AccountPreferences.objects.create(account=Account.objects.get(), ignore=["dune"])

    page, answer = client.get(PATH).text, client.post(PATH, {"ignore": ""})

    assert "dune" in page
    assert "lacks the scope <code>manage</code>" in page
    assert ">Save<" not in page
    assert answer.status_code == 403
    assert AccountPreferences.objects.get().ignore == ["dune"]


def test_what_was_typed_is_text() -> None:
    client = visitor(make_key("Alice"))

    client.post(PATH, {"ignore": "</textarea><script>alert(1)</script>"})

    assert "<script" not in client.get(PATH).text


def test_another_account_has_its_own() -> None:
    bob = Account.objects.create(name="Bob")
    AccountPreferences.objects.create(account=bob, ignore=["secret"], changed_at=now())

    assert "secret" not in visitor(make_key("Alice")).get(PATH).text
