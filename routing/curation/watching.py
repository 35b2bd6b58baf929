"""What alarms lead to: a quarantine, older counters set aside, or a frozen list.

Owns when an alarm is acted on. `telemetry.scoring.detection` raises alarms, and
`routing.curation.quarantine` sets aside. The rules others rely on: an alarm is acted on once; one
that few owners stand behind is looked at twice; where half of a list breaks at once nobody is set
aside, because it is likely not them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q

from providers.models import Endpoint
from routing.curation import notices
from routing.curation.assessment import Assessment
from routing.curation.quarantine import alarm_json, begin, page
from routing.models import AuditEntry, ModelPolicy, Notice, Quarantine
from routing.models.audit import DETECTOR
from telemetry.evidence import load_hourly
from telemetry.models import EndpointScore
from telemetry.scoring.detection import Alarm, HourlyCounts, detect, mass_incident

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
            renewed |= _forget_before(alarm, "evidence_since", _beginning(alarm))
    return renewed


def frozen(assessment: Assessment) -> bool:
    """Return whether nothing but a curator may change this list or pool now."""
    until = ModelPolicy.of(assessment.model, assessment.variant).frozen_until
    return until is not None and until > assessment.at


def watch(assessment: Assessment) -> tuple[Alarm, ...]:
    """Return the alarms of the last hours, each endpoint's since it was last set right."""
    hourly = load_hourly(assessment.model.pk, assessment.at, settings.COUNTER_HOURS)
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
    _forget_before(alarm, "evidence_since", _beginning(alarm))
    return True


def _on_propensity(assessment: Assessment, alarm: Alarm) -> bool:
    """Set all counters so far aside first: an endpoint that came back to normal alarms as well.

    Those since the change began, too: an alarm by chance ends a run of extreme hours, which alone
    would look abnormal. What comes after it knows nothing of that.
    """
    if _forget_before(alarm, "propensity_since", _next_hour(assessment.at)):
        return True
    serving = assessment.pasts.members - assessment.pasts.open.keys()
    normal = assessment.results[alarm.endpoint_id].propensity.probability
    if alarm.endpoint_id in serving and normal is not None:
        abnormal = normal < assessment.method.leave_propensity
        if abnormal and _confirmed(assessment, alarm):
            begin(assessment, alarm)
    return False


def _next_hour(at: datetime) -> datetime:
    """Return the beginning of the first hour that is counted wholly after `at`."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour if hour == at else hour + timedelta(hours=1)


def _beginning(alarm: Alarm) -> datetime:
    return datetime.fromtimestamp(alarm.since, UTC)


def _forget_before(alarm: Alarm, column: str, since: datetime) -> bool:
    """Set an endpoint's counters before `since` aside.

    Returns whether that is news: not if they were set aside at or after the alarm's beginning.
    """
    rows = EndpointScore.objects.filter(endpoint=alarm.endpoint_id)
    older = rows.filter(Q(**{column: None}) | Q(**{f"{column}__lt": _beginning(alarm)}))
    return older.update(**{column: since}) > 0


def _confirmed(assessment: Assessment, alarm: Alarm) -> bool:
    """Return whether an alarm may be acted on: at once, or at the second look if few owners agree.

    Probes would confirm it faster; until there are any, the first look leaves a notice.
    """
    if alarm.owners_slots > assessment.method.few_slots:
        return True
    key = f"unconfirmed:{assessment.variant}:{alarm.endpoint_id}:{alarm.kind}:"
    seen = notices.told_since(Notice.Kind.UNCONFIRMED, key, _beginning(alarm))
    if seen.filter(created_at__lt=assessment.at - _CONSECUTIVE).exists():
        return True
    if seen.exists():
        return False
    endpoint = Endpoint.objects.get(pk=alarm.endpoint_id)
    notices.tell(
        Notice.Kind.UNCONFIRMED,
        f"{endpoint} may have broken: {alarm.sentence}. Only {alarm.owners_slots} groups of owners "
        "use it, so it is set aside only if the next look says so, too.",
        model=assessment.model,
        variant=assessment.variant,
        path=page(),
        key=f"{key}{alarm.since:.0f}",
    )
    return False


def _freeze_if_many(assessment: Assessment, alarms: Sequence[Alarm]) -> bool:
    """Freeze the list if so many members broke at once that something else must have."""
    recent = Quarantine.objects.filter(
        model=assessment.model,
        variant=assessment.variant,
        kind=Quarantine.Kind.FAILURES,
        started_at__gt=assessment.at - _AT_ONCE,
    )
    # Whom they suspected then has been looked at again since.
    known = (Alarm(**{**row.evidence["alarm"], "suspects": frozenset()}) for row in recent)
    together = [*alarms, *known]
    if not mass_incident(together, assessment.pasts.members, assessment.method):
        return False
    if _thawed(assessment):
        return False
    _freeze(assessment, alarms)
    return True


def _thawed(assessment: Assessment) -> bool:
    """Return whether somebody ended a freeze before its time: they say it is the endpoints.

    A notice is a moment younger than its freeze.
    """
    begun = Notice.objects.filter(
        kind=Notice.Kind.FROZEN,
        model=assessment.model,
        variant=assessment.variant,
        created_at__gt=assessment.at - FREEZE + _CONSECUTIVE,
    )
    return begun.exists()


def _freeze(assessment: Assessment, alarms: Sequence[Alarm]) -> None:
    model, variant, until = assessment.model, assessment.variant, assessment.at + FREEZE
    text = (
        f"{model}:{variant} is frozen until {until:%Y-%m-%d %H:%M} UTC: half of its endpoints or "
        "more broke within an hour, so it is likely the model, this gateway or its judge. Nobody "
        "is set aside or let back until then, unless you do it."
    )
    with transaction.atomic():
        ModelPolicy.objects.update_or_create(
            model=model, variant=variant, defaults={"frozen_until": until}
        )
        notices.tell(
            Notice.Kind.FROZEN, text, model=model, variant=variant, path=page(), urgent=True
        )
        AuditEntry.record(
            "freeze",
            by=DETECTOR,
            model=model,
            variant=variant,
            reason=text,
            after={"until": until.isoformat(), "alarms": [alarm_json(one) for one in alarms]},
        )
