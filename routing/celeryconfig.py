"""Celery's configuration and the schedule of all periodic work.

Owns how tasks travel and when they are due. The rules others rely on: nothing publishes a task
inside a request (a broker that hangs would hold it), and every task is a sweep that may run
twice or be lost, because the embedded broker loses what a killed worker had in hand.
"""

from typing import Any

from django.conf import settings

broker_url = settings.CELERY_BROKER_URL
broker_connection_retry_on_startup = True
broker_connection_timeout = settings.LIMITS.broker_timeout_s
broker_transport_options: dict[str, Any] = {}

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
task_soft_time_limit = settings.LIMITS.task_soft_s
task_time_limit = settings.LIMITS.task_hard_s
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = True
enable_utc = True
timezone = "UTC"

# An overdue task is dropped, not queued behind the next: each does all that is there to do.
beat_schedule = {
    "ingest the spool": {
        "task": "telemetry.ingest_spool",
        "schedule": 1.0,
        "options": {"expires": 2.0},
    },
    "expire verdicts": {
        "task": "telemetry.expire_verdicts",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "mark the schedule": {
        "task": "routing.mark_schedule",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "recompute scores": {
        "task": "routing.recompute_scores",
        "schedule": settings.SCORE_EVERY_S,
        "options": {"expires": settings.SCORE_EVERY_S},
    },
    "recompute asked": {
        "task": "routing.recompute_asked",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "deliver notices": {
        "task": "routing.deliver_notices",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "tell of feedback": {
        "task": "routing.tell_of_feedback",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "forget senders of feedback": {
        "task": "telemetry.forget_feedback_senders",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "forget facts": {
        "task": "telemetry.forget_facts",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "forget sessions": {
        "task": "routing.forget_sessions",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "order verification": {
        "task": "routing.order_verification",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "verify": {
        "task": "routing.verify",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "assign owner slots": {
        "task": "routing.assign_owner_slots",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "compact counters": {
        "task": "telemetry.compact_counters",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
}
settings.ASSAY_HOME.mkdir(parents=True, exist_ok=True)
beat_schedule_filename = str(settings.ASSAY_HOME / "celerybeat-schedule")

if broker_url.startswith("filesystem:"):
    broker_url = "filesystem://localhost"  # kombu warns where no host is named
    broker_transport = "routing.broker:Transport"
    _folder = settings.ASSAY_HOME / "broker"
    for _name in ("messages", "control"):
        (_folder / _name).mkdir(parents=True, exist_ok=True, mode=0o700)
    broker_transport_options = {
        "data_folder_in": str(_folder / "messages"),
        "data_folder_out": str(_folder / "messages"),
        "control_folder": str(_folder / "control"),
        "polling_interval": 0.2,
    }
elif broker_url.startswith(("redis:", "rediss:")):
    broker_transport_options = {
        "socket_timeout": settings.LIMITS.broker_timeout_s,
        "socket_connect_timeout": settings.LIMITS.broker_timeout_s,
        # Longer than twice the longest task, or a running one would be delivered again.
        "visibility_timeout": settings.LIMITS.broker_visibility_s,
    }
