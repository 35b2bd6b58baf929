"""Making and opening a provider's link, and taking what is written there.

Owns the link's text, who may be let in, and how much may be written. It makes no page. The rules
others rely on: a link is signed and random, and only its hash is kept; a forged, unknown, expired
or revoked one is None alike; what is written is a row and a notice to curators, and moves nothing.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.urls import reverse

from providers.models import Endpoint
from routing.curation.notices import tell
from routing.models import AuditEntry, Notice, ProviderMessage, ProviderReport

PROVIDER = "provider"  # who acts, in the audit trail
HOUR = timedelta(hours=1)
_SIGNER = Signer(salt="routing.provider_report", sep=".")
_OPENED_EVERY = timedelta(minutes=1)
_TWICE = timedelta(minutes=1)  # the same words within it are a double click


class Refused(Exception):
    """A message is not taken; the text says why and what to do."""


class Closed(Exception):
    """A link was open when it was looked up, and is not any more."""


def make_link(
    endpoint: Endpoint, *, note: str, until: datetime, by: User, at: datetime
) -> tuple[ProviderReport, str]:
    """Make a link; return its row and its text, which is kept nowhere."""
    link = _SIGNER.sign(secrets.token_urlsafe(24))
    with transaction.atomic():
        report = ProviderReport.objects.create(
            endpoint=endpoint,
            link_hash=_hash(link),
            note=note,
            created_at=at,
            created_by=by,
            expires_at=until,
        )
        _record("make report link", report, by, after={"until": until.isoformat()})
    return report, link


def revoke(report: ProviderReport, *, by: User, at: datetime) -> bool:
    """Close a link for good; False if it was closed already."""
    with transaction.atomic():
        open_ = ProviderReport.objects.filter(pk=report.pk, revoked_at=None)
        if not open_.update(revoked_at=at):
            return False
        _record("revoke report link", report, by)
    return True


def find(link: str, at: datetime) -> ProviderReport | None:
    """Return the row of a link that opens, or None whatever is wrong with it."""
    try:
        _SIGNER.unsign(link)
    except BadSignature:
        return None
    rows = ProviderReport.objects.select_related("endpoint__model", "endpoint__provider")
    report = rows.filter(link_hash=_hash(link)).first()
    return report if report is not None and report.opens(at) else None


def note_opened(report: ProviderReport, at: datetime) -> None:
    """Keep when a link was opened last, to the minute."""
    if report.last_opened_at is None or at - report.last_opened_at >= _OPENED_EVERY:
        ProviderReport.objects.filter(pk=report.pk).update(last_opened_at=at)


def take_message(
    report: ProviderReport, kind: ProviderMessage.Kind, text: str, at: datetime
) -> ProviderMessage:
    """Keep a message once and tell curators. Raises Refused, and Closed."""
    with transaction.atomic():
        # Of any number at the same time, each waits for the one before it and is counted; facts
        # of the endpoint that are just being stored do not wait.
        Endpoint.objects.select_for_update(no_key=True).get(pk=report.endpoint_id)
        if not ProviderReport.objects.select_for_update().get(pk=report.pk).opens(at):
            raise Closed
        same = report.messages.filter(kind=kind, text=text, created_at__gt=at - _TWICE).first()
        if same is not None:
            return same
        _check_room(report, kind, at)
        message = ProviderMessage.objects.create(
            report=report, endpoint=report.endpoint, kind=kind, text=text, created_at=at
        )
        _tell(message)
        _record(message.get_kind_display(), report, PROVIDER, after={"message": message.pk})
    return message


def open_retest(endpoint: Endpoint) -> ProviderMessage | None:
    """Return the request for a re-test that curators have not settled."""
    return ProviderMessage.objects.filter(
        endpoint=endpoint, kind=ProviderMessage.Kind.RETEST, settled_at=None
    ).first()


def _check_room(report: ProviderReport, kind: ProviderMessage.Kind, at: datetime) -> None:
    if kind == ProviderMessage.Kind.RETEST and open_retest(report.endpoint):
        raise Refused("A re-test is asked for already. Curators answer it here.")
    lately = ProviderMessage.objects.filter(endpoint=report.endpoint, created_at__gt=at - HOUR)
    if lately.count() >= settings.LIMITS.report_hourly:
        raise Refused("That is all that is taken in one hour. Please send it an hour from now.")


def _tell(message: ProviderMessage) -> None:
    is_retest = message.kind == ProviderMessage.Kind.RETEST
    verb = "says it is mended and asks for a re-test" if is_retest else "answers its report"
    tell(
        Notice.Kind.PROVIDER,
        f"The provider of {message.endpoint} {verb}.",
        model=message.endpoint.model,
        path=reverse("admin:routing_providermessage_change", args=[message.pk]),
        urgent=is_retest,
    )


def _record(
    action: str, report: ProviderReport, by: User | str, after: dict[str, object] | None = None
) -> None:
    AuditEntry.record(
        action,
        by=by,
        model=report.endpoint.model,
        endpoint=report.endpoint,
        reason=report.note,
        after={"link": report.pk, **(after or {})},
    )


def _hash(link: str) -> str:
    return hashlib.sha256(link.encode()).hexdigest()
