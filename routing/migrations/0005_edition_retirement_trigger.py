"""Let a published edition change in one way only: it retires, with a time and a reason.

Locks: SHARE ROW EXCLUSIVE on routing_allowlist while one trigger takes another's place. Undo:
`migrate routing 0004` puts the trigger of 0002 back.
"""

from django.db import migrations

from providers.triggers import refuse, undone

_BEFORE = (
    "OLD.status <> 'draft' AND (NOT (OLD.status = 'published' AND NEW.status = 'retired') "
    "OR NEW.model_id <> OLD.model_id OR NEW.variant <> OLD.variant OR NEW.version <> OLD.version "
    "OR NEW.reason <> OLD.reason OR NEW.created_at <> OLD.created_at "
    "OR NEW.published_at <> OLD.published_at "
    "OR COALESCE(NEW.published_by_id, 0) <> COALESCE(OLD.published_by_id, 0))"
)
_KEPT = [
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


def _changed(column: str) -> str:
    # Both databases know `<>`; only newer ones agree on how to say "distinct, nulls included".
    new, old = f"NEW.{column}", f"OLD.{column}"
    return f"({new} IS NULL) <> ({old} IS NULL) OR {new} <> {old}"


_NOW = (
    "OLD.status <> 'draft' AND ("
    "OLD.status <> 'published' OR NEW.status <> 'retired' OR NEW.retired_at IS NULL "
    "OR COALESCE(TRIM(NEW.retired_reason), '') = '' OR "
    f"{' OR '.join(_changed(column) for column in _KEPT)})"
)


def _keep_published(condition: str) -> migrations.RunPython:
    return refuse(
        "routing_allowlist_keep_published",
        "routing_allowlist",
        "UPDATE",
        condition,
        "a published edition does not change",
    )


class Migration(migrations.Migration):
    dependencies = [("routing", "0004_edition_retirement")]

    operations = [undone(_keep_published(_BEFORE)), _keep_published(_NOW)]
