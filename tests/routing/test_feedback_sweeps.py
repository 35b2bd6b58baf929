"""What workers do about feedback: tell curators, a few times only, and forget who wrote."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils.timezone import now

from routing.celery import app
from routing.curation.recompute import recompute_all
from routing.feedback_notices import tell_of_feedback
from routing.models import Allowlist, Notice
from telemetry.feedback_retention import forget_senders
from telemetry.models import EndpointScore, Feedback, FeedbackSender
from tests.admin_people import curator
from tests.catalog_rows import make_allowlist, make_endpoint

pytestmark = pytest.mark.django_db
AT = now()


def say(**fields: Any) -> Feedback:
    return Feedback.objects.create(comment="Odd.", source="form", category="other", **fields)


def texts() -> list[str]:
    return list(Notice.objects.order_by("created_at").values_list("text", flat=True))


def test_curators_are_told_of_new_feedback() -> None:
    say()

    tell_of_feedback(AT)

    assert texts() == ["A message of feedback came: look at it."]
    notice = Notice.objects.get()
    assert (notice.kind, notice.urgent) == ("feedback", False)
    assert curator().get(notice.path).status_code == 200


def test_a_flood_makes_one_notice_an_hour() -> None:
    for minute in range(0, 120, 10):
        say()
        tell_of_feedback(AT + timedelta(minutes=minute))

    assert texts() == [
        "A message of feedback came: look at it.",
        "6 messages of feedback came: look at them.",
    ]


def test_nothing_new_takes_no_turn() -> None:
    tell_of_feedback(AT)
    say()

    assert tell_of_feedback(AT + timedelta(seconds=1)) == 1
    assert tell_of_feedback(AT + timedelta(hours=2)) == 0


def test_a_notice_holds_nothing_of_what_was_written() -> None:
    say(contact="a@b.c", said_model="acme/secret")

    tell_of_feedback(AT)

    assert "Odd" not in str(Notice.objects.values())
    assert "secret" not in str(Notice.objects.values())


def aged(days: float, **fields: Any) -> Feedback:
    message = say(**fields)
    Feedback.objects.filter(pk=message.pk).update(created_at=AT - timedelta(days=days))
    return message


def test_contacts_are_removed_when_their_time_is_over(settings: LazySettings) -> None:
    settings.FEEDBACK_CONTACT_DAYS = 30
    old, young = aged(30.1, contact="old@b.c"), aged(29.9, contact="young@b.c")

    assert forget_senders(AT) == 1

    assert dict(Feedback.objects.values_list("pk", "contact")) == {
        old.pk: "",
        young.pk: "young@b.c",
    }
    old.refresh_from_db()
    assert old.comment == "Odd."
    assert forget_senders(AT) == 0


def test_counters_of_senders_are_removed_after_a_day() -> None:
    def hour(ago: int) -> datetime:
        return AT - timedelta(hours=ago)

    for ago in (25, 1):
        FeedbackSender.objects.create(sender="x", hour=hour(ago))

    forget_senders(AT)

    assert [row.hour for row in FeedbackSender.objects.all()] == [hour(1)]


def test_feedback_moves_no_score_and_no_list(client: Client) -> None:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint, make_endpoint("amber"))
    recompute_all()

    def standing() -> list[Any]:
        scores = EndpointScore.objects.order_by("pk").values_list("endpoint", "standing")
        return [*scores, *Allowlist.objects.values_list("pk", "status", "version")]

    before = standing()
    for _ in range(50):
        say(endpoint=endpoint, said_provider="Cobalt")

    recompute_all()

    assert standing() == before


@pytest.mark.parametrize("name", ["routing.tell_of_feedback", "telemetry.forget_feedback_senders"])
def test_a_sweep_is_scheduled_under_its_public_name(name: str) -> None:
    app.loader.import_default_modules()

    assert name in app.tasks
    assert name in {entry["task"] for entry in app.conf.beat_schedule.values()}
