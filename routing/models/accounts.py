"""Accounts and their API keys.

Owns what a key can check about itself, and the form in which it is stored. It authenticates no
request and counts no spending. The rules others rely on: the text of a key is never stored, a
revoked key stays so, and a rotated key accepts its former secret until `previous_until` only.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.timezone import now

_BASE62 = string.ascii_letters + string.digits


class Account(models.Model):
    """The owner behind API keys; evidence is counted by owner."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    vouched = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Counts as a known owner from its first day.",
    )
    credits = models.DecimalField(
        "credits, USD",
        max_digits=15,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="What all its keys together may ever spend. Empty: no limit.",
    )

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """One thing that a key may do."""

    CHAT = "chat", "chat: call models"
    READ = "read", "read: see its own spending and generations"
    MANAGE = "manage", "manage: change its account's standing preferences"


class LimitReset(models.TextChoices):
    """When the spending that a limit is compared with begins again at zero (UTC)."""

    NEVER = "", "never: the limit is for all time"
    DAILY = "daily", "every day at midnight"
    WEEKLY = "weekly", "every Monday"
    MONTHLY = "monthly", "on the first of every month"


class ApiKey(models.Model):
    """A key of one account. The key itself is shown once and never stored."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="keys")
    label = models.CharField(max_length=100)
    public_id = models.CharField("key", max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled = models.BooleanField(
        default=False, db_default=False, help_text="Refused until it is enabled again."
    )
    management = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Manages its account's other keys and sees all its spending; calls no model.",
    )
    # The secret before the last rotation, while both are accepted.
    previous_digest = models.CharField(max_length=64, null=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    spend_limit = models.DecimalField(
        "spending limit, USD",
        max_digits=15,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Further requests get 402. Empty: no limit.",
    )
    limit_reset = models.CharField(
        "the limit begins anew",
        max_length=7,
        choices=LimitReset,
        blank=True,
        default="",
        db_default="",
    )
    include_byok_in_limit = models.BooleanField(
        "count own-key calls",
        default=False,
        db_default=False,
        help_text="Calls paid by the account's own provider credential count for the limit, too.",
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: KEY_RPM. 0: no limit."
    )
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: KEY_IN_FLIGHT. 0: no limit."
    )
    # A list of Scope; null and the empty list are all of them, those to come included.
    scopes = models.JSONField(
        null=True, blank=True, help_text="What the key may do. None chosen: everything."
    )

    class Meta:
        verbose_name = "API key"
        constraints = [
            # Also used by every look-up of a key that is not in memory.
            models.UniqueConstraint(
                fields=["previous_digest"],
                condition=models.Q(previous_digest__isnull=False),
                name="routing_apikey_previous_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.masked})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        # Not auto_now: SQLite adds no column with that to a table that has triggers.
        if not self._state.adding:
            self.updated_at = now()
        super().save(*args, **kwargs)

    @classmethod
    def issue(cls, account: Account, label: str, **fields: object) -> "tuple[ApiKey, str]":
        """Create a key and return it with its text, which cannot be had again."""
        public_id = _random_base62(8)
        text = _new_text(public_id)
        key = cls.objects.create(
            account=account, label=label, public_id=public_id, digest=key_digest(text), **fields
        )
        return key, text

    @classmethod
    def with_digest(cls, digest: str, at: datetime) -> "ApiKey | None":
        """Return the key that accepts this secret at that time, with its account."""
        rows = cls.objects.select_related("account__preferences")
        key = rows.filter(models.Q(digest=digest) | models.Q(previous_digest=digest)).first()
        return key if key is not None and key.accepts(digest, at) else None

    @property
    def masked(self) -> str:
        return f"sk-assay-{self.public_id}…"

    def clean(self) -> None:
        scopes = self.scopes or []
        if not isinstance(scopes, list) or any(scope not in Scope.values for scope in scopes):
            raise ValidationError({"scopes": f"A list of: {', '.join(Scope.values)}."})

    def usable(self, at: datetime) -> bool:
        expired = self.expires_at is not None and self.expires_at <= at
        return self.revoked_at is None and not self.disabled and not expired

    def accepts(self, digest: str, at: datetime) -> bool:
        if not self.usable(at):
            return False
        if digest == self.digest:
            return True
        until = self.previous_until
        return digest == self.previous_digest and until is not None and at < until

    def rotate(self, overlap: timedelta) -> str:
        """Give the key a new secret and return its text; the old one works on for `overlap`.

        A secret from before an earlier rotation ends at once. Raises ValueError if revoked.
        """
        text = _new_text(self.public_id)
        until = now() + overlap if overlap else None
        rows = ApiKey.objects.filter(pk=self.pk, revoked_at=None)
        if not rows.update(
            previous_digest=models.F("digest") if until else None,
            previous_until=until,
            digest=key_digest(text),
            updated_at=now(),
        ):
            raise ValueError("a revoked key cannot be rotated")
        self.refresh_from_db()
        return text

    def revoke(self) -> None:
        """Stop accepting this key, everywhere within 5 s. Cannot be undone."""
        ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now())
        self.refresh_from_db(fields=["revoked_at"])


def key_digest(text: str) -> str:
    """Return the form in which a key is stored and looked up: HMAC-SHA-256, hex."""
    return hmac.new(settings.API_KEY_PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()


def key_checksum(body: str) -> str:
    """Return the six characters that let a mistyped key be refused without a look-up."""
    return f"{zlib.crc32(body.encode()) & 0xFFFFFF:06x}"


def _new_text(public_id: str) -> str:
    body = f"sk-assay-{public_id}-{_random_base62(43)}"
    return f"{body}-{key_checksum(body)}"


def _random_base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))
