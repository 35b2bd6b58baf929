"""Providers, models and endpoints in the admin, as people with real permissions see them."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from providers.models import Credential, Endpoint, Provider
from routing.models import Account
from telemetry.models import Outcome
from tests.admin_people import curator, newcomer, operator, person
from tests.catalog_rows import make_allowlist, make_endpoint, make_provider
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
KEY = "sk-the-providers-own-key"

PROVIDER = {
    "name": "Cobalt",
    "slug": "cobalt",
    "base_url": "https://cobalt.test/v1",
    "enabled": "on",
    "credential-TOTAL_FORMS": "1",
    "credential-INITIAL_FORMS": "0",
}


def change_url(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def credential_form(provider: Provider | None = None, **fields: str) -> dict[str, str]:
    data = dict(PROVIDER)
    credential = Credential.objects.filter(provider=provider).first() if provider else None
    if provider and credential:
        data["credential-INITIAL_FORMS"] = "1"
        data["credential-0-id"] = str(credential.pk)
        data["credential-0-provider"] = str(provider.pk)
    return data | {f"credential-0-{name}": value for name, value in fields.items()}


def submit(client: Client, url: str, data: dict[str, str]) -> None:
    answer = client.post(url, data)
    assert answer.status_code == 302, answer.context["errors"]


def test_adds_a_provider_with_a_pasted_key_that_is_sealed() -> None:
    url = reverse("admin:providers_provider_add")

    submit(operator(), url, credential_form(source="stored", new_key=KEY))

    credential = Credential.objects.get(provider__slug="cobalt")
    secret = credential.open()
    assert secret is not None
    assert secret.reveal() == KEY
    assert KEY.encode() not in bytes(credential.sealed)


def test_never_shows_a_stored_key_again() -> None:
    client = operator()
    submit(
        client,
        reverse("admin:providers_provider_add"),
        credential_form(source="stored", new_key=KEY),
    )
    provider = Provider.objects.get()

    for url in [
        change_url(provider),
        reverse("admin:providers_provider_changelist"),
        reverse("admin:providers_provider_history", args=[provider.pk]),
    ]:
        page = client.get(url).text
        assert KEY not in page
    assert "stored, set on" in client.get(change_url(provider)).text
    assert not LogEntry.objects.filter(change_message__contains=KEY).exists()


def test_a_refused_form_does_not_echo_the_key() -> None:
    page = operator().post(
        reverse("admin:providers_provider_add"),
        credential_form(source="stored", new_key=KEY) | {"name": ""},
    )

    assert page.status_code == 200
    assert KEY not in page.text


def test_an_empty_key_field_keeps_the_stored_key() -> None:
    client = operator()
    submit(
        client,
        reverse("admin:providers_provider_add"),
        credential_form(source="stored", new_key=KEY),
    )
    provider = Provider.objects.get()

    submit(client, change_url(provider), credential_form(provider, source="stored", new_key=""))

    secret = Credential.objects.get().open()
    assert secret is not None
    assert secret.reveal() == KEY


def test_an_environment_variable_replaces_the_stored_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COBALT_API_KEY", raising=False)
    client = operator()
    submit(
        client,
        reverse("admin:providers_provider_add"),
        credential_form(source="stored", new_key=KEY),
    )
    provider = Provider.objects.get()

    submit(
        client,
        change_url(provider),
        credential_form(provider, source="environment", api_key_env="COBALT_API_KEY"),
    )

    assert bytes(Credential.objects.get().sealed) == b""
    assert "reads COBALT_API_KEY: NOT SET" in client.get(change_url(provider)).text
    monkeypatch.setenv("COBALT_API_KEY", "x")
    assert "reads COBALT_API_KEY: set" in client.get(change_url(provider)).text


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"source": "environment", "api_key_env": "SECRET_KEY"}, "Must end with _API_KEY."),
        ({"source": "stored", "new_key": ""}, "Paste the provider&#x27;s key."),
        ({"source": "stored", "new_key": "two words"}, "printable characters without spaces"),
    ],
)
def test_refuses_an_unusable_credential_with_the_reason(
    fields: dict[str, Any], complaint: str
) -> None:
    page = operator().post(reverse("admin:providers_provider_add"), credential_form(**fields))

    assert complaint in page.text
    assert not Provider.objects.exists()


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "<script>alert(1)</script>", "x" * 300])
def test_refuses_a_name_that_could_break_a_page_or_a_header(name: str) -> None:
    page = operator().post(
        reverse("admin:providers_provider_add"), credential_form() | {"name": name}
    )

    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert not Provider.objects.exists()


def test_a_hostile_name_in_the_database_is_shown_as_text() -> None:
    make_endpoint(make_provider("cobalt", name="<script>alert(1)</script>"))

    page = operator().get(reverse("admin:providers_endpoint_changelist")).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_who_sees_no_credential_cannot_redirect_one() -> None:
    provider = make_provider("cobalt", api_key_env="COBALT_API_KEY")
    client = curator()
    own = Group.objects.create(name="Catalogue")
    own.permissions.add(Permission.objects.get(codename="change_provider"))
    User.objects.get(username="carl").groups.add(own)

    assert "COBALT_API_KEY" not in client.get(change_url(provider)).text
    assert "COBALT_API_KEY" not in client.get(reverse("admin:providers_provider_changelist")).text
    submit(
        client,
        change_url(provider),
        {"name": "Cobalt 2", "slug": "thief", "base_url": "https://thief.test/v1"},
    )

    provider.refresh_from_db()
    assert (provider.name, provider.slug) == ("Cobalt 2", "cobalt")
    assert provider.base_url == "http://cobalt.test/v1"


def test_prices_are_typed_per_million_and_kept_per_token() -> None:
    endpoint = make_endpoint("cobalt", price_cache_read=Decimal("0.00000015"))
    client = operator()
    page = client.get(change_url(endpoint))
    data = {
        name: page.context["adminform"].form[name].value()
        for name in page.context["adminform"].form.fields
    }
    assert (data["price_prompt"], data["price_cache_read"], data["price_request"]) == (
        "0.6", "0.15", "0",
    )  # fmt: skip
    data = {name: value for name, value in data.items() if value not in (None, "", [])}

    data |= {"price_prompt": "0.0375", "initial-enabled": "True"}
    submit(client, change_url(endpoint), data)

    endpoint.refresh_from_db()
    assert endpoint.price_prompt == Decimal("0.0000000375")
    assert endpoint.price_completion == Decimal("0.0000025")
    assert endpoint.supported_parameters == ["max_tokens", "temperature", "tool_choice", "tools"]
    assert LogEntry.objects.get().get_change_message() == "Changed Prompt."


def test_the_list_of_endpoints_says_prices_and_live_lists_plainly() -> None:
    endpoint = make_endpoint("cobalt", tag="cobalt/fp8", quantization="fp8")
    make_allowlist(endpoint)
    make_allowlist(endpoint)

    page = curator().get(reverse("admin:providers_endpoint_changelist")).text

    assert "$0.60 · $2.50" in page
    assert ":exacto edition 2" in page
    assert ":exacto edition 1" not in page


@pytest.mark.parametrize(
    ("action", "before", "after"), [("stop_sending", True, False), ("resume_sending", False, True)]
)
def test_the_kill_switch_works_from_the_list_and_is_logged(
    action: str, before: bool, after: bool
) -> None:
    endpoint = make_endpoint("cobalt", enabled=before)
    data = {"action": action, "_selected_action": [endpoint.pk]}

    person("operator").post(reverse("admin:providers_endpoint_changelist"), data)

    endpoint.refresh_from_db()
    assert endpoint.enabled is after
    entry = LogEntry.objects.get()
    assert entry.user == User.objects.get(username="operator")
    assert "sending" in entry.change_message


def test_an_endpoint_on_an_allowlist_is_not_deleted_but_explained() -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    client = operator()
    delete = reverse("admin:providers_endpoint_delete", args=[endpoint.pk])

    shown = client.get(delete).text
    answer = client.post(delete, {"post": "yes"})

    assert "It cannot be deleted, because it is used by: allowlist entries." in shown
    assert answer.status_code == 200
    assert Endpoint.objects.filter(pk=endpoint.pk).exists()


def test_deleting_several_is_refused_when_one_is_used() -> None:
    used, unused = make_endpoint("cobalt"), make_endpoint("zinc")
    make_allowlist(used)
    data = {
        "action": "delete_selected",
        "_selected_action": [used.pk, unused.pk],
        "post": "yes",
    }

    page = operator().post(reverse("admin:providers_endpoint_changelist"), data)

    assert "Nothing was deleted" in page.text
    assert Endpoint.objects.count() == 2


def test_refusing_reads_none_of_the_rows_that_use_it() -> None:
    endpoint = make_endpoint("cobalt")
    alice = Account.objects.create(name="Alice")
    for number in range(5):
        make_generation(f"gen-{number}", (endpoint, Outcome.OK), account=alice)
    client = operator()

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("admin:providers_endpoint_delete", args=[endpoint.pk]))

    about = [q["sql"] for q in queries if 'FROM "telemetry_' in q["sql"]]
    assert about
    assert all("LIMIT 1" in sql for sql in about)


def test_what_nothing_uses_is_deleted() -> None:
    endpoint = make_endpoint("cobalt")

    operator().post(reverse("admin:providers_endpoint_delete", args=[endpoint.pk]), {"post": "yes"})

    assert not Endpoint.objects.exists()


def test_a_renamed_provider_keeps_its_rows() -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)

    submit(
        operator(),
        change_url(endpoint.provider),
        {
            "name": "Cobalt Two",
            "base_url": endpoint.provider.base_url,
            "enabled": "on",
            "credential-TOTAL_FORMS": "0",
            "credential-INITIAL_FORMS": "0",
        },
    )

    endpoint.refresh_from_db()
    assert endpoint.provider.name == "Cobalt Two"


def test_a_page_open_since_before_a_stop_does_not_resume_it() -> None:
    provider, client = make_provider("cobalt"), operator()
    page = client.get(change_url(provider)).text
    assert '<input type="hidden" name="initial-enabled" value="True"' in page
    shown = {**PROVIDER, "initial-enabled": "True", "credential-TOTAL_FORMS": "0"}
    Provider.objects.update(enabled=False)

    submit(client, change_url(provider), {**shown, "name": "Cobalt Two"})

    provider.refresh_from_db()
    assert (provider.name, provider.enabled) == ("Cobalt Two", False)


def test_the_page_of_a_row_switches_it() -> None:
    provider = make_provider("cobalt")
    shown = {**PROVIDER, "initial-enabled": "True", "credential-TOTAL_FORMS": "0"}
    del shown["enabled"]

    submit(operator(), change_url(provider), shown)

    provider.refresh_from_db()
    assert provider.enabled is False


def test_an_endpoint_does_not_move_to_another_model_or_provider() -> None:
    """Its counters and scores, and the lists it is on, are those of what it was added as."""
    endpoint, other = make_endpoint("cobalt"), make_endpoint("zinc", "acme/owl-2")
    client = operator()
    form = client.get(change_url(endpoint)).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, "", [])}
    data |= {"initial-enabled": "True", "context_length": 4_096, "tag": "cobalt/fast"}
    data |= {"model": other.model_id, "provider": other.provider_id}

    client.post(change_url(endpoint), data | {"tag": "zinc/moved"})
    submit(client, change_url(endpoint), data)

    moved = Endpoint.objects.get(pk=endpoint.pk)
    assert (moved.model, moved.provider) == (endpoint.model, endpoint.provider)
    assert (moved.tag, moved.context_length) == ("cobalt/fast", 4_096)


@pytest.mark.parametrize("model", ["provider", "model", "endpoint", "credential"])
def test_without_permissions_there_is_nothing_to_see(model: str) -> None:
    client = newcomer()
    if model == "credential":
        make_provider("cobalt", api_key_env="COBALT_API_KEY")
        model = "provider"

    assert client.get(reverse(f"admin:providers_{model}_changelist")).status_code == 403


@pytest.mark.parametrize("model", ["provider", "model", "endpoint"])
def test_lists_take_as_many_queries_for_many_rows_as_for_few(
    model: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = operator()
    url = reverse(f"admin:providers_{model}_changelist")
    make_allowlist(make_endpoint("p0", "acme/m0"))

    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for number in range(1, 6):
        make_allowlist(make_endpoint(f"p{number}", f"acme/m{number}"))

    with django_assert_num_queries(len(few)):
        client.get(url)
