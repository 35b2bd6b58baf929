"""Keep published editions as they are, and raise revisions with changes of lists and keys.

Locks: none beyond creating triggers. Undo: `migrate routing 0001` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision, refuse

_PUBLISHED = (
    "OLD.status <> 'draft' AND (NOT (OLD.status = 'published' AND NEW.status = 'retired') "
    "OR NEW.model_id <> OLD.model_id OR NEW.variant <> OLD.variant OR NEW.version <> OLD.version "
    "OR NEW.reason <> OLD.reason OR NEW.created_at <> OLD.created_at "
    "OR NEW.published_at <> OLD.published_at "
    "OR COALESCE(NEW.published_by_id, 0) <> COALESCE(OLD.published_by_id, 0))"
)


def _of_a_draft(row: str) -> str:
    return f"(SELECT status FROM routing_allowlist WHERE id = {row}.allowlist_id) <> 'draft'"


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0001_initial"),
        ("providers", "0002_revision_triggers"),
    ]

    operations = [
        raise_revision("catalog", ["routing_allowlist", "routing_allowlistentry"]),
        raise_revision("keys", ["routing_account", "routing_apikey"]),
        refuse(
            "routing_allowlist_keep_published",
            "routing_allowlist",
            "UPDATE",
            _PUBLISHED,
            "a published edition does not change",
        ),
        refuse(
            "routing_allowlist_keep_history",
            "routing_allowlist",
            "DELETE",
            "OLD.status <> 'draft'",
            "a published edition is not deleted",
        ),
        *(
            refuse(
                f"routing_allowlistentry_keep_{event.lower()}",
                "routing_allowlistentry",
                event,
                " OR ".join(_of_a_draft(row) for row in rows),
                "the entries of a published edition do not change",
            )
            for event, rows in {
                "INSERT": ["NEW"],
                "UPDATE": ["OLD", "NEW"],
                "DELETE": ["OLD"],
            }.items()
        ),
    ]
