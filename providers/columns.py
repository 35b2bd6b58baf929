"""Adding a column for migrations: to a table in place, whatever the database.

Owns one operation. On SQLite, Django adds and drops many kinds of column by building the table
anew, which loses every trigger on it or fails on triggers of other tables. The rule others rely
on: a table that triggers speak of (see `providers.triggers`) grows by `AddColumn`, not `AddField`.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.fields import AddField
from django.db.migrations.state import ProjectState
from django.db.models import Field, Model


class AddColumn(AddField):
    """`AddField` for a column that may be null or has a constant `db_default`."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model, field = self._column(app_label, to_state)
        # Past SQLite's own method, to the one that says ALTER TABLE ADD COLUMN.
        BaseDatabaseSchemaEditor.add_field(schema_editor, model, field)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model, field = self._column(app_label, from_state)
        with schema_editor.connection.cursor() as cursor:
            found = schema_editor.connection.introspection.get_constraints(
                cursor, model._meta.db_table
            )
        for name, facts in found.items():
            # SQLite drops no column that an index still speaks of.
            if facts["index"] and field.column in facts["columns"]:
                schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}", None)
        table = schema_editor.quote_name(model._meta.db_table)
        column = schema_editor.quote_name(str(field.column))
        schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN {column}", None)

    def _column(self, app_label: str, state: ProjectState) -> "tuple[type[Model], Field[Any, Any]]":
        model = state.apps.get_model(app_label, self.model_name)
        return model, model._meta.get_field(self.name)
