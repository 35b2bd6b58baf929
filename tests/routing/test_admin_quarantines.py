"""Quarantines, policies, the audit trail and notices in the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing.models import AuditEntry, Delivery, ModelPolicy, Notice, Quarantine
from tests.admin_people import curator, newcomer, person
from tests.catalog_rows import make_allowlist, make_endpoint
from tests.routing.test_admin import messages_of

pytestmark = pytest.mark.django_db
ADD = "admin:routing_quarantine_add"


@pytest.fixture
def member() -> Endpoint:
    endpoint = make_endpoint("cobalt")
    make_allowlist(endpoint, make_endpoint("zinc"))
    return endpoint


def test_a_curator_sets_a_member_aside_and_lets_it_back(member: Endpoint) -> None:
    client = curator()

    client.post(reverse(ADD), {"endpoint": member.pk, "reason": "Leaks prompts."}, follow=True)
    row = Quarantine.objects.get()
    assert (row.kind, row.started_by, row.variant) == ("manual", User.objects.get(), "exacto")
    page = client.get(reverse("admin:routing_quarantine_change", args=[row.pk])).text
    assert "Let it back" in page
    release = reverse("admin:routing_quarantine_release", args=[row.pk])
    assert "Leaks prompts." in client.get(release).text
    assert "Write why" in client.post(release, {"reason": " "}).text
    answer = client.post(release, {"reason": "Our mistake."}, follow=True)

    row.refresh_from_db()
    assert row.ended_reason == "Our mistake."
    assert messages_of(answer) == ["cobalt · acme/falcon-1 is back."]
    assert "Let it back" not in answer.text


def test_setting_aside_twice_is_refused_in_words(member: Endpoint) -> None:
    client = curator()
    for _ in range(2):
        answer = client.post(
            reverse(ADD), {"endpoint": member.pk, "reason": "Leaks prompts."}, follow=True
        )

    assert "is set aside already" in messages_of(answer)[0]
    assert Quarantine.objects.count() == 1


def test_only_members_of_live_lists_can_be_set_aside(member: Endpoint) -> None:
    outsider = make_endpoint("iron")

    answer = curator().post(reverse(ADD), {"endpoint": outsider.pk, "reason": "Why not."})

    assert answer.status_code == 200
    assert not Quarantine.objects.exists()


def test_quarantines_are_not_for_everybody(member: Endpoint) -> None:
    client = newcomer()
    row = Quarantine.objects.create(
        endpoint=member,
        model=member.model,
        kind="failures",
        reason="Broke.",
        started_at=now(),
        back_off_until=now(),
    )

    said = {"endpoint": member.pk, "reason": "Mine."}
    assert client.post(reverse(ADD), said).status_code == 403
    release = reverse("admin:routing_quarantine_release", args=[row.pk])
    assert client.post(release, {"reason": "Mine."}).status_code == 403
    assert (
        curator().get(reverse("admin:routing_quarantine_delete", args=[row.pk])).status_code == 403
    )


def test_a_policy_is_kept_with_who_changed_it(member: Endpoint) -> None:
    client = person("operator")
    said = {
        "model": member.model_id,
        "variant": "exacto",
        "mode": "auto",
        "method": "assay",
        "min_pool": 2,
        "max_changes_per_day": 1,
        "second_person_required": "unknown",
    }

    refused = client.post(reverse("admin:routing_modelpolicy_add"), {**said, "variant": "nitro"})
    assert "nitro is not one of the available choices" in refused.text
    client.post(reverse("admin:routing_modelpolicy_add"), said)

    policy = ModelPolicy.objects.get()
    assert (policy.mode, policy.min_pool) == ("auto", 2)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name) == ("change policy", "operator")
    assert entry.after["mode"] == "auto"
    page = client.get(reverse("admin:routing_modelpolicy_change", args=[policy.pk]))
    assert page.status_code == 200


def test_a_policys_page_open_since_before_a_freeze_does_not_end_it(member: Endpoint) -> None:
    client = person("operator")
    policy = ModelPolicy.objects.create(model=member.model)
    until = now() + timedelta(hours=6)
    ModelPolicy.objects.update(frozen_until=until)
    shown = {"mode": "propose", "method": "assay", "max_changes_per_day": 2}
    shown |= {"second_person_required": "unknown", "frozen_until_0": "", "frozen_until_1": ""}
    before = {"initial-frozen_until_0": "", "initial-frozen_until_1": ""}
    page = reverse("admin:routing_modelpolicy_change", args=[policy.pk])

    client.post(page, {**shown, **before, "min_pool": 3})

    policy.refresh_from_db()
    assert (policy.min_pool, policy.frozen_until) == (3, until)
    after = AuditEntry.objects.get().after
    assert (after["min_pool"], after["frozen_until"]) == (3, until.isoformat())
    names = [f"initial-frozen_until_{n}" for n in (0, 1)]
    asked = client.get(page).text
    assert all(f'name="{name}"' in asked for name in names)


def test_an_operator_ends_a_freeze(member: Endpoint) -> None:
    client = person("operator")
    until = (now() + timedelta(hours=6)).replace(microsecond=0)
    policy = ModelPolicy.objects.create(model=member.model, frozen_until=until)
    shown = {"mode": "propose", "method": "assay", "max_changes_per_day": 2, "min_pool": 1}
    shown |= {"second_person_required": "unknown", "frozen_until_0": "", "frozen_until_1": ""}
    before = {
        "initial-frozen_until_0": f"{until:%Y-%m-%d}",
        "initial-frozen_until_1": f"{until:%H:%M:%S}",
    }

    client.post(reverse("admin:routing_modelpolicy_change", args=[policy.pk]), {**shown, **before})

    policy.refresh_from_db()
    assert policy.frozen_until is None


def test_the_audit_trail_is_read_only(member: Endpoint) -> None:
    client = curator()
    entry = AuditEntry.record("publish", by="policy", model=member.model, after={"x": 1})
    page = reverse("admin:routing_auditentry_change", args=[entry.pk])

    assert "publish" in client.get(reverse("admin:routing_auditentry_changelist")).text
    assert entry.hash in client.get(page).text
    assert client.post(page, {"reason": "Rewritten."}).status_code == 403
    delete = reverse("admin:routing_auditentry_delete", args=[entry.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_a_notice_says_how_far_it_came_and_is_marked_as_read() -> None:
    client = curator()
    notice = Notice.objects.create(created_at=now(), kind="frozen", urgent=True, text="Frozen.")
    Delivery.objects.create(
        notice=notice, channel="webhook", state="failed", attempts=18, due_at=now(), error="HTTP"
    )
    listing = reverse("admin:routing_notice_changelist")

    page = client.get(reverse("admin:routing_notice_change", args=[notice.pk])).text
    client.post(listing, {"action": "mark_seen", "_selected_action": [str(notice.pk)]})

    assert "given up" in page
    notice.refresh_from_db()
    assert notice.seen_by == User.objects.get()
    assert notice.seen_at is not None
    assert notice.seen_at > now() - timedelta(minutes=1)
