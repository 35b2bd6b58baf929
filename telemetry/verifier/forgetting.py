"""How long the verifier's single requests are kept: as long as facts are.

Owns which of them go, and what a run keeps instead. The rules others rely on: a run that is open
keeps all of its own, so it can go on, and so does the newest finished run of a request set at an
endpoint, which reports quote; what `claims.progress` says of a run is the same before and after.
"""

from dataclasses import astuple
from datetime import datetime

from django.db.models import Exists, Max, OuterRef, QuerySet

from telemetry.models import Probe, VerifierRun, VerifierVerdict
from telemetry.verifier import claims


def forget_probes(before: datetime, most: int) -> int:
    """Remove requests of runs that ended before then, `most` at once; return how many."""
    run = _old(before).order_by("pk").first()
    if run is None:
        return 0
    came_to = {pk: astuple(part) for pk, part in claims.progress(run).items()}
    # Once: who comes second may have counted while the first removes.
    VerifierRun.objects.filter(pk=run.pk, came_to__isnull=True).update(came_to=came_to)
    removed, _ = Probe.objects.filter(pk__in=run.probes.values("pk")[:most]).delete()
    return removed


def _old(before: datetime) -> QuerySet[VerifierRun]:
    newest = VerifierVerdict.objects.order_by().values("endpoint", "run__request_set")
    quoted = set(newest.annotate(newest=Max("run")).values_list("newest", flat=True))
    has_probes = Exists(Probe.objects.filter(run=OuterRef("pk")))
    return VerifierRun.objects.filter(has_probes, ended_at__lt=before).exclude(pk__in=quoted)
