"""An edition's way so far, in words: who drafted, changed, sent, published and retired it."""

from typing import Any

from django.utils.formats import date_format

from routing.admin.decisions import Decision
from routing.models import Allowlist


def story(edition: Allowlist) -> str:
    """Return who did what with an edition, and when."""
    if edition.published_at is None:
        return _drafting(edition)
    by = "the policy" if _by_policy(edition) else _who(edition.published_by)
    text = f"published by {by}, {_when(edition.published_at)}"
    return f"{text}; {_retirement(edition)}" if edition.retired_at else text


def _drafting(edition: Allowlist) -> str:
    by = _who(edition.created_by)
    if edition.proposed_by_method:
        by = f"the method {edition.proposed_by_method}"
    text = f"drafted by {by}, {_when(edition.created_at)}"
    if edition.changed_by:
        text += f"; changed by {_who(edition.changed_by)}"
    if edition.sent_at:
        text += f"; sent to review by {_who(edition.sent_by)}, {_when(edition.sent_at)}"
    return text


def _by_policy(edition: Allowlist) -> bool:
    return bool(edition.proposed_by_method) and edition.published_by_id is None


def _who(user: Any) -> str:
    return user.get_username() if user else "the catalogue file"


def _retirement(edition: Allowlist) -> str:
    when = _when(edition.retired_at)
    if edition.retired_reason is None:
        return f"retired {when}"
    # Nobody: the catalogue file or the policy replaced it, as the edition that did so tells.
    by = f" by {_who(edition.retired_by)}," if edition.retired_by else ""
    return f"retired{by} {when}: {edition.retired_reason}"


def _when(at: Any) -> str:
    return date_format(at, "j M Y, H:i")


def suggested_reason(edition: Allowlist, decision: Decision) -> str:
    if decision.name in ("publish", "send"):
        return edition.reason
    if decision.name == "start_draft":
        return f"Follows edition {edition.version}: "
    return f"Back to edition {edition.version}: " if decision.name == "roll_back" else ""
