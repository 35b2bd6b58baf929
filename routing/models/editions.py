"""The allowlist editions.

Owns the transitions of an edition (draft → in review → published → retired) and the hash of its
content. It does not route, and asks nobody's permission: `routing.curation.publishing` does. The
rules others rely on: at most one edition per model and variant is published; what is published
equals what was approved; an edition past its draft and its entries never change (a database
trigger refuses it too); version numbers only rise.
"""

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
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
        IN_REVIEW = "in_review", "in review"
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
    # Who decided on its endpoints last; null where nobody changed what the method proposed.
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    proposed_by_method = models.CharField(
        max_length=40, blank=True, default="", db_default="", editable=False
    )
    # The shape is `routing.curation.evidence`'s; null where there was none.
    evidence = models.JSONField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    approved_hash = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
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
            models.UniqueConstraint(
                fields=["model", "variant"],
                condition=Q(status__in=["draft", "in_review"]) & ~Q(proposed_by_method=""),
                name="routing_allowlist_one_proposal",
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

    @property
    def untouched(self) -> bool:
        """Whether this is a proposal that no curator has changed."""
        return bool(self.proposed_by_method) and self.changed_by_id is None

    def content_hash(self) -> str:
        """Return the SHA-256, hex, of what this edition decides and on which evidence."""
        content = {
            "of": [self.model_id, self.variant],
            "inputs": (self.evidence or {}).get("inputs_hash", ""),
            "on": [entry.content() for entry in self.entries.order_by("endpoint_id")],
            "off": [one.content() for one in self.left_out.order_by("endpoint_id")],
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def copy_to_draft(self, *, by: "User | None", reason: str) -> "Allowlist":
        """Start a new draft with this edition's endpoints: to edit, or to roll back."""
        with transaction.atomic():
            draft = Allowlist.draft(self.model, variant=self.variant, by=by, reason=reason)
            for entry in self.entries.all():
                draft.entries.create(endpoint=entry.endpoint, **entry.words())
            for one in self.left_out.all():
                draft.left_out.create(endpoint=one.endpoint, **one.words())
        return draft

    def send_to_review(self, *, by: "User", at: datetime | None = None) -> None:
        """Close this draft for a second curator; what they may publish is what is in it now.

        Raises EditionError unless this is a draft with a reason and at least one endpoint.
        """
        with transaction.atomic():
            current = self.locked()
            if current.status != self.Status.DRAFT:
                raise EditionError(f"{self} is {current.status}, not a draft: look again.")
            current.check_complete()
            Allowlist.objects.filter(pk=self.pk).update(
                status=self.Status.IN_REVIEW,
                approved_hash=current.content_hash(),
                sent_by=by,
                sent_at=at or now(),
            )
        self.refresh_from_db()

    def take_back(self) -> None:
        """Make a draft again of an edition in review, so that it can be changed."""
        taken = Allowlist.objects.filter(pk=self.pk, status=self.Status.IN_REVIEW).update(
            status=self.Status.DRAFT, approved_hash="", sent_by=None, sent_at=None
        )
        self.refresh_from_db()
        if not taken:
            raise EditionError(f"{self} is {self.status}, not in review: look again.")

    def publish(self, *, by: "User | None", at: datetime | None = None, approved: str = "") -> None:
        """Make this the live edition and retire the one before it.

        `approved` is the content hash of what was looked at; without it, and unless the edition
        was sent to review, what is there now counts as approved. Raises EditionError unless this
        is a draft or in review, complete, and still what was approved.
        """
        at = at or now()
        with transaction.atomic():
            current = self.locked()
            if current.status not in (self.Status.DRAFT, self.Status.IN_REVIEW):
                raise EditionError(f"{self} is {current.status}, not a draft: start a new one.")
            current.check_complete()
            content = current.content_hash()
            if current.approved_hash not in ("", content):
                raise EditionError(f"{self} was changed after it was approved: look at it again.")
            editions = self._siblings()
            editions.filter(status=self.Status.PUBLISHED).update(
                status=self.Status.RETIRED,
                retired_at=at,
                retired_by=by,
                retired_reason=f"Replaced by edition {current.version}.",
            )
            editions.filter(pk=self.pk).update(
                status=self.Status.PUBLISHED,
                published_at=at,
                published_by=by,
                approved_hash=content,
            )
        self.refresh_from_db()

    def check_complete(self) -> None:
        """Raise EditionError unless it says why, and names an endpoint."""
        if not self.reason.strip():
            raise EditionError(f"{self} has no reason: write why before publishing.")
        if not self.entries.exists():
            raise EditionError(f"{self} has no endpoints: add at least one.")

    def _siblings(self) -> "models.QuerySet[Allowlist]":
        return Allowlist.objects.filter(model=self.model, variant=self.variant)

    @classmethod
    def lock_all(cls, model: Model, variant: str) -> "list[Allowlist]":
        """Lock every edition of this variant and return them as they are now.

        Call it in a transaction, before the model's row is locked. All who decide at once queue
        here, instead of failing on a constraint or on each other's locks.
        """
        editions = cls.objects.filter(model=model, variant=variant)
        return list(editions.order_by("pk").select_for_update())

    def locked(self) -> "Allowlist":
        """Lock every edition of this variant and return this one. Raises EditionError if gone."""
        editions = Allowlist.lock_all(self.model, self.variant)
        current = {edition.pk: edition for edition in editions}.get(self.pk)
        if current is None:
            raise EditionError(f"{self} is gone: somebody deleted it.")
        return current

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
