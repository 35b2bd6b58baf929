"""The audit trail: who did what to lists, pools and policies, and why.

Owns `AuditEntry` and its chain. It decides nothing. The rules others rely on: rows are only ever
added (a database trigger refuses the rest), each carries the hash of the one before it, so that a
row changed or taken out behind the database's back is found by `broken_at`; whoever records does
so as the last thing in a transaction, because the chain's lock is held until its end.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils.timezone import now

from providers.models import Endpoint, Model

if TYPE_CHECKING:
    from django.contrib.auth.models import User

POLICY = "policy"
DETECTOR = "detector"
CATALOGUE = "catalogue file"
_ADVISORY_LOCK = 0x41756469  # any number, the same for everyone: "Audi"
_HASHED = [
    "actor_id",
    "actor_name",
    "action",
    "model_slug",
    "variant",
    "edition",
    "endpoint_tag",
    "reason",
    "before",
    "after",
    "previous",
]


class AuditEntry(models.Model):
    """One act. Names are kept as they were then: a renamed endpoint keeps its old name here."""

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, help_text="A user, policy or detector.")
    action = models.CharField(max_length=40)
    model_slug = models.CharField("model", max_length=200, blank=True)
    variant = models.CharField(max_length=20, blank=True)
    edition = models.PositiveIntegerField(null=True)
    endpoint_tag = models.CharField("endpoint", max_length=127, blank=True)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    previous = models.CharField(max_length=64, unique=True, help_text="Hash of the row before.")
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "audit trail"
        indexes = [
            # Used by the admin: what happened to one model, newest first.
            models.Index(fields=["model_slug", "-id"], name="routing_auditentry_model"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action}"

    @classmethod
    def record(
        cls,
        action: str,
        *,
        by: "User | str",
        model: Model | None = None,
        variant: str = "",
        edition: int | None = None,
        endpoint: Endpoint | None = None,
        reason: str = "",
        before: Any = None,
        after: Any = None,
    ) -> "AuditEntry":
        """Add a row at the chain's end; `by` is a user, or POLICY, DETECTOR or CATALOGUE."""
        entry = cls(
            at=now(),
            actor=None if isinstance(by, str) else by,
            actor_name=by if isinstance(by, str) else by.get_username(),
            action=action,
            model_slug=model.slug if model else "",
            variant=variant,
            edition=edition,
            endpoint_tag=endpoint.tag if endpoint else "",
            reason=reason,
            before=before,
            after=after,
        )
        with transaction.atomic():
            _lock_chain()
            entry.previous = cls.head()
            entry.hash = entry.expected_hash()
            entry.save(force_insert=True)
        return entry

    @classmethod
    def head(cls) -> str:
        """Return the last row's hash, to be kept elsewhere; "" for an empty trail."""
        return cls.objects.order_by("-pk").values_list("hash", flat=True).first() or ""

    @classmethod
    def broken_at(cls) -> "AuditEntry | None":
        """Return the first row that does not fit the chain, or None."""
        previous = ""
        for entry in cls.objects.order_by("pk").iterator():
            if entry.previous != previous or entry.hash != entry.expected_hash():
                return entry
            previous = entry.hash
        return None

    def expected_hash(self) -> str:
        """Return the SHA-256, hex, of this row's columns and the hash before it."""
        content = [_moment(self.at), *(getattr(self, column) for column in _HASHED)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _lock_chain() -> None:
    """Let one transaction at a time add to the chain. On SQLite there is only one anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
