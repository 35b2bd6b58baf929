"""Accounts' own keys at providers ("bring your own key"): one sealed row per account and provider.

Owns the row and its sealing. It routes nothing. The rules others rely on: the key's text goes one
way, in; a sealed value opens for its own account and provider only; every change raises the
"catalog" revision, so every process uses it within a second.
"""

import re

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from providers.models import Provider
from providers.secrets import Secret, seal, unseal
from routing.models.accounts import Account


class OwnCredential(models.Model):
    """An account's own key at one provider, tried before the gateway's."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="own_credentials")
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    sealed = models.BinaryField(editable=False, default=b"")
    shared_too = models.BooleanField(
        "fall back to the gateway's key",
        default=True,
        help_text="Off: this account's requests go to this provider with its own key only.",
    )
    enabled = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["account__name", "provider__name"]
        verbose_name = "own credential"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "provider"], name="routing_owncredential_one_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account}'s own key at {self.provider}"

    def store(self, value: str) -> None:
        """Seal `value` into this row (not saved yet). Raises ValidationError if unusable."""
        if not re.fullmatch(r"[\x21-\x7e]{1,512}", value):
            raise ValidationError("A credential is 1 to 512 printable characters without spaces.")
        self.sealed = seal(Secret(value), keys=settings.CREDENTIAL_KEYS, row=self._row())

    def open(self) -> Secret:
        """Return the credential. Raises SealError if the sealed value cannot be opened."""
        return unseal(bytes(self.sealed), keys=settings.CREDENTIAL_KEYS, row=self._row())

    def _row(self) -> str:
        return f"routing.owncredential:{self.account_id}:{self.provider.slug}"
