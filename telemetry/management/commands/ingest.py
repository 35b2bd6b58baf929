"""Make rows of the facts in the spool; normally Celery does it each second."""

import contextlib
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections

from telemetry.ingest import IngestReport, ingest_all


class Command(BaseCommand):
    help = "Ingest the facts in the spool, once or for ever."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="go on, once a second")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["watch"]:
            self._tell(ingest_all(settings.SPOOL_DIR))
        with contextlib.suppress(KeyboardInterrupt):
            while options["watch"]:
                self._sweep()
                time.sleep(1)

    def _sweep(self) -> None:
        close_old_connections()
        try:
            report = ingest_all(settings.SPOOL_DIR)
        except (OperationalError, InterfaceError) as error:
            # The facts wait in the spool until the database is back.
            self.stderr.write(f"not ingested: {type(error).__name__}")
            return
        if report != IngestReport():
            self._tell(report)

    def _tell(self, report: IngestReport) -> None:
        self.stdout.write(
            f"{report.generations} generations, {report.attempts} attempts, "
            f"{report.verdicts} verdicts; {report.bad_frames} damaged frames, "
            f"{report.dead} dead records; {report.segments_deleted} segments removed"
        )
