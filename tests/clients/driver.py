"""One client in a process of its own, which obeys a script in drivers/.

Owns the process and the lines to and from it. What an operation means is the script's business;
the words of its answers are those of drivers/chat_shape.py.
"""

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from tests.live import REPOSITORY

# Some clients retry for an hour.
PATIENCE_S = 150.0
# Nothing goes anywhere but to the gateway.
_KEEPING_QUIET = {
    "ANTHROPIC_LOG": "",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "AI_SDK_LOG_WARNINGS": "false",
    "no_proxy": "*",
    "PYTHONWARNINGS": "ignore",
}


class Driver:
    """A running client. A context manager. `version` is what the script says it is."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._notes = TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **_KEEPING_QUIET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._notes,
            text=True,
        )
        self.version: str = self._next_line()["version"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._process as process, self._notes:
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(60)
            finally:
                process.kill()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, operation: str, **command: Any) -> dict[str, Any]:
        """Have an operation done and return what the client saw."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"operation": operation, **command}) + "\n")
        self._process.stdin.flush()
        return self._next_line()

    def _next_line(self) -> dict[str, Any]:
        assert self._process.stdout
        timer = threading.Timer(PATIENCE_S, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self._notes.seek(0)
            raise AssertionError(f"the client ended, or took too long:\n{self._notes.read()}")
        saw: dict[str, Any] = json.loads(line)
        return saw
