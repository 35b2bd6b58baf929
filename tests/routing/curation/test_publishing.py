"""Curators' decisions: against the evidence only with a reason, by two people where so set."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils.timezone import localdate

from providers.models import Endpoint
from routing.curation import publishing
from routing.models import (
    Allowlist,
    AllowlistEntry,
    AuditEntry,
    EditionError,
    LeftOut,
    ModelPolicy,
    Notice,
)
from telemetry.scoring.method import DEFAULT
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.curation.measured import make_score

pytestmark = pytest.mark.django_db
SOON = localdate() + timedelta(days=7)


@pytest.fixture
def carl() -> User:
    return User.objects.create_user("carl")


@pytest.fixture
def dora() -> User:
    return User.objects.create_user("dora")


@pytest.fixture
def good() -> Endpoint:
    endpoint = make_endpoint("cobalt")
    make_score(endpoint)
    return endpoint


@pytest.fixture
def bad() -> Endpoint:
    endpoint = make_endpoint("zinc")
    make_score(endpoint, good=False)
    return endpoint


def decide(edition: Allowlist, endpoint: Endpoint, by: User, **said: Any) -> Allowlist:
    defaults = {"listed": True, "reason": "Fixed yesterday.", "review_by": SOON}
    return publishing.decide_endpoint(edition, endpoint, by=by, **{**defaults, **said})


def test_an_endpoint_against_the_evidence_needs_a_reason_to_publish(
    carl: User, good: Endpoint, bad: Endpoint
) -> None:
    draft = make_allowlist(good, bad, published=False)

    with pytest.raises(EditionError, match="zinc is on the list against the evidence"):
        publishing.publish(draft, by=carl, reason="All of them.")

    assert Allowlist.objects.get().status == "draft"
    assert not AuditEntry.objects.exists()


def test_an_endpoint_left_out_against_the_evidence_needs_a_reason_to_publish(
    carl: User, good: Endpoint
) -> None:
    other = make_endpoint("iron")
    make_score(other)
    draft = make_allowlist(good, published=False)

    with pytest.raises(EditionError, match="iron is left out against the evidence"):
        publishing.publish(draft, by=carl, reason="One is enough.")
    decide(draft, other, carl, listed=False, reason="Contract ends.")
    publishing.publish(draft, by=carl, reason="One is enough.")

    out = LeftOut.objects.get(allowlist__status="published")
    assert (out.endpoint, out.reason, out.review_by) == (other, "Contract ends.", SOON)
    assert out.decided_by == carl


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param({"reason": "  "}, "write why", id="no reason"),
        pytest.param({"review_by": None}, "give a day", id="no day"),
        pytest.param({"review_by": localdate()}, "from tomorrow on", id="today"),
    ],
)
def test_listing_against_the_evidence_says_why_and_until_when(
    carl: User, good: Endpoint, bad: Endpoint, said: dict[str, Any], message: str
) -> None:
    draft = make_allowlist(good, published=False)

    with pytest.raises(EditionError, match=message):
        decide(draft, bad, carl, **said)

    assert draft.entries.count() == 1


def test_a_member_is_kept_and_another_added(carl: User, good: Endpoint, bad: Endpoint) -> None:
    other = make_endpoint("iron")
    make_score(other, good=False)
    live = make_allowlist(good, bad)
    draft = publishing.start(live, by=carl, reason="")

    decide(draft, bad, carl)
    decide(draft, other, carl)
    decide(draft, good, carl, reason="", review_by=None)

    kinds = dict(draft.entries.values_list("endpoint__tag", "decision"))
    assert kinds == {"cobalt": "evidence", "iron": "added", "zinc": "kept"}


def test_what_is_explained_in_the_table_of_a_draft_is_a_decision_too(
    carl: User, good: Endpoint, bad: Endpoint
) -> None:
    """The table asks for reason and day as the endpoint's own page does, and counts as much."""
    other = make_endpoint("iron")
    make_score(other, good=False)
    live = make_allowlist(good, bad)
    draft = publishing.start(live, by=carl, reason="")
    decide(draft, other, carl, listed=False, reason="Not yet.", review_by=SOON)
    draft.entries.filter(endpoint=bad).update(reason="Fixed yesterday.", review_by=SOON)
    draft.entries.create(endpoint=other, reason="Fixed, too.", review_by=SOON)
    publishing.edited(draft, by=carl, before=None)

    publishing.publish(draft, by=carl, reason="They fixed it.")

    kinds = dict(draft.entries.values_list("endpoint__tag", "decision"))
    assert kinds == {"cobalt": "evidence", "iron": "added", "zinc": "kept"}
    assert not draft.left_out.exists()


@pytest.mark.parametrize("listed", [True, False])
def test_a_day_that_has_come_is_no_day_to_look_again(
    carl: User, good: Endpoint, bad: Endpoint, listed: bool
) -> None:
    """A draft of an old edition brings its old days along."""
    draft = make_allowlist(good, *([bad] if listed else []), published=False)
    endpoint = bad if listed else make_endpoint("iron")
    if not listed:
        make_score(endpoint)
    decide(draft, endpoint, carl, listed=listed)
    rows = draft.entries if listed else draft.left_out
    rows.filter(endpoint=endpoint).update(review_by=localdate())

    with pytest.raises(EditionError, match="when to look at it again"):
        publishing.publish(draft, by=carl, reason="As before.")


def test_what_is_published_keeps_the_evidence_of_then(carl: User, good: Endpoint) -> None:
    draft = make_allowlist(good, published=False)
    ModelPolicy.objects.create(model=good.model, min_pool=3)

    published = publishing.publish(draft, by=carl, reason="Measured.")

    published.refresh_from_db()
    evidence = published.evidence
    assert evidence is not None
    assert evidence["inputs_hash"] == "a" * 64
    assert evidence["thresholds"]["minimum_pool"] == 3
    assert evidence["thresholds"]["leave_accuracy"] == DEFAULT.leave_accuracy
    assert evidence["endpoints"][str(good.pk)]["previous"] == "unlisted"
    assert published.approved_hash == published.content_hash()


def test_whoever_changed_it_last_cannot_publish_it(
    settings: Any, carl: User, dora: User, good: Endpoint
) -> None:
    settings.SECOND_PERSON = True
    draft = publishing.start_empty(good.model, "exacto", by=dora, reason="First.")
    decide(draft, good, carl)

    with pytest.raises(EditionError, match="somebody else must publish it"):
        publishing.publish(draft, by=carl, reason="Mine.")
    publishing.publish(draft, by=dora, reason="Looked at it.")

    assert Allowlist.objects.get().published_by == dora


@pytest.mark.parametrize(("setting", "own"), [(False, True), (True, False)])
def test_a_policy_may_say_otherwise_than_the_setting(
    settings: Any, carl: User, good: Endpoint, setting: bool, own: bool
) -> None:
    settings.SECOND_PERSON = setting
    ModelPolicy.objects.create(model=good.model, second_person_required=own)
    draft = publishing.start_empty(good.model, "exacto", by=carl, reason="First.")
    decide(draft, good, carl)

    if own:
        with pytest.raises(EditionError, match="somebody else"):
            publishing.publish(draft, by=carl, reason="Mine.")
    else:
        publishing.publish(draft, by=carl, reason="Mine.")
        assert Allowlist.objects.get().status == "published"


def test_a_draft_in_review_cannot_be_changed_until_it_is_taken_back(
    carl: User, dora: User, good: Endpoint
) -> None:
    draft = make_allowlist(good, published=False)
    publishing.send(draft, by=carl, reason="Please look.")

    with pytest.raises(EditionError, match="in review, not a draft"):
        decide(draft, good, dora)
    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        AllowlistEntry.objects.filter(allowlist=draft).delete()
    with pytest.raises(DatabaseError, match="in review does not change"), transaction.atomic():
        Allowlist.objects.filter(pk=draft.pk).update(reason="Other.")
    publishing.take_back(draft, by=carl, reason="")
    decide(draft, good, dora)

    draft.refresh_from_db()
    assert (draft.status, draft.approved_hash, draft.sent_by) == ("draft", "", None)


def test_what_was_sent_is_what_is_published(carl: User, dora: User, good: Endpoint) -> None:
    draft = make_allowlist(good, published=False)
    publishing.send(draft, by=carl, reason="Please look.")

    publishing.publish(draft, by=dora, reason="Fine.")

    edition = Allowlist.objects.get()
    assert (edition.status, edition.sent_by, edition.published_by) == ("published", carl, dora)
    assert edition.reason == "Please look."
    assert [notice.kind for notice in Notice.objects.order_by("created_at")] == [
        "review",
        "published",
    ]


def test_a_draft_that_is_not_what_was_approved_is_refused(carl: User, good: Endpoint) -> None:
    draft = make_allowlist(good, published=False)
    Allowlist.objects.filter(pk=draft.pk).update(approved_hash="b" * 64)

    with pytest.raises(EditionError, match="changed after it was approved"):
        draft.publish(by=carl)


def test_what_changed_while_it_was_read_is_refused(
    carl: User, dora: User, good: Endpoint, bad: Endpoint
) -> None:
    draft = make_allowlist(good, published=False)
    seen = publishing.mark(draft)
    decide(draft, bad, dora)

    with pytest.raises(EditionError, match="changed while you were reading"):
        publishing.publish(draft, by=carl, reason="Fine.", seen=seen)
    with pytest.raises(EditionError, match="changed while you were reading"):
        decide(draft, bad, carl, seen=seen)


def test_rolling_back_excuses_what_is_against_todays_evidence(
    carl: User, good: Endpoint, bad: Endpoint
) -> None:
    first = make_allowlist(good, bad)
    make_allowlist(good)

    publishing.roll_back(first, by=carl, reason="Cobalt is overloaded.")

    entry = AllowlistEntry.objects.get(allowlist__status="published", endpoint=bad)
    assert (entry.decision, entry.reason) == ("added", "Cobalt is overloaded.")
    assert entry.review_by == localdate() + timedelta(days=14)


def test_rolling_back_waits_for_a_second_person_where_one_is_needed(
    settings: Any, carl: User, dora: User, good: Endpoint
) -> None:
    settings.SECOND_PERSON = True
    first, second = make_allowlist(good), make_allowlist(good)

    draft = publishing.roll_back(first, by=carl, reason="Too early.")
    assert publishing.live_of(first) == second
    publishing.publish(draft, by=dora, reason="Yes.")

    assert publishing.live_of(first) == draft


def test_one_person_may_withdraw(settings: Any, carl: User, good: Endpoint) -> None:
    settings.SECOND_PERSON = True
    edition = make_allowlist(good)

    publishing.withdraw(edition, by=carl, reason="All of them fail.")

    assert publishing.live_of(edition) is None
    assert Notice.objects.get().urgent


def test_every_act_leaves_an_audit_row(carl: User, good: Endpoint, bad: Endpoint) -> None:
    live = make_allowlist(good)
    draft = publishing.start(live, by=carl, reason="Again.")
    decide(draft, bad, carl)
    publishing.send(draft, by=carl, reason="Please.")
    publishing.take_back(draft, by=carl, reason="Wait.")
    publishing.publish(draft, by=carl, reason="Now.")
    spare = publishing.start(live, by=carl, reason="Spare.")
    publishing.delete(spare, by=carl)

    rows = list(AuditEntry.objects.order_by("pk"))

    assert [row.action for row in rows] == [
        "start draft",
        "list endpoint",
        "send to review",
        "take back",
        "publish",
        "start draft",
        "delete draft",
    ]
    assert {row.actor for row in rows} == {carl}
    published = rows[4]
    assert published.before["endpoints"] == ["cobalt"]
    assert published.after["endpoints"] == ["cobalt", "zinc"]
    assert published.after["content"] == Allowlist.objects.get(pk=draft.pk).approved_hash
    assert AuditEntry.broken_at() is None
