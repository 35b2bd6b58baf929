"""Endpoints that break are set aside at once, and come back by proof or by a curator.

Owns when an alarm becomes a quarantine, and its end. `telemetry.scoring.detection` raises alarms;
the gateway's snapshot takes open quarantines out of the pool. The rules others rely on: a
quarantine only shrinks a pool, and never below the policy's smallest without a curator; its end
restores what curators published and nothing beyond; every begin and end has an audit row and a
notice.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from django.db import transaction
from django.db.models import Max, Q
from django.urls import reverse

from providers.models import Endpoint, Model
from routing.curation import notices
from routing.curation.assessment import Assessment
from routing.curation.pasts import Pasts
from routing.models import AuditEntry, EditionError, ModelPolicy, Notice, Quarantine
from routing.models.audit import DETECTOR
from telemetry.evidence import load_hourly
from telemetry.models import EndpointScore
from telemetry.scoring.detection import Alarm, HourlyCounts, detect, mass_incident

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WATCHED_HOURS = 48
FREEZE = timedelta(hours=6)
_AT_ONCE = timedelta(hours=1)
_CONSECUTIVE = timedelta(minutes=1)


def react(assessment: Assessment) -> bool:
    """Act on the alarms that stand now; return whether older evidence was set aside."""
    if frozen(assessment):
        return False
    alarms = watch(assessment)
    if _freeze_if_many(assessment, alarms):
        return False
    renewed = False
    for alarm in sorted(alarms, key=lambda one: -one.statistic):
        if alarm.kind == "failures":
            renewed |= _on_failures(assessment, alarm)
        elif alarm.kind == "propensity":
            renewed |= _on_propensity(assessment, alarm)
        else:
            renewed |= _forget_before(alarm, "evidence_since")
    return renewed


def frozen(assessment: Assessment) -> bool:
    """Return whether nothing but a curator may change this list or pool now."""
    until = ModelPolicy.of(assessment.model, assessment.variant).frozen_until
    return until is not None and until > assessment.at


def watch(assessment: Assessment) -> tuple[Alarm, ...]:
    """Return the alarms of the last hours, each endpoint's since it was last set right."""
    hourly = load_hourly(assessment.model.pk, assessment.at, WATCHED_HOURS)
    results = assessment.results
    rates = [results[pk].accuracy.estimate if pk in results else None for pk in hourly.endpoint_ids]
    serving = assessment.pasts.members - assessment.pasts.open.keys()
    return detect(
        _since_set_right(assessment, hourly),
        assessment.result.expected,
        rates,
        frozenset(serving),
        assessment.method,
    )


def _since_set_right(assessment: Assessment, hourly: HourlyCounts) -> HourlyCounts:
    """Return the counters without the hours whose alarms have been acted on."""
    scores = EndpointScore.objects.filter(endpoint__in=hourly.endpoint_ids)
    ended = Quarantine.objects.filter(
        model=assessment.model, variant=assessment.variant, ended_at__isnull=False
    )
    floors: dict[int, float] = {}
    for pk, *moments in scores.values_list("endpoint", "evidence_since", "propensity_since"):
        floors[pk] = max((one.timestamp() for one in moments if one), default=0.0)
    for pk, moment in ended.values_list("endpoint").annotate(at=Max("ended_at")).order_by():
        floors[pk] = max(floors.get(pk, 0.0), moment.timestamp())
    floor = np.array([floors.get(pk, 0.0) for pk in hourly.endpoint_ids])
    counted = np.array(hourly.hours)[np.newaxis, :] >= floor[:, np.newaxis]
    counts = hourly.counts * counted[:, :, np.newaxis, np.newaxis, np.newaxis]
    return HourlyCounts(hourly.endpoint_ids, hourly.hours, counts)


def _on_failures(assessment: Assessment, alarm: Alarm) -> bool:
    if not _confirmed(assessment, alarm):
        return False
    if not begin(assessment, alarm):
        return False
    _forget_before(alarm, "evidence_since")
    return True


def _on_propensity(assessment: Assessment, alarm: Alarm) -> bool:
    """Set older counters aside first: an endpoint that came back to normal alarms as well."""
    if _forget_before(alarm, "propensity_since"):
        return True
    serving = assessment.pasts.members - assessment.pasts.open.keys()
    normal = assessment.results[alarm.endpoint_id].propensity.probability
    if alarm.endpoint_id in serving and normal is not None:
        abnormal = normal < assessment.method.leave_propensity
        if abnormal and _confirmed(assessment, alarm):
            begin(assessment, alarm)
    return False


def _forget_before(alarm: Alarm, column: str) -> bool:
    """Set counters before an alarm's hour aside; return whether that is news."""
    since = datetime.fromtimestamp(alarm.since, UTC)
    rows = EndpointScore.objects.filter(endpoint=alarm.endpoint_id)
    older = rows.filter(Q(**{column: None}) | Q(**{f"{column}__lt": since}))
    return older.update(**{column: since}) > 0


def _confirmed(assessment: Assessment, alarm: Alarm) -> bool:
    """Return whether an alarm may be acted on: at once, or at the second look if few owners agree.

    Probes would confirm it faster; until there are any, the first look leaves a notice.
    """
    if alarm.owners_slots > assessment.method.few_slots:
        return True
    key = f"unconfirmed:{assessment.variant}:{alarm.endpoint_id}:{alarm.kind}:{alarm.since:.0f}"
    seen = Notice.objects.filter(key=key, created_at__lt=assessment.at - _CONSECUTIVE)
    if seen.exists():
        return True
    endpoint = Endpoint.objects.get(pk=alarm.endpoint_id)
    notices.tell(
        Notice.Kind.UNCONFIRMED,
        f"{endpoint} may have broken: {alarm.sentence}. Only {alarm.owners_slots} groups of owners "
        "use it, so it is set aside only if the next look says so, too.",
        model=assessment.model,
        variant=assessment.variant,
        path=_page(),
        key=key,
    )
    return False


def begin(assessment: Assessment, alarm: Alarm) -> Quarantine | None:
    """Set a member aside for an alarm; None, with an urgent notice, if too few would be left."""
    endpoint = Endpoint.objects.select_related("model", "provider").get(pk=alarm.endpoint_id)
    at, variant = assessment.at, assessment.variant
    serving = serving_members(endpoint.model, variant)
    if alarm.endpoint_id not in serving:
        return None
    least = assessment.policy.min_pool
    if len(serving) - 1 < least:
        notices.tell(
            Notice.Kind.SMALL_POOL,
            f"{endpoint} broke and stays: setting it aside would leave fewer than {least} in "
            f"{endpoint.model}:{variant}. {alarm.sentence}.",
            model=endpoint.model,
            variant=variant,
            path=_page(),
            urgent=True,
            key=f"small pool:{variant}:{endpoint.pk}:{alarm.kind}:{alarm.since:.0f}",
        )
        return None
    earlier = assessment.pasts.quarantines.get(endpoint.pk, 0)
    steps = assessment.method.quarantine_hours
    hours = steps[min(earlier, len(steps) - 1)]
    with transaction.atomic():
        row = Quarantine.objects.create(
            endpoint=endpoint,
            model=endpoint.model,
            variant=variant,
            kind=alarm.kind,
            reason=alarm.sentence,
            evidence={"alarm": asdict(alarm), "method": assessment.method_name},
            started_at=at,
            back_off_until=at + timedelta(hours=hours),
        )
        _tell_begin(row, by=None)
    return row


def begin_by_hand(endpoint: Endpoint, variant: str, *, by: "User", reason: str) -> Quarantine:
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


def release_by_hand(row: Quarantine, *, by: "User", reason: str) -> None:
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


def _end(row: Quarantine, at: datetime, *, by: "User | None", reason: str) -> None:
    with transaction.atomic():
        ended = Quarantine.objects.filter(pk=row.pk, ended_at=None).update(
            ended_at=at, ended_by=by, ended_reason=reason
        )
        if not ended:
            raise EditionError(f"{row.endpoint} has been let back already: look again.")
        notices.tell(
            Notice.Kind.RELEASE,
            f"{row.endpoint} is back in {row.model}:{row.variant}. {reason}",
            model=row.model,
            variant=row.variant,
            path=_page(row),
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


def _tell_begin(row: Quarantine, *, by: "User | None") -> None:
    notices.tell(
        Notice.Kind.QUARANTINE,
        f"{row.endpoint} is set aside from {row.model}:{row.variant}: {row.reason}",
        model=row.model,
        variant=row.variant,
        path=_page(row),
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


def _freeze_if_many(assessment: Assessment, alarms: Sequence[Alarm]) -> bool:
    """Freeze the list if so many members broke at once that something else must have."""
    recent = Quarantine.objects.filter(
        model=assessment.model,
        variant=assessment.variant,
        kind=Quarantine.Kind.FAILURES,
        started_at__gt=assessment.at - _AT_ONCE,
    )
    together = [*alarms, *(Alarm(**row.evidence["alarm"]) for row in recent)]
    if not mass_incident(together, assessment.pasts.members, assessment.method):
        return False
    until = assessment.at + FREEZE
    name = f"{assessment.model}:{assessment.variant}"
    text = (
        f"{name} is frozen until {until:%Y-%m-%d %H:%M} UTC: half of its endpoints or more broke "
        "within an hour, so it is likely the model, this gateway or its judge. Nobody is set aside "
        "or let back until then, unless you do it."
    )
    with transaction.atomic():
        ModelPolicy.objects.update_or_create(
            model=assessment.model,
            variant=assessment.variant,
            defaults={"frozen_until": until},
        )
        notices.tell(
            Notice.Kind.FROZEN,
            text,
            model=assessment.model,
            variant=assessment.variant,
            path=_page(),
            urgent=True,
        )
        AuditEntry.record(
            "freeze",
            by=DETECTOR,
            model=assessment.model,
            variant=assessment.variant,
            reason=text,
            after={"until": until.isoformat(), "alarms": [asdict(one) for one in alarms]},
        )
    return True


def _page(row: Quarantine | None = None) -> str:
    if row is None:
        return reverse("admin:routing_quarantine_changelist")
    return reverse("admin:routing_quarantine_change", args=[row.pk])


def _now() -> datetime:
    return datetime.now(UTC)
