"""Endpoints set aside from a pool, and back: by the detectors' alarms, by proof, by a curator.

Owns the begin and the end of a quarantine. `routing.curation.watching` says when an alarm calls
for one; the gateway's snapshot takes open ones out of the pool. The rules others rely on: a
quarantine only shrinks a pool, and never below the policy's smallest without a curator; its end
restores what curators published and nothing beyond; every begin and end has an audit row and a
notice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.urls import reverse

from providers.models import Endpoint, Model
from routing.curation import notices
from routing.curation.pasts import Pasts
from routing.models import (
    Allowlist,
    AllowlistEntry,
    AuditEntry,
    EditionError,
    Notice,
    Quarantine,
)
from routing.models.audit import DETECTOR

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from routing.curation.assessment import Assessment
    from telemetry.scoring.detection import Alarm


def begin(assessment: Assessment, alarm: Alarm) -> Quarantine | None:
    """Set a member aside for an alarm; None, with an urgent notice, if too few would be left."""
    endpoint = Endpoint.objects.select_related("model", "provider").get(pk=alarm.endpoint_id)
    with transaction.atomic():
        # Who serves is counted while nobody else can be set aside.
        Model.objects.select_for_update().get(pk=endpoint.model_id)
        serving = serving_members(endpoint.model, assessment.variant)
        if endpoint.pk not in serving:
            return None
        if len(serving) - 1 < assessment.policy.min_pool:
            _tell_too_few(endpoint, assessment, alarm)
            return None
        row = Quarantine.objects.create(
            endpoint=endpoint,
            model=endpoint.model,
            variant=assessment.variant,
            kind=alarm.kind,
            reason=alarm.sentence,
            evidence={"alarm": alarm_json(alarm), "method": assessment.method_name},
            started_at=assessment.at,
            back_off_until=assessment.at + _back_off(assessment, endpoint),
        )
        _tell_begin(row, by=None)
    return row


def _back_off(assessment: Assessment, endpoint: Endpoint) -> timedelta:
    earlier = assessment.pasts.quarantines.get(endpoint.pk, 0)
    steps = assessment.method.quarantine_hours
    return timedelta(hours=steps[min(earlier, len(steps) - 1)])


def _tell_too_few(endpoint: Endpoint, assessment: Assessment, alarm: Alarm) -> None:
    variant, least = assessment.variant, assessment.policy.min_pool
    key = f"small pool:{variant}:{endpoint.pk}:{alarm.kind}:"
    began = datetime.fromtimestamp(alarm.since, UTC)
    if notices.told_since(Notice.Kind.SMALL_POOL, key, began).exists():
        return
    notices.tell(
        Notice.Kind.SMALL_POOL,
        f"{endpoint} broke and stays: setting it aside would leave fewer than {least} in "
        f"{endpoint.model}:{variant}. {alarm.sentence}.",
        model=endpoint.model,
        variant=variant,
        path=page(),
        urgent=True,
        key=f"{key}{alarm.since:.0f}",
    )


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm as it is kept."""
    return {**asdict(alarm), "suspects": sorted(alarm.suspects)}


def begin_by_hand(endpoint: Endpoint, variant: str, *, by: User, reason: str) -> Quarantine:
    """Set a member aside because a curator says so; only a curator lets it back."""
    if not reason.strip():
        raise EditionError("Write why it is set aside.")
    at = _now()
    with transaction.atomic():
        Model.objects.select_for_update().get(pk=endpoint.model_id)
        if Quarantine.objects.filter(endpoint=endpoint, variant=variant, ended_at=None).exists():
            raise EditionError(f"{endpoint} is set aside already: look again.")
        row = Quarantine.objects.create(
            endpoint=endpoint,
            model=endpoint.model,
            variant=variant,
            kind=Quarantine.Kind.MANUAL,
            reason=reason,
            started_at=at,
            started_by=by,
            back_off_until=at,
        )
        _tell_begin(row, by=by)
    return row


def release_by_hand(row: Quarantine, *, by: User, reason: str) -> None:
    """Let an endpoint back because a curator says so."""
    if not reason.strip():
        raise EditionError("Write why it may come back.")
    _end(row, _now(), by=by, reason=reason)


def release_proven(assessment: Assessment) -> bool:
    """Let back who has waited and proved, and whom curators took off the list; return if any."""
    rows = Quarantine.objects.filter(
        model=assessment.model, variant=assessment.variant, ended_at=None
    ).exclude(kind=Quarantine.Kind.MANUAL)
    proven = assessment.proven()
    ended = False
    for row in rows.select_related("endpoint", "model"):
        if row.endpoint_id not in assessment.pasts.members:
            reason = "It is no longer on the list."
        elif row.endpoint_id in proven and assessment.at >= row.back_off_until:
            reason = f"Proved itself: {assessment.decisions[row.endpoint_id].reasons[0]}"
        else:
            continue
        with suppress(EditionError):  # a curator let it back in this moment
            _end(row, assessment.at, by=None, reason=reason)
            ended = True
    return ended


def serving_members(model: Model, variant: str) -> frozenset[int]:
    """Return the live edition's endpoints that are in service and not set aside."""
    pasts = Pasts.read(model, variant, _now())
    in_service = Endpoint.objects.filter(
        pk__in=pasts.members, enabled=True, provider__enabled=True
    ).values_list("pk", flat=True)
    return frozenset(in_service) - pasts.open.keys()


def _end(row: Quarantine, at: datetime, *, by: User | None, reason: str) -> None:
    with transaction.atomic():
        ended = Quarantine.objects.filter(pk=row.pk, ended_at=None).update(
            ended_at=at, ended_by=by, ended_reason=reason
        )
        if not ended:
            raise EditionError(f"{row.endpoint} has been let back already: look again.")
        notices.tell(
            Notice.Kind.RELEASE,
            f"{row.endpoint} {_now_is(row)} {row.model}:{row.variant}. {reason}",
            model=row.model,
            variant=row.variant,
            path=page(row),
        )
        AuditEntry.record(
            "release",
            by=by or DETECTOR,
            model=row.model,
            variant=row.variant,
            endpoint=row.endpoint,
            reason=reason,
            before={"quarantine": row.pk, "reason": row.reason},
        )


def _now_is(row: Quarantine) -> str:
    listed = AllowlistEntry.objects.filter(
        endpoint=row.endpoint,
        allowlist__model=row.model,
        allowlist__variant=row.variant,
        allowlist__status=Allowlist.Status.PUBLISHED,
    )
    return "is back in" if listed.exists() else "is no longer set aside from"


def _tell_begin(row: Quarantine, *, by: User | None) -> None:
    notices.tell(
        Notice.Kind.QUARANTINE,
        f"{row.endpoint} is set aside from {row.model}:{row.variant}: {row.reason}",
        model=row.model,
        variant=row.variant,
        path=page(row),
        urgent=True,
    )
    AuditEntry.record(
        "quarantine",
        by=by or DETECTOR,
        model=row.model,
        variant=row.variant,
        endpoint=row.endpoint,
        reason=row.reason,
        after={"quarantine": row.pk, "kind": row.kind},
    )


def page(row: Quarantine | None = None) -> str:
    if row is None:
        return reverse("admin:routing_quarantine_changelist")
    return reverse("admin:routing_quarantine_change", args=[row.pk])


def _now() -> datetime:
    return datetime.now(UTC)
