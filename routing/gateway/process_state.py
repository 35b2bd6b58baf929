"""Which snapshot each web process of this machine serves, told through small files.

Owns one JSON file per process under ASSAY_HOME/run. It is for /readyz and for people; nothing is
decided by it. The rule others rely on: a file of a process that is gone is never reported.
"""

import json
import os
from pathlib import Path
from typing import Any


class ProcessState:
    def __init__(self, directory: Path, pid: int) -> None:
        self._directory = directory
        self._file = directory / f"web-{pid}.json"
        self._pid = pid

    def write(self, revision: int) -> None:
        """Replace this process's file; a full disk must not stop a snapshot."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps({"pid": self._pid, "snapshot": revision}))
            fresh.replace(self._file)
        except OSError:
            return

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)

    def processes(self) -> list[dict[str, Any]]:
        """Return {pid, snapshot} of every live process of this machine."""
        found = []
        for path in sorted(self._directory.glob("web-*.json")):
            try:
                state = json.loads(path.read_text())
                os.kill(state["pid"], 0)
            except (OSError, ValueError, KeyError):
                path.unlink(missing_ok=True)
                continue
            found.append(state)
        return found
