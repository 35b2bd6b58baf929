"""A curator's wish that one model be scored again at once, and when that was done.

Owns the row. `routing.curation.recompute` does the work: a request publishes no task. The rule
others rely on: there is one row per model, so asking twice is asking once.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from providers.models import Model

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ScoreOrder(models.Model):
    """The last time somebody asked for a model's scores; open until `done_at`."""

    model = models.OneToOneField(Model, models.CASCADE, related_name="score_order")
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    done_at = models.DateTimeField(null=True)
    failed = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        indexes = [
            # Used by the worker, which looks every few seconds: what is still to be done.
            models.Index(
                fields=["asked_at"],
                condition=models.Q(done_at=None),
                name="routing_scoreorder_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}, asked for at {self.asked_at:%Y-%m-%d %H:%M}"

    @classmethod
    def place(cls, model: Model, *, by: "User", at: datetime) -> bool:
        """Ask for a model's scores; False if somebody waits for them already."""
        asked = {"asked_at": at, "asked_by": by, "done_at": None, "failed": False}
        row, is_new = cls.objects.get_or_create(model=model, defaults=asked)
        return is_new or bool(cls.objects.filter(pk=row.pk).exclude(done_at=None).update(**asked))

    def settle(self, *, at: datetime, failed: bool) -> None:
        """Note that it is done, unless it was asked for again meanwhile."""
        same = ScoreOrder.objects.filter(pk=self.pk, asked_at=self.asked_at)
        same.update(done_at=at, failed=failed)
