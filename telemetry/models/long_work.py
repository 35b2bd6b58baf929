"""Long work under way that has no rows of its own to show how far it is.

Owns the rows. `telemetry.long_work` writes them. The rules others rely on: nothing is decided by
them; a row is there while its work runs, and one that nobody renews any more is work that died.
"""

from datetime import datetime, timedelta

from django.db import models

FORGOTTEN_AFTER = timedelta(minutes=30)


class LongWork(models.Model):
    """One piece of work: what it is, and how far it is."""

    class Kind(models.TextChoices):
        SCORES = "scores"
        BENCHMARK = "benchmark"

    name = models.CharField(max_length=160, primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    text = models.CharField(max_length=300)
    unit = models.CharField(max_length=20, help_text="What is counted: models, samples.")
    done = models.PositiveIntegerField(default=0)
    asked = models.PositiveIntegerField(default=0, help_text="0 where nobody knows.")
    began_at = models.DateTimeField()
    heard_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.text}: {self.done} of {self.asked or '?'} {self.unit}"

    @classmethod
    def forget_silent(cls, at: datetime) -> None:
        """Remove work that has said nothing for long: it died."""
        cls.objects.filter(heard_at__lt=at - FORGOTTEN_AFTER).delete()
