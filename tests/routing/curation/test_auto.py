"""The policy `auto` publishes by itself within guard rails; other methods; kept decisions."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.timezone import localdate, now

from providers.models import Endpoint
from routing.curation import proposals
from routing.curation.assessment import Assessment, assess
from routing.curation.publishing import decide_endpoint, withdraw
from routing.curation.quarantine import begin_by_hand
from routing.curation.recompute import recompute
from routing.models import Allowlist, AuditEntry, ModelPolicy, Notice, Quarantine
from telemetry.models import EndpointScore
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.curation.measured import requests, serve

pytestmark = pytest.mark.django_db
NAMES = ["cobalt", "iron", "nickel", "tin", "zinc"]


@pytest.fixture
def pool() -> list[Endpoint]:
    return [make_endpoint(name) for name in NAMES]


def auto(pool: list[Endpoint], **rails: Any) -> ModelPolicy:
    return ModelPolicy.objects.create(model=pool[0].model, mode="auto", **rails)


def serve_bad(spool: Path, pool: list[Endpoint], bad: int) -> None:
    """The last `bad` fail one call in six."""
    good = len(pool) - bad
    serve(
        spool,
        *(requests(one, good=299, bad=1) for one in pool[:good]),
        *(requests(one, good=250, bad=50) for one in pool[good:]),
    )


def look(pool: list[Endpoint]) -> None:
    recompute(pool[0].model, "exacto", now())


def live() -> set[str]:
    edition = Allowlist.objects.get(status="published")
    return {entry.endpoint.tag for entry in edition.entries.all()}


def test_it_publishes_what_the_evidence_says(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    auto(pool)
    serve_bad(spool, pool, 1)

    look(pool)

    assert live() == set(NAMES) - {"zinc"}
    edition = Allowlist.objects.get(status="published")
    assert (edition.published_by, edition.proposed_by_method) == (None, "assay-1")
    assert edition.approved_hash == edition.content_hash()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.actor) == ("publish", "policy", None)
    assert "The policy published" in Notice.objects.get().text
    assert not Allowlist.objects.filter(status="draft").exists()


def test_it_changes_no_more_a_day_than_it_may(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    auto(pool, max_changes_per_day=1)
    serve_bad(spool, pool, 2)

    look(pool)
    assert len(live()) == 4
    look(pool)

    assert len(live()) == 4
    assert Allowlist.objects.get(status="draft").entries.count() == 3  # the rest is a curator's
    recompute(pool[0].model, "exacto", now() + timedelta(hours=25))
    assert len(live()) == 3


def test_it_leaves_the_smallest_pool_alone(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    auto(pool, min_pool=5)
    serve_bad(spool, pool, 1)

    look(pool)

    assert live() == set(NAMES)


def test_who_is_set_aside_does_not_count_in_the_smallest_pool(
    pool: list[Endpoint], spool: Path
) -> None:
    """Four are listed, three serve: before tin may go, zinc has to come."""
    cobalt, *_, tin, _ = pool
    make_allowlist(*pool[:4])
    auto(pool, min_pool=3, max_changes_per_day=1)
    begin_by_hand(cobalt, "exacto", by=User.objects.create_user("carl"), reason="Suspected.")
    good = [one for one in pool if one != tin]
    serve(spool, *(requests(one, good=400) for one in good), requests(tin, good=250, bad=50))

    look(pool)

    assert live() == set(NAMES)


def scored(pool: list[Endpoint], spool: Path) -> Assessment:
    """The last one fails, and the policy is about to publish that."""
    make_allowlist(*pool)
    auto(pool)
    serve_bad(spool, pool, 1)
    return assess(pool[0].model, "exacto", now())


def test_it_does_not_undo_what_a_curator_published_meanwhile(
    pool: list[Endpoint], spool: Path
) -> None:
    assessment = scored(pool, spool)
    curators = make_allowlist(*pool[:2], reason="The others are under inquiry.")

    proposals.update(assessment)

    assert Allowlist.objects.get(status="published") == curators
    assert not Allowlist.objects.filter(status="draft").exists()


def test_it_publishes_nothing_once_the_policy_says_manual(
    pool: list[Endpoint], spool: Path
) -> None:
    assessment = scored(pool, spool)
    ModelPolicy.objects.update(mode="manual")

    proposals.update(assessment)

    assert live() == set(NAMES)
    assert not Allowlist.objects.filter(status="draft").exists()


def test_it_removes_nobody_after_another_was_set_aside_meanwhile(
    pool: list[Endpoint], spool: Path
) -> None:
    assessment = scored(pool, spool)
    begin_by_hand(pool[0], "exacto", by=User.objects.create_user("carl"), reason="Suspected.")

    proposals.update(assessment)

    assert live() == set(NAMES)


def test_it_lists_nobody_new_who_is_not_verified(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool[:4])
    auto(pool)
    serve(spool, *(requests(one, good=300) for one in pool[:4]), requests(pool[4], good=20))

    look(pool)
    assert "zinc" not in live()
    serve(spool, requests(pool[4], good=400, name="more"))
    look(pool)

    assert "zinc" in live()


def test_it_does_not_touch_what_a_curator_is_at(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    policy = ModelPolicy.objects.create(model=pool[0].model)
    serve_bad(spool, pool, 1)
    look(pool)
    draft = Allowlist.objects.get(status="draft")
    carl = User.objects.create_user("carl")
    day = localdate() + timedelta(days=1)
    decide_endpoint(draft, pool[4], listed=True, by=carl, reason="Fixed.", review_by=day)
    policy.mode = "auto"
    policy.save()

    look(pool)

    assert live() == set(NAMES)


def test_it_publishes_nothing_where_two_people_must(
    pool: list[Endpoint], spool: Path, settings: Any
) -> None:
    settings.SECOND_PERSON = True
    make_allowlist(*pool)
    auto(pool)
    serve_bad(spool, pool, 1)

    look(pool)

    assert live() == set(NAMES)
    assert Allowlist.objects.filter(status="draft").exists()


def test_it_does_not_remove_who_is_set_aside(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    auto(pool)
    Quarantine.objects.create(
        endpoint=pool[4],
        model=pool[4].model,
        kind="failures",
        reason="Broke.",
        evidence={},
        started_at=now() - timedelta(hours=3),
        back_off_until=now() + timedelta(hours=1),
    )
    serve_bad(spool, pool, 1)

    look(pool)

    assert live() == set(NAMES)
    assert EndpointScore.objects.get(endpoint=pool[4]).standing == "quarantined"


def kept_until(pool: list[Endpoint], review_by: Any) -> None:
    draft = make_allowlist(*pool, published=False)
    draft.entries.filter(endpoint=pool[4]).update(
        decision="kept", reason="They fixed it.", review_by=review_by
    )
    draft.publish(by=None)


def test_a_curators_decision_stands_until_its_day(pool: list[Endpoint], spool: Path) -> None:
    kept_until(pool, localdate() + timedelta(days=1))
    serve_bad(spool, pool, 2)

    look(pool)

    draft = Allowlist.objects.get(status="draft")
    assert draft.reason == "By assay-1: leaves out tin."
    entry = draft.entries.get(endpoint=pool[4])
    assert (entry.decision, entry.reason) == ("kept", "They fixed it.")


def test_after_its_day_the_evidence_speaks_again(pool: list[Endpoint], spool: Path) -> None:
    kept_until(pool, localdate())
    serve_bad(spool, pool, 2)

    look(pool)

    assert Allowlist.objects.get(status="draft").reason == "By assay-1: leaves out tin, zinc."


def test_who_is_left_out_by_a_curator_is_not_proposed(pool: list[Endpoint], spool: Path) -> None:
    draft = make_allowlist(*pool[:4], published=False)
    day = localdate() + timedelta(days=1)
    draft.left_out.create(endpoint=pool[4], reason="Contract ends.", review_by=day)
    draft.publish(by=None)
    serve_bad(spool, pool, 0)

    recompute(pool[0].model, "exacto", now() + timedelta(hours=30))

    assert not Allowlist.objects.filter(status="draft").exists()


def test_openrouters_rule_can_be_asked_instead(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool)
    ModelPolicy.objects.create(model=pool[0].model, method="openrouter")
    serve_bad(spool, pool, 1)

    look(pool)

    draft = Allowlist.objects.get(status="draft")
    assert draft.reason == "By openrouter: leaves out zinc."
    assert draft.evidence is not None
    assert draft.evidence["method"] == "openrouter"
    assert draft.evidence["thresholds"] == {}


def test_openrouters_rule_lets_a_newcomer_in_that_has_data_and_no_signal_below(
    pool: list[Endpoint], spool: Path
) -> None:
    make_allowlist(*pool[:4])
    ModelPolicy.objects.create(model=pool[0].model, method="openrouter")
    serve(spool, *(requests(one, good=299, bad=1) for one in pool))

    look(pool)

    assert Allowlist.objects.get(status="draft").reason == "By openrouter: adds zinc."
    assert EndpointScore.objects.get(endpoint=pool[4]).standing == "verified"


def test_openrouters_rule_lets_nobody_in_for_lack_of_data(
    pool: list[Endpoint], spool: Path
) -> None:
    make_allowlist(*pool[:4])
    ModelPolicy.objects.create(model=pool[0].model, method="openrouter")
    serve(spool, *(requests(one, good=299, bad=1) for one in pool[:4]))
    serve(spool, requests(pool[4], good=199))

    look(pool)

    assert not Allowlist.objects.filter(status="draft").exists()
    assert EndpointScore.objects.get(endpoint=pool[4]).standing == "insufficient_data"


def test_a_list_that_a_curator_withdrew_is_not_published_anew(
    pool: list[Endpoint], spool: Path
) -> None:
    """Who withdrew it had a reason; the policy only proposes what it would publish."""
    edition = make_allowlist(*pool)
    auto(pool)
    serve_bad(spool, pool, 1)
    withdraw(edition, by=User.objects.create_user("carl"), reason="All of them leak prompts.")

    look(pool)

    assert not Allowlist.objects.filter(status="published").exists()
    assert Allowlist.objects.get(status="draft").proposed_by_method == "assay-1"


def test_its_first_list_is_not_below_the_smallest_pool(pool: list[Endpoint], spool: Path) -> None:
    """It may add two a day, but three is the least: a curator has to begin."""
    auto(pool, min_pool=3, max_changes_per_day=2)
    serve_bad(spool, pool, 1)

    look(pool)

    assert not Allowlist.objects.filter(status="published").exists()
    assert Allowlist.objects.get(status="draft").entries.count() == 4


def test_of_those_who_may_enter_the_surest_enters_first(pool: list[Endpoint], spool: Path) -> None:
    make_allowlist(*pool[:3])
    auto(pool, max_changes_per_day=1)
    serve(spool, *(requests(one, good=299, bad=1) for one in pool[:3]))
    serve(spool, requests(pool[3], good=398, bad=2), requests(pool[4], good=1_000))

    look(pool)
    assert live() == {"cobalt", "iron", "nickel", "zinc"}
    look(pool)

    assert Allowlist.objects.get(status="draft").reason == "By assay-1: adds tin."


def test_openrouters_rule_counts_only_the_owners_of_its_hours(
    pool: list[Endpoint], spool: Path
) -> None:
    ModelPolicy.objects.create(model=pool[0].model, method="openrouter")
    before = now() - timedelta(hours=12)
    serve(
        spool, requests(pool[0], good=96, at=before, name="a"), requests(pool[0], good=9, owners=1)
    )

    look(pool)

    accuracy = EndpointScore.objects.get(endpoint=pool[0]).criteria["accuracy"]
    assert (accuracy["requests"], accuracy["owners"]) == (9, 1)
