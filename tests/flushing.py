"""What Django's flush between transactional tests does not know of our database.

Owns two repairs: a flush also empties the rows the migrations made, and on SQLite, where it deletes
instead of truncating, the triggers that protect published editions refuse it.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from providers.models import Revision

TOPICS = ("catalog", "keys")


def restore_revisions(**_: Any) -> None:
    """Make the rows again that polling processes and triggers rely on."""
    for topic in TOPICS:
        Revision.objects.get_or_create(topic=topic)


def flush_past_triggers(connection: Any) -> None:
    """Have this connection's flushes set the refusing triggers aside while they run."""
    flush = connection.ops.execute_sql_flush

    def execute_sql_flush(statements: Sequence[str]) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE %s",
                ["%RAISE(ABORT%"],
            )
            triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f"DROP TRIGGER {name}")
            flush(statements)
            for _, sql in triggers:
                cursor.execute(sql)

    connection.ops.execute_sql_flush = execute_sql_flush
