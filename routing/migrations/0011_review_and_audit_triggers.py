"""Let editions in review and past it, endpoints left out, and the audit trail stay as they are.

Locks: SHARE ROW EXCLUSIVE on routing_allowlist and routing_allowlistentry while their triggers
are changed for others. Undo: `migrate routing 0010` puts the triggers of 0002 and 0005 back.
"""

from django.db import migrations

from providers.triggers import refuse, undone

_KEPT_BEFORE = [
    "id",
    "model_id",
    "variant",
    "version",
    "reason",
    "created_at",
    "created_by_id",
    "published_at",
    "published_by_id",
]
_CONTENT = [
    "id",
    "model_id",
    "variant",
    "version",
    "reason",
    "created_at",
    "created_by_id",
    "changed_by_id",
    "proposed_by_method",
    "evidence",
]
_KEPT = [*_CONTENT, "published_at", "published_by_id", "approved_hash", "sent_at", "sent_by_id"]


def _changed(columns: list[str]) -> str:
    # Both databases know `<>`; only newer ones agree on how to say "distinct, nulls included".
    pairs = [(f"NEW.{column}", f"OLD.{column}") for column in columns]
    return " OR ".join(f"({new} IS NULL) <> ({old} IS NULL) OR {new} <> {old}" for new, old in pairs)


def _past(kept: list[str], states: str) -> str:
    return (
        f"{states} AND ("
        "OLD.status <> 'published' OR NEW.status <> 'retired' OR NEW.retired_at IS NULL "
        f"OR COALESCE(TRIM(NEW.retired_reason), '') = '' OR {_changed(kept)})"
    )


def _keep_published(condition: str) -> migrations.RunPython:
    return refuse(
        "routing_allowlist_keep_published",
        "routing_allowlist",
        "UPDATE",
        condition,
        "a published edition does not change",
    )


def _keep_entries(table: str, event: str, *, locked: bool) -> migrations.RunPython:
    """Refuse changes of what belongs to an edition that is not a draft.

    On PostgreSQL the edition's row is locked to look at it: without that, a row could slip in
    beside a publication that has not been committed yet.
    """

    def closed(lock: str) -> str:
        rows = {"INSERT": ["NEW"], "UPDATE": ["OLD", "NEW"], "DELETE": ["OLD"]}[event]
        return " OR ".join(
            f"(SELECT status FROM routing_allowlist WHERE id = {row}.allowlist_id{lock})"
            " <> 'draft'"
            for row in rows
        )

    return refuse(
        f"{table}_keep_{event.lower()}",
        table,
        event,
        closed(""),
        "the entries of a published edition do not change",
        on_postgresql=closed(" FOR SHARE") if locked else None,
    )


_EVENTS = ["INSERT", "UPDATE", "DELETE"]


class Migration(migrations.Migration):
    dependencies = [("routing", "0010_reviews_audit_and_notices")]

    operations = [
        undone(_keep_published(_past(_KEPT_BEFORE, "OLD.status <> 'draft'"))),
        _keep_published(_past(_KEPT, "OLD.status IN ('published', 'retired')")),
        refuse(
            "routing_allowlist_keep_reviewed",
            "routing_allowlist",
            "UPDATE",
            "OLD.status = 'in_review' AND (NEW.status NOT IN ('in_review', 'draft', 'published') "
            "OR (NEW.status <> 'draft' AND NEW.approved_hash <> OLD.approved_hash) "
            f"OR {_changed(_CONTENT)})",
            "an edition in review does not change",
        ),
        refuse(
            "routing_allowlist_approve_first",
            "routing_allowlist",
            "UPDATE",
            "NEW.status = 'published' AND OLD.status <> 'published' "
            "AND (NEW.approved_hash = '' OR NEW.published_at IS NULL)",
            "what is published says what was approved",
        ),
        *(undone(_keep_entries("routing_allowlistentry", e, locked=False)) for e in _EVENTS),
        *(
            _keep_entries(table, event, locked=True)
            for table in ["routing_allowlistentry", "routing_leftout"]
            for event in _EVENTS
        ),
        *(
            refuse(
                f"routing_auditentry_keep_{event.lower()}",
                "routing_auditentry",
                event,
                "1 = 1",
                "the audit trail is only ever added to",
            )
            for event in ["UPDATE", "DELETE"]
        ),
    ]
