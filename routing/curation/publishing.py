"""Curators' decisions on editions, each once, with an actor, a reason and an audit row.

Owns who may decide: a second person where one is required, nobody on what they did not see. The
rows' own transitions are `routing.models`'. The rules others rely on: every function is one
transaction and either does all of it, audit row and notice included, or raises EditionError with
a sentence for the curator; what is against the evidence says why, or is not published.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.timezone import localdate

from providers.models import Endpoint, Model
from routing.curation import notices
from routing.curation.against import evidence_now, evidence_of, open_points, verdicts
from routing.models import Allowlist, AllowlistEntry, AuditEntry, EditionError, ModelPolicy, Notice
from routing.models.audit import POLICY

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REVIEW_WITHIN = timedelta(days=14)
CHANGED = "It changed while you were reading. Look at it again, then decide."


def second_person_needed(edition: Allowlist) -> bool:
    """Return whether who changed this edition last may not publish it."""
    return ModelPolicy.of(edition.model, edition.variant).needs_second_person


def author(edition: Allowlist) -> "User | None":
    """Return who changed its content last; None where only the method did."""
    if edition.proposed_by_method:
        return edition.changed_by
    return edition.changed_by or edition.created_by


def mark(edition: Allowlist) -> str:
    """Return a mark of what is to be decided on: this content, over that live edition."""
    live = live_of(edition)
    return f"{live.version if live else 0}.{edition.content_hash()}"


@transaction.atomic
def start_empty(model: Model, variant: str, *, by: "User", reason: str) -> Allowlist:
    """Start a draft without endpoints."""
    draft = Allowlist.draft(model, variant=variant, by=by, reason=reason)
    _record("start draft", draft, by=by, reason=reason)
    return draft


@transaction.atomic
def edit(edition: Allowlist, *, by: "User", reason: str) -> None:
    """Write another reason on a draft."""
    current = edition.locked()
    if current.status != Allowlist.Status.DRAFT:
        raise EditionError(f"{edition} is {current.get_status_display()}, not a draft: look again.")
    if current.reason != reason:
        Allowlist.objects.filter(pk=edition.pk).update(reason=reason, changed_by=by)
        edition.reason, edition.changed_by = reason, by
        _record("edit draft", edition, by=by, reason=reason)


def edited(edition: Allowlist, *, by: "User", before: dict[str, Any] | None) -> None:
    """Keep who changed a draft's endpoints by hand."""
    Allowlist.objects.filter(pk=edition.pk).update(changed_by=by)
    edition.entries.filter(decided_by=None).update(decided_by=by)
    edition.changed_by = by
    _mark_against(edition, evidence_of(edition))
    _record("edit draft", edition, by=by, reason=edition.reason, before=before)


@transaction.atomic
def delete(edition: Allowlist, *, by: "User") -> None:
    """Throw a draft away; the audit trail keeps that there was one."""
    current = edition.locked()
    if current.status != Allowlist.Status.DRAFT:
        raise EditionError(f"{edition} is {current.get_status_display()}, not a draft: look again.")
    before = digest(current)
    current.delete()
    AuditEntry.record(
        "delete draft",
        by=by,
        model=edition.model,
        variant=edition.variant,
        edition=edition.version,
        before=before,
    )


def start(edition: Allowlist, *, by: "User", reason: str) -> Allowlist:
    """Start a draft with an edition's endpoints."""
    with transaction.atomic():
        draft = edition.copy_to_draft(by=by, reason=reason)
        _record("start draft", draft, by=by, reason=reason)
    return draft


@transaction.atomic
def send(edition: Allowlist, *, by: "User", reason: str, seen: str = "") -> Allowlist:
    """Send a draft to a second curator."""
    edition = _locked(edition, seen)
    _explain(edition, reason)
    edition.send_to_review(by=by)
    text = f"{edition} waits for a second curator: {reason}"
    notices.tell(Notice.Kind.REVIEW, text, edition=edition)
    _record("send to review", edition, by=by, reason=reason)
    return edition


@transaction.atomic
def take_back(edition: Allowlist, *, by: "User", reason: str) -> Allowlist:
    """Make a draft again of what was sent to review."""
    edition.take_back()
    _record("take back", edition, by=by, reason=reason)
    return edition


@transaction.atomic
def publish(edition: Allowlist, *, by: "User", reason: str, seen: str = "") -> Allowlist:
    """Approve and publish: from the commit on, requests are routed by this edition."""
    edition = _locked(edition, seen)
    before = live_of(edition)
    if edition.status == Allowlist.Status.DRAFT:
        _explain(edition, reason)
    _second_person(edition, by)
    edition.publish(by=by)
    notices.tell(Notice.Kind.PUBLISHED, f"{by.get_username()} published {edition}: {reason}",
                 edition=edition)  # fmt: skip
    _record("publish", edition, by=by, reason=reason, before=before)
    return edition


@transaction.atomic
def roll_back(edition: Allowlist, *, by: "User", reason: str, seen: str = "") -> Allowlist:
    """Publish a past edition's content again; where a second person is needed, send it to them.

    What is against today's evidence is kept for this reason, to be looked at again in two weeks.
    """
    edition = _locked(edition, seen)
    before = live_of(edition)
    draft = edition.copy_to_draft(by=by, reason=reason)
    _excuse(draft, by, reason)
    if second_person_needed(draft):
        draft.send_to_review(by=by)
        notices.tell(Notice.Kind.REVIEW, f"{draft} waits for a second curator: {reason}",
                     edition=draft)  # fmt: skip
        _record("send to review", draft, by=by, reason=reason)
        return draft
    draft.publish(by=by)
    notices.tell(Notice.Kind.PUBLISHED, f"{by.get_username()} rolled back to {edition}: {reason}",
                 edition=draft)  # fmt: skip
    _record("roll back", draft, by=by, reason=reason, before=before)
    return draft


@transaction.atomic
def withdraw(edition: Allowlist, *, by: "User", reason: str, seen: str = "") -> Allowlist:
    """Retire the live edition without another. One person may: it only shrinks."""
    edition = _locked(edition, seen)
    edition.retire(by=by, reason=reason)
    notices.tell(Notice.Kind.PUBLISHED, f"{by.get_username()} withdrew {edition}: {reason}",
                 edition=edition, urgent=True)  # fmt: skip
    _record("withdraw", edition, by=by, reason=reason)
    return edition


@transaction.atomic
def decide_endpoint(
    edition: Allowlist,
    endpoint: Endpoint,
    *,
    listed: bool,
    by: "User",
    reason: str,
    review_by: date | None,
    seen: str = "",
) -> Allowlist:
    """Put one endpoint on a draft or take it off, for a reason if the evidence says otherwise."""
    edition = _locked(edition, seen)
    if edition.status != Allowlist.Status.DRAFT:
        raise EditionError(f"{edition} is {edition.get_status_display()}, not a draft: look again.")
    if edition.evidence is None:
        edition.evidence = evidence_now(edition)
    against = verdicts(edition.evidence).get(endpoint.pk) is (not listed)
    if against:
        _check_words(endpoint, reason, review_by)
    before = digest(edition)
    words = {"reason": reason, "review_by": review_by, "decided_by": by}
    _place(edition, endpoint, words, listed=listed, against=against)
    edition.changed_by = by
    edition.save(update_fields=["changed_by", "evidence"])
    deed = "list endpoint" if listed else "leave endpoint out"
    _record(deed, edition, by=by, reason=reason, endpoint=endpoint, before=before)
    return edition


def _place(
    edition: Allowlist, endpoint: Endpoint, words: dict[str, Any], *, listed: bool, against: bool
) -> None:
    edition.entries.filter(endpoint=endpoint).delete()
    edition.left_out.filter(endpoint=endpoint).delete()
    if not listed:
        edition.left_out.create(endpoint=endpoint, **words)
        return
    decision = AllowlistEntry.Decision.EVIDENCE
    if against:
        live = live_of(edition)
        member = live is not None and live.entries.filter(endpoint=endpoint).exists()
        decision = AllowlistEntry.Decision.KEPT if member else AllowlistEntry.Decision.ADDED
    edition.entries.create(endpoint=endpoint, decision=decision, **words)


def _check_words(endpoint: Endpoint, reason: str, review_by: date | None) -> None:
    if not reason.strip():
        raise EditionError(f"{endpoint.tag}: the evidence says otherwise, so write why.")
    if review_by is None or review_by <= localdate():
        raise EditionError(f"{endpoint.tag}: give a day from tomorrow on to look at it again.")


def _explain(edition: Allowlist, reason: str) -> None:
    """Write why, keep the evidence, and refuse what is against it without a reason."""
    evidence = evidence_of(edition)
    Allowlist.objects.filter(pk=edition.pk, status=Allowlist.Status.DRAFT).update(
        reason=reason, evidence=evidence
    )
    edition.reason, edition.evidence = reason, evidence
    if points := open_points(edition, evidence):
        raise EditionError(" ".join(points))
    _mark_against(edition, evidence)


def _mark_against(edition: Allowlist, evidence: Mapping[str, Any] | None) -> None:
    """Call listings against the evidence what they are, whichever page they were written on."""
    live = live_of(edition)
    members = set(live.entries.values_list("endpoint_id", flat=True)) if live else set()
    against = [pk for pk, good in verdicts(evidence).items() if not good]
    said = edition.entries.filter(decision=AllowlistEntry.Decision.EVIDENCE, endpoint__in=against)
    said.filter(endpoint__in=members).update(decision=AllowlistEntry.Decision.KEPT)
    said.update(decision=AllowlistEntry.Decision.ADDED)
    edition.left_out.filter(endpoint__in=edition.entries.values("endpoint")).delete()


def _excuse(draft: Allowlist, by: "User", reason: str) -> None:
    draft.evidence = evidence_now(draft)
    draft.save(update_fields=["evidence"])
    words = {
        "reason": reason[:300],
        "review_by": localdate() + REVIEW_WITHIN,
        "decided_by": by,
    }
    eligible = verdicts(draft.evidence)
    listed = set(draft.entries.values_list("endpoint_id", flat=True))
    for endpoint in draft.model.endpoints.filter(pk__in=eligible):
        if eligible[endpoint.pk] is not (endpoint.pk in listed):
            _place(draft, endpoint, words, listed=endpoint.pk in listed, against=True)


def _second_person(edition: Allowlist, by: "User") -> None:
    if second_person_needed(edition) and author(edition) == by:
        raise EditionError(
            f"{edition} was last changed by you: somebody else must publish it. Send it to review."
        )


def _locked(edition: Allowlist, seen: str) -> Allowlist:
    """Return the edition as it is, its like locked. Raises EditionError if it is not as `seen`."""
    current = edition.locked()
    if seen and mark(current) != seen:
        raise EditionError(f"{edition}: {CHANGED}")
    return current


def live_of(edition: Allowlist) -> Allowlist | None:
    """Return the edition that is live now for the same model and variant."""
    return Allowlist.objects.filter(
        model=edition.model, variant=edition.variant, status=Allowlist.Status.PUBLISHED
    ).first()


def digest(edition: Allowlist | None) -> dict[str, Any] | None:
    """Return a digest of an edition for the audit trail."""
    if edition is None:
        return None
    tags = edition.entries.values_list("endpoint__tag", flat=True)
    return {
        "edition": edition.version,
        "status": edition.status,
        "content": edition.content_hash(),
        "endpoints": sorted(tags),
        "evidence": (edition.evidence or {}).get("inputs_hash", ""),
    }


def _record(
    action: str,
    edition: Allowlist,
    *,
    by: "User | str",
    reason: str,
    endpoint: Endpoint | None = None,
    before: "Allowlist | dict[str, Any] | None" = None,
) -> None:
    was = digest(before) if isinstance(before, Allowlist) else before
    AuditEntry.record(
        action,
        by=by,
        model=edition.model,
        variant=edition.variant,
        edition=edition.version,
        endpoint=endpoint,
        reason=reason,
        before=was,
        after=digest(edition),
    )


def record_by_policy(action: str, edition: Allowlist, *, reason: str, before: Any = None) -> None:
    """Keep what the policy did in the audit trail."""
    _record(action, edition, by=POLICY, reason=reason, before=before)
