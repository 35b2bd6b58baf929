"""What every test may ask for, and which database, Redis and programs the run has.

Sets the environment before Django reads it, so that no test ever sees the checkout's own `var/`
or the developer's database: ASSAY_HOME is a fresh folder, the database is SQLite in it or the one
TEST_DATABASE_URL names. The last lines of a run say what was used and so what was not tested.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("ASSAY_SHARED", REPOSITORY.parent / "shared")) / "data"
HOME = Path(tempfile.mkdtemp(prefix="assay-test-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
NODE = shutil.which("node")


# No test is timed: on a busy machine an example may take long.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


def _set_environment() -> None:
    for name in ("CELERY_BROKER_URL", "DATABASE_URL", "REDIS_URL", "SPOOL_DIR"):
        os.environ.pop(name, None)
    for name in ("SECRET_KEY", "API_KEY_PEPPER", "CREDENTIAL_KEYS"):
        os.environ.pop(f"{name}_FILE", None)
        os.environ[name] = f"only-for-tests-{name.lower()}"
    os.environ["ASSAY_HOME"] = str(HOME)
    if DATABASE_URL:
        os.environ["DATABASE_URL"] = DATABASE_URL
    if REDIS_URL:
        os.environ["REDIS_URL"] = REDIS_URL
    os.environ["DJANGO_SETTINGS_MODULE"] = "routing.settings"


# Here and not in a hook: a conftest below this one may import models at its top.
_set_environment()
django.setup()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Let the flush after a transactional test leave the database as the migrations made it."""
    from django.db import connection
    from django.db.models.signals import post_migrate

    from tests.flushing import flush_past_triggers, restore_revisions

    post_migrate.connect(restore_revisions)
    if connection.vendor == "sqlite":
        flush_past_triggers(connection)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Say where the test database lives and, on PostgreSQL, how it is made."""
    from django.db import connection

    if connection.vendor == "sqlite":
        # A file, as users have: in memory SQLite has neither WAL nor its locks.
        connection.settings_dict["TEST"]["NAME"] = str(HOME / "test.sqlite3")
    else:
        # A server set up without a locale has SQL_ASCII in template1.
        connection.settings_dict["TEST"] |= {"TEMPLATE": "template0", "CHARSET": "UTF8"}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real recorded data; skip without it, but never in CI."""
    if not SHARED_DATA.is_dir():
        _not_tested(f"on real recorded data: {SHARED_DATA} is not there (set ASSAY_SHARED)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Return the Redis of TEST_REDIS_URL. `make test` always has a run without it, also in CI."""
    if not REDIS_URL:
        pytest.skip("NOT TESTED on Redis: set TEST_REDIS_URL")
    return REDIS_URL


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of Node.js; skip without it, but never in CI."""
    if NODE is None:
        _not_tested("with Node.js: it is not installed")
    return str(NODE)


def _not_tested(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"NOT TESTED {what}")
    pytest.skip(f"NOT TESTED {what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    used = {
        "PostgreSQL (TEST_DATABASE_URL)": bool(DATABASE_URL),
        "SQLite": not DATABASE_URL,
        "Redis (TEST_REDIS_URL)": bool(REDIS_URL),
        f"recorded data ({SHARED_DATA})": SHARED_DATA.is_dir(),
        "Node.js": NODE is not None,
    }
    present = [what for what, there in used.items() if there]
    missing = [what for what, there in used.items() if not there]
    terminalreporter.write_line("")
    terminalreporter.write_line(f"used: {', '.join(present)}")
    if missing:
        terminalreporter.write_line(f"NOT TESTED, as not there: {', '.join(missing)}", yellow=True)
