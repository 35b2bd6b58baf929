"""Accounts and their API keys.

Owns what a key can check about itself, and the form in which it is stored. It authenticates no
request. The rule others rely on: the text of a key is never stored, and a revoked key stays so.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
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

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """One thing that a key may do."""

    CHAT = "chat", "chat: call models"
    READ = "read", "read: see its own spending and generations"
    MANAGE = "manage", "manage: change its account's standing preferences"


class ApiKey(models.Model):
    """A key of one account. The key itself is shown once and never stored."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="keys")
    label = models.CharField(max_length=100)
    public_id = models.CharField("key", max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
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

    def __str__(self) -> str:
        return f"{self.label} (sk-assay-{self.public_id}…)"

    @classmethod
    def issue(cls, account: Account, label: str, **fields: object) -> "tuple[ApiKey, str]":
        """Create a key and return it with its text, which cannot be had again."""
        public_id = _random_base62(8)
        body = f"sk-assay-{public_id}-{_random_base62(43)}"
        text = f"{body}-{key_checksum(body)}"
        key = cls.objects.create(
            account=account, label=label, public_id=public_id, digest=key_digest(text), **fields
        )
        return key, text

    def clean(self) -> None:
        scopes = self.scopes or []
        if not isinstance(scopes, list) or any(scope not in Scope.values for scope in scopes):
            raise ValidationError({"scopes": f"A list of: {', '.join(Scope.values)}."})

    def usable(self, at: datetime) -> bool:
        expired = self.expires_at is not None and self.expires_at <= at
        return self.revoked_at is None and not expired

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


def _random_base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))
