"""Keys and accounts in the admin, what curators may do, and that every page opens."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from routing.api.authentication import bearer_token
from routing.models import Account, ApiKey, key_digest
from telemetry.models import Outcome
from tests.admin_people import curator, newcomer, operator
from tests.catalog_rows import make_allowlist, make_endpoint, make_key
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
KEYS = "admin:routing_apikey_changelist"


def issue(client: Client, **fields: str) -> str:
    """Add a key through the form and return the page that answers."""
    account, _ = Account.objects.get_or_create(name="Alice")
    data = {"account": str(account.pk), "label": "laptop", **fields}
    answer = client.post(reverse("admin:routing_apikey_add"), data)
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.text


def test_a_new_key_is_shown_in_the_answer_and_works() -> None:
    page = issue(operator(), requests_per_minute="7")

    [text] = re.findall(r"sk-assay-[\w-]{59}", page)
    key = ApiKey.objects.get()
    assert key.digest == key_digest(bearer_token(f"Bearer {text}"))
    assert (key.label, key.requests_per_minute) == ("laptop", 7)


def test_a_new_key_is_kept_nowhere_and_never_shown_again() -> None:
    client = operator()
    [text] = re.findall(r"sk-assay-[\w-]{59}", issue(client))
    key = ApiKey.objects.get()
    secret = text.split("-")[3]

    pages = [
        client.get(reverse(KEYS)),
        client.get(reverse("admin:routing_apikey_change", args=[key.pk])),
        client.get(reverse("admin:routing_apikey_history", args=[key.pk])),
    ]

    assert all(secret not in page.text for page in pages)
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    assert all(secret not in cookie.value for cookie in client.cookies.values())
    assert not any(secret in str(vars(entry)) for entry in LogEntry.objects.all())
    assert secret not in str(vars(key))


def test_a_key_is_limited_to_the_scopes_that_are_ticked() -> None:
    client = operator()
    issue(client, scopes="read")
    key = ApiKey.objects.get()
    page = reverse("admin:routing_apikey_change", args=[key.pk])

    assert key.scopes == ["read"]
    client.post(page, {"label": "laptop", "scopes": ["chat", "read"]})
    key.refresh_from_db()
    assert key.scopes == ["chat", "read"]
    client.post(page, {"label": "laptop", "scopes": ["everything"]})
    key.refresh_from_db()
    assert key.scopes == ["chat", "read"]


def test_a_key_without_scopes_is_shown_as_what_it_is() -> None:
    make_key("Alice")

    assert "everything" in operator().get(reverse(KEYS)).text


def test_revoking_is_one_action_and_is_logged() -> None:
    make_key("Alice")
    key = ApiKey.objects.get()
    client = operator()

    answer = client.post(
        reverse(KEYS), {"action": "revoke", "_selected_action": [key.pk]}, follow=True
    )

    key.refresh_from_db()
    assert not key.usable(now())
    assert "is revoked everywhere within 5 seconds" in answer.text
    assert LogEntry.objects.get().change_message == "Revoked."
    assert "revoked" in client.get(reverse(KEYS)).text


def test_neither_keys_nor_accounts_are_deleted() -> None:
    make_key("Alice")
    client = operator()

    for model, row in [("apikey", ApiKey.objects.get()), ("account", Account.objects.get())]:
        url = reverse(f"admin:routing_{model}_delete", args=[row.pk])
        assert client.post(url, {"post": "yes"}).status_code == 403


def test_a_key_keeps_its_account() -> None:
    make_key("Alice")
    key = ApiKey.objects.get()
    bob = Account.objects.create(name="Bob")

    operator().post(
        reverse("admin:routing_apikey_change", args=[key.pk]),
        {"label": "renamed", "account": str(bob.pk)},
    )

    key.refresh_from_db()
    assert (key.label, key.account.name) == ("renamed", "Alice")


def test_curators_are_kept_from_keys_and_credentials_but_see_the_rest() -> None:
    rights = set(Group.objects.get(name="Curators").permissions.values_list("codename", flat=True))

    assert not {right for right in rights if "apikey" in right or "credential" in right}
    assert {right for right in rights if "user" in right or "group" in right} == set()
    assert "publish_allowlist" in rights
    assert "change_account" not in rights
    client = curator()
    assert client.get(reverse(KEYS)).status_code == 403
    assert client.get(reverse("admin:routing_apikey_add")).status_code == 403
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 403


PAGES = [
    "routing_allowlist", "routing_account", "routing_accountpreferences",
    "providers_provider", "providers_model",
    "providers_endpoint", "telemetry_generation", "telemetry_attempt", "telemetry_verdictcount",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_curator_opens_every_list(page: str) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    alice = Account.objects.create(name="Alice")
    make_generation("gen-1", (endpoint, Outcome.OK), account=alice)

    assert curator().get(reverse(f"admin:{page}_changelist")).status_code == 200
    assert newcomer().get(reverse(f"admin:{page}_changelist")).status_code == 403
    assert Client().get(reverse(f"admin:{page}_changelist")).status_code == 302


def test_the_sidebar_shows_what_one_may_open() -> None:
    pages = {who: client.get("/admin/").text for who, client in
             [("operator", operator()), ("curator", curator())]}  # fmt: skip

    for word in ["Curate", "Allowlists", "Verdict counts", "Attempts"]:
        assert all(word in page for page in pages.values())
    assert reverse(KEYS) in pages["operator"]
    assert reverse(KEYS) not in pages["curator"]


def test_the_list_of_generations_names_owners_and_keys() -> None:
    make_key("Alice", "laptop")
    key = ApiKey.objects.get()
    generation = make_generation(
        "gen-1", (make_endpoint("cobalt"), Outcome.OK), account=key.account, api_key_id=key.pk
    )
    client = curator()

    assert "Alice" in client.get(reverse("admin:telemetry_generation_changelist")).text
    page = client.get(reverse("admin:telemetry_generation_change", args=[generation.pk])).text
    assert "laptop (sk-assay-" in page


def test_users_and_groups_open_too() -> None:
    client = operator()
    user = User.objects.get()

    for url in [
        reverse("admin:auth_user_change", args=[user.pk]),
        reverse("admin:auth_user_add"),
        reverse("admin:auth_group_changelist"),
    ]:
        assert client.get(url).status_code == 200


def test_a_key_gets_its_limit_and_may_be_disabled() -> None:
    client = operator()
    issue(client, spend_limit="12.50", limit_reset="monthly", management="on")
    key = ApiKey.objects.get()
    page = reverse("admin:routing_apikey_change", args=[key.pk])

    assert (key.spend_limit, key.limit_reset, key.management) == (Decimal("12.5"), "monthly", True)
    assert "12.5 monthly" in client.get(reverse(KEYS)).text
    client.post(page, {"label": "laptop", "disabled": "on", "spend_limit": "-1"})
    key.refresh_from_db()
    assert not key.disabled
    client.post(page, {"label": "laptop", "disabled": "on", "limit_reset": ""})
    key.refresh_from_db()
    assert (key.disabled, key.spend_limit, key.management) == (True, None, True)
    assert key.updated_at is not None
    assert not key.usable(now())


def test_rotating_shows_the_new_secret_once_and_keeps_the_former_for_a_day() -> None:
    former = make_key("Alice", "laptop")
    key = ApiKey.objects.get()
    client = operator()

    page = client.post(reverse(KEYS), {"action": "rotate", "_selected_action": [key.pk]})

    [text] = re.findall(r"sk-assay-[\w-]{59}", page.text)
    assert "no-store" in page.headers["Cache-Control"]
    later = now() + timedelta(hours=23)
    for secret in (former, text):
        assert ApiKey.with_digest(key_digest(secret), later) == key
    assert ApiKey.with_digest(key_digest(former), now() + timedelta(hours=25)) is None
    assert LogEntry.objects.get().change_message == "Rotated."
    assert text.split("-")[3] not in client.get(reverse(KEYS)).text


def test_only_one_key_is_rotated_at_once_and_no_revoked_one() -> None:
    make_key("Alice", "one")
    make_key("Alice", "two")
    keys = list(ApiKey.objects.all())
    client = operator()
    before = {key.digest for key in keys}
    keys[0].revoke()

    for chosen in ([keys[0].pk, keys[1].pk], [keys[0].pk]):
        data = {"action": "rotate", "_selected_action": chosen}
        answer = client.post(reverse(KEYS), data, follow=True)
        assert "Choose one key that is not revoked." in answer.text
    assert {key.digest for key in ApiKey.objects.all()} == before


def test_lists_tell_what_was_spent() -> None:
    make_key("Alice", "laptop")
    key = ApiKey.objects.get()
    make_generation(
        "gen-1",
        (make_endpoint("cobalt"), Outcome.OK),
        account=key.account,
        api_key_id=key.pk,
        cost=Decimal("1.25"),
    )
    client = operator()

    assert "1.2500" in client.get(reverse(KEYS)).text
    assert "1.2500" in client.get(reverse("admin:routing_account_changelist")).text
