"""Database triggers for migrations: what must hold however a row is changed.

Owns the SQL, in SQLite's and PostgreSQL's words, of two rules: a change of some tables (or of some
of a table's columns) raises a `Revision`'s number; a row that matches a condition refuses to
change. It decides neither which tables nor which conditions: the migrations that call it do.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.special import RunPython

_EVENTS = ("INSERT", "UPDATE", "DELETE")


def raise_revision(topic: str, tables: Sequence[str]) -> RunPython:
    """Return the operation after which any change of `tables` raises `topic`'s number."""

    def forwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        editor.execute(
            "INSERT INTO providers_revision (topic, number) VALUES (%s, 0) ON CONFLICT DO NOTHING",
            [topic],
        )
        bump = f"UPDATE providers_revision SET number = number + 1 WHERE topic = '{topic}';"  # noqa: S608  # a literal of the migration
        for table in tables:
            for statement in _change_trigger(table, topic, bump):
                editor.execute(statement, None)

    def backwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for table in tables:
            for event in _EVENTS:
                editor.execute(_drop(f"{table}_raises_{topic}_{event.lower()}", table), None)

    return RunPython(forwards, backwards)


def raise_revision_for_columns(topic: str, table: str, columns: Sequence[str]) -> RunPython:
    """Return the operation after which `table` raises `topic` only for what these columns say.

    Rows that come and go always count; an update counts if a column (none may be null) differs.
    The topic must have its number already, from `raise_revision`.
    """
    differs = " OR ".join(f"OLD.{column} <> NEW.{column}" for column in columns)
    bump = f"UPDATE providers_revision SET number = number + 1 WHERE topic = '{topic}';"  # noqa: S608  # a literal of the migration

    def forwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for event in _EVENTS:
            when = f"WHEN ({differs}) " if event == "UPDATE" else ""
            # By row, not by statement: of an upsert only what it really changes may count.
            body = (
                f"{when}BEGIN {bump} END"
                if connection.vendor == "sqlite"
                else f"FOR EACH ROW {when}EXECUTE FUNCTION raise_revision_{topic}()"
            )
            name = f"{table}_raises_{topic}_{event.lower()}"
            editor.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} {body}", None)

    def backwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        for event in _EVENTS:
            editor.execute(_drop(f"{table}_raises_{topic}_{event.lower()}", table), None)

    return RunPython(forwards, backwards)


def refuse(
    name: str,
    table: str,
    event: str,
    condition: str,
    message: str,
    *,
    on_postgresql: str | None = None,
) -> RunPython:
    """Return the operation after which `event` on a row of `table` fails if `condition` holds.

    `condition` speaks of OLD and NEW and must be valid in both dialects, unless `on_postgresql`
    says it in that one's words, such as FOR SHARE, which SQLite neither knows nor needs.
    """

    def forwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        spoken = condition
        if on_postgresql is not None and connection.vendor == "postgresql":
            spoken = on_postgresql
        for statement in _refusal(name, table, event, spoken, message):
            editor.execute(statement, None)

    def backwards(apps: object, editor: BaseDatabaseSchemaEditor) -> None:
        editor.execute(_drop(name, table), None)

    return RunPython(forwards, backwards)


def undone(operation: RunPython) -> RunPython:
    """Return the operation that takes one of these back, and puts it again when undone."""
    return RunPython(operation.reverse_code or RunPython.noop, operation.code)


def _change_trigger(table: str, topic: str, action: str) -> list[str]:
    if connection.vendor == "sqlite":
        return [
            f"CREATE TRIGGER {table}_raises_{topic}_{event.lower()} AFTER {event} ON {table} "
            f"BEGIN {action} END"
            for event in _EVENTS
        ]
    function = f"raise_revision_{topic}"
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {action} RETURN NULL; END $$",
        *(
            f"CREATE TRIGGER {table}_raises_{topic}_{event.lower()} AFTER {event} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            for event in _EVENTS
        ),
    ]


def _refusal(name: str, table: str, event: str, condition: str, message: str) -> list[str]:
    if connection.vendor == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        ]
    row = "OLD" if event == "DELETE" else "NEW"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE EXCEPTION '{message}' "
        f"USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN {row}; END $$",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


def _drop(name: str, table: str) -> str:
    return f"DROP TRIGGER {name}" + ("" if connection.vendor == "sqlite" else f" ON {table}")
