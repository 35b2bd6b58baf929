"""/exacto/feedback/: anyone writes to the curators and follows it, and learns nothing else."""

import doctest
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from routing import feedback_limit
from routing.models import Account
from telemetry.models import Feedback, FeedbackSender, Outcome
from tests.admin_people import curator
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint
from tests.telemetry_rows import make_generation

pytestmark = pytest.mark.django_db
PATH = "/exacto/feedback/"
ID = "gen-1764000000-abcdefghijklmnopqrst"


@pytest.fixture(autouse=True)
def unhurried(settings: LazySettings) -> None:
    """Let a form be sent as soon as it was shown, but where a test is about that."""
    limit(settings, feedback_form_min_s=0.0)


def limit(settings: LazySettings, **limits: float) -> None:
    settings.LIMITS = replace(settings.LIMITS, **limits)  # type: ignore[arg-type]  # whole numbers stay so


def stamp_of(page: Any) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', page.content.decode())
    assert found
    return found[1]


def send(client: Client, *, address: str = "203.0.113.9", **written: str) -> Any:
    """Send the form as somebody does who opened it."""
    fields = {"comment": "It called no tool.", "category": "other", **written}
    if "stamp" not in fields:
        fields["stamp"] = stamp_of(client.get(PATH))
    return client.post(PATH, fields, REMOTE_ADDR=address)


def test_a_message_is_kept_and_its_sender_led_to_its_status(client: Client) -> None:
    answer = send(
        client, said_model="acme/falcon-1", said_provider="Cobalt", generation=ID, contact="a@b.c"
    )

    kept = Feedback.objects.get()
    assert (kept.comment, kept.said_model, kept.said_provider, kept.generation_id) == (
        "It called no tool.", "acme/falcon-1", "Cobalt", ID,
    )  # fmt: skip
    assert (kept.source, kept.status, kept.contact) == ("form", "new", "a@b.c")
    assert answer.status_code == 303
    status = client.get(answer["Location"])
    assert status.status_code == 200
    assert "Nobody has looked at it yet" in status.content.decode()


def test_only_what_happened_must_be_told(client: Client) -> None:
    assert send(client).status_code == 303
    assert Feedback.objects.get().generation_id is None

    answer = send(client, comment=" ")

    assert answer.status_code == 400
    assert "What happened?" in answer.content.decode()
    assert Feedback.objects.count() == 1


def test_the_page_needs_no_script_and_may_send_its_form(client: Client) -> None:
    answer = client.get(PATH)

    assert b"<script" not in answer.content
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    # Under no-referrer a browser would send "Origin: null", which Django refuses.
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "no-store"


def test_a_form_from_another_site_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)

    assert send(client).status_code == 403
    token = client.cookies["csrftoken"].value
    assert send(client, csrfmiddlewaretoken=token).status_code == 303


def test_an_address_may_fill_in_what_it_is_about(client: Client) -> None:
    page = client.get(PATH, {"model": 'acme/"><script>', "generation": ID}).content.decode()

    assert "acme/&quot;&gt;&lt;script&gt;" in page
    assert "<script" not in page
    assert ID in page


def test_a_generation_that_exists_changes_nothing_of_what_a_stranger_sees(
    client: Client,
) -> None:
    alice = Account.objects.create(name="Alice")
    make_generation(ID, (make_endpoint("cobalt"), Outcome.OK), account=alice)
    other = ID.replace("a", "z")
    assert len(other) == len(ID)
    send(client)  # makes this hour's counters
    pages = []
    for generation in (ID, other):
        stamp = stamp_of(client.get(PATH))
        with CaptureQueriesContext(connection) as queries:
            link = send(client, generation=generation, stamp=stamp)["Location"]
        assert not [one for one in queries if '"telemetry_generation"' in one["sql"]]
        page = client.get(link).content.decode()
        page = re.sub(r"<time.*?</time>", "TIME", page)
        pages.append(page.replace(link, "LINK").replace(generation, "ID"))
    assert pages[0] == pages[1]
    assert "cobalt" not in pages[0].lower()


def test_what_a_curator_learns_of_a_generation_stays_with_curators(client: Client) -> None:
    alice = Account.objects.create(name="Alice")
    endpoint = make_endpoint("cobalt")
    make_generation(ID, (endpoint, Outcome.OK), account=alice)
    other = ID.replace("a", "z")
    carl, seen, pages = curator(), [], []
    for generation in (ID, other):
        link = send(client, generation=generation)["Location"]
        message = Feedback.objects.get(generation_id=generation)
        case = reverse("admin:telemetry_feedback_change", args=[message.pk])
        seen.append(carl.get(case).text)
        told = {
            "status": "answered",
            "endpoint": endpoint.pk,
            "reply": "Seen.",
            "note": "Cobalt's.",
        }
        assert carl.post(case, told).status_code == 302
        page = re.sub(r"<time.*?</time>", "TIME", client.get(link).text)
        pages.append(page.replace(link, "LINK").replace(generation, "ID"))

    assert "Try 1: " in seen[0]
    assert "No generation of this id is stored." in seen[1]
    assert pages[0] == pages[1]
    assert "Seen." in pages[0]
    assert not re.search("cobalt|alice", pages[0], re.IGNORECASE)


@pytest.mark.parametrize("written", ["abc", "gen-", "gen-a b", "gen-" + "a" * 61])
def test_what_is_no_generation_id_is_refused_in_words(client: Client, written: str) -> None:
    answer = send(client, generation=written, comment="My long story")

    assert answer.status_code == 400
    page = answer.content.decode()
    assert "begins with gen-" in page
    assert "My long story" in page
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "written",
    [
        {"comment": "a" * 4001},
        {"comment": "a\0"},
        {"category": "nice"},
        {"said_model": "a" * 201},
        {"contact": "a" * 201},
    ],
)
def test_what_cannot_be_kept_is_refused(client: Client, written: dict[str, str]) -> None:
    assert send(client, **written).status_code == 400
    assert not Feedback.objects.exists()


def test_whoever_fills_in_the_hidden_field_is_refused_and_may_send_again(client: Client) -> None:
    refused = send(client, website="https://spam.test")

    assert refused.status_code == 400
    assert b"spam.test" not in refused.content
    assert not Feedback.objects.exists()
    assert send(client, stamp=stamp_of(refused)).status_code == 303


def test_a_form_that_comes_at_once_is_refused(client: Client, settings: LazySettings) -> None:
    limit(settings, feedback_form_min_s=60.0)

    refused = send(client)

    assert refused.status_code == 400
    assert "quicker than people write" in refused.content.decode()
    # Its own stamp: waiting is enough, and does not begin anew.
    limit(settings, feedback_form_min_s=0.0)
    assert send(client, stamp=stamp_of(refused)).status_code == 303


@pytest.mark.parametrize("stamp", ["", "rubbish", "1w2x:signature:nonsense"])
def test_a_stamp_of_ones_own_making_is_refused(client: Client, stamp: str) -> None:
    refused = send(client, stamp=stamp)

    assert refused.status_code == 400
    assert not Feedback.objects.exists()
    assert send(client, stamp=stamp_of(refused)).status_code == 303


def test_a_form_that_was_open_for_too_long_is_shown_again(
    client: Client, settings: LazySettings
) -> None:
    limit(settings, feedback_form_max_s=0.0)

    refused = send(client, comment="My long story")

    assert refused.status_code == 400
    assert "open for too long" in refused.content.decode()
    assert "My long story" in refused.content.decode()


def test_the_same_form_sent_twice_is_one_message(client: Client) -> None:
    stamp = stamp_of(client.get(PATH))

    first, second = send(client, stamp=stamp), send(client, stamp=stamp)
    corrected = send(client, stamp=stamp, comment="It called two tools.")

    assert first["Location"] == second["Location"] != corrected["Location"]
    assert Feedback.objects.count() == 2


def test_an_address_may_send_so_many_an_hour_and_no_more(
    client: Client, settings: LazySettings
) -> None:
    limit(settings, feedback_hourly=2)
    for _ in range(2):
        assert send(client).status_code == 303

    refused = send(client, comment="My long story")

    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 3601
    assert "My long story" in refused.content.decode()
    assert Feedback.objects.count() == 2
    assert send(client, address="203.0.113.10").status_code == 303
    FeedbackSender.objects.update(hour=now() - timedelta(hours=2))
    assert send(client).status_code == 303


def test_one_ipv6_network_is_one_sender(client: Client, settings: LazySettings) -> None:
    limit(settings, feedback_hourly=1)

    assert send(client, address="2001:db8::1").status_code == 303
    assert send(client, address="2001:db8::ffff").status_code == 429
    assert send(client, address="2001:db8:0:1::1").status_code == 303


def test_all_together_have_a_limit_too(client: Client, settings: LazySettings) -> None:
    limit(settings, feedback_hourly_all=1)
    send(client)

    assert send(client, address="203.0.113.10").status_code == 429
    assert Feedback.objects.count() == 1
    # Refused, so not counted against its sender.
    assert FeedbackSender.objects.exclude(sender="").count() == 1


def test_an_address_is_not_kept(client: Client) -> None:
    send(client, address="203.0.113.9")

    kept = [*Feedback.objects.values(), *FeedbackSender.objects.values()]
    assert "203.0.113" not in str(kept)


def test_a_link_is_kept_as_a_hash_only(client: Client) -> None:
    link = send(client)["Location"].rpartition("/")[2]

    assert len(link) == 43
    assert link not in str(Feedback.objects.values())


def status_page(client: Client, **fields: Any) -> str:
    link = send(client, contact="alice@example.test")["Location"]
    Feedback.objects.update(**fields)
    return client.get(link).content.decode()


def test_the_status_page_shows_the_reply_as_text(client: Client) -> None:
    page = status_page(client, status="answered", reply="<b>Mended.</b>", note="A secret.")

    assert "&lt;b&gt;Mended." in page
    assert "A secret." not in page
    assert "alice@example.test" not in page


def test_a_part_of_a_case_shows_its_status_and_nothing_of_the_others(client: Client) -> None:
    send(client, comment="Bob's words", said_model="bob/model")
    case = Feedback.objects.get()
    link = send(client, comment="Alice's words")["Location"]
    Feedback.objects.exclude(pk=case.pk).update(part_of=case)
    Feedback.objects.filter(pk=case.pk).update(status="answered", reply="Mended for all.")

    page = client.get(link).content.decode()

    assert "Mended for all." in page
    assert "Alice&#x27;s words" in page
    assert "Bob" not in page
    assert "bob/model" not in page


def test_spam_is_told_nothing_but_that_it_is_closed(client: Client) -> None:
    page = status_page(client, status="spam", reply="Go away.")

    assert "Closed." in page
    assert "spam" not in page.lower()
    assert "Go away." not in page


@pytest.mark.parametrize("link", ["x", "a" * 43, "%00", "é" * 43])
def test_an_unknown_link_is_not_found(client: Client, link: str) -> None:
    send(client)

    answer = client.get(PATH + link)

    assert answer.status_code == 404
    assert "No message has this link" in answer.content.decode()


def test_a_status_page_is_kept_out_of_caches_and_search(client: Client) -> None:
    answer = client.get(send(client)["Location"])

    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Robots-Tag"] == "noindex"
    assert answer["Referrer-Policy"] == "no-referrer"


def test_it_can_be_switched_off(client: Client, settings: LazySettings) -> None:
    link = send(client)["Location"]
    assert PATH in client.get("/exacto/").content.decode()
    stamp = stamp_of(client.get(PATH))
    settings.PUBLIC_FEEDBACK = False

    assert [client.get(PATH).status_code, client.get(link).status_code] == [404, 404]
    assert send(client, stamp=stamp).status_code == 404
    assert PATH not in client.get("/exacto/").content.decode()


def test_examples_in_docstrings_hold() -> None:
    assert doctest.testmod(feedback_limit).failed == 0


def test_a_models_page_leads_to_the_form_with_its_model(
    client: Client, settings: LazySettings
) -> None:
    make_allowlist(make_endpoint("cobalt"))
    page = client.get(f"/exacto/{MODEL}").content.decode()
    found = re.search(rf'href="({PATH}[^"]*)"', page.partition("<main")[2])
    assert found

    assert f'value="{MODEL}:exacto"' in client.get(unescape(found[1])).content.decode()

    settings.PUBLIC_FEEDBACK = False
    assert PATH not in client.get(f"/exacto/{MODEL}").content.decode()


def test_a_browser_that_keeps_no_cookie_is_told_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post(PATH, {"comment": "It called no tool."})

    assert answer.status_code == 403
    assert "go back to the form" in answer.text
    assert not Feedback.objects.exists()
