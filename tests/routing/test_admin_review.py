"""The draft beside the live edition: what a curator reads, decides, and what a viewer may not."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import localdate, now

from providers.models import Endpoint
from routing.models import Allowlist, AuditEntry, ModelPolicy, Notice, Quarantine
from telemetry.models import Attempt, ScorePoint
from tests.admin_people import curator, newcomer
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.curation.measured import make_score, requests, serve
from tests.routing.test_admin import decide, decision_url, live, messages_of, page_of

pytestmark = pytest.mark.django_db


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


@pytest.fixture
def proposal(good: Endpoint, bad: Endpoint) -> Allowlist:
    """The method would leave zinc out."""
    make_allowlist(good, bad)
    draft = make_allowlist(good, published=False)
    Allowlist.objects.filter(pk=draft.pk).update(proposed_by_method="assay-1")
    draft.refresh_from_db()
    return draft


def viewer() -> Client:
    client = newcomer()
    rights = Permission.objects.filter(codename="view_allowlist")
    User.objects.get(username="nina").user_permissions.set(rights)
    return client


def endpoint_page(edition: Allowlist, endpoint: Endpoint) -> str:
    return reverse("admin:routing_allowlist_endpoint", args=[edition.pk, endpoint.pk])


def place(client: Client, edition: Allowlist, endpoint: Endpoint, **said: Any) -> Any:
    url = endpoint_page(edition, endpoint)
    seen = client.get(url).context["form"].initial["seen"]
    return client.post(url, {"seen": seen, **said}, follow=True)


def test_the_page_shows_each_endpoint_with_its_criteria(
    proposal: Allowlist, good: Endpoint, bad: Endpoint
) -> None:
    answer = curator().get(page_of(proposal))

    removed, kept = answer.context["review"].endpoints
    assert (removed.endpoint, removed.change, removed.standing) == (bad, "removed", "below_par")
    assert (kept.endpoint, kept.change) == (good, "")
    assert [one.verdict for one in removed.criteria] == ["fail", "pass", "pass", "pass"]
    assert [one.figure for one in removed.criteria][:2] == ["3.1 %", "\u00d71.00"]
    assert "out: tool-call error 3.1 %" in answer.text
    assert answer.text.count("<svg") == 8
    assert "This edition beside the live edition 1" in answer.text


def test_plots_of_one_criterion_share_a_scale_with_the_bound_drawn_in(
    proposal: Allowlist,
) -> None:
    removed, kept = curator().get(page_of(proposal)).context["review"].endpoints

    def bound(plot: str) -> str:
        return plot.split('stroke-dasharray="3 2"')[0].rsplit('<line x1="', 1)[1].split('"')[0]

    assert bound(removed.criteria[0].plot) == bound(kept.criteria[0].plot)
    assert "tool-call error 3.1 %" in removed.criteria[0].plot  # told in words, too


def test_an_endpoint_page_shows_failures_by_kind_and_place_without_contents(
    proposal: Allowlist, bad: Endpoint, tmp_path: Path
) -> None:
    serve(tmp_path, requests(bad, good=1, bad=3))

    answer = curator().get(endpoint_page(proposal, bad))

    (sample,) = answer.context["samples"]
    assert (sample.words, sample.count) == ("schema mismatch: city has the wrong type", 3)
    newest = Attempt.objects.filter(bad_calls=1).order_by("-started_at")[0]
    assert sample.url == reverse("admin:telemetry_attempt_change", args=[newest.pk])


def test_an_endpoint_page_draws_its_last_days(proposal: Allowlist, bad: Endpoint) -> None:
    hour = now().replace(minute=0, second=0, microsecond=0)
    for back, rate in enumerate([0.03, None, 0.02, 0.01]):
        ScorePoint.objects.create(
            endpoint=bad, hour=hour - timedelta(hours=back), standing="verified", error_rate=rate
        )

    answer = curator().get(endpoint_page(proposal, bad))

    assert "polyline" in answer.context["one"].history
    assert "Tool-call error, the last days" in answer.text


def test_a_curator_keeps_a_member_against_the_evidence_with_a_reason(
    proposal: Allowlist, bad: Endpoint
) -> None:
    client = curator()
    day = localdate() + timedelta(days=7)

    refused = place(client, proposal, bad, listed="yes", reason="", review_by="")
    assert "the evidence says otherwise, so write why" in refused.text
    answer = place(
        client, proposal, bad, listed="yes", reason="They fixed it.", review_by=day.isoformat()
    )

    assert messages_of(answer) == [f"zinc is on {proposal}."]
    entry = proposal.entries.get(endpoint=bad)
    assert (entry.decision, entry.reason, entry.review_by) == ("kept", "They fixed it.", day)
    proposal.refresh_from_db()
    assert not proposal.untouched
    assert "They fixed it." in answer.text
    assert AuditEntry.objects.get().reason == "They fixed it."


def test_what_another_curator_changed_meanwhile_is_a_conflict(
    proposal: Allowlist, good: Endpoint, bad: Endpoint
) -> None:
    carl, dora = curator("carl"), curator("dora")
    day = (localdate() + timedelta(days=7)).isoformat()
    said = {"listed": "yes", "reason": "Fixed.", "review_by": day}
    url = endpoint_page(proposal, bad)
    seen = carl.get(url).context["form"].initial["seen"]
    place(dora, proposal, good, listed="no", reason="Ours.", review_by=day)

    answer = carl.post(url, {**said, "seen": seen})

    assert "It changed while you were reading" in answer.text
    assert not proposal.entries.exists()


def test_publishing_against_the_evidence_says_what_is_still_to_be_written(
    good: Endpoint, bad: Endpoint
) -> None:
    draft = make_allowlist(good, bad, published=False)

    answer = decide(curator(), draft, "publish")

    assert live() is None
    assert messages_of(answer) == [
        "zinc is on the list against the evidence: write why, and when to look at it again."
    ]


def test_a_proposal_is_published_by_one_curator(proposal: Allowlist) -> None:
    answer = decide(curator(), proposal, "publish", "Zinc breaks its arguments.")

    assert live() == proposal
    assert messages_of(answer) == [f"Published {proposal}."]
    audit = AuditEntry.objects.get()
    assert (audit.action, audit.actor_name, audit.edition) == ("publish", "carl", 2)
    assert audit.before["endpoints"] == ["cobalt", "zinc"]
    assert audit.after["endpoints"] == ["cobalt"]


def test_two_curators_publish_what_one_has_changed(
    settings: Any, proposal: Allowlist, bad: Endpoint
) -> None:
    settings.SECOND_PERSON = True
    carl, dora = curator("carl"), curator("dora")
    day = (localdate() + timedelta(days=7)).isoformat()
    place(carl, proposal, bad, listed="yes", reason="Fixed.", review_by=day)

    refused = decide(carl, proposal, "publish")
    assert "somebody else must publish it" in messages_of(refused)[0]
    asked = carl.get(decision_url(proposal, "send")).text
    assert "nobody can change this edition" in asked
    assert "The draft begins with" not in asked
    sent = decide(carl, proposal, "send", "Please look.")
    assert "a second curator may publish it" in messages_of(sent)[0]
    assert "in review" in dora.get(page_of(proposal)).text
    decide(dora, proposal, "publish", "Looked at it.")

    assert live() == proposal
    assert Notice.objects.filter(kind="review").exists()


def test_the_effect_on_recorded_traffic_names_its_sample(
    proposal: Allowlist, good: Endpoint, bad: Endpoint, tmp_path: Path
) -> None:
    Endpoint.objects.filter(pk=bad.pk).update(price_prompt=Decimal("0.0000003"))
    serve(tmp_path, requests(good, good=30), requests(bad, good=60, bad=10))

    answer = curator().get(page_of(proposal))

    effect = answer.context["effect"]
    assert effect.sample == (
        "100 requests with tools (none for acme/falcon-1:exacto yet) in the last 7 days"
    )
    assert effect.moved == pytest.approx(0.7)
    assert effect.before.error_rate == pytest.approx(0.3 * 0.004 + 0.7 * 0.031)
    assert effect.after.error_rate == pytest.approx(0.004)
    # 1000 tokens in, 100 out.
    assert effect.before.price == pytest.approx(0.3 * 0.00085 + 0.7 * 0.00055)
    assert effect.after.price == pytest.approx(0.00085)
    assert effect.after.latency_ms == 410
    assert "70.0 % of them would move" in answer.text


def test_an_endpoint_that_was_moved_to_another_model_breaks_no_page(
    proposal: Allowlist, good: Endpoint, bad: Endpoint
) -> None:
    """The admin let that happen once, so there may be such rows."""
    bad.model = make_endpoint("iron", "acme/owl-2").model
    bad.save()

    answer = curator().get(page_of(proposal))

    assert answer.status_code == 200
    assert proposal.model.slug in answer.text


def test_the_effect_is_told_from_the_variants_own_requests_where_there_are_any(
    proposal: Allowlist, good: Endpoint, bad: Endpoint, tmp_path: Path
) -> None:
    from telemetry.models import Generation

    serve(tmp_path, requests(good, good=10), requests(bad, good=40))
    Generation.objects.filter(endpoint=good).update(variant="exacto")

    effect = curator().get(page_of(proposal)).context["effect"]

    assert effect.sample == "10 requests for acme/falcon-1:exacto in the last 7 days"
    assert effect.moved == 0


def test_a_viewer_reads_everything_and_decides_nothing(proposal: Allowlist, bad: Endpoint) -> None:
    client = viewer()

    page = client.get(page_of(proposal))
    one = client.get(endpoint_page(proposal, bad))

    assert "out: tool-call error 3.1 %" in page.text
    assert "Approve and publish" not in page.text
    assert one.context["form"] is None
    said = {"listed": "yes", "reason": "Mine.", "review_by": "2999-01-01", "seen": ""}
    assert client.post(endpoint_page(proposal, bad), said).status_code == 403
    for name in ("publish", "send", "withdraw", "start_draft"):
        answer = client.post(decision_url(proposal, name), {"reason": "Mine.", "seen": ""})
        assert answer.status_code == 403


@pytest.mark.parametrize("status", ["in_review", "published"])
def test_only_a_draft_is_decided_on(good: Endpoint, bad: Endpoint, status: str) -> None:
    edition = make_allowlist(good, published=status == "published")
    if status == "in_review":
        edition.send_to_review(by=User.objects.create_user("eve"))
    said = {"listed": "yes", "reason": "Late.", "review_by": "2999-01-01", "seen": ""}

    answer = curator().post(endpoint_page(edition, bad), said)

    assert answer.status_code == 403
    assert edition.entries.count() == 1


def test_the_first_page_says_what_needs_a_decision(
    proposal: Allowlist, good: Endpoint, bad: Endpoint
) -> None:
    proposal.reason = "By assay-1: leaves out zinc."
    proposal.save()
    published = make_allowlist(make_endpoint("iron", "acme/b"))
    published_again = Allowlist.objects.get(model__slug="acme/b")
    review = published_again.copy_to_draft(by=None, reason="Again.")
    review.send_to_review(by=User.objects.create_user("eve"))
    Quarantine.objects.create(
        endpoint=bad,
        model=bad.model,
        kind="failures",
        reason="tool-call errors rose.",
        started_at=now(),
        back_off_until=now(),
    )
    ModelPolicy.objects.create(model=published.model, frozen_until=now() + timedelta(hours=6))
    Notice.objects.create(
        created_at=now(), kind="small_pool", urgent=True, text="Too few would be left."
    )

    groups = curator().get("/admin/").context["groups"]
    texts = [task.text for group in groups for task in group.tasks]

    assert [group.title for group in groups if group.urgent] == ["Notices", "Frozen"]
    assert texts[0] == "Too few would be left."
    assert texts[1].startswith("acme/b:exacto is frozen until")
    assert (
        "acme/falcon-1:exacto edition 2 is proposed: By assay-1: leaves out zinc. "
        "Review and publish, or change it." in texts
    )
    assert f"{review} was sent to review by eve: approve and publish it, or not." in texts
    assert "zinc is set aside from acme/falcon-1:exacto: tool-call errors rose." in texts


def test_the_first_page_names_decisions_whose_day_has_come(good: Endpoint) -> None:
    draft = make_allowlist(good, published=False)
    draft.entries.update(decision="kept", reason="Fixed.", review_by=localdate())
    draft.publish(by=None)

    groups = curator().get("/admin/").context["groups"]
    texts = [task.text for group in groups for task in group.tasks]

    assert len(texts) == 1
    assert texts[0].startswith(f"cobalt on {draft}: look again at “Fixed.”")
