"""The Celery app: `celery -A routing worker`.

Importing it reads no settings; `routing.celeryconfig` does, on first use.
"""

import os

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
