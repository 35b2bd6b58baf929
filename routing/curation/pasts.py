"""What became of each endpoint of a model before: member, out, new, quarantined.

Owns reading editions and quarantines into the `Past` that hysteresis asks for. It decides
nothing. The rule others rely on: an endpoint is a member only while it is on the live edition.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from django.db.models import Max

from providers.models import Model
from routing.models import Allowlist, AllowlistEntry, Quarantine
from telemetry.scoring.standing import Past

COUNTED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pasts:
    """One model and variant's history, as of one moment."""

    at: datetime
    live: Allowlist | None
    members: frozenset[int]
    open: Mapping[int, Quarantine]
    quarantines: Mapping[int, int]  # automatic ones begun within 30 days
    left: Mapping[int, datetime]  # when an endpoint that was once listed left the list
    considered: frozenset[int]  # of the live edition: those its evidence or curators spoke of

    @classmethod
    def read(cls, model: Model, variant: str, at: datetime) -> "Pasts":
        published = Allowlist.objects.filter(model=model, variant=variant)
        live = published.filter(status=Allowlist.Status.PUBLISHED).first()
        entries = AllowlistEntry.objects.filter(
            allowlist__model=model,
            allowlist__variant=variant,
            allowlist__published_at__isnull=False,
        )
        members = entries.filter(allowlist=live) if live else entries.none()
        rows = Quarantine.objects.filter(model=model, variant=variant)
        recent = rows.filter(started_at__gt=at - COUNTED).exclude(kind=Quarantine.Kind.MANUAL)
        left = entries.filter(allowlist__status=Allowlist.Status.RETIRED).values_list("endpoint")
        return cls(
            at=at,
            live=live,
            members=frozenset(members.values_list("endpoint_id", flat=True)),
            open={row.endpoint_id: row for row in rows.filter(ended_at=None)},
            quarantines=Counter(recent.values_list("endpoint_id", flat=True)),
            left=dict(left.annotate(at=Max("allowlist__retired_at"))),
            considered=_considered(live),
        )

    def of(self, endpoint_id: int) -> Past:
        """Return what hysteresis needs of one endpoint."""
        if self.live is None:
            return Past("unlisted")
        if endpoint_id in self.members:
            quarantine = self.open.get(endpoint_id)
            if quarantine is None:
                return Past("member", quarantines_30d=self.quarantines.get(endpoint_id, 0))
            hours = _hours(self.at - quarantine.started_at)
            return Past("quarantined", hours, self.quarantines.get(endpoint_id, 0))
        if endpoint_id in self.left:
            return Past("out", _hours(self.at - self.left[endpoint_id]))
        return Past("out", inf) if endpoint_id in self.considered else Past("new")

    def listed_before(self, endpoint_id: int) -> bool:
        """Return whether curators once published it."""
        return endpoint_id in self.members or endpoint_id in self.left


def _considered(live: Allowlist | None) -> frozenset[int]:
    if live is None:
        return frozenset()
    spoken = {int(pk) for pk in (live.evidence or {}).get("endpoints", {})}
    return frozenset(spoken.union(live.left_out.values_list("endpoint_id", flat=True)))


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)
