"""Curators who decide at the same moment: one wins, the other is told so in words."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils.timezone import localdate, now

from providers.models import Endpoint
from routing.curation import publishing, quarantine
from routing.curation.assessment import Assessment, assess
from routing.models import (
    Allowlist,
    AllowlistEntry,
    AuditEntry,
    EditionError,
    Lease,
    Notice,
    Quarantine,
)
from telemetry.scoring.detection import Alarm
from tests.catalog_rows import make_allowlist, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do all at the same moment, each on its own connection; return what was refused, in words."""
    gate = threading.Barrier(len(acts), timeout=20)
    refused: list[str] = []
    failed: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait()
            act()
        except EditionError as refusal:
            refused.append(str(refusal))
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    return refused


@pytest.fixture
def people() -> list[User]:
    return [User.objects.create_user(name) for name in ("carl", "dora")]


@pytest.fixture
def endpoints() -> list[Endpoint]:
    return [make_endpoint(name) for name in ("cobalt", "zinc")]


def publish(draft: Allowlist, by: User, seen: str) -> Callable[[], object]:
    return lambda: publishing.publish(draft, by=by, reason=f"Says {by}.", seen=seen)


def test_one_of_two_who_publish_different_drafts_wins(
    people: list[User], endpoints: list[Endpoint]
) -> None:
    make_allowlist(*endpoints)
    for _ in range(ROUNDS):
        drafts = [make_allowlist(one, published=False) for one in endpoints]
        acts = [
            publish(draft, by, publishing.mark(draft))
            for draft, by in zip(drafts, people, strict=True)
        ]

        refused = at_once(*acts)

        assert len(refused) == 1
        assert "It changed while you were reading" in refused[0]
        live = Allowlist.objects.get(status="published")
        assert live in drafts
    assert AuditEntry.objects.filter(action="publish").count() == ROUNDS
    assert AuditEntry.broken_at() is None


def test_one_of_two_who_publish_the_same_draft_wins(
    people: list[User], endpoints: list[Endpoint]
) -> None:
    for _ in range(ROUNDS):
        draft = make_allowlist(*endpoints, published=False)
        seen = publishing.mark(draft)

        refused = at_once(*(publish(draft, by, seen) for by in people))

        assert len(refused) == 1
    assert Allowlist.objects.filter(status="published").count() == 1


def test_what_is_published_is_what_was_read_whatever_is_changed_meanwhile(
    people: list[User], endpoints: list[Endpoint]
) -> None:
    carl, dora = people
    good, bad = endpoints
    for _ in range(ROUNDS):
        draft = make_allowlist(good, published=False)
        seen = publishing.mark(draft)

        def add(draft: Allowlist = draft) -> None:
            publishing.decide_endpoint(
                draft,
                bad,
                listed=True,
                by=dora,
                reason="Fixed.",
                review_by=localdate() + timedelta(days=7),
            )

        refused = at_once(publish(draft, carl, seen), add)

        assert len(refused) == 1
        draft.refresh_from_db()
        if draft.status == "published":
            assert draft.entries.count() == 1
            assert draft.approved_hash == draft.content_hash()
        else:
            assert draft.entries.count() == 2


def test_no_row_slips_in_beside_a_publication(endpoints: list[Endpoint]) -> None:
    """Past all our code: the database itself refuses it."""
    good, bad = endpoints
    draft = make_allowlist(good, published=False)
    refused: list[str] = []

    def slip_in() -> None:
        try:
            AllowlistEntry.objects.create(allowlist=draft, endpoint=bad)
        except DatabaseError as error:
            refused.append(str(error))
        finally:
            connection.close()

    other = threading.Thread(target=slip_in)
    with transaction.atomic():
        draft.publish(by=None)
        other.start()
        wait_for_a_blocked_session()
    other.join()

    assert "do not change" in refused[0]
    assert draft.approved_hash == draft.content_hash()


def wait_for_a_blocked_session() -> None:
    """Return once another session waits for a lock of ours. SQLite's waits before it begins."""
    if connection.vendor != "postgresql":
        return
    until = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)  # there is no event for it
    pytest.fail("no other session was blocked")


def broken(endpoint: Endpoint, at: datetime) -> Alarm:
    return Alarm(
        endpoint_id=endpoint.pk,
        kind="failures",
        statistic=12.0,
        since=at.timestamp(),
        sentence="tool-call errors rose",
        owners_slots=8,
        suspects=frozenset({endpoint.pk}),
    )


def test_two_set_aside_at_once_leave_the_smallest_pool(
    people: list[User], endpoints: list[Endpoint]
) -> None:
    """A curator's act is not committed yet when the detector counts who serves."""
    cobalt, zinc = endpoints
    make_allowlist(*endpoints)
    assessment = assess(cobalt.model, "exacto", now())

    def set_aside(assessment: Assessment = assessment) -> None:
        quarantine.begin(assessment, broken(zinc, assessment.at))

    with acting_beside(set_aside):
        quarantine.begin_by_hand(cobalt, "exacto", by=people[0], reason="Suspected.")

    assert [row.endpoint for row in Quarantine.objects.filter(ended_at=None)] == [cobalt]
    assert Notice.objects.filter(kind="small_pool").exists()


def test_proof_does_not_fail_on_one_that_a_curator_lets_back(
    people: list[User], endpoints: list[Endpoint]
) -> None:
    cobalt, zinc = endpoints
    make_allowlist(cobalt)
    row = Quarantine.objects.create(
        endpoint=zinc,
        model=zinc.model,
        kind="failures",
        reason="Broke.",
        started_at=now(),
        back_off_until=now(),
    )
    assessment = assess(cobalt.model, "exacto", now())
    released: list[bool] = []

    with acting_beside(lambda: released.append(quarantine.release_proven(assessment))):
        quarantine.release_by_hand(row, by=people[0], reason="Fixed.")

    assert released == [False]
    assert Quarantine.objects.get().ended_by == people[0]


@contextmanager
def acting_beside(act: Callable[[], object]) -> Iterator[None]:
    """Within a transaction, which the other act then meets uncommitted where it can."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failed.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=run)
    with transaction.atomic():
        yield
        other.start()
        wait_for_a_blocked_session()
    other.join()
    assert failed == []


def test_many_rows_of_the_audit_trail_make_one_chain(endpoints: list[Endpoint]) -> None:
    def keep() -> None:
        for _ in range(5):
            AuditEntry.record("publish", by="policy", endpoint=endpoints[0])

    at_once(*[keep] * 6)

    assert AuditEntry.objects.count() == 30
    assert AuditEntry.broken_at() is None


def test_one_of_many_takes_the_turn() -> None:
    at = now()
    took: list[bool] = []

    def take() -> None:
        took.append(
            Lease.take("work", at=at, every=timedelta(minutes=5), hold=timedelta(minutes=1))
        )

    at_once(*[take] * 6)

    assert sorted(took) == [False] * 5 + [True]
