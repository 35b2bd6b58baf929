"""Who breaks is set aside at once, and comes back by proof or by a curator."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.timezone import now

from providers.models import Endpoint
from routing.curation import quarantine
from routing.curation.recompute import recompute
from routing.models import Allowlist, AuditEntry, EditionError, ModelPolicy, Notice, Quarantine
from telemetry.models import EndpointScore
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.curation.measured import requests, serve

pytestmark = pytest.mark.django_db
NAMES = ["cobalt", "iron", "nickel", "zinc"]
HOUR = timedelta(hours=1)


@pytest.fixture
def at() -> datetime:
    """Half past an hour, so that "an hour ago" is another hour's counters."""
    return now().replace(minute=30, second=0, microsecond=0)


@pytest.fixture
def pool() -> list[Endpoint]:
    endpoints = [make_endpoint(name) for name in NAMES]
    make_allowlist(*endpoints)
    return endpoints


def hours(
    spool: Path, endpoints: list[Endpoint], *, first: datetime, number: int, **each: Any
) -> None:
    """Serve the same in every hour from `first` on."""
    serve(
        spool,
        *(
            requests(one, at=first + HOUR * back, **{"good": 60, "bad": 0, **each})
            for one in endpoints
            for back in range(number)
        ),
    )


def look(pool: list[Endpoint], at: datetime) -> None:
    recompute(pool[0].model, "exacto", at)


def broken_zinc(spool: Path, pool: list[Endpoint], at: datetime, **each: Any) -> None:
    """Ten good hours of everybody; in the last, every second call of zinc fails."""
    hours(spool, pool, first=at - 10 * HOUR, number=9)
    hours(spool, pool[:3], first=at - HOUR, number=1)
    hours(spool, pool[3:], first=at - HOUR, number=1, good=30, bad=30, **each)


def test_a_member_that_breaks_is_set_aside(pool: list[Endpoint], spool: Path, at: datetime) -> None:
    broken_zinc(spool, pool, at)

    look(pool, at)

    row = Quarantine.objects.get()
    assert (row.endpoint, row.kind, row.ended_at) == (pool[3], "failures", None)
    assert row.back_off_until == at + 2 * HOUR
    assert "tool-call errors rose: 30 failures" in row.reason
    score = EndpointScore.objects.get(endpoint=pool[3])
    assert score.standing == "quarantined"
    assert score.evidence_since == (at - HOUR).replace(minute=0)
    notice = Notice.objects.get(kind="quarantine")
    assert notice.urgent
    assert notice.text.startswith("zinc · acme/falcon-1 is set aside from acme/falcon-1:exacto")
    audit = AuditEntry.objects.get(action="quarantine")
    assert (audit.actor_name, audit.endpoint_tag) == ("detector", "zinc")


def test_a_second_look_sets_nobody_aside_again(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    broken_zinc(spool, pool, at)
    look(pool, at)

    look(pool, at + timedelta(minutes=5))

    assert Quarantine.objects.count() == 1
    assert Notice.objects.filter(kind="quarantine").count() == 1


def test_a_pool_that_would_be_too_small_keeps_it_and_says_so(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    ModelPolicy.objects.create(model=pool[0].model, min_pool=4)
    broken_zinc(spool, pool, at)

    look(pool, at)
    look(pool, at + timedelta(minutes=5))

    assert not Quarantine.objects.exists()
    notice = Notice.objects.get(kind="small_pool")
    assert notice.urgent
    assert "would leave fewer than 4 in acme/falcon-1:exacto" in notice.text


def test_while_it_stays_broken_curators_are_reminded_every_three_days_not_every_hour(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    """Its beginning leaves the hours that are looked at, so it seems to begin anew each hour."""
    ModelPolicy.objects.create(model=pool[0].model, min_pool=4)
    hours(spool, pool[:3], first=at - 30 * HOUR, number=1, good=500)
    hours(spool, pool[3:], first=at - 30 * HOUR, number=1, good=3_000)
    hours(spool, pool[3:], first=at - HOUR, number=84, good=16, bad=8)
    told = []

    for later in (0, 40, 71, 80, 81):
        before = set(Notice.objects.values_list("pk", flat=True))
        look(pool, at + later * HOUR)
        new = Notice.objects.exclude(pk__in=before)
        told += [later] * new.filter(kind="small_pool").count()
        new.update(created_at=at + later * HOUR)

    assert told == [0, 80]


def test_few_owners_are_confirmed_by_a_second_look(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    hours(spool, pool, first=at - 10 * HOUR, number=9, owners=2)
    hours(spool, pool[:3], first=at - HOUR, number=1, owners=2)
    hours(spool, pool[3:], first=at - HOUR, number=1, owners=2, good=30, bad=30)

    look(pool, at)
    assert not Quarantine.objects.exists()
    assert "only if the next look says so" in Notice.objects.get(kind="unconfirmed").text
    # The notice's own time is the wall clock's, which a test at a fixed hour is not.
    Notice.objects.update(created_at=at)
    look(pool, at + timedelta(minutes=5))

    assert Quarantine.objects.get().endpoint == pool[3]


def test_half_of_the_members_at_once_freeze_the_list(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    hours(spool, pool, first=at - 10 * HOUR, number=9)
    hours(spool, pool[:2], first=at - HOUR, number=1)
    hours(spool, pool[2:], first=at - HOUR, number=1, good=30, bad=30)

    look(pool, at)

    assert not Quarantine.objects.exists()
    assert not Allowlist.objects.filter(status="draft").exists()
    assert ModelPolicy.objects.get().frozen_until == at + 6 * HOUR
    notice = Notice.objects.get()
    assert (notice.kind, notice.urgent) == ("frozen", True)
    assert AuditEntry.objects.get().action == "freeze"


def test_a_freeze_that_an_operator_ended_is_not_begun_again(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    """They looked and say that it is the endpoints: each is judged by itself from then on."""
    hours(spool, pool, first=at - 10 * HOUR, number=9)
    hours(spool, pool[:2], first=at - HOUR, number=1)
    hours(spool, pool[2:], first=at - HOUR, number=1, good=30, bad=30)
    look(pool, at)
    Notice.objects.update(created_at=at)
    ModelPolicy.objects.update(frozen_until=None)

    look(pool, at + timedelta(minutes=5))

    assert ModelPolicy.objects.get().frozen_until is None
    assert Notice.objects.filter(kind="frozen").count() == 1
    assert {row.endpoint for row in Quarantine.objects.all()} == set(pool[2:])


def test_a_freeze_that_ended_by_itself_is_begun_again_while_half_are_broken(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    hours(spool, pool, first=at - 10 * HOUR, number=9)
    hours(spool, pool[:2], first=at - HOUR, number=7)
    hours(spool, pool[2:], first=at - HOUR, number=7, good=30, bad=30)
    look(pool, at)
    # Notices are written when scoring is done, a moment later.
    Notice.objects.update(created_at=at + timedelta(seconds=5))

    look(pool, at + 6 * HOUR + timedelta(seconds=1))

    assert not Quarantine.objects.exists()
    until = ModelPolicy.objects.get().frozen_until
    assert until == at + 12 * HOUR + timedelta(seconds=1)


def test_a_second_member_within_the_hour_freezes_the_list(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    broken_zinc(spool, pool, at)
    look(pool, at)
    hours(spool, pool[2:3], first=at, number=1, good=30, bad=30, name="later")

    look(pool, at + timedelta(minutes=20))

    assert Quarantine.objects.get().endpoint == pool[3]
    assert ModelPolicy.objects.get().frozen_until is not None


def test_it_comes_back_after_its_back_off_by_proof(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    broken_zinc(spool, pool, at)
    look(pool, at)
    hours(spool, pool, first=at + HOUR, number=6, good=120)

    look(pool, at + 1.5 * HOUR)
    assert Quarantine.objects.get().ended_at is None
    look(pool, at + 7 * HOUR)

    row = Quarantine.objects.get()
    assert row.ended_at == at + 7 * HOUR
    assert row.ended_reason.startswith("Proved itself: in: tool-call error")
    assert EndpointScore.objects.get(endpoint=pool[3]).standing == "verified"
    assert Notice.objects.get(kind="release").text.startswith("zinc · acme/falcon-1 is back in")
    assert AuditEntry.objects.filter(action="release").exists()
    # Nothing beyond what curators published: the live list is as it was.
    assert Allowlist.objects.get(status="published").entries.count() == 4
    look(pool, at + 7 * HOUR + timedelta(minutes=5))
    assert Quarantine.objects.get() == row


def test_it_does_not_come_back_while_it_still_fails(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    broken_zinc(spool, pool, at)
    look(pool, at)
    hours(spool, pool[:3], first=at + HOUR, number=4)
    hours(spool, pool[3:], first=at + HOUR, number=4, good=54, bad=6)

    look(pool, at + 5 * HOUR)

    assert Quarantine.objects.get().ended_at is None


def test_the_second_time_it_waits_longer(pool: list[Endpoint], spool: Path, at: datetime) -> None:
    Quarantine.objects.create(
        endpoint=pool[3],
        model=pool[3].model,
        kind="failures",
        reason="Before.",
        started_at=at - timedelta(days=9),
        back_off_until=at - timedelta(days=9),
        ended_at=at - timedelta(days=8),
    )
    broken_zinc(spool, pool, at)

    look(pool, at)

    assert Quarantine.objects.get(ended_at=None).back_off_until == at + 8 * HOUR


def test_one_that_curators_took_off_the_list_is_no_longer_set_aside(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    broken_zinc(spool, pool, at)
    look(pool, at)
    make_allowlist(*pool[:3])

    look(pool, at + timedelta(minutes=5))

    assert Quarantine.objects.get().ended_reason == "It is no longer on the list."
    notice = Notice.objects.get(kind="release")
    assert notice.text == (
        "zinc · acme/falcon-1 is no longer set aside from acme/falcon-1:exacto. "
        "It is no longer on the list."
    )


def test_a_curator_sets_aside_and_lets_back(pool: list[Endpoint], spool: Path) -> None:
    carl = User.objects.create_user("carl")

    row = quarantine.begin_by_hand(pool[0], "exacto", by=carl, reason="Leaks prompts.")
    look(pool, now() + timedelta(days=9))
    row.refresh_from_db()
    assert row.ended_at is None  # a curator's stands until a curator ends it
    with pytest.raises(EditionError, match="set aside already"):
        quarantine.begin_by_hand(pool[0], "exacto", by=carl, reason="Again.")
    quarantine.release_by_hand(row, by=carl, reason="They say it was us.")

    row.refresh_from_db()
    assert (row.ended_by, row.ended_reason) == (carl, "They say it was us.")
    with pytest.raises(EditionError, match="let back already"):
        quarantine.release_by_hand(row, by=carl, reason="Again.")
    actors = AuditEntry.objects.values_list("action", "actor__username")
    assert set(actors) == {("quarantine", "carl"), ("release", "carl")}


@pytest.mark.parametrize(
    ("bad", "proposed"),
    [
        pytest.param(0, None, id="the evidence would keep it"),
        pytest.param(60, {"iron", "nickel", "zinc"}, id="the evidence would not"),
    ],
)
def test_one_set_aside_by_a_curator_is_proposed_to_leave_by_the_evidence_alone(
    pool: list[Endpoint], spool: Path, bad: int, proposed: set[str] | None
) -> None:
    serve(
        spool,
        requests(pool[0], good=300 - bad, bad=bad),
        *(requests(one, good=300) for one in pool[1:]),
    )
    carl = User.objects.create_user("carl")
    quarantine.begin_by_hand(pool[0], "exacto", by=carl, reason="Leaks prompts.")

    look(pool, now())

    draft = Allowlist.objects.filter(status="draft").first()
    tags = draft and {entry.endpoint.tag for entry in draft.entries.all()}
    assert tags == proposed


@pytest.mark.parametrize("reason", ["", "  "])
def test_by_hand_needs_a_reason(pool: list[Endpoint], reason: str) -> None:
    carl = User.objects.create_user("carl")

    with pytest.raises(EditionError, match="Write why"):
        quarantine.begin_by_hand(pool[0], "exacto", by=carl, reason=reason)


def test_one_that_calls_tools_unlike_before_is_set_aside(
    pool: list[Endpoint], spool: Path, at: datetime
) -> None:
    hours(spool, pool, first=at - 12 * HOUR, number=9, good=60)
    hours(spool, pool[:3], first=at - 3 * HOUR, number=3, good=120)
    # Zinc answers most requests in words now.
    hours(spool, pool[3:], first=at - 3 * HOUR, number=3, good=20, name="calls")
    serve(spool, silent(pool[3], at - 3 * HOUR, 100), silent(pool[3], at - 2 * HOUR, 100),
          silent(pool[3], at - HOUR, 100))  # fmt: skip

    look(pool, at)

    # That may be chance, or a return to normal: what comes now decides.
    assert not Quarantine.objects.exists()
    since = EndpointScore.objects.get(endpoint=pool[3]).propensity_since
    assert since is not None
    assert at <= since <= at + HOUR
    hours(spool, pool[:3], first=since, number=2, good=120)
    hours(spool, pool[3:], first=since, number=2, good=20, name="later")
    serve(spool, silent(pool[3], since, 100), silent(pool[3], since + HOUR, 100))

    look(pool, since + 2 * HOUR)

    row = Quarantine.objects.get()
    assert (row.endpoint, row.kind) == (pool[3], "propensity")


def silent(endpoint: Endpoint, at: datetime, number: int) -> list[Any]:
    """Return requests with tools that ended in text."""
    from tests.telemetry.spooled import attempt_fact, verdict_fact

    facts: list[Any] = []
    for n in range(number):
        key = f"gen-silent-{endpoint.pk}-{at:%d%H}-{n}"
        facts.append(
            attempt_fact(
                key,
                endpoint_id=endpoint.pk,
                account_id=n % 24 + 1,
                started_at=at.timestamp(),
                finish_reason="stop",
            )
        )
        facts.append(verdict_fact(key, "no_tool_calls"))
    return facts
