"""What an account writes down once for its requests to name: one row per preset.

Owns the row and what it can check by itself; whether its parameters make a request is checked where
they are typed (`routing.admin.presets`) and again with every request. The rule others rely on:
every change raises the "catalog" revision, so every process serves it within a second.
"""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from routing.models.accounts import Account

MOST_BYTES = 64 * 1024


class Preset(models.Model):
    """The fields of a chat request under a name of one account's own."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="presets")
    slug = models.CharField(
        max_length=64,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9_-]*\Z", "Use a-z, 0-9, dash, underscore.")],
        help_text="Requests name it as @preset/slug.",
    )
    description = models.CharField(max_length=200, blank=True)
    system_prompt = models.TextField(
        blank=True, max_length=32_000, help_text="Goes before the messages of every request."
    )
    parameters = models.JSONField(
        default=dict,
        blank=True,
        help_text="Fields of a chat request: model, provider, temperature, tools and so on.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["account__name", "slug"]
        constraints = [
            models.UniqueConstraint(fields=["account", "slug"], name="routing_preset_one_slug")
        ]

    def __str__(self) -> str:
        return f"@preset/{self.slug} of {self.account}"

    def clean(self) -> None:
        found: Any = self.parameters
        if not isinstance(found, dict):
            raise ValidationError({"parameters": 'Give an object, such as {"temperature": 0.2}.'})
        if len(json.dumps(found)) > MOST_BYTES:
            raise ValidationError({"parameters": f"At most {MOST_BYTES} bytes."})
