"""Curators read feedback, put it together, and answer it; nobody else does."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from routing.models import Account
from telemetry.models import Attempt, Feedback, Outcome, Verdict
from tests.admin_people import curator, newcomer
from tests.catalog_rows import make_endpoint
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
LIST = "admin:telemetry_feedback_changelist"


def say(comment: str = "It called no tool.", **fields: Any) -> Feedback:
    defaults = {"source": "form", "category": "other"}
    return Feedback.objects.create(comment=comment, **{**defaults, **fields})


def page_of(message: Feedback) -> str:
    return reverse("admin:telemetry_feedback_change", args=[message.pk])


def decide(client: Client, message: Feedback, **fields: Any) -> Any:
    told = {"status": "new", "endpoint": "", "reply": "", "note": "", **fields}
    return client.post(page_of(message), told)


def act(client: Client, action: str, *chosen: Feedback) -> Any:
    pks = [message.pk for message in chosen]
    return client.post(reverse(LIST), {"action": action, "_selected_action": pks}, follow=True)


def test_the_list_shows_what_was_said_as_text() -> None:
    say("<b>Odd</b>", said_model="acme/falcon-1")

    page = curator().get(reverse(LIST)).text

    assert "&lt;b&gt;Odd" in page
    assert "acme/falcon-1" in page


def test_a_curator_answers_and_links_an_endpoint() -> None:
    message, endpoint = say(contact="a@b.c"), make_endpoint("cobalt")

    decide(
        curator(), message, status="answered", reply="Mended.", note="Ours.", endpoint=endpoint.pk
    )

    message.refresh_from_db()
    assert (message.status, message.reply, message.note) == ("answered", "Mended.", "Ours.")
    assert message.endpoint == endpoint
    assert message.replied_at is not None
    assert message.contact == "a@b.c"


def test_an_answered_case_has_a_reply() -> None:
    message = say()

    page = decide(curator(), message, status="answered", reply=" ").text

    message.refresh_from_db()
    assert message.status == "new"
    assert "needs a reply" in page


def test_what_was_said_cannot_be_changed() -> None:
    message = say("Their words")

    decide(curator(), message, comment="Other words", contact="x", source="api", said_model="x")

    message.refresh_from_db()
    assert (message.comment, message.contact, message.source, message.said_model) == (
        "Their words", "", "form", "",
    )  # fmt: skip


def test_whoever_may_not_see_feedback_sees_none() -> None:
    message, client = say("Their words"), newcomer()

    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(page_of(message)).status_code == 403
    assert Client().get(page_of(message)).status_code == 302


def reader(*rights: str) -> Client:
    user = User.objects.create_user("rita", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_whoever_may_only_look_changes_nothing() -> None:
    message, client = say(), reader("view_feedback")

    assert client.get(page_of(message)).status_code == 200
    assert decide(client, message, status="closed").status_code == 403
    act(client, "close", message)

    message.refresh_from_db()
    assert message.status == "new"


def judged() -> Feedback:
    alice = Account.objects.create(name="Alice")
    make_generation("gen-1", (make_endpoint("cobalt"), Outcome.OK), account=alice)
    Attempt.objects.update(
        verdict=Verdict.SCHEMA_MISMATCH,
        call_errors=[["schema_mismatch", "/city/0 type"]],
        leaked_tool_text=True,
    )
    return say(generation_id="gen-1")


def test_a_curator_sees_how_the_generation_was_judged() -> None:
    page = curator().get(page_of(judged())).text

    assert "cobalt" in page
    assert "city → 0 has the wrong type" in page
    assert "tool call in the text" in page


def test_the_verdict_is_only_for_those_who_may_see_attempts() -> None:
    page = reader("view_feedback").get(page_of(judged())).text

    assert "has the wrong type" not in page
    assert "cobalt" not in page


def test_a_generation_that_nobody_stored_is_said_to_be_unknown() -> None:
    page = curator().get(page_of(say(generation_id="gen-unknown"))).text

    assert "No generation of this id is stored." in page


def test_cases_are_put_together_under_the_oldest() -> None:
    first, second, third = say("One"), say("Two"), say("Three")
    client = curator()
    act(client, "put_together", second, third)

    act(client, "put_together", first, second)

    assert set(Feedback.objects.filter(part_of=first)) == {second, third}
    page = client.get(page_of(first)).text
    assert "Two" in page
    assert "Three" in page


def test_a_part_has_its_cases_status_and_none_of_its_own() -> None:
    first, second, client = say("One"), say("Two"), curator()
    act(client, "put_together", first, second)

    assert decide(client, second, status="closed").status_code == 403
    act(client, "close", second)

    second.refresh_from_db()
    assert second.status == "new"
    assert page_of(first) in client.get(page_of(second)).text


def test_one_case_is_not_put_together_with_itself() -> None:
    first, second, client = say("One"), say("Two"), curator()
    act(client, "put_together", first, second)

    assert "Choose two cases or more." in act(client, "put_together", first, second).text
    assert "Choose two cases or more." in act(client, "put_together", first).text


def test_parts_are_taken_apart_into_new_cases() -> None:
    first, second, client = say("One"), say("Two"), curator()
    act(client, "put_together", first, second)
    act(client, "close", first)

    act(client, "apart", second)

    second.refresh_from_db()
    assert (second.part_of, second.status) == (None, "new")


@pytest.mark.parametrize(
    ("action", "status"), [("look_at", "looking"), ("close", "closed"), ("mark_as_spam", "spam")]
)
def test_many_are_settled_at_once(action: str, status: str) -> None:
    cases = [say(), say()]

    act(curator(), action, *cases)

    assert list(Feedback.objects.values_list("status", flat=True)) == [status, status]


def test_one_case_is_told_as_one() -> None:
    first, second, client = say("One"), say("Two"), curator()

    assert "1 case: closed." in act(client, "close", first).text
    assert "2 cases: being looked at." in act(client, "look_at", first, second).text
    act(client, "put_together", first, second)
    assert "1 is a new case." in act(client, "apart", second).text


def test_open_cases_of_the_same_model_are_named() -> None:
    alike, other = say("The same", said_model="ACME/falcon-1"), say("Another", said_model="x/y")
    settled = say("Settled", said_model="acme/falcon-1", status="closed")

    page = curator().get(page_of(say(said_model="acme/falcon-1"))).text

    assert page_of(alike) in page
    assert page_of(other) not in page
    assert page_of(settled) not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"New", "Looking", "Closed", "Part"}),
        ({"state": "open"}, {"New", "Looking"}),
        ({"state": "closed"}, {"Closed"}),
        ({"state": "parts"}, {"Part"}),
        ({"source": "api"}, {"Looking"}),
        ({"category": "latency"}, {"Closed"}),
        ({"q": "gen-1"}, {"New"}),
        ({"q": "gen-2"}, set()),
        ({"q": "%"}, set()),
    ],
)
def test_the_list_is_filtered(query: dict[str, str], found: set[str]) -> None:
    new = say("New", generation_id="gen-1")
    say("Looking", status="looking", source="api")
    say("Closed", status="closed", category="latency")
    say("Part", part_of=new)

    rows = curator().get(reverse(LIST), query).context["cl"].result_list

    assert {row.comment for row in rows} == found


def test_a_case_is_found_by_its_number() -> None:
    say("One")
    case = say("Two")

    rows = curator().get(reverse(LIST), {"q": str(case.pk)}).context["cl"].result_list

    assert list(rows) == [case]


def test_the_list_costs_no_more_queries_with_more_rows(
    django_assert_max_num_queries: Any,
) -> None:
    endpoint, client = make_endpoint("cobalt"), curator()
    first = say()
    for number in range(20):
        say(str(number), endpoint=endpoint, generation_id=f"gen-{number}", part_of=first)

    with django_assert_max_num_queries(10):
        client.get(reverse(LIST))


def test_a_spreadsheet_runs_nothing_of_what_was_said() -> None:
    evil = say('=HYPERLINK("https://evil.test")', said_model=" @SUM(1)", contact="a@b.c")

    answer = act(curator(), "export_csv", evil)

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    head, row = csv.reader(io.StringIO(answer.content.decode()))
    told = dict(zip(head, row, strict=True))
    assert told["comment"] == '\'=HYPERLINK("https://evil.test")'
    assert told["said_model"] == "' @SUM(1)"
    assert "a@b.c" not in answer.content.decode()


def test_a_contact_removed_meanwhile_does_not_come_back() -> None:
    message, client = say(contact="a@b.c"), curator()
    stale = Feedback.objects.get(pk=message.pk)
    Feedback.objects.update(contact="")

    decide(client, stale, status="looking")

    assert Feedback.objects.get().contact == ""


def tasks(client: Client) -> list[str]:
    groups = client.get("/admin/").context["groups"]
    return [task.text for group in groups if group.title == "Feedback" for task in group.tasks]


def test_the_first_page_says_how_many_cases_wait() -> None:
    client = curator()
    assert tasks(client) == []
    first = say(created_at=now() - timedelta(days=1))
    say(part_of=first)
    say(status="closed")

    assert tasks(client) == ["1 case of feedback waits for an answer."]
    say(status="looking")
    assert tasks(client) == ["2 cases of feedback wait for an answer."]
    assert tasks(reader("view_notice")) == []
