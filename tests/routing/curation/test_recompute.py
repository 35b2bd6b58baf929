"""From facts in the spool to scores, and to a draft that leaves out who is bad."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils.timezone import now

from providers.models import Endpoint, Model
from routing.curation import recompute
from routing.curation.owners import assign_owner_slots
from routing.curation.recompute import recompute_all
from routing.models import Account, Allowlist, AuditEntry, Lease, ModelPolicy, Notice
from routing.models.preferences import AccountPreferences
from telemetry.models import EndpointScore, LongWork, ScorePoint
from tests.catalog_rows import MODEL, make_allowlist, make_endpoint
from tests.routing.curation.measured import requests, serve

pytestmark = pytest.mark.django_db
NAMES = ["cobalt", "iron", "nickel", "zinc"]


@pytest.fixture
def pool() -> list[Endpoint]:
    return [make_endpoint(name) for name in NAMES]


def serve_one_bad(spool: Path, pool: list[Endpoint]) -> None:
    """Zinc fails one call in six, the others one in three hundred."""
    *good, bad = pool
    serve(
        spool,
        *(requests(one, good=299, bad=1) for one in good),
        requests(bad, good=250, bad=50),
    )


def again() -> None:
    """Recompute as if the next period had begun."""
    Lease.objects.all().delete()
    recompute_all()


def tags(edition: Allowlist) -> set[str]:
    return {entry.endpoint.tag for entry in edition.entries.all()}


def test_proposes_to_leave_out_who_is_bad(pool: list[Endpoint], spool: Path) -> None:
    live = make_allowlist(*pool)
    serve_one_bad(spool, pool)

    recompute_all()

    draft = Allowlist.objects.get(status="draft")
    assert tags(draft) == {"cobalt", "iron", "nickel"}
    assert draft.reason == "By assay-1: leaves out zinc."
    assert draft.untouched
    assert draft.evidence is not None
    assert draft.evidence["live"] == live.version
    said = draft.evidence["endpoints"][str(pool[3].pk)]
    assert (said["previous"], said["eligible"], said["standing"]) == ("member", False, "below_par")
    assert said["sentence"].startswith("out: tool-call error")
    assert "50 schema mismatches" in said["sentence"]
    assert Notice.objects.get().kind == "proposal"
    assert AuditEntry.objects.get().action == "propose"


def test_keeps_scores_and_points_of_the_hour(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve_one_bad(spool, pool)

    recompute_all()

    standings = dict(EndpointScore.objects.values_list("endpoint__tag", "standing"))
    assert standings == dict.fromkeys(NAMES[:3], "verified") | {"zinc": "below_par"}
    score = EndpointScore.objects.get(endpoint=pool[3])
    accuracy = score.criteria["accuracy"]
    assert accuracy["low"] < accuracy["estimate"] < accuracy["high"]
    assert accuracy["bound"][1] < accuracy["low"]
    assert (accuracy["requests"], accuracy["owners"]) == (300, 24)
    point = ScorePoint.objects.get(endpoint=pool[3])
    assert point.error_rate == accuracy["estimate"]


def test_the_same_evidence_proposes_once(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve_one_bad(spool, pool)
    recompute_all()
    first = Allowlist.objects.get(status="draft").content_hash()

    again()

    assert Allowlist.objects.get(status="draft").content_hash() == first
    assert Notice.objects.count() == AuditEntry.objects.count() == 1


def test_a_pool_where_all_are_good_is_left_alone(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve(spool, *(requests(one, good=299, bad=1) for one in pool))

    recompute_all()

    assert not Allowlist.objects.filter(status="draft").exists()


def test_nothing_is_proposed_without_evidence(pool: list[Endpoint]) -> None:
    recompute_all()

    assert not Allowlist.objects.exists()
    assert set(EndpointScore.objects.values_list("standing", flat=True)) == {"insufficient_data"}


def test_a_model_without_a_list_gets_its_first_one(pool: list[Endpoint], spool: Path) -> None:
    serve_one_bad(spool, pool)

    recompute_all()

    assert tags(Allowlist.objects.get(status="draft")) == {"cobalt", "iron", "nickel"}


def test_manual_proposes_nothing(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    ModelPolicy.objects.create(model=pool[0].model, mode="manual")
    serve_one_bad(spool, pool)

    recompute_all()

    assert not Allowlist.objects.filter(status="draft").exists()
    assert EndpointScore.objects.get(endpoint=pool[3]).eligible is False


def test_a_proposal_that_no_longer_holds_is_dropped(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve_one_bad(spool, pool)
    recompute_all()
    EndpointScore.objects.update(evidence_since=now() + timedelta(hours=1))  # they changed

    again()

    assert not Allowlist.objects.filter(status="draft").exists()
    assert [entry.action for entry in AuditEntry.objects.all()] == ["drop proposal", "propose"]


def test_a_proposal_says_how_it_differs_from_the_list_that_is_live_now(
    pool: list[Endpoint], spool: Path
) -> None:
    """Another edition is published meanwhile; the proposal's endpoints are the same."""
    cobalt, iron, _, zinc = pool
    make_allowlist(cobalt, iron, zinc)
    serve_one_bad(spool, pool)
    recompute_all()
    assert "leaves out zinc and adds nickel" in Allowlist.objects.get(status="draft").reason
    live = make_allowlist(*pool)

    again()

    draft = Allowlist.objects.get(status="draft")
    assert draft.reason == "By assay-1: leaves out zinc."
    assert draft.evidence is not None
    assert draft.evidence["live"] == live.version


def test_a_proposal_that_a_curator_changed_is_theirs(pool: list[Endpoint], spool: Path) -> None:
    from django.contrib.auth.models import User

    from routing.curation.publishing import decide_endpoint

    carl = User.objects.create_user("carl")
    make_allowlist(*pool)
    serve_one_bad(spool, pool)
    recompute_all()
    draft = Allowlist.objects.get(status="draft")
    tomorrow = now().date() + timedelta(days=1)
    decide_endpoint(
        draft, pool[3], listed=True, by=carl, reason="They fixed it.", review_by=tomorrow
    )
    EndpointScore.objects.update(evidence_since=now() + timedelta(hours=1))

    again()

    assert tags(Allowlist.objects.get(status="draft")) == set(NAMES)


def test_two_beats_recompute_once_a_period(pool: list[Endpoint]) -> None:
    assert recompute_all() == 1
    assert recompute_all() is None


def test_a_turn_held_by_a_worker_that_died_comes_free() -> None:
    at = now()
    hold = {"every": timedelta(minutes=5), "hold": timedelta(minutes=6)}

    assert Lease.take("work", at=at, **hold)
    assert not Lease.take("work", at=at + timedelta(minutes=5.5), **hold)
    assert Lease.take("work", at=at + timedelta(minutes=6), **hold)


def test_one_model_that_cannot_be_scored_holds_up_no_other(
    pool: list[Endpoint], spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from telemetry.models import Rollup

    make_allowlist(*pool)
    other = make_endpoint("cobalt", "acme/a-damaged")
    hour = now().replace(minute=0, second=0, microsecond=0)
    Rollup.objects.create(endpoint=other, period="hour", starts_at=hour, cells=b"\xff\xff")
    serve_one_bad(spool, pool)

    assert recompute_all() == 1

    assert Allowlist.objects.get(status="draft").model.slug == MODEL
    assert "acme/a-damaged could not be scored" in caplog.text


def test_models_for_which_there_was_no_time_come_first_in_the_next_round() -> None:
    """Else those at the end of the alphabet would never be scored where there are many."""
    endpoints = [make_endpoint("cobalt", f"acme/{name}") for name in "abc"]
    seconds = iter(range(0, 10_000, 90))

    def scored() -> list[bool]:
        return [EndpointScore.objects.filter(endpoint=one).exists() for one in endpoints]

    assert recompute_all(clock=lambda: next(seconds)) == 2
    assert scored() == [True, True, False]
    first, second = EndpointScore.objects.order_by("endpoint").values_list("computed_at", flat=True)
    Lease.objects.update(due_at=now())

    assert recompute_all(clock=lambda: next(seconds)) == 2

    assert scored() == [True, True, True]
    assert EndpointScore.objects.get(endpoint=endpoints[0]).computed_at > first
    assert EndpointScore.objects.get(endpoint=endpoints[1]).computed_at == second


def test_owners_whose_account_ignores_an_endpoint_count(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    serve(spool, *(requests(one, good=300) for one in pool))
    aged = now() - timedelta(days=60)
    for number in range(1, 25):
        account = Account.objects.create(pk=number, name=f"Owner {number}")
        Account.objects.filter(pk=number).update(created_at=aged)
        if number <= 12:
            AccountPreferences.objects.create(account=account, ignore=["zinc"])
    assign_owner_slots(now())

    recompute_all()

    said = EndpointScore.objects.get(endpoint=pool[3]).criteria["ignores"]
    assert said["sentence"].startswith("ignored by 12 of 24 owners")


def test_while_it_runs_it_says_how_far_it_is(
    pool: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_endpoint("cobalt", "acme/other")
    seen: list[tuple[int, int]] = []

    def look(model: Model, variant: str, at: datetime) -> None:
        seen.extend(LongWork.objects.values_list("done", "asked"))
        raise RuntimeError("its data cannot be read")

    monkeypatch.setattr(recompute, "recompute", look)
    recompute_all()

    assert seen == [(0, 2), (1, 2)]
    assert not LongWork.objects.exists()


def test_scoring_goes_on_where_its_progress_cannot_be_noted(
    pool: list[Endpoint], spool: Path
) -> None:
    serve_one_bad(spool, pool)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE telemetry_longwork RENAME TO telemetry_away")

    assert recompute_all() == 1
    assert EndpointScore.objects.count() == len(NAMES)
