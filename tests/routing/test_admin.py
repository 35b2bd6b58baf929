"""Allowlist editions in the admin: drafted, compared, published, rolled back, withdrawn."""

from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from routing.models import Allowlist
from tests.admin_people import curator, newcomer, operator
from tests.catalog_rows import make_allowlist, make_endpoint, make_model

pytestmark = pytest.mark.django_db
LIST = "admin:routing_allowlist_changelist"


def page_of(edition: Allowlist) -> str:
    return reverse("admin:routing_allowlist_change", args=[edition.pk])


def decision_url(edition: Allowlist, name: str) -> str:
    return reverse("admin:routing_allowlist_decide", args=[edition.pk, name])


def decide(client: Client, edition: Allowlist, name: str, reason: str = "Measured again.") -> Any:
    """Read the confirmation page, then confirm what it showed."""
    shown = client.get(decision_url(edition, name))
    data = {"reason": reason, "seen": shown.context["difference"].seen}
    return client.post(decision_url(edition, name), data, follow=True)


def messages_of(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def live() -> Allowlist | None:
    return Allowlist.objects.filter(status="published").first()


def test_starting_a_draft_leads_to_its_endpoints() -> None:
    model = make_model()
    client = curator()

    answer = client.post(
        reverse("admin:routing_allowlist_add"),
        {"model": model.pk, "variant": "exacto", "reason": "First pool."},
        follow=True,
    )

    draft = Allowlist.objects.get()
    assert (draft.version, draft.status, draft.created_by) == (1, "draft", User.objects.get())
    assert answer.redirect_chain == [(page_of(draft), 302)]


def test_only_variants_that_have_pools_get_a_list_or_a_policy() -> None:
    """Of any other a list would be published that no request asks for."""
    model = make_model()
    client = curator()
    said = {"model": model.pk, "variant": "nitro", "reason": "First pool."}

    page = client.post(reverse("admin:routing_allowlist_add"), said)

    assert "Select a valid choice. nitro is not one of the available choices." in page.text
    assert not Allowlist.objects.exists()


def test_a_draft_offers_the_endpoints_of_its_model_only() -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)
    make_endpoint("zinc", "acme/other")

    page = curator().get(page_of(draft)).text

    assert "cobalt (Cobalt" in page
    assert "zinc" not in page


def entries_form(draft: Allowlist, *endpoints: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "reason": draft.reason,
        "entries-TOTAL_FORMS": len(endpoints),
        "entries-INITIAL_FORMS": 0,
    }
    for number, endpoint in enumerate(endpoints):
        data[f"entries-{number}-endpoint"] = endpoint.pk
        data[f"entries-{number}-reason"] = "valid in all of 500 calls"
        data[f"entries-{number}-allowlist"] = draft.pk
    return data


def test_endpoints_are_added_to_a_draft_with_a_reason_each() -> None:
    endpoint = make_endpoint("cobalt")
    draft = Allowlist.draft(endpoint.model)

    curator().post(page_of(draft), entries_form(draft, endpoint))

    entry = draft.entries.get()
    assert (entry.endpoint, entry.reason) == (endpoint, "valid in all of 500 calls")


def test_another_models_endpoint_is_refused() -> None:
    draft = Allowlist.draft(make_model())

    answer = curator().post(page_of(draft), entries_form(draft, make_endpoint("zinc", "acme/b")))

    assert answer.status_code == 200
    assert not draft.entries.exists()


def test_publishing_shows_the_difference_and_asks_why() -> None:
    kept, gone, new = make_endpoint("cobalt"), make_endpoint("zinc"), make_endpoint("iron")
    make_allowlist(kept, gone)
    draft = make_allowlist(kept, new, published=False)

    shown = curator().get(decision_url(draft, "publish")).context["difference"]

    assert shown.live.version == 1
    assert (shown.added, shown.removed, shown.kept) == ([new], [gone], [kept])


def test_publishing_makes_the_draft_live_with_who_and_why() -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint)
    draft = make_allowlist(endpoint, published=False, reason="")
    client = curator()

    answer = decide(client, draft, "publish", "Zinc broke its JSON.")

    draft.refresh_from_db()
    assert live() == draft
    assert draft.published_by == User.objects.get(username="carl")
    assert draft.reason == "Zinc broke its JSON."
    assert messages_of(answer) == [f"Published {draft}."]
    assert "Zinc broke its JSON." in LogEntry.objects.get(object_id=draft.pk).change_message


def test_publishing_needs_a_reason() -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)

    answer = decide(curator(), draft, "publish", "  ")

    assert live() is None
    assert "Write why" in answer.text


def test_publishing_needs_endpoints_and_says_so() -> None:
    draft = Allowlist.draft(make_model(), reason="Empty.")

    answer = decide(curator(), draft, "publish")

    assert live() is None
    assert messages_of(answer) == [f"{draft} has no endpoints: add at least one."]
    draft.refresh_from_db()
    assert draft.reason == "Empty."


def test_a_list_that_changed_while_it_was_read_is_shown_again() -> None:
    endpoint, other = make_endpoint("cobalt"), make_endpoint("zinc")
    draft = make_allowlist(endpoint, published=False)
    client = curator()
    seen = client.get(decision_url(draft, "publish")).context["difference"].seen
    live_meanwhile = make_allowlist(other)

    answer = client.post(decision_url(draft, "publish"), {"reason": "Why not.", "seen": seen})

    assert live() == live_meanwhile
    assert answer.status_code == 200
    assert "changed while you were reading" in answer.text
    assert answer.context["difference"].removed == [other]


@pytest.mark.parametrize("name", ["publish", "start_draft", "roll_back", "withdraw"])
def test_only_looking_decides_nothing(name: str) -> None:
    endpoint = make_endpoint("cobalt")
    editions = [make_allowlist(endpoint), make_allowlist(endpoint)]
    editions.append(make_allowlist(endpoint, published=False))
    before = list(Allowlist.objects.values())
    client = curator()

    for edition in editions:
        client.get(decision_url(edition, name))

    assert list(Allowlist.objects.values()) == before


def test_rolling_back_publishes_the_old_content_as_a_new_edition() -> None:
    good, bad = make_endpoint("cobalt"), make_endpoint("zinc")
    first = make_allowlist(good)
    make_allowlist(bad)

    answer = decide(curator(), first, "roll_back", "Zinc was worse.")

    now_live = live()
    assert now_live is not None
    assert (now_live.version, now_live.reason) == (3, "Zinc was worse.")
    assert [entry.endpoint for entry in now_live.entries.all()] == [good]
    assert messages_of(answer) == [f"Rolled back: published {now_live}."]


def test_withdrawing_leaves_nothing_live() -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    decide(curator(), edition, "withdraw", "All of them fail.")

    edition.refresh_from_db()
    assert (edition.status, live()) == ("retired", None)
    assert edition.retired_by == User.objects.get(username="carl")
    assert edition.retired_reason == "All of them fail."
    assert "All of them fail." in LogEntry.objects.get().change_message


def test_withdrawing_needs_a_reason() -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    answer = decide(curator(), edition, "withdraw", "  ")

    assert "Write why" in answer.text
    assert live() == edition


def test_a_retired_edition_says_who_retired_it_and_why() -> None:
    endpoint = make_endpoint("cobalt")
    first, second = make_allowlist(endpoint), make_allowlist(endpoint)
    client = curator()
    decide(client, second, "withdraw", "All of them fail.")

    page = client.get(reverse(LIST)).text

    assert "retired by carl" in page
    assert ": All of them fail." in page
    assert ": Replaced by edition 2." in page
    page = client.get(page_of(first)).text
    assert "; retired " in page
    assert "retired by" not in page  # who replaced it is told of the edition that did


def test_an_edition_that_the_policy_replaced_is_not_told_to_be_the_catalogue_files() -> None:
    endpoint, zinc = make_endpoint("cobalt"), make_endpoint("zinc")
    first = make_allowlist(endpoint, zinc, published=False)
    first.publish(by=User.objects.create_user("dora"))
    second = make_allowlist(endpoint, published=False)
    second.proposed_by_method = "assay-1"
    second.save()
    second.publish(by=None)

    page = curator().get(page_of(first)).text

    assert ": Replaced by edition 2." in page
    assert "catalogue file" not in page


def test_a_draft_started_from_an_edition_copies_it_and_changes_nothing() -> None:
    edition = make_allowlist(make_endpoint("cobalt"))

    answer = decide(curator(), edition, "start_draft", "")

    draft = Allowlist.objects.get(status="draft")
    assert answer.redirect_chain == [(page_of(draft), 302)]
    assert draft.entries.count() == 1
    assert live() == edition


@pytest.mark.parametrize(
    ("name", "published"), [("publish", True), ("withdraw", False), ("roll_back", True)]
)
def test_a_decision_that_no_longer_fits_is_refused_in_words(name: str, published: bool) -> None:
    edition = make_allowlist(make_endpoint("cobalt"), published=published)
    data = {"reason": "Late.", "seen": ""}

    answer = curator().post(decision_url(edition, name), data, follow=True)

    assert messages_of(answer) == [f"{edition} is {edition.status}: look again."]
    assert Allowlist.objects.count() == 1


def test_deciding_needs_the_permission_to_publish() -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)
    client = newcomer()
    User.objects.get(username="nina").user_permissions.set(
        Permission.objects.filter(codename__in=["view_allowlist", "change_allowlist"])
    )

    page = client.get(page_of(draft))
    answer = client.post(decision_url(draft, "publish"), {"reason": "Me!", "seen": ""})

    assert "Publish" not in page.text
    assert answer.status_code == 403
    assert live() is None


def test_deciding_needs_a_csrf_token() -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)
    operator()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="olga"))

    answer = strict.post(decision_url(draft, "publish"), {"reason": "Forged.", "seen": ""})

    assert answer.status_code == 403
    assert live() is None


def test_a_published_edition_is_read_only() -> None:
    edition = make_allowlist(make_endpoint("cobalt"))
    client = operator()

    page = client.get(page_of(edition))
    answer = client.post(page_of(edition), entries_form(edition) | {"reason": "Rewritten."})

    assert 'name="_save"' not in page.text
    assert answer.status_code == 403
    delete = reverse("admin:routing_allowlist_delete", args=[edition.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_a_draft_can_be_deleted() -> None:
    draft = make_allowlist(make_endpoint("cobalt"), published=False)

    curator().post(reverse("admin:routing_allowlist_delete", args=[draft.pk]), {"post": "yes"})

    assert not Allowlist.objects.exists()


@pytest.mark.parametrize("path", ["decide/explode/", "decide/publish/"])
def test_what_does_not_exist_is_not_found(path: str) -> None:
    assert operator().get(f"/admin/routing/allowlist/999/{path}").status_code == 404


def test_a_number_too_large_for_the_database_takes_no_list_down() -> None:
    make_model()
    client = operator()
    for model in site._registry:
        page = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        for field in model._meta.fields:
            asked = {field.name: 2**63}
            assert client.get(page, asked).status_code in (200, 302, 400), (page, asked)


def test_the_list_says_which_edition_is_live() -> None:
    endpoint = make_endpoint("cobalt", tag="cobalt/fp8")
    make_allowlist(endpoint)
    make_allowlist(endpoint)

    page = curator().get(reverse(LIST)).text

    assert "acme/falcon-1:exacto" in page
    assert "cobalt/fp8" in page
    assert ">live<" in page
    assert ">retired<" in page
    assert "published by the catalogue file" in page


def test_the_list_takes_as_many_queries_for_many_editions_as_for_few(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = operator()
    make_allowlist(make_endpoint("cobalt"))
    with CaptureQueriesContext(connection) as few:
        client.get(reverse(LIST))
    for number in range(5):
        make_allowlist(make_endpoint("cobalt", f"acme/m{number}"))

    with django_assert_num_queries(len(few)):
        client.get(reverse(LIST))
