"""How long a process may keep PostgreSQL busy: time-outs that the server itself enforces.

Owns which time-outs a web process and a worker connect with. The rule others rely on: both ask
for them before their first query; whoever does not (migrations and other management commands)
may take as long as it needs.
"""

from django.db import connections

from routing.limits import Limits


def bound_statements(statement_s: float, limits: Limits) -> None:
    """Have the server end what this process's connections, from now on, leave for too long.

    What DATABASE_URL says in its `options` wins. SQLite has no such time-outs.
    """
    database = connections.settings["default"]
    if database["ENGINE"] != "django.db.backends.postgresql":
        return
    timeouts = {
        "statement_timeout": statement_s,
        "lock_timeout": limits.db_lock_s,
        "idle_in_transaction_session_timeout": limits.db_idle_transaction_s,
    }
    ours = " ".join(f"-c {name}={round(1000 * wait)}" for name, wait in timeouts.items())
    options = database["OPTIONS"]
    options["options"] = f"{ours} {options.get('options', '')}".strip()
    connections.close_all()
