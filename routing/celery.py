"""The Celery app: `celery -A routing worker`.

Importing it reads no settings; `routing.celeryconfig` does, on first use.
"""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "routing.settings")

app = Celery("assay")
app.config_from_object("routing.celeryconfig")
app.autodiscover_tasks()


@signals.worker_init.connect
def _bound_statements(**_: object) -> None:
    from django.conf import settings

    from routing.databases import bound_statements

    bound_statements(settings.LIMITS.db_worker_statement_s, settings.LIMITS)


@signals.worker_ready.connect
def start_with_owner_slots(**_: Any) -> None:
    """Have owners counted where they belong from the start: the schedule waits an hour first."""
    app.send_task("routing.assign_owner_slots")


@signals.worker_ready.connect
def _report(**_: object) -> None:
    """Say every ten seconds that this worker runs, whether or not beat sends it anything."""
    from routing.process_reports import Kind, Reporter

    reporter = Reporter(Kind.WORKER)
    reporter.start()
    # Kept alive by its thread; on a stop in order it takes its row along.
    signals.worker_shutdown.connect(lambda **_: reporter.stop(), weak=False)
