"""What curators are told, and how far telling them has come.

Owns the rows. `routing.curation.notices` writes them in the transaction of what they tell, and
delivers them. The rules others rely on: a notice with a key exists once; a delivery is sent at
least once and carries the notice's id, by which a receiver knows it again.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from providers.models import Model


class Notice(models.Model):
    """One thing curators should know, in one sentence."""

    class Kind(models.TextChoices):
        PROPOSAL = "proposal", "proposal"
        REVIEW = "review", "sent to review"
        PUBLISHED = "published", "published"
        QUARANTINE = "quarantine", "quarantine"
        RELEASE = "release", "release"
        UNCONFIRMED = "unconfirmed", "not confirmed yet"
        SMALL_POOL = "small_pool", "pool too small"
        FROZEN = "frozen", "frozen"
        FEEDBACK = "feedback", "feedback"
        PROVIDER = "provider", "a provider writes"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # What makes it the same notice; null: always a new one.
    key = models.CharField(max_length=200, unique=True, null=True)
    created_at = models.DateTimeField()
    kind = models.CharField(max_length=12, choices=Kind)
    urgent = models.BooleanField(default=False)
    model = models.ForeignKey(Model, models.CASCADE, null=True, related_name="+")
    variant = models.CharField(max_length=20, blank=True)
    text = models.TextField()
    path = models.CharField(max_length=200, blank=True, help_text="The page to look at.")
    seen_at = models.DateTimeField(null=True, help_text="A curator has read it.")
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # Used by the admin's first page: what is urgent and nobody has read.
            models.Index(
                fields=["-created_at"],
                condition=Q(urgent=True, seen_at=None),
                name="routing_notice_unseen",
            )
        ]

    def __str__(self) -> str:
        return self.text


class Delivery(models.Model):
    """One notice on one channel."""

    class Channel(models.TextChoices):
        EMAIL = "email", "e-mail"
        WEBHOOK = "webhook", "webhook"

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed", "given up"

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(help_text="Not tried before this.")
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel"], name="routing_delivery_once")
        ]
        indexes = [
            # Used by the task that sends: what is due.
            models.Index(
                fields=["due_at"], condition=Q(state="pending"), name="routing_delivery_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} of {self.notice_id}: {self.state}"
