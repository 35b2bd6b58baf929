"""Remove facts and verifier requests that are too old; normally Celery does it, part by part."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.timezone import now

from telemetry.fact_retention import forget_facts
from telemetry.models import FactsKept


class Command(BaseCommand):
    help = "Remove generations, attempts and verifier requests older than FACT_DAYS, all of them."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.FACT_DAYS:
            self.stdout.write("FACT_DAYS=0: all facts are kept. Set it to remove old ones.")
            return
        report = forget_facts(now())
        self.stdout.write(
            f"{report.generations} generations, {report.attempts} attempts and {report.probes} of "
            f"the verifier's requests removed; those since {FactsKept.first_day()} are kept."
        )
