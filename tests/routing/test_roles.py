"""What each role may do: every page and action of the admin, visited as each of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.models import Model as Row
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing import roles
from routing.admin.decisions import DECISIONS
from routing.models import (
    Account,
    AccountPreferences,
    ApiKey,
    AuditEntry,
    ModelPolicy,
    Notice,
    OwnCredential,
    Preset,
    ProviderMessage,
    ProviderReport,
    Quarantine,
)
from telemetry.models import (
    Attempt,
    BenchmarkRun,
    Feedback,
    Generation,
    Outcome,
    RequestSet,
    VerdictCount,
    VerifierRun,
)
from tests.admin_people import newcomer, operator, person
from tests.catalog_rows import make_allowlist, make_endpoint, make_key, make_provider
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db

# The right that each page asks for, where it is not one of Django's five pages of a model.
OWN_PAGES = {
    "auth_user_password_change": "auth.change_user",
    "providers_model_benchmarks": "telemetry.view_benchmarkrun",
    "providers_model_benchmarks_json": "telemetry.view_benchmarkrun",
    "providers_model_benchmarks_csv": "telemetry.view_benchmarkrun",
    "routing_allowlist_decide": "routing.publish_allowlist",
    "routing_allowlist_endpoint": "routing.view_allowlist",
    "routing_model_workplaces": "routing.view_allowlist",
    "routing_model_workplace": "routing.view_allowlist",
    "routing_model_workplace_scores": "routing.view_allowlist",
    "routing_quarantine_release": "routing.release_quarantine",
    "telemetry_verifierrun_stop": "telemetry.add_verifierrun",
}
# The right to send something to one of those, where it is another than the right to see it.
SENDING = {
    "routing_allowlist_endpoint": "routing.change_allowlist",
    "routing_model_workplace_scores": "routing.add_allowlist",
}
# Show, and do not look at what is sent to them.
ONLY_SHOWN = {
    "providers_model_benchmarks",
    "providers_model_benchmarks_json",
    "providers_model_benchmarks_csv",
    "routing_model_workplaces",
    "routing_model_workplace",
    "telemetry_verifierrun_change",
}
DEEDS = {
    "changelist": "view",
    "add": "add",
    "change": "view",
    "delete": "delete",
    "history": "view",
}
# Quarantining is one right, whichever page it is done on.
ADDING = {"routing_quarantine_add": "routing.release_quarantine"}
# The right that each action of a list asks for.
ACTIONS = {
    "stop_sending": "{app}.change_{model}",
    "resume_sending": "{app}.change_{model}",
    "delete_selected": "{app}.delete_{model}",
    "verify_now": "telemetry.add_verifierrun",
    "rotate": "routing.change_apikey",
    "reset_second_factor": "auth.change_user",
    "revoke": "routing.change_{model}",
    "mark_seen": "routing.change_notice",
    "put_together": "telemetry.change_feedback",
    "apart": "telemetry.change_feedback",
    "look_at": "telemetry.change_feedback",
    "close": "telemetry.change_feedback",
    "mark_as_spam": "telemetry.change_feedback",
    "export_csv": "telemetry.view_feedback",
}
ROLES = sorted(roles.GROUPS)


@pytest.fixture
def rows() -> dict[str, Row]:
    """Return one row of every model that the admin has a page for."""
    make_provider("cobalt", api_key_env="COBALT_API_KEY")
    endpoint = make_endpoint("cobalt")
    make_key("Alice")
    alice = Account.objects.get()
    make_generation("gen-1", (endpoint, Outcome.OK), account=alice)
    asked = RequestSet.objects.create(digest="d", name="own", content="", requests=1)
    credential = OwnCredential(account=alice, provider=endpoint.provider)
    credential.store("sk-secret")
    credential.save()
    report = ProviderReport.objects.create(
        endpoint=endpoint, link_hash="h", note="Cobalt", created_at=now(), expires_at=now(),
        created_by=User.objects.create_user("rita"),
    )  # fmt: skip
    found: list[Row] = [
        endpoint, endpoint.model, endpoint.provider, alice, ApiKey.objects.get(), credential,
        Generation.objects.get(), Attempt.objects.get(),
        make_allowlist(endpoint, published=False),
        User.objects.create_user("ursula"), Group.objects.create(name="Own"),
        AuditEntry.record("test", by="test"),
        AccountPreferences.objects.create(account=alice),
        Preset.objects.create(account=alice, slug="short", parameters={}),
        ModelPolicy.objects.create(model=endpoint.model),
        Notice.objects.create(created_at=now(), kind="small_pool", text="Too few."),
        Quarantine.objects.create(
            endpoint=endpoint, model=endpoint.model, kind="failures", reason="Errors rose.",
            started_at=now(), back_off_until=now(),
        ),
        BenchmarkRun.objects.create(
            endpoint=endpoint, suite="k2vv", content_hash="c", measured_at=now(),
            requests=2, tool_calls=1,
        ),
        Feedback.objects.create(comment="Odd.", source="form", category="other"),
        VerifierRun.objects.create(model=endpoint.model, request_set=asked, cause="person"),
        report,
        ProviderMessage.objects.create(
            report=report, endpoint=endpoint, kind="answer", text="Mended.", created_at=now()
        ),
        VerdictCount.objects.create(
            endpoint=endpoint, day=now().date(), verdict="valid", attempts=1
        ),
    ]  # fmt: skip
    return {row._meta.label_lower: row for row in found}


def pages(rows: dict[str, Row]) -> Iterator[tuple[str, str, str]]:
    """Yield the address of every page of every model, the right it asks for, and its name."""
    for model, its_admin in admin.site._registry.items():
        app, name = model._meta.app_label, model._meta.model_name
        for pattern in its_admin.get_urls():
            if not pattern.name:
                continue  # the former addresses of change pages, which lead to those
            deed = DEEDS.get(pattern.name.removeprefix(f"{app}_{name}_"))
            right = f"{app}.{deed}_{name}" if deed else OWN_PAGES[pattern.name]
            arguments = arguments_of(pattern, rows[f"{app}.{name}"], rows)
            address = reverse(f"admin:{pattern.name}", args=arguments)
            yield address, ADDING.get(pattern.name, right), pattern.name


def arguments_of(pattern: URLPattern, row: Row, rows: dict[str, Row]) -> list[Any]:
    if pattern.name == "routing_allowlist_decide":
        return [row.pk, "publish"]
    if pattern.name == "routing_allowlist_endpoint":
        return [row.pk, rows["providers.endpoint"].pk]
    return [row.pk] if "<" in str(pattern.pattern) or "(" in str(pattern.pattern) else []


@pytest.mark.parametrize("role", ROLES)
def test_each_page_opens_for_the_roles_that_may_see_it_and_for_no_other(
    role: str, rows: dict[str, Row]
) -> None:
    all_pages, everything, client = list(pages(rows)), operator(), person(role)

    for address, right, _ in all_pages:
        if everything.get(address).status_code == 403:
            expected = False  # nobody does this, whatever his rights
        else:
            expected = right in roles.rights(role)
        assert (client.get(address).status_code != 403) is expected, (address, right)
    assert len(all_pages) > 90


@pytest.mark.parametrize("role", ROLES)
def test_each_page_takes_what_is_sent_from_the_roles_that_may_change_it_and_from_no_other(
    role: str, rows: dict[str, Row]
) -> None:
    client, held = person(role), roles.rights(role)
    writing = {"add": "add", "change": "change", "delete": "delete"}

    for address, right, name in pages(rows):
        app, model = right.split(".")[0], name.split("_")[1]
        deed = writing.get(name.rsplit("_", 1)[1])
        if name in ONLY_SHOWN:
            continue
        if name in OWN_PAGES:
            needed = SENDING.get(name, right)
        elif deed:
            needed = ADDING.get(name, f"{app}.{deed}_{model}")
        else:
            continue
        if needed not in held:
            assert client.post(address, {}).status_code == 403, (address, needed)


@pytest.mark.parametrize("role", ROLES)
def test_lists_offer_a_role_the_actions_it_may_take_and_no_other(role: str) -> None:
    person(role)
    operator()
    mine, everything = request_of(role), request_of("olga")
    held, seen = roles.rights(role), set()

    for model, its_admin in admin.site._registry.items():
        every = set(its_admin.get_actions(everything))
        words = {"app": model._meta.app_label, "model": model._meta.model_name}
        allowed = {name for name in every if ACTIONS[name].format(**words) in held}
        assert set(its_admin.get_actions(mine)) == allowed, model
        seen |= every
    assert seen == set(ACTIONS)


def request_of(name: str) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username=name)
    return request


@pytest.mark.parametrize("role", ROLES)
def test_an_action_that_is_not_offered_does_nothing_when_sent(
    role: str, rows: dict[str, Row]
) -> None:
    endpoint = rows["providers.endpoint"]
    data = {"action": "stop_sending", "_selected_action": [endpoint.pk]}

    person(role).post(reverse("admin:providers_endpoint_changelist"), data)

    assert Endpoint.objects.get().enabled is (role != "operator")


@pytest.mark.parametrize("role", ROLES)
def test_only_curators_decide_about_editions(role: str, rows: dict[str, Row]) -> None:
    edition, client = rows["routing.allowlist"], person(role)

    for decision in DECISIONS:
        address = reverse("admin:routing_allowlist_decide", args=[edition.pk, decision.name])
        forbidden = client.post(address, {}).status_code == 403
        assert forbidden is (role != "curator"), decision.name


def test_every_right_of_the_table_exists_and_every_group_has_its_own() -> None:
    for role, name in roles.GROUPS.items():
        held = {
            f"{right.content_type.app_label}.{right.codename}"
            for right in Group.objects.get(name=name).permissions.select_related("content_type")
        }
        assert held == roles.rights(role)


def test_the_table_has_a_row_for_every_model_of_the_admin() -> None:
    shown = {model._meta.label_lower for model in admin.site._registry}

    assert shown <= set(roles._TABLE)
    assert all(apps.get_model(label) for label in roles._TABLE)


def test_viewers_and_auditors_change_nothing_and_nobody_changes_people() -> None:
    every = {role: roles.rights(role) for role in ROLES}

    for role in ("viewer", "auditor"):
        assert all(right.split(".")[1].startswith("view_") for right in every[role])
    assert not {
        right
        for rights in every.values()
        for right in rights
        if right.startswith("auth.") and not right.startswith("auth.view_")
    }
    assert "routing.change_modelpolicy" not in every["curator"]
    assert "routing.publish_allowlist" not in every["operator"]


def test_migrating_again_takes_back_what_a_role_lost_and_leaves_other_groups() -> None:
    foreign = Permission.objects.get(codename="change_user")
    own = Group.objects.create(name="Own")
    own.permissions.add(foreign)
    viewers = Group.objects.get(name="Viewers")
    viewers.permissions.add(foreign)
    Group.objects.get(name="Auditors").delete()

    call_command("migrate", verbosity=0)

    assert foreign not in viewers.permissions.all()
    assert list(own.permissions.all()) == [foreign]
    assert Group.objects.get(name="Auditors").permissions.exists()


def test_a_roles_group_is_shown_but_not_edited_in_the_admin() -> None:
    client, group = operator(), Group.objects.get(name="Viewers")
    change = reverse("admin:auth_group_change", args=[group.pk])

    assert client.get(change).status_code == 200
    assert client.post(change, {"name": "Mine"}).status_code == 403
    delete = reverse("admin:auth_group_delete", args=[group.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    client.post(reverse("admin:auth_group_changelist"), data)
    assert Group.objects.filter(name="Viewers").exists()


def test_no_role_reads_a_password_or_a_key(
    rows: dict[str, Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COBALT_API_KEY", "sk-cobalt-secret")
    ursula = rows["auth.user"]
    assert isinstance(ursula, User)
    ursula.set_password("correct horse battery")
    ursula.save()
    secret = ursula.password.split("$")[-1]

    for role in ROLES:
        client = person(role)
        for address, _, _ in pages(rows):
            text = client.get(address).text
            assert secret not in text, address
            assert "sk-secret" not in text, address
            assert "sk-cobalt-secret" not in text, address


def test_who_has_no_role_opens_nothing(rows: dict[str, Row]) -> None:
    client = newcomer()

    for address, _, _ in pages(rows):
        assert client.get(address).status_code == 403, address
        assert Client().get(address).status_code == 302, address
