"""What an account always wants of providers: one row per account, edited by its keys or an admin.

Owns the row, its checks and the question who ignores what (votes for the score). It routes nothing:
`routing.gateway.preferences` combines it with a request. The rule others rely on: names are kept
lower case and stripped, as `provider` objects are read, and every change raises the "keys"
revision, so every process knows within KEY_FRESH_S.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from providers.models import Endpoint, Model
from routing.models.accounts import Account

NAME_LISTS = ("only", "ignore", "order")
MAX_NAME = 100


class AccountPreferences(models.Model):
    """One account's standing preferences; without a row it has none."""

    class AutoExacto(models.TextChoices):
        SERVICE = "", "as AUTO_EXACTO says"
        OFF = "off", "off"
        ON = "on", "on"

    account = models.OneToOneField(Account, models.CASCADE, related_name="preferences")
    only = models.JSONField(
        default=list, blank=True, help_text="Provider slugs or endpoint tags; empty allows all."
    )
    ignore = models.JSONField(default=list, blank=True, help_text="Never used for this account.")
    order = models.JSONField(
        default=list, blank=True, help_text="Tried first, where a request has no order or sort."
    )
    auto_exacto = models.CharField(
        "reorder by standing", max_length=3, choices=AutoExacto, blank=True, default=""
    )
    quality_gate = models.BooleanField(
        default=False, help_text="Retry a reply whose tool call is invalid on the next endpoint."
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "account preferences"

    def __str__(self) -> str:
        return f"preferences of {self.account}"

    def clean(self) -> None:
        """Bring the names into their normal form. Raises ValidationError by field."""
        problems: dict[str, str] = {}
        for field in NAME_LISTS:
            try:
                setattr(self, field, normal_names(getattr(self, field)))
            except ValueError as error:
                problems[field] = str(error)
        if problems:
            raise ValidationError(problems)


def normal_names(names: Any) -> list[str]:
    """Return names as they are compared, each once. Raises ValueError with the cure."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError('Give a list of names, such as ["deepinfra", "groq/fp8"].')
    normal = list(dict.fromkeys(name.strip().lower() for name in names))
    if len(normal) > settings.LIMITS.max_preferences:
        raise ValueError(f"At most {settings.LIMITS.max_preferences} names, not {len(normal)}.")
    if not all(0 < len(name) <= MAX_NAME and name.isprintable() for name in normal):
        raise ValueError(f"Names have 1 to {MAX_NAME} printable characters.")
    return normal


def standing_ignores(model: Model) -> Mapping[int, frozenset[int]]:
    """Return {endpoint id: ids of the accounts that always ignore it} for one model's endpoints."""
    names_of = {
        endpoint.pk: endpoint.names
        for endpoint in Endpoint.objects.filter(model=model).select_related("provider")
    }
    ignoring: dict[int, set[int]] = {endpoint_id: set() for endpoint_id in names_of}
    rows = AccountPreferences.objects.exclude(ignore=[]).values_list("account_id", "ignore")
    for account_id, ignored in rows:
        for endpoint_id in _matching(names_of, ignored):
            ignoring[endpoint_id].add(account_id)
    return {endpoint_id: frozenset(ids) for endpoint_id, ids in ignoring.items() if ids}


def _matching(names_of: Mapping[int, frozenset[str]], names: Iterable[str]) -> list[int]:
    wanted = set(names)
    return [endpoint_id for endpoint_id, own in names_of.items() if own & wanted]
