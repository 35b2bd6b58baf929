"""How one model's lists are kept, and which endpoints are set aside at once.

Owns `ModelPolicy` and `Quarantine` as rows. `routing.curation` decides on them. The rules others
rely on: an open quarantine takes its endpoint out of that model and variant's pool and nothing
else; there is at most one open per endpoint and variant; every change of quarantines raises the
"catalog" revision, so routing knows within a second.
"""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from providers.models import Endpoint, Model


class ModelPolicy(models.Model):
    """What may happen to the lists of one model and variant without a curator.

    A model without a row has the defaults of this class.
    """

    class Mode(models.TextChoices):
        MANUAL = "manual", "manual: curators draft and publish"
        PROPOSE = "propose", "propose: drafts are made, curators publish"
        AUTO = "auto", "auto: published within the guard rails"

    class Method(models.TextChoices):
        ASSAY = "assay", "assay: intervals against the best"
        OPENROUTER = "openrouter", "openrouter: median and MAD"

    model = models.ForeignKey(Model, models.CASCADE, related_name="policies")
    variant = models.CharField(max_length=20, default="exacto")
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.PROPOSE)
    method = models.CharField(max_length=12, choices=Method, default=Method.ASSAY)
    min_pool = models.PositiveSmallIntegerField(
        "smallest pool",
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Nothing but a curator makes the pool smaller than this.",
    )
    max_changes_per_day = models.PositiveSmallIntegerField(
        default=2, help_text="Endpoints that auto may add or remove in 24 hours."
    )
    second_person_required = models.BooleanField(
        null=True, blank=True, help_text="Unknown: as SECOND_PERSON says."
    )
    frozen_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until then nothing but a curator changes the list or the pool.",
    )

    class Meta:
        verbose_name = "policy"
        verbose_name_plural = "policies"
        ordering = ["model__slug", "variant"]
        constraints = [
            models.UniqueConstraint(fields=["model", "variant"], name="routing_modelpolicy_once"),
            models.CheckConstraint(condition=Q(min_pool__gte=1), name="routing_modelpolicy_pool"),
        ]

    def __str__(self) -> str:
        return f"{self.model}:{self.variant}, {self.mode}"

    @classmethod
    def of(cls, model: Model, variant: str = "exacto") -> "ModelPolicy":
        """Return the policy in force: the row, or the defaults (not saved)."""
        row = cls.objects.filter(model=model, variant=variant).first()
        return row or cls(model=model, variant=variant)

    def decides_as(self, other: "ModelPolicy") -> bool:
        """Return whether the other policy says the same."""
        said = [
            (one.mode, one.method, one.min_pool, one.max_changes_per_day, one.needs_second_person,
             one.frozen_until)
            for one in (self, other)
        ]  # fmt: skip
        return said[0] == said[1]

    @property
    def needs_second_person(self) -> bool:
        """Whether who changed an edition last may not publish it."""
        own = self.second_person_required
        return bool(settings.SECOND_PERSON) if own is None else own


class Quarantine(models.Model):
    """One endpoint set aside from the pool of one model and variant, until proof or a curator."""

    class Kind(models.TextChoices):
        FAILURES = "failures", "tool calls broke"
        PROPENSITY = "propensity", "calls tools unlike before"
        MANUAL = "manual", "by a curator"

    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="quarantines")
    model = models.ForeignKey(Model, models.PROTECT, related_name="+")
    variant = models.CharField(max_length=20, default="exacto")
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.TextField(help_text="One sentence for curators.")
    evidence = models.JSONField(default=dict, help_text="What the detector saw.")
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    back_off_until = models.DateTimeField(help_text="Not back by proof before this.")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at"]
        permissions = [("release_quarantine", "Can quarantine and release an endpoint")]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "variant"],
                condition=Q(ended_at=None),
                name="routing_quarantine_one_open",
            )
        ]
        indexes = [
            # Used by the snapshot and the admin: what is set aside now.
            models.Index(
                fields=["model", "variant"],
                condition=Q(ended_at=None),
                name="routing_quarantine_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint.tag} of {self.model}:{self.variant}, {self.started_at:%Y-%m-%d}"
