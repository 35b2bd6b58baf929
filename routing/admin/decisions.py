"""What a curator is about to decide on an edition, and doing it once confirmed.

Owns the four decisions (publish, start a draft, roll back, withdraw) as data: words, what the
live edition would gain and lose, and the act. It renders nothing and checks no permission.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from providers.models import Endpoint
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
    act: Callable[[Allowlist, "User", str], Allowlist]
    done: str
    needs_reason: bool = True
    changes_live: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What the live pool would gain, lose and keep."""

    live: Allowlist | None
    added: list[Endpoint]
    removed: list[Endpoint]
    kept: list[Endpoint]

    @property
    def seen(self) -> str:
        """A mark of what was shown, to notice that it changed before the confirmation."""
        ids = [sorted(e.pk for e in part) for part in (self.added, self.removed, self.kept)]
        return f"{self.live.pk if self.live else 0}:{ids}"


def difference(edition: Allowlist, *, withdraw: bool = False) -> Difference:
    """Compare the live edition with this one, or with nothing when it is withdrawn."""
    live = Allowlist.objects.filter(
        model=edition.model, variant=edition.variant, status=Allowlist.Status.PUBLISHED
    ).first()
    now = _endpoints(live) if live else {}
    then = {} if withdraw else _endpoints(edition)
    return Difference(
        live=live,
        added=[e for pk, e in then.items() if pk not in now],
        removed=[e for pk, e in now.items() if pk not in then],
        kept=[e for pk, e in then.items() if pk in now],
    )


def _endpoints(edition: Allowlist) -> dict[int, Endpoint]:
    entries = edition.entries.select_related("endpoint__provider", "endpoint__model")
    return {entry.endpoint.pk: entry.endpoint for entry in entries}


def _publish(draft: Allowlist, by: "User", reason: str) -> Allowlist:
    with transaction.atomic():
        Allowlist.objects.filter(pk=draft.pk, status=Allowlist.Status.DRAFT).update(reason=reason)
        draft.publish(by=by)
    return draft


def _start_draft(edition: Allowlist, by: "User", reason: str) -> Allowlist:
    return edition.copy_to_draft(by=by, reason=reason)


def _roll_back(edition: Allowlist, by: "User", reason: str) -> Allowlist:
    with transaction.atomic():
        draft = edition.copy_to_draft(by=by, reason=reason)
        draft.publish(by=by)
    return draft


def _withdraw(edition: Allowlist, by: "User", reason: str) -> Allowlist:
    edition.retire(by=by, reason=reason)
    return edition


_DRAFT = frozenset([Allowlist.Status.DRAFT])
_LIVE = frozenset([Allowlist.Status.PUBLISHED])
_PAST = frozenset([Allowlist.Status.RETIRED])
_PUBLISH = "routing.publish_allowlist"
DECISIONS: Sequence[Decision] = [
    Decision("publish", "Publish", _DRAFT, _PUBLISH, _publish, "Published {edition}."),
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
