"""What curators are told: written with the event it tells of.

Owns writing notices; `routing.curation.delivering` hands them over afterwards, in a worker. The
rule others rely on: `tell` only writes rows, so it never blocks what it tells of and is undone
with it.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Model
from routing.models import Allowlist, Delivery, Notice


def tell(
    kind: Notice.Kind,
    text: str,
    *,
    edition: Allowlist | None = None,
    model: Model | None = None,
    variant: str = "",
    path: str = "",
    urgent: bool = False,
    key: str | None = None,
) -> Notice | None:
    """Write a notice and its deliveries; None if one with this key was written before."""
    if edition is not None:
        model, variant = edition.model, edition.variant
        path = path or reverse("admin:routing_allowlist_change", args=[edition.pk])
    fields: dict[str, Any] = {"kind": kind, "text": text, "model": model, "variant": variant}
    fields |= {"path": path, "urgent": urgent, "created_at": now()}
    with transaction.atomic():
        if key is None:
            notice, created = Notice.objects.create(**fields), True
        else:
            notice, created = Notice.objects.get_or_create(key=key, defaults=fields)
        if not created:
            return None
        for channel in _channels():
            notice.deliveries.create(channel=channel, due_at=notice.created_at)
    return notice


def told_since(kind: Notice.Kind, key: str, since: datetime) -> QuerySet[Notice]:
    """Return the notices of this kind and beginning of a key that were written since then.

    A change keeps being found as long as it lasts, but not always with the same beginning.
    """
    return Notice.objects.filter(kind=kind, key__startswith=key, created_at__gte=since)


def _channels() -> list[str]:
    channels: list[str] = []
    if settings.CURATOR_EMAILS:
        channels.append(Delivery.Channel.EMAIL)
    if settings.WEBHOOK_URL:
        channels.append(Delivery.Channel.WEBHOOK)
    return channels
