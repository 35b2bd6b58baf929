"""The statement time-outs as each kind of process meets them, on a real PostgreSQL."""

import os
import subprocess
import sys

import pytest
from django.db import connection, connections

from routing.databases import bound_statements
from routing.limits import Limits
from tests.conftest import DATABASE_URL, REPOSITORY

SLOW = """
import asyncio, sys, threading
import django
from django.db import DatabaseError, connection

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        lock = cursor.fetchone()[0]
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        idle = cursor.fetchone()[0]
        try:
            cursor.execute("SELECT pg_sleep(3)")
            print("slept", lock, idle)
        except DatabaseError as error:
            print(type(error.__cause__).__name__, lock, idle)
"""
WEB = """
from routing.asgi import application

async def serve():
    await application._start()
    await asyncio.to_thread(ask)
    await application._stop()

asyncio.run(serve())
"""
WORKER = """
from routing.celery import app

app.Worker(concurrency=1, pool="solo")
ask()
"""
COMMAND = """
django.setup()
ask()
"""


@pytest.mark.services
@pytest.mark.skipif(not DATABASE_URL, reason="NOT TESTED on PostgreSQL: set TEST_DATABASE_URL")
@pytest.mark.parametrize(
    ("process", "told"),
    [
        pytest.param(WEB, "QueryCanceled 1s 10s", id="web"),
        pytest.param(WORKER, "slept 1s 10s", id="worker"),
        pytest.param(COMMAND, "slept 0 0", id="command"),
    ],
)
def test_a_slow_statement_is_cut_in_a_web_process_only(process: str, told: str) -> None:
    env = {**os.environ, "DATABASE_URL": DATABASE_URL, "DJANGO_SETTINGS_MODULE": "routing.settings"}

    done = subprocess.run(
        [sys.executable, "-c", SLOW + process],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == told


@pytest.fixture
def settings_of_postgres(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Make this process believe in a PostgreSQL; nothing connects."""
    options = {"connect_timeout": 3, "options": "-c lock_timeout=7"}
    database = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options}
    monkeypatch.setitem(connections.settings, "default", database)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    return options


def test_the_operators_own_options_come_last_and_win(
    settings_of_postgres: dict[str, object],
) -> None:
    bound_statements(2.0, Limits(db_lock_s=1.5, db_idle_transaction_s=0))

    assert settings_of_postgres["options"] == (
        "-c statement_timeout=2000 -c lock_timeout=1500 "
        "-c idle_in_transaction_session_timeout=0 -c lock_timeout=7"
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")
def test_sqlite_has_no_such_timeouts() -> None:
    before = dict(connections.settings["default"]["OPTIONS"])

    bound_statements(2.0, Limits())

    assert connections.settings["default"]["OPTIONS"] == before
    assert before["timeout"] == Limits().sqlite_lock_s
