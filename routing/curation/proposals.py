"""Drafts that the evidence asks for, and publishing them where a policy says so.

Owns which endpoints a proposal names, and that there is one open proposal per model and variant.
The rules others rely on: a proposal that a curator has changed or sent to review is never
touched; nothing is written on a list, policy or pool that somebody changed since it was read;
what curators decided against the evidence stands until its review-by day; `auto` publishes within
its guard rails only, as the actor "policy".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.timezone import localdate

from providers.models import Endpoint, Model
from routing.curation import notices
from routing.curation.against import evidence_now
from routing.curation.assessment import Assessment
from routing.curation.publishing import digest, record_by_policy
from routing.curation.quarantine import serving_members
from routing.models import Allowlist, AllowlistEntry, ModelPolicy, Notice, Quarantine
from telemetry.scoring.standing import Past, decide

_DAY = timedelta(days=1)
_REASON = AllowlistEntry._meta.get_field("reason").max_length


@dataclass(frozen=True, slots=True)
class Change:
    """One endpoint that enters or leaves."""

    endpoint: Endpoint
    enters: bool


def update(assessment: Assessment) -> None:
    """Bring the proposal of one model and variant in line with the evidence."""
    if assessment.policy.mode == ModelPolicy.Mode.MANUAL:
        return
    changes = _changes(assessment)
    if assessment.policy.mode == ModelPolicy.Mode.AUTO and _publish_allowed(assessment, changes):
        return  # what is left over is the next look's
    with transaction.atomic():
        if not _still_ours(assessment):
            return
        proposal = _open(assessment)
        if proposal is not None and not _ours(proposal):
            return
        if not changes:
            _drop(proposal)
        else:
            _draft(assessment, proposal, changes)


def _changes(assessment: Assessment) -> list[Change]:
    """Return how the live list would differ, those who leave first and surest first."""
    live = assessment.pasts.live
    members = assessment.pasts.members
    if live is None and not _verified(assessment):
        return []
    wanted = {pk for pk, one in assessment.decisions.items() if one.eligible}
    wanted |= members - assessment.decisions.keys()  # switched off: nothing is known of them
    wanted |= members & _by_hand(assessment)
    wanted = (wanted | _held(live)) - _held_out(live)
    if not wanted:
        return []
    endpoints = Endpoint.objects.select_related("provider").in_bulk(wanted ^ members)
    changes = [Change(one, enters=pk in wanted) for pk, one in endpoints.items()]
    return sorted(changes, key=lambda one: _urgency(assessment, one))


def _verified(assessment: Assessment) -> bool:
    return any(one.standing == "verified" for one in assessment.decisions.values())


def _urgency(assessment: Assessment, change: Change) -> tuple[bool, float]:
    """Order changes by the probability that it is near the best; nothing known comes last."""
    result = assessment.results.get(change.endpoint.pk)
    chance = result.accuracy.probability if result else None
    if chance is None:
        return change.enters, 1.0
    return change.enters, -chance if change.enters else chance


def _by_hand(assessment: Assessment) -> set[int]:
    """Return those whom a curator has set aside and the evidence would keep: theirs to say."""
    manual = {pk for pk, row in assessment.pasts.open.items() if row.kind == Quarantine.Kind.MANUAL}
    if not manual:
        return set()
    pasts = [
        Past("member") if pk in manual else assessment.pasts.of(pk)
        for pk in assessment.evidence.endpoint_ids
    ]
    decided = decide(assessment.result, pasts, assessment.method).decisions
    return manual & {one.endpoint_id for one in decided if one.eligible}


def _held(live: Allowlist | None) -> set[int]:
    """Return those whom a curator keeps against the evidence, for now."""
    if live is None:
        return set()
    kept = [AllowlistEntry.Decision.KEPT, AllowlistEntry.Decision.ADDED]
    rows = live.entries.filter(decision__in=kept, review_by__gt=localdate())
    return set(rows.values_list("endpoint_id", flat=True))


def _held_out(live: Allowlist | None) -> set[int]:
    """Return those whom a curator leaves out against the evidence, for now."""
    if live is None:
        return set()
    rows = live.left_out.filter(review_by__gt=localdate())
    return set(rows.values_list("endpoint_id", flat=True))


def _still_ours(assessment: Assessment) -> bool:
    """Lock the list, and return whether nobody decided since it was read: else the next look's."""
    Allowlist.lock_all(assessment.model, assessment.variant)
    Model.objects.select_for_update().get(pk=assessment.model.pk)
    return assessment.still_holds()


def _open(assessment: Assessment) -> Allowlist | None:
    rows = Allowlist.objects.filter(
        model=assessment.model,
        variant=assessment.variant,
        status__in=[Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW],
    ).exclude(proposed_by_method="")
    return rows.first()


def _ours(proposal: Allowlist) -> bool:
    return proposal.untouched and proposal.status == Allowlist.Status.DRAFT


def _drop(proposal: Allowlist | None) -> None:
    """Delete a proposal that the evidence no longer asks for; the audit trail keeps it."""
    if proposal is None:
        return
    reason = "The evidence no longer asks for it."
    record_by_policy("drop proposal", proposal, reason=reason)
    proposal.delete()


def _draft(assessment: Assessment, proposal: Allowlist | None, changes: list[Change]) -> None:
    if proposal is not None and _says_the_same(proposal, assessment, changes):
        return  # a curator may be reading it: its figures change only with what they say
    tags = set() if proposal is None else _tags(proposal)
    proposal = _write(assessment, proposal, changes)
    if _tags(proposal) != tags:
        notices.tell(Notice.Kind.PROPOSAL, f"{proposal} is proposed. {proposal.reason}",
                     edition=proposal)  # fmt: skip
        record_by_policy("propose", proposal, reason=proposal.reason, before=sorted(tags) or None)


def _says_the_same(proposal: Allowlist, assessment: Assessment, changes: list[Change]) -> bool:
    """Return whether the proposal says so of the live list, on verdicts that are still today's."""
    wanted = assessment.pasts.members ^ {one.endpoint.pk for one in changes}
    said = (proposal.evidence or {}).get("endpoints", {})
    same = set(proposal.entries.values_list("endpoint_id", flat=True)) == wanted
    same &= proposal.reason == _words(assessment, changes)
    return same and all(
        said.get(str(pk), {}).get("standing") == one.standing
        for pk, one in assessment.decisions.items()
    )


def _write(assessment: Assessment, draft: Allowlist | None, changes: list[Change]) -> Allowlist:
    """Make the live list with these changes of a draft, or of a new one."""
    if draft is None:
        draft = Allowlist.draft(assessment.model, variant=assessment.variant)
    draft.reason = _words(assessment, changes)
    draft.proposed_by_method = assessment.method_name
    evidence = evidence_now(draft)
    draft.evidence = evidence and {**evidence, "changes": len(changes)}
    draft.save(update_fields=["reason", "proposed_by_method", "evidence"])
    _fill(draft, assessment, changes)
    return draft


def _fill(edition: Allowlist, assessment: Assessment, changes: list[Change]) -> None:
    """Make an edition's content the live one's with these changes."""
    live = assessment.pasts.live
    leaves = {one.endpoint.pk for one in changes if not one.enters}
    rows: dict[int, Mapping[str, Any]] = {}
    if live is not None:
        kept = live.entries.exclude(endpoint__in=leaves)
        rows = {entry.endpoint_id: _still(entry, assessment) for entry in kept}
    for one in changes:
        if one.enters:
            rows[one.endpoint.pk] = {"reason": _sentence(assessment, one.endpoint.pk)}
    edition.entries.all().delete()
    edition.left_out.all().delete()
    for pk, words in rows.items():
        edition.entries.create(endpoint_id=pk, **words)
    if live is not None:
        for out in live.left_out.filter(review_by__gt=localdate()).exclude(endpoint__in=rows):
            edition.left_out.create(endpoint_id=out.endpoint_id, **out.words())


def _still(entry: AllowlistEntry, assessment: Assessment) -> Mapping[str, Any]:
    """Return a member's words: a curator's while they hold, else what the evidence says now."""
    held = entry.decision != AllowlistEntry.Decision.EVIDENCE and (
        entry.review_by is None or entry.review_by > localdate()
    )
    if held or entry.endpoint_id not in assessment.decisions:
        return entry.words()
    return {"reason": _sentence(assessment, entry.endpoint_id)}


def _sentence(assessment: Assessment, pk: int) -> str:
    return assessment.decisions[pk].reasons[0][:_REASON]


def _tags(edition: Allowlist) -> set[str]:
    return set(edition.entries.values_list("endpoint__tag", flat=True))


def _words(assessment: Assessment, changes: list[Change]) -> str:
    parts = [
        f"leaves out {', '.join(sorted(one.endpoint.tag for one in changes if not one.enters))}",
        f"adds {', '.join(sorted(one.endpoint.tag for one in changes if one.enters))}",
    ]
    said = " and ".join(part for part in parts if not part.endswith(" "))
    note = " Nobody qualifies: the least bad are kept." if assessment.decision.degraded else ""
    return f"By {assessment.method_name}: {said}.{note}"


def _publish_allowed(assessment: Assessment, changes: list[Change]) -> bool:
    """Publish what `auto` may; return False where nothing is left to it."""
    allowed = list(_allowed(assessment, changes))
    if not allowed or assessment.policy.needs_second_person or not _may_begin(assessment, allowed):
        return False
    with transaction.atomic():
        if not _still_ours(assessment):
            return False
        proposal = _open(assessment)
        if proposal is not None and not _ours(proposal):
            return False
        before = digest(assessment.pasts.live)
        edition = _write(assessment, proposal, allowed)
        edition.publish(by=None, at=assessment.at)
        text = f"The policy published {edition}. {edition.reason}"
        notices.tell(Notice.Kind.PUBLISHED, text, edition=edition)
        record_by_policy("publish", edition, reason=edition.reason, before=before)
    return True


def _may_begin(assessment: Assessment, allowed: list[Change]) -> bool:
    """Return whether the first list is the policy's to publish: none if a curator withdrew one."""
    pasts = assessment.pasts
    return pasts.live is not None or (not pasts.left and len(allowed) >= assessment.policy.min_pool)


def _allowed(assessment: Assessment, changes: list[Change]) -> Iterator[Change]:
    """Yield the changes within the guard rails, in order of urgency."""
    policy = assessment.policy
    left = policy.max_changes_per_day - _changed_today(assessment)
    size = len(serving_members(assessment.model, assessment.variant))
    for one in changes:
        if left <= 0:
            return
        if not one.enters:
            # Set aside already: a removal would only forfeit its way back by proof.
            if one.endpoint.pk in assessment.pasts.open or size - 1 < policy.min_pool:
                continue
            size -= 1
        elif not _may_enter(assessment, one):
            continue
        else:
            size += 1
        left -= 1
        yield one


def _may_enter(assessment: Assessment, change: Change) -> bool:
    pk = change.endpoint.pk
    verified = assessment.decisions[pk].standing == "verified"
    return verified or assessment.pasts.listed_before(pk)


def _changed_today(assessment: Assessment) -> int:
    """Return how many endpoints the policy has added or removed in 24 hours."""
    editions = Allowlist.objects.filter(
        model=assessment.model,
        variant=assessment.variant,
        published_by=None,
        published_at__gt=assessment.at - _DAY,
    ).exclude(proposed_by_method="")
    return sum((one.evidence or {}).get("changes", 0) for one in editions)
