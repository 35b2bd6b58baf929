"""The same form, sent several times in the same moment."""

from dataclasses import replace

import pytest
from django.conf import LazySettings
from django.test import Client

from telemetry.models import Feedback, FeedbackSender
from tests.routing.pages.test_feedback import PATH, stamp_of
from tests.telemetry.test_feedback_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def test_a_double_click_is_one_message_and_counts_once(settings: LazySettings) -> None:
    settings.LIMITS = replace(settings.LIMITS, feedback_form_min_s=0.0, feedback_hourly=ROUNDS)
    for _ in range(ROUNDS):
        form = {"comment": "Odd.", "category": "other", "stamp": stamp_of(Client().get(PATH))}

        def send(form: dict[str, str] = form) -> tuple[int, str]:
            answer = Client().post(PATH, form)
            return answer.status_code, answer.get("Location", "")

        given = at_once(*[send] * 3)

        assert len(set(given)) == 1, given
        assert Client().get(given[0][1]).status_code == 200  # type: ignore[index]  # shown above
    assert Feedback.objects.count() == ROUNDS
    assert set(FeedbackSender.objects.values_list("sent", flat=True)) == {ROUNDS}
