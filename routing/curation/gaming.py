"""Telling curators of an endpoint that does better in benchmarks than for its users.

Owns the notice. `telemetry.scoring.divergence` finds the difference. The rules others rely on: it
moves no list, sets nobody aside and changes no score; a curator hears of an endpoint once a week
as long as it lasts.
"""

from django.urls import reverse

from providers.models import Endpoint
from routing.curation import notices
from routing.curation.assessment import Assessment
from routing.models import Notice


def tell_of_gaming(assessment: Assessment) -> None:
    """Leave a notice for each endpoint whose benchmarks its traffic does not bear out."""
    found = {pk: one for pk, one in assessment.told_by_benchmarks.items() if one.verdict == "fail"}
    year, week, _ = assessment.at.isocalendar()
    for endpoint in Endpoint.objects.filter(pk__in=found).select_related("provider", "model"):
        notices.tell(
            Notice.Kind.UNCONFIRMED,
            f"{endpoint}: {found[endpoint.pk].sentence}. Its standing rests on traffic; this alone "
            "changes no list. Look at its runs, or verify it with a request set of your own.",
            model=assessment.model,
            variant=assessment.variant,
            path=reverse("admin:providers_model_benchmarks", args=[assessment.model.pk]),
            key=f"gaming:{assessment.variant}:{endpoint.pk}:{year}-{week}",
        )
