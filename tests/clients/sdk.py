"""OpenRouter's npm packages, spoken to from Python.

Owns one Node.js process per package version, which obeys openrouter_sdk.mjs. Names are as the SDK
has them: camelCase.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call of the SDK returned or threw, and the HTTP requests it made."""

    value: Any
    error: dict[str, Any]
    requests: list[dict[str, Any]]


class NodeSdk:
    """One version of @openrouter/sdk in a process of its own. A context manager."""

    def __init__(self, node: str, packages: Path, major: str, base_url: str, key: str) -> None:
        self.major = major
        self._key = key
        self._process = subprocess.Popen(
            [node, packages / "openrouter_sdk.mjs", major, base_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(10)
            finally:
                process.kill()

    def call(self, operation: str, *, key: str | None = None, **arguments: Any) -> Outcome:
        """Call an operation and return what came of it, also if that is an error."""
        command = {"operation": operation, "key": self._key if key is None else key, **arguments}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        return Outcome(result.get("value"), result.get("error") or {}, result["requests"])

    def get(self, operation: str, **arguments: Any) -> Any:
        """Call an operation and return its value."""
        outcome = self.call(operation, **arguments)
        assert not outcome.error, outcome.error
        return outcome.value

    def chat(self, **request: Any) -> Any:
        """Chat and return the answer, or the chunks of a stream."""
        return self.get("chat", request=request)
