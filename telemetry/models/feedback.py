"""What people say of answers, in their own words, and what curators made of it.

Owns the queue as rows: one per message, from the API or from the public form. Several that are of
one matter are parts of one case, whose first message has the status and the reply for all of
them. The rules others rely on: no score, draft or list is moved by it until somebody has looked;
of a key's messages there is one per generation and category, and who says it again corrects it;
what a stranger wrote is never looked up before a curator looks, so no answer tells what exists.
"""

from datetime import datetime

from django.db import models
from django.db.models import Q

from providers.models import Endpoint


class Feedback(models.Model):
    class Category(models.TextChoices):
        LATENCY = "latency", "slow"
        INCOHERENCE = "incoherence", "incoherent"
        INCORRECT_RESPONSE = "incorrect_response", "incorrect"
        FORMATTING = "formatting", "badly formatted"
        BILLING = "billing", "billing"
        API_ERROR = "api_error", "API error"
        OTHER = "other", "something else"

    class Source(models.TextChoices):
        API = "api", "API"
        FORM = "form", "form"

    class Status(models.TextChoices):
        NEW = "new", "new"
        LOOKING = "looking", "being looked at"
        ANSWERED = "answered", "answered"
        CLOSED = "closed", "closed"
        SPAM = "spam", "spam"

    OPEN = (Status.NEW, Status.LOOKING)

    # As it was written: from the form it may name nothing, or somebody else's.
    generation = models.ForeignKey(
        "telemetry.Generation",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="feedback",
    )
    account_id = models.BigIntegerField(null=True)
    api_key_id = models.BigIntegerField(null=True)
    category = models.CharField(max_length=20, choices=Category)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    changed_at = models.DateTimeField(auto_now=True)
    source = models.CharField(
        max_length=4, choices=Source, default=Source.API, db_default=Source.API
    )
    said_model = models.CharField(
        "model, as written", max_length=200, blank=True, default="", db_default=""
    )
    said_provider = models.CharField(
        "provider, as written", max_length=200, blank=True, default="", db_default=""
    )
    contact = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Removed some days after the message came.",
    )
    # SHA-256 of what the status link carries; the link itself is kept nowhere.
    link_hash = models.CharField(max_length=64, unique=True, null=True)
    part_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="parts")
    status = models.CharField(
        max_length=8, choices=Status, default=Status.NEW, db_default=Status.NEW
    )
    reply = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="Shown to everybody whose message is in this case.",
    )
    replied_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True, default="", db_default="", help_text="For colleagues only.")
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, blank=True, related_name="+")
    told_at = models.DateTimeField(null=True, help_text="Curators had a notice of it.")

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "api_key_id", "category"], name="telemetry_feedback_once"
            )
        ]
        indexes = [
            # Used by the admin's list and first page: cases that wait for somebody.
            models.Index(
                fields=["-created_at"],
                condition=Q(status__in=["new", "looking"], part_of=None),
                name="telemetry_feedback_open",
            ),
            # Used by the sweep that tells curators of new messages.
            models.Index(
                fields=["created_at"], condition=Q(told_at=None), name="telemetry_feedback_untold"
            ),
            # Used by the sweep that removes contacts.
            models.Index(
                fields=["created_at"],
                condition=Q(contact__gt=""),
                name="telemetry_feedback_contact",
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.pk}: {self.get_category_display()}"

    @property
    def case(self) -> "Feedback":
        """Return the message whose status and reply hold for this one."""
        return self.part_of or self

    @classmethod
    def waiting(cls) -> "models.QuerySet[Feedback]":
        """Return the cases that nobody has settled. Uses index: telemetry_feedback_open."""
        return Feedback.objects.filter(status__in=cls.OPEN, part_of=None)

    def reopen(self) -> None:
        """Put its case before curators once more, after it was settled. Spam stays spam."""
        settled = Feedback.objects.filter(
            pk=self.case.pk, status__in=[self.Status.ANSWERED, self.Status.CLOSED]
        )
        settled.update(status=self.Status.NEW, told_at=None)


class FeedbackSender(models.Model):
    """How much came from one address in one hour: a keyed hash of it, for some hours."""

    # "": from all together.
    sender = models.CharField(max_length=64, blank=True)
    hour = models.DateTimeField(db_index=True)
    sent = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sender", "hour"], name="telemetry_feedbacksender_once")
        ]

    def __str__(self) -> str:
        return f"{self.sent} at {self.hour:%d %b %H:00}"

    @classmethod
    def take(cls, sender: str, hour: datetime, most: int) -> bool:
        """Count one more, unless there were `most`; return whether it was counted."""
        cls.objects.get_or_create(sender=sender, hour=hour)
        free = cls.objects.filter(sender=sender, hour=hour, sent__lt=most)
        return free.update(sent=models.F("sent") + 1) == 1
