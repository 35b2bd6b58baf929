"""The Celery app: `celery -A routing worker`.

Importing it reads no settings; `routing.celeryconfig` does, on first use.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "routing.settings")

app = Celery("assay")
app.config_from_object("routing.celeryconfig")
app.autodiscover_tasks()
