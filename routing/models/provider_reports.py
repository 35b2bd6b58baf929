"""Links under which a provider reads how one endpoint is judged, and what providers wrote there.

Owns the rows. `routing.provider_reports` makes and opens links and takes messages. The rules
others rely on: a link is kept as a hash only and can be read out of no row; at most one request
for a re-test is open per endpoint; nothing here moves a list.
"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from providers.models import Endpoint


class ProviderReport(models.Model):
    """One link to the report of one endpoint."""

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="reports")
    link_hash = models.CharField(max_length=64, unique=True, editable=False)
    note = models.CharField(max_length=200, help_text="Whom it is for. The provider does not see.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_opened_at = models.DateTimeField("last opened", null=True)

    class Meta:
        verbose_name = "provider report"
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"Report of {self.endpoint}, {self.note}"

    def opens(self, at: datetime) -> bool:
        """Whether the link leads to the report."""
        return self.revoked_at is None and at < self.expires_at


class ProviderMessage(models.Model):
    """An answer of a provider, or the request to test its endpoint again."""

    class Kind(models.TextChoices):
        ANSWER = "answer", "answer"
        RETEST = "retest", "asks for a re-test"

    report = models.ForeignKey(ProviderReport, models.PROTECT, related_name="messages")
    # The report's, so that the database itself keeps re-tests to one per endpoint.
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.TextField(help_text="What the provider wrote.")
    created_at = models.DateTimeField()
    reply = models.TextField(blank=True, help_text="The provider reads it under the link.")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        verbose_name = "provider's message"
        verbose_name_plural = "providers' messages"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"],
                condition=Q(kind="retest", settled_at=None),
                name="routing_providermessage_one_retest",
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.get_kind_display()}"
