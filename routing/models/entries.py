"""What an edition decides on single endpoints: who is on it, and whom a curator left out.

Owns the rows and what of them is part of an edition's content. The rule others rely on: the rows
of an edition change only while it is a draft (a database trigger refuses the rest).
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from providers.models import Endpoint


class _Decision(models.Model):
    """What an edition decides on one endpoint: the columns of both kinds."""

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    review_by = models.DateField(
        null=True, blank=True, help_text="Look at this decision again by then."
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )

    class Meta:
        abstract = True

    def words(self) -> dict[str, Any]:
        """Return its columns but the endpoint and the edition."""
        return {
            "reason": self.reason,
            "review_by": self.review_by,
            "decided_by": self.decided_by,
        }

    def content(self) -> list[Any]:
        return [self.endpoint_id, self.reason, self.review_by]


class AllowlistEntry(_Decision):
    """One endpoint on one edition, and why it is there."""

    class Decision(models.TextChoices):
        EVIDENCE = "evidence", "as the evidence says"
        KEPT = "kept", "kept by a curator"
        ADDED = "added", "added by a curator"

    allowlist = models.ForeignKey("routing.Allowlist", models.CASCADE, related_name="entries")
    decision = models.CharField(
        max_length=10,
        choices=Decision,
        default=Decision.EVIDENCE,
        db_default=Decision.EVIDENCE,
        editable=False,
    )

    class Meta:
        ordering = ["endpoint__tag"]
        verbose_name_plural = "allowlist entries"
        constraints = [
            models.UniqueConstraint(
                fields=["allowlist", "endpoint"], name="routing_allowlistentry_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.tag} on {self.allowlist}"

    def clean(self) -> None:
        if self.endpoint_id and self.endpoint.model_id != self.allowlist.model_id:
            raise ValidationError({"endpoint": f"Serves {self.endpoint.model}, not this model."})

    def words(self) -> dict[str, Any]:
        return {**super().words(), "decision": self.decision}

    def content(self) -> list[Any]:
        return [*super().content(), self.decision]


class LeftOut(_Decision):
    """One endpoint that a curator leaves out of one edition, and why.

    A table of its own, not a kind of entry: whoever reads entries reads members, and a reader
    that forgot to ask for the kind would let in who was removed.
    """

    allowlist = models.ForeignKey("routing.Allowlist", models.CASCADE, related_name="left_out")

    class Meta:
        ordering = ["endpoint__tag"]
        verbose_name = "endpoint left out"
        verbose_name_plural = "endpoints left out"
        constraints = [
            models.UniqueConstraint(fields=["allowlist", "endpoint"], name="routing_leftout_once")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.tag} left out of {self.allowlist}"
