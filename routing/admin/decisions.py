"""What a curator is about to decide on an edition, and doing it once confirmed.

Owns the decisions (publish, send to review, take back, start a draft, roll back, withdraw) as
data: words, and what the live edition would gain and lose. `routing.curation.publishing` does
them. It renders nothing and checks no permission.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.models import Endpoint
from routing.curation import publishing
from routing.models import Allowlist

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Decision:
    """One button of an edition's page."""

    name: str
    label: str
    statuses: frozenset[str]  # of the editions it can be taken on
    permission: str
    act: Callable[[Allowlist, "User", str, str], Allowlist]  # edition, by, reason, mark of it
    done: str
    needs_reason: bool = True
    changes_live: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What the live pool would gain, lose and keep."""

    seen: str  # a mark of what was shown, to notice that it changed before the confirmation
    live: Allowlist | None
    added: list[Endpoint]
    removed: list[Endpoint]
    kept: list[Endpoint]


def difference(edition: Allowlist, *, withdraw: bool = False) -> Difference:
    """Compare the live edition with this one, or with nothing when it is withdrawn."""
    live = publishing.live_of(edition)
    now = _endpoints(live) if live else {}
    then = {} if withdraw else _endpoints(edition)
    return Difference(
        seen=publishing.mark(edition),
        live=live,
        added=[e for pk, e in then.items() if pk not in now],
        removed=[e for pk, e in now.items() if pk not in then],
        kept=[e for pk, e in then.items() if pk in now],
    )


def _endpoints(edition: Allowlist) -> dict[int, Endpoint]:
    entries = edition.entries.select_related("endpoint__provider", "endpoint__model")
    return {entry.endpoint.pk: entry.endpoint for entry in entries}


def _publish(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.publish(edition, by=by, reason=reason, seen=seen)


def _send(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.send(edition, by=by, reason=reason, seen=seen)


def _take_back(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.take_back(edition, by=by, reason=reason)


def _start_draft(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.start(edition, by=by, reason=reason)


def _roll_back(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.roll_back(edition, by=by, reason=reason, seen=seen)


def _withdraw(edition: Allowlist, by: "User", reason: str, seen: str) -> Allowlist:
    return publishing.withdraw(edition, by=by, reason=reason, seen=seen)


_DRAFT = frozenset([Allowlist.Status.DRAFT])
_REVIEW = frozenset([Allowlist.Status.IN_REVIEW])
_LIVE = frozenset([Allowlist.Status.PUBLISHED])
_PAST = frozenset([Allowlist.Status.RETIRED])
_PUBLISH = "routing.publish_allowlist"
DECISIONS: Sequence[Decision] = [
    Decision(
        "publish",
        "Approve and publish",
        _DRAFT | _REVIEW,
        _PUBLISH,
        _publish,
        "Published {edition}.",
    ),
    Decision(
        "send",
        "Send to a second curator",
        _DRAFT,
        "routing.change_allowlist",
        _send,
        "Sent {edition} to review: nobody can change it now, a second curator may publish it.",
        changes_live=False,
    ),
    Decision(
        "take_back",
        "Take back to change it",
        _REVIEW,
        "routing.change_allowlist",
        _take_back,
        "{edition} is a draft again.",
        needs_reason=False,
        changes_live=False,
    ),
    Decision(
        "withdraw",
        "Withdraw",
        _LIVE,
        _PUBLISH,
        _withdraw,
        "Withdrew {edition}: its name answers 404 until another edition is published.",
    ),
    Decision(
        "roll_back",
        "Roll back to this edition",
        _PAST,
        _PUBLISH,
        _roll_back,
        "Rolled back: published {edition}.",
    ),
    Decision(
        "start_draft",
        "Start a draft from this edition",
        _LIVE | _PAST,
        "routing.add_allowlist",
        _start_draft,
        "Started {edition}.",
        needs_reason=False,
        changes_live=False,
    ),
]
