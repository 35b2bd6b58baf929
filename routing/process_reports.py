"""Has each process say, now and then, that it runs and how it does.

Owns the thread that reports and the one row it renews. It judges nothing: `routing.system_health`
does. The rules others rely on: reporting is never on the request path nor in the thread that
renews the snapshot, and a report that cannot be written is left out without any other effect.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.utils.timezone import now

from routing.models import ProcessReport

logger = logging.getLogger(__name__)

REPORT_S = 10.0

Kind = ProcessReport.Kind
_TOLD = [
    "reported_at", "snapshot", "snapshot_age_s", "facts_dropped", "waiting_files", "waiting_bytes",
    "oldest_waiting_s", "refused_bytes",
]  # fmt: skip


def report(kind: Kind, **told: Any) -> None:
    """Renew this process's row; the schedule has one for all. Raises DatabaseError."""
    host, pid = socket.gethostname()[:80], os.getpid()
    name = kind if kind == Kind.SCHEDULE else f"{kind}:{host}:{pid}"
    row = ProcessReport(name=name, kind=kind, host=host, pid=pid, reported_at=now(), **told)
    fields = [*_TOLD, "host", "pid"]
    ProcessReport.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["name"], update_fields=fields
    )


class Reporter:
    """One per process: a thread that reports at once and then every REPORT_S seconds."""

    def __init__(self, kind: Kind, tell: Callable[[], dict[str, Any]] = dict) -> None:
        self._kind = kind
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the process's row goes with it, where the database is there."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        failing = False
        while True:
            try:
                report(self._kind, **self._tell())
                failing = False
            except Exception as error:  # noqa: BLE001  # whatever it is, the process goes on
                if not failing:
                    logger.warning("this process cannot report: %s", type(error).__name__)
                failing = True
            connection.close()  # ten seconds of doing nothing are not worth a connection
            if self._stop.wait(REPORT_S):
                self._take_leave()
                return

    def _take_leave(self) -> None:
        name = f"{self._kind}:{socket.gethostname()[:80]}:{os.getpid()}"
        try:
            ProcessReport.objects.filter(name=name).delete()
        except Exception as error:  # noqa: BLE001  # it will be removed as silent
            logger.info("this process could not take its leave: %s", type(error).__name__)
        connection.close()
