"""The allowlist editions.

Owns the transitions of an edition (draft → published → retired). It does not route. The rules
others rely on: at most one edition per model and variant is published; a published or retired
edition and its entries never change (a database trigger refuses it too); version numbers only
rise.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils.timezone import now

from providers.models import Endpoint, Model

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class EditionError(Exception):
    """A transition an edition refuses; the message tells a curator why and what to do."""


class Allowlist(models.Model):
    """One edition of the endpoints behind `model:variant`."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        RETIRED = "retired"

    model = models.ForeignKey(Model, models.PROTECT, related_name="allowlists")
    variant = models.CharField(max_length=20, default="exacto")
    version = models.PositiveIntegerField(editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, editable=False)
    reason = models.TextField(blank=True, help_text="Why this edition: needed to publish.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, editable=False)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    # Null until retired, and on editions that retired before the reason was kept.
    retired_reason = models.TextField(null=True, editable=False)
    endpoints = models.ManyToManyField(Endpoint, through="AllowlistEntry")

    class Meta:
        ordering = ["model__slug", "variant", "-version"]
        permissions = [("publish_allowlist", "Can publish an allowlist")]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "variant", "version"], name="routing_allowlist_version"
            ),
            models.UniqueConstraint(
                fields=["model", "variant"],
                condition=Q(status="published"),
                name="routing_allowlist_one_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model}:{self.variant} edition {self.version}"

    @classmethod
    def draft(
        cls, model: Model, *, variant: str = "exacto", by: "User | None" = None, reason: str = ""
    ) -> "Allowlist":
        """Create an empty draft with the next version number."""
        with transaction.atomic():
            # The model's row is the lock that keeps two drafts from taking one number.
            Model.objects.select_for_update().get(pk=model.pk)
            last = cls.objects.filter(model=model, variant=variant).aggregate(n=Max("version"))
            return cls.objects.create(
                model=model,
                variant=variant,
                version=(last["n"] or 0) + 1,
                created_by=by,
                reason=reason,
            )

    def copy_to_draft(self, *, by: "User | None", reason: str) -> "Allowlist":
        """Start a new draft with this edition's endpoints: to edit, or to roll back."""
        with transaction.atomic():
            draft = Allowlist.draft(self.model, variant=self.variant, by=by, reason=reason)
            for entry in self.entries.all():
                draft.entries.create(endpoint=entry.endpoint, reason=entry.reason)
        return draft

    def publish(self, *, by: "User | None", at: datetime | None = None) -> None:
        """Make this draft the live edition and retire the one before it.

        Raises EditionError unless this is a draft with a reason and at least one endpoint.
        """
        at = at or now()
        with transaction.atomic():
            # Lock every edition of this variant, so two curators publishing at once queue
            # here instead of failing on the unique constraint.
            editions = Allowlist.objects.select_for_update().filter(
                model=self.model, variant=self.variant
            )
            current = {edition.pk: edition for edition in editions}[self.pk]
            if current.status != self.Status.DRAFT:
                raise EditionError(f"{self} is {current.status}, not a draft: start a new one.")
            if not current.reason.strip():
                raise EditionError(f"{self} has no reason: write why before publishing.")
            if not self.entries.exists():
                raise EditionError(f"{self} has no endpoints: add at least one.")

            editions.filter(status=self.Status.PUBLISHED).update(
                status=self.Status.RETIRED,
                retired_at=at,
                retired_by=by,
                retired_reason=f"Replaced by edition {current.version}.",
            )
            editions.filter(pk=self.pk).update(
                status=self.Status.PUBLISHED, published_at=at, published_by=by
            )
        self.refresh_from_db()

    def retire(self, *, by: "User | None", reason: str) -> None:
        """Withdraw the live edition: its slug answers 404 until another is published.

        Raises EditionError unless this is the published edition and the reason says something.
        """
        if not reason.strip():
            raise EditionError(f"{self} stays: write why before withdrawing it.")
        retired = Allowlist.objects.filter(pk=self.pk, status=self.Status.PUBLISHED).update(
            status=self.Status.RETIRED, retired_at=now(), retired_by=by, retired_reason=reason
        )
        if not retired:
            raise EditionError(f"{self} is not the published edition.")
        self.refresh_from_db()


class AllowlistEntry(models.Model):
    """One endpoint on one edition, and why it is there."""

    allowlist = models.ForeignKey(Allowlist, models.CASCADE, related_name="entries")
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300, blank=True)

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
