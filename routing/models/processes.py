"""Which processes run, and what each says of itself.

Owns the rows. `routing.process_reports` writes them and `routing.system_health` reads them. The
rules others rely on: nothing is routed, scored or decided by them; a row is its process's alone,
and one that nobody renews any more is removed after `FORGOTTEN_AFTER`.
"""

from datetime import datetime, timedelta

from django.db import models

FORGOTTEN_AFTER = timedelta(minutes=10)


class ProcessReport(models.Model):
    """The latest word of one process."""

    class Kind(models.TextChoices):
        WEB = "web", "web process"
        WORKER = "worker", "worker"
        # Left by a task that beat sent and a worker did: proof of both, and of the broker.
        SCHEDULE = "schedule", "scheduled work"

    name = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    host = models.CharField(max_length=80)
    pid = models.PositiveIntegerField()
    reported_at = models.DateTimeField()
    # Of web processes only.
    snapshot = models.BigIntegerField(null=True, help_text="Revision of the catalogue it serves.")
    snapshot_age_s = models.FloatField(null=True, help_text="Since the database confirmed it.")
    facts_dropped = models.BigIntegerField(default=0)
    waiting_files = models.PositiveIntegerField(default=0, help_text="Of this machine's spool.")
    waiting_bytes = models.BigIntegerField(default=0)
    oldest_waiting_s = models.FloatField(default=0.0)
    refused_bytes = models.BigIntegerField(default=0, help_text="Of facts, in the spool's dead.")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.host}:{self.pid}"

    @classmethod
    def forget_silent(cls, at: datetime) -> None:
        """Remove processes that have said nothing for long: they ended without a word.

        The mark of the schedule stays: how long it has been silent is what one asks of it.
        """
        silent = cls.objects.filter(reported_at__lt=at - FORGOTTEN_AFTER)
        silent.exclude(kind=cls.Kind.SCHEDULE).delete()
