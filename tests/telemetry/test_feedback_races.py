"""Messages and curators at the same moment: limits hold, and no case ends inside a part."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils.timezone import now

from telemetry.feedback_cases import join
from telemetry.models import Feedback, FeedbackSender

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do all at the same moment, each on its own connection; return what each gave."""
    gate = threading.Barrier(len(acts), timeout=20)
    given: list[object] = []

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait()
            given.append(act())
        except BaseException as error:  # noqa: BLE001  # compared by the test
            given.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def test_of_many_at_once_no_more_are_taken_than_the_limit() -> None:
    at = now()

    given = at_once(*[lambda: FeedbackSender.take("x", at, 3)] * 6)

    assert sorted(map(str, given)) == ["False"] * 3 + ["True"] * 3


def test_cases_put_together_both_ways_at_once_are_one_case() -> None:
    for _ in range(5):
        rows = [
            Feedback.objects.create(comment="Odd.", category="other", source="form")
            for _ in range(4)
        ]

        given = at_once(lambda: join(rows[:3]), lambda: join(rows[1:]))  # noqa: B023  # joined below

        assert not [one for one in given if isinstance(one, BaseException)]
        parts = Feedback.objects.filter(pk__in=[row.pk for row in rows]).exclude(part_of=None)
        assert not parts.exclude(part_of__part_of=None).exists()
