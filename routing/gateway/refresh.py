"""Keeps a process current: polls the revisions and swaps the snapshot and the keys.

Owns the polling thread's loop and the state that /readyz tells; what limited keys have spent is
read in the same poll. It never runs on the request path. The rules others rely on: a change is
served within SNAPSHOT_POLL_S plus the time to read; while the database is away the last snapshot
is served without limit and `age_s` says since when.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from django.db import connection

from routing.gateway import snapshot as snapshots
from routing.gateway.keys import Caller, KeyRing, load_caller
from routing.gateway.snapshot import Snapshot
from routing.limits import Limits

logger = logging.getLogger(__name__)

# Opening a connection costs far more than the query of a poll. A minute is short enough to follow
# a server's name that leads elsewhere now.
_KEEP_CONNECTION_S = 60.0


def load_caller_apart(digest: str) -> Caller | None:
    """Load a caller in a pool's thread, which is left without a connection.

    Kept there, it would be one more for ever, and a dead one after a restart of the database.
    """
    try:
        return load_caller(digest)
    finally:
        connection.close()


def _database_file() -> tuple[int, int] | None:
    """Return which file SQLite's name leads to now: an open one is read even when it was moved."""
    if connection.vendor != "sqlite":
        return None
    try:
        found = os.stat(connection.settings_dict["NAME"])
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Refresher:
    """One per process. `snapshot` is replaced whole; read it once per request."""

    def __init__(
        self,
        limits: Limits,
        keys: KeyRing,
        on_change: Callable[[], None],
        read_spending: Callable[[], None],
    ) -> None:
        self.snapshot: Snapshot = snapshots.EMPTY
        self._limits = limits
        self._keys = keys
        self._on_change = on_change
        self._read_spending = read_spending
        self._keys_revision = -1
        self._confirmed_at = float("-inf")
        self._reconnect_at = 0.0
        self._file: tuple[int, int] | None = None
        self.polled = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    @property
    def age_s(self) -> float:
        """Seconds since the database last confirmed what is served."""
        return time.monotonic() - self._confirmed_at

    def _run(self) -> None:
        down = False
        while True:
            try:
                self.poll()
                if down:
                    logger.warning("the database answers again")
                down = False
            except Exception as error:  # noqa: BLE001  # any failure means: serve what we have
                if not down:
                    logger.warning("catalogue cannot be refreshed: %s", type(error).__name__)
                down = True
                connection.close()
            self.polled.set()
            if self._stop.wait(self._limits.snapshot_poll_s):
                connection.close()
                return

    def poll(self) -> None:
        """Read the revisions and whatever they say has changed."""
        self._renew_connection()
        revisions = snapshots.read_revisions()
        if revisions.get("catalog", 0) != self.snapshot.revision:
            self._replace_snapshot()
        self._refresh_keys(revisions.get("keys", 0))
        self._read_spending()
        self._confirmed_at = time.monotonic()

    def _renew_connection(self) -> None:
        """Close a connection that is old, or to a file that is no longer the database's."""
        file = _database_file()
        if file != self._file or time.monotonic() >= self._reconnect_at:
            connection.close()
            self._file, self._reconnect_at = file, time.monotonic() + _KEEP_CONNECTION_S

    def _replace_snapshot(self) -> None:
        fresh = snapshots.build(self._limits.endpoint_in_flight, self.snapshot)
        for problem in fresh.problems:
            if problem not in self.snapshot.problems:
                logger.warning("%s", problem)
        self.snapshot = fresh
        self._on_change()

    def _refresh_keys(self, revision: int) -> None:
        if revision == self._keys_revision:
            self._keys.confirm()
            return
        callers: dict[str, Caller] = {}
        for digest in self._keys.digests():
            if (caller := load_caller(digest)) is not None:
                callers[digest] = caller
        self._keys.replace(callers)
        self._keys_revision = revision
